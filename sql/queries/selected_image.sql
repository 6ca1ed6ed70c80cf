-- The JSON of some columns of row `t`, in the order they are named. A part of another statement.
(select row_to_json(i.*) from (select {columns}) i)

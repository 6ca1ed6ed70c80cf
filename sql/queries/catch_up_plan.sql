-- In which steps does one go from a position to a later one?
--
-- $1 pg_snapshot: where from. $2 pg_snapshot: where to. $3 bigint: log rows in a step. $4 bigint: log rows to look ahead.
select s.goal, s.highest, s.boundary, s.next_seq
from rowbell.steps($1, $2, $3, $4) s

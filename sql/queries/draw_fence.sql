-- Which transaction id is larger than that of every writer that has looked for sleepers before now?
--
-- A transaction of its own, or the id would stay open and nothing could ever be older.
select pg_current_xact_id()

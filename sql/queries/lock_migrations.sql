-- Only one migration at a time, from before the schema exists; the lock goes with the session.
select pg_advisory_lock(1380931394, 1)

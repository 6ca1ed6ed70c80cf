-- Be the only one who empties the log, unless somebody does.
select pg_try_advisory_lock(1380931395, 2)

-- Let others empty the log again.
select pg_advisory_unlock(1380931395, 2)

-- Become the keeper of this database, unless somebody is. The lock goes with the session.
select pg_try_advisory_lock(1380931395, 1)

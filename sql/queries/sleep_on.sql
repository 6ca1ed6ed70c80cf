-- Whose writers ring from now on, of the channels $1 text[]?
--
-- Tried and not waited for: a writer holds this lock only while it looks, and nobody may queue before it.
select c.name from unnest($1::text[]) c (name) where pg_try_advisory_lock_shared(1380074828, rowbell.bell_key(c.name))

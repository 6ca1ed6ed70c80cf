-- Which of these names cannot be given to a new table in schema public? $1 text[].
--
-- A table's name must be free among tables, views, indexes and sequences, and among types.
select t.name
from (
    select c.relname::text, c.relnamespace from pg_class c
    union
    select y.typname::text, y.typnamespace from pg_type y
) t(name, namespace)
join pg_namespace n on n.oid = t.namespace
where n.nspname = 'public' and t.name = any ($1)
order by t.name

-- Is this unique constraint the primary key of its table?
select exists (
    select from pg_constraint c
    join pg_class r on r.oid = c.conrelid
    join pg_namespace n on n.oid = r.relnamespace
    where n.nspname = $1 and r.relname = $2 and c.conname = $3 and c.contype = 'p'
)

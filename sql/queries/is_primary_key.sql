-- Is this unique constraint the primary key of a table, or of a partition of it?
--
-- $1 text: the schema and $2 text: the table that the constraint $3 text is on. $4 text: the table written to.
select exists (
    select from pg_constraint c
    join pg_class r on r.oid = c.conrelid
    join pg_namespace n on n.oid = r.relnamespace
    where n.nspname = $1 and r.relname = $2 and c.conname = $3 and c.contype = 'p'
        and r.oid in (select p.relid from pg_partition_tree($4::text::regclass) p union all select $4::text::regclass)
)

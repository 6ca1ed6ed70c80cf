-- Which tables could be watched, which are, and which of them may this role watch and unwatch?
select t.oid::regclass::text, c.channel, pg_has_role(t.relowner, 'USAGE')
from pg_class t
    join pg_namespace n on n.oid = t.relnamespace
    left join rowbell.channel c on c."table" = t.oid::regclass
where t.relkind in ('r', 'p') and t.relpersistence = 'p' and not t.relispartition
    and n.nspname <> all ('{pg_catalog,information_schema,rowbell}'::name[])
    and (c.channel is not null or exists (select from pg_index i where i.indrelid = t.oid and i.indisprimary))
order by 1

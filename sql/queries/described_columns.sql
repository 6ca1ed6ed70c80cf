-- What is there to say of the columns of watched tables, for those who write clients?
--
-- One row per column that clients see, by channel and in the table's order. The value's type is told as it is below its
-- domains and arrays: `kind` is the type's name in pg_catalog, `enum` or `composite`, or the type as SQL knows it.
with recursive seen as (
    select c.channel, a.attrelid as relation, a.attnum as number, a.atttypid as type, a.atttypmod as typmod,
        greatest(a.attndims, 1) as dimensions, 0 as arrays, a.attnotnull as not_null, false as has_default, 0 as depth
    from rowbell.channel c
    join pg_attribute a on a.attrelid = c."table" and a.attnum > 0 and not a.attisdropped
    where a.attname <> all (c.omit)
    union all
    select s.channel, s.relation, s.number,
        case y.typtype when 'd' then y.typbasetype else y.typelem end,
        case when y.typtype = 'd' then y.typtypmod else s.typmod end,
        case when y.typtype = 'd' then greatest(s.dimensions, y.typndims) else s.dimensions end,
        case when y.typtype = 'd' then s.arrays else s.dimensions end,
        s.not_null or y.typtype = 'd' and y.typnotnull and s.arrays = 0,
        s.has_default or y.typdefaultbin is not null and s.arrays = 0,
        s.depth + 1
    from seen s
    join pg_type y on y.oid = s.type
    where y.typtype = 'd' or y.typcategory = 'A' and y.typelem <> 0 and y.typlen = -1
),
bottom as (
    select distinct on (relation, number) * from seen order by relation, number, depth desc
)
select
    b.channel,
    obj_description(b.relation, 'pg_class') as about_table,
    a.attname as name,
    col_description(b.relation, b.number) as about,
    b.not_null,
    b.has_default or a.atthasdef or a.attidentity <> '' as has_default,
    b.arrays,
    case
        -- A cast to json decides what the type looks like there, and only that knows.
        when exists (
            select from pg_cast k
            where k.castsource = y.oid and k.casttarget = 'json'::regtype and k.castmethod = 'f' and y.oid >= 16384
        ) then 'json'
        when y.typtype = 'e' then 'enum'
        when y.typtype = 'c' then 'composite'
        when n.nspname = 'pg_catalog' then y.typname
        else format_type(y.oid, null)
    end as kind,
    b.typmod,
    coalesce(
        (select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_enum e where e.enumtypid = y.oid), '{}'
    ) as labels
from bottom b
join pg_attribute a on a.attrelid = b.relation and a.attnum = b.number
join pg_type y on y.oid = b.type
join pg_namespace n on n.oid = y.typnamespace
order by b.channel, b.number

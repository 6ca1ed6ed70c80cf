-- What do reads and writes need to know of a channel's table?
--
-- $1 text: the channel. One row per column that clients see, in the table's order; none where the channel is not
-- watched. Every name comes quoted, to be put into the text of statements.
select
    format('%I.%I', n.nspname, r.relname) as relation,
    -- With `.*`, because a column may have the name of an alias. Named one by one only where some are left out or sent
    -- as text, so that a new column is otherwise shown at once.
    case when c.omit || c.as_text = '{}' then 'row_to_json(t.*)' else format('(select row_to_json(i.*) from (select %s) i)', (
        select string_agg(
            format(case when s.attname = any (c.as_text) then 't.%1$I::%2$s as %1$I' else 't.%1$I' end,
                s.attname, rowbell.text_form(s.atttypid)),
            ', ' order by s.attnum)
        from pg_attribute s
        where s.attrelid = c."table" and s.attnum > 0 and not s.attisdropped and s.attname <> all (c.omit)
    )) end as image,
    -- From the catalog and not as it was when the table was watched: a column of the key may have another name now.
    rowbell.key_expression(c."table", 't', key.columns, c.as_text) as id_of_row,
    rowbell.key_expression(c."table", 'k', key.columns, c.as_text) as id_of_key,
    -- A trigger of the user's that runs after ours may change the row once more.
    exists (
        select from pg_trigger g
        where g.tgrelid in (select p.relid from pg_partition_tree(c."table") p union all select c."table")
            and not g.tgisinternal and g.tgtype & 66 = 0 and g.tgname not in ('!rowbell_log', '!rowbell_truncate')
    ) as changes_again,
    -- One of the statement's, which runs before anything in the statement is evaluated.
    exists (
        select from pg_trigger g
        where g.tgrelid = c."table" and not g.tgisinternal and g.tgtype & 3 = 2
    ) as asks_first,
    a.attname as name,
    quote_ident(a.attname) as quoted,
    format_type(a.atttypid, a.atttypmod) as type,
    -- Without its length: a cast to character(3) would cut a value short where a comparison must not.
    format_type(a.atttypid, -1) as bare_type,
    case
        when base.oid = 'jsonb'::regtype then 'jsonb'
        when base.oid = 'json'::regtype then 'json'
        when base.typcategory = 'A' then 'lists'
        else 'other'
    end as holds,
    array_position(key.columns, a.attname::text) as key_place,
    case
        when a.attname = c.version_column then 'version'
        when a.attgenerated <> '' then 'generated'
        when a.attidentity = 'a' then 'identity'
        when c.version_column is not null and (
            a.attname = 'last_synced_at' and a.atttypid = 'timestamptz'::regtype
            or a.attname = 'updated_at' and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype)) then 'kept'
        else 'writable'
    end as role,
    -- Of a domain the type that operators work on.
    format_type(base.oid, -1) as base_type,
    (
        select format('%I.%I', s.nspname, l.collname)
        from pg_collation l
        join pg_namespace s on s.oid = l.collnamespace
        where l.oid = a.attcollation
    ) as collation,
    -- The kind of JSON that to_json makes of its values; what casts to json of the user's own make, only they know.
    case
        when base.oid in ('json'::regtype, 'jsonb'::regtype) or base.typtype = 'c' then 'any'
        when base.oid >= 16384 and exists (
            select from pg_cast k
            where k.castsource = base.oid and k.casttarget = 'json'::regtype and k.castmethod = 'f'
        ) then 'any'
        when base.typcategory = 'A' then 'array'
        when base.oid = 'boolean'::regtype then 'truth'
        when base.oid in ('smallint'::regtype, 'integer'::regtype) and a.attname <> all (c.as_text) then 'number'
        when rowbell.text_form(base.oid) = 'text' then 'number or text'
        else 'text'
    end as takes,
    -- What its numbers are cast to where they are sent as text, and whether they are.
    rowbell.text_form(a.atttypid) as text_form,
    a.attname = any (c.as_text) as is_sent_as_text
from rowbell.channel c
cross join lateral (select rowbell.key_columns(c."table") as columns) key
join pg_class r on r.oid = c."table"
join pg_namespace n on n.oid = r.relnamespace
join pg_attribute a on a.attrelid = c."table" and a.attnum > 0 and not a.attisdropped
-- Of a domain, and of a domain over a domain.
cross join lateral (
    with recursive way as (
        select y.oid, y.typbasetype, y.typcategory, y.typtype from pg_type y where y.oid = a.atttypid
        union all
        select y.oid, y.typbasetype, y.typcategory, y.typtype from way w join pg_type y on y.oid = w.typbasetype
    )
    select w.oid, w.typcategory, w.typtype from way w where w.typbasetype = 0
) base
where c.channel = $1 and a.attname <> all (c.omit)
order by a.attnum

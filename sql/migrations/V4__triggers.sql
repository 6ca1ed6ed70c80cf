-- What is watched, and the text of the three row-level triggers that log it.
--
-- The trigger functions are written per table from the catalog, because naming a column directly is several
-- times cheaper than finding it at run time. Row-level, because statement triggers with transition tables log
-- nested writes in the wrong order, miss writes straight to partitions, and never see replicated rows.
-- Names decide the order: `~rowbell_version` is the last BEFORE trigger, so it sees what the user's triggers
-- made of the row; `!rowbell_log` is the first AFTER trigger, so nested writes are logged after their cause.
--
-- A user's write never fails because of the feed: what may fail (a column renamed under us, an image over the
-- limit of the server) is tried inside a block that writes nothing, and the change is logged with what is known.
--
-- Left out: following a renamed key by itself (call `rowbell.resync(channel)` after such a change).

create table rowbell.watched (
    channel text not null,
    relation regclass not null,
    key_columns text[] not null,
    version_column text,
    omit text[] not null,
    omit_numbers smallint[] not null,
    as_text text[] not null,
    as_text_numbers smallint[] not null,
    notify text not null,
    replica boolean not null,
    added_columns text[] not null,
    watched_at timestamptz not null default clock_timestamp(),
    constraint watched_pk primary key (channel),
    constraint watched_relation unique (relation),
    constraint watched_channel check (channel ~ '^[a-z][a-z0-9-]{0,47}$' and channel <> 'batch'),
    constraint watched_notify check (notify in ('auto', 'always', 'never'))
);
comment on table rowbell.watched is 'One row per watch; `rowbell.channel` shows those whose table and triggers still exist.';
comment on column rowbell.watched.version_column is 'Null when feed-only.';
comment on column rowbell.watched.omit_numbers is 'The same columns by number: a renamed column stays secret.';
comment on column rowbell.watched.as_text is 'Columns of numbers that are sent as text, because not every client keeps all of them.';
comment on column rowbell.watched.as_text_numbers is 'The same columns by number: a renamed column is sent as before.';
comment on column rowbell.watched.added_columns is 'What watch added to the table, and unwatch takes away again.';

create function rowbell.columns_now(relation regclass, names text[], numbers smallint[])
    returns table (number smallint, name text, type oid)
    language sql stable
    set search_path = pg_catalog, pg_temp
begin atomic
    select a.attnum, a.attname::text, a.atttypid
    from pg_attribute a
    where a.attrelid = relation and not a.attisdropped and (a.attnum = any (numbers) or a.attname = any (names));
end;
comment on function rowbell.columns_now(regclass, text[], smallint[]) is
    'Columns chosen by name when they had these numbers, by the names they have now.';

create function rowbell.omitted(w rowbell.watched) returns text[]
    language sql stable
    set search_path = pg_catalog, pg_temp
    return (
        select coalesce(array_agg(c.name order by c.number), '{}')
        from rowbell.columns_now(w.relation, w.omit, w.omit_numbers) c
    );
comment on function rowbell.omitted(rowbell.watched) is 'The columns left out, by the names they have now.';

create function rowbell.text_form(type oid) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    return (
        with recursive below(oid, arrays) as (
            select type, 0
            union all
            select case t.typtype when 'd' then t.typbasetype else t.typelem end,
                b.arrays + case t.typtype when 'd' then 0 else 1 end
            from below b
            join pg_type t on t.oid = b.oid
            where t.typtype = 'd' or t.typcategory = 'A' and t.typelem <> 0 and t.typlen = -1
        )
        select case b.arrays when 0 then 'text' when 1 then 'text[]' end
        from below b
        where b.oid = any (array['int2', 'int4', 'int8', 'numeric', 'float4', 'float8']::regtype[])
    );
comment on function rowbell.text_form(oid) is
    'What a type is cast to so that its numbers travel as text: text, text[] of their arrays, null where it holds no numbers.';

create function rowbell.sent_as_text(w rowbell.watched) returns text[]
    language sql stable
    set search_path = pg_catalog, pg_temp
    return (
        select coalesce(array_agg(c.name order by c.number), '{}')
        from rowbell.columns_now(w.relation, w.as_text, w.as_text_numbers) c
        where rowbell.text_form(c.type) is not null
    );
comment on function rowbell.sent_as_text(rowbell.watched) is
    'The columns that are sent as text, by the names they have now; one that holds no numbers any more is not among them.';

create view rowbell.channel as
    select w.channel, w.relation as "table", w.key_columns, w.version_column, w.version_column is null as feed_only,
        rowbell.omitted(w) as omit, w.notify, w.replica, w.watched_at, rowbell.sent_as_text(w) as as_text
    from rowbell.watched w
    where exists (select from pg_trigger t where t.tgrelid = w.relation and t.tgname = '!rowbell_log');
comment on view rowbell.channel is 'What is watched now: one table, one channel, one NOTIFY topic, one REST resource.';

create function rowbell.key_columns(relation regclass) returns text[]
    language sql stable
    set search_path = pg_catalog, pg_temp
    return (
        select array_agg(a.attname::text order by k.place)
        from pg_index i
        cross join unnest(i.indkey::smallint[]) with ordinality k(number, place)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
        where i.indrelid = relation and i.indisprimary and k.place <= i.indnkeyatts
    );
comment on function rowbell.key_columns(regclass) is 'The columns of the primary key, in key order; null where there is none.';

create function rowbell.key_expression(relation regclass, record_name text, key_columns text[], as_text text[]) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    return (
        select case
            when cardinality(key_columns) > 1 then
                '''['' || '
                || string_agg(
                    format('to_json(%s.%I%s)::text', record_name, a.attname,
                        case when a.attname = any (as_text) then '::' || rowbell.text_form(a.atttypid) end),
                    ' || '','' || ' order by k.place)
                || ' || '']'''
            when bool_and(a.atttypid in ('uuid'::regtype, 'text'::regtype, 'int8'::regtype, 'int4'::regtype, 'int2'::regtype)) then
                string_agg(format('%s.%I::text', record_name, a.attname), '')
            else string_agg(format('to_json(%s.%I) #>> ''{}''', record_name, a.attname), '')
        end
        from unnest(key_columns) with ordinality k(name, place)
        join pg_attribute a on a.attrelid = relation and a.attname = k.name
    );
comment on function rowbell.key_expression(regclass, text, text[], text[]) is
    'SQL text for the id of NEW or OLD, equal to how the key stands in the row''s JSON.';

create function rowbell.image_expression(relation regclass, record_name text, omit text[], as_text text[]) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    return (
        -- Named columns, since json_each cannot read \u0000; `ctid` is an alias that no column can be mistaken for.
        select case
            when cardinality(omit || as_text) = 0 then format('row_to_json(%s)', record_name)
            else format('(select row_to_json(ctid) from (select %s) ctid)', string_agg(
                format(case when a.attname = any (as_text) then '%1$s.%2$I::%3$s as %2$I' else '%1$s.%2$I' end,
                    record_name, a.attname, rowbell.text_form(a.atttypid)),
                ', ' order by a.attnum))
        end
        from pg_attribute a
        where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and a.attname <> all (omit)
    );
comment on function rowbell.image_expression(regclass, text, text[], text[]) is 'SQL text for the image of NEW or OLD.';

create function rowbell.rescue(
    channel text, subject anyelement, out found_key text, out found_version bigint, out found_image json
)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    w rowbell.watched;
begin
    select * into w from rowbell.watched x where x.channel = rescue.channel;
    begin
        execute 'select ' || coalesce(rowbell.key_expression(w.relation, '($1)', rowbell.key_columns(w.relation),
            rowbell.sent_as_text(w)), 'null')
        into found_key using subject;
        execute format('select ($1).%I', w.version_column) into found_version using subject;
    exception when others then
        null;
    end;
    execute 'select ' || rowbell.image_expression(w.relation, '($1)', rowbell.omitted(w), rowbell.sent_as_text(w))
    into found_image using subject;
exception when others then
    -- The image itself cannot be made.
    found_image := null;
end
$$;
comment on function rowbell.rescue(text, anyelement) is
    'What can be known of a row whose trigger function no longer fits its table; slow, and never raises.';

create function rowbell.version_body(w rowbell.watched) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
begin atomic
    with columns as (
        select a.attname, a.attgenerated, a.atttypid
        from pg_attribute a
        where a.attrelid = w.relation and a.attnum > 0 and not a.attisdropped
    ), kept as (
        -- Bookkeeping columns: what a statement says about them is overruled, and is no change of the row.
        select c.attname,
            case c.attname
                when w.version_column then 'nextval(''rowbell.seq''::regclass)'
                when 'last_synced_at' then 'clock_timestamp()'
                else 'now()'
            end as value
        from columns c
        where c.attgenerated = ''
            and (c.attname = w.version_column
                or c.attname = 'last_synced_at' and c.atttypid = 'timestamptz'::regtype
                or c.attname = 'updated_at' and c.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype))
    )
    select format($body$
declare
    former record;
begin
    begin
        if tg_op = 'UPDATE' then
%s            former := old;
%s            if new *= former then
                return new;
            end if;
        end if;
%s    exception when others then
        -- A column was renamed, dropped or retyped under us: a version alone, so that the change is logged.
        begin
            new.%I := nextval('rowbell.seq'::regclass);
        exception when others then
            null;
        end;
    end;
    return new;
end
$body$,
        (select string_agg(format(E'            new.%I := old.%I;\n', k.attname, k.attname), '') from kept k),
        -- NEW has no generated values yet in a BEFORE trigger.
        (select coalesce(string_agg(format(E'            former.%I := new.%I;\n', c.attname, c.attname), ''), '')
         from columns c where c.attgenerated <> ''),
        (select string_agg(format(E'        new.%I := %s;\n', k.attname, k.value), '') from kept k),
        w.version_column
    );
end;
comment on function rowbell.version_body(rowbell.watched) is 'The body of ~rowbell_version for one table.';

create function rowbell.ring_statement(w rowbell.watched) returns text
    language sql immutable
    set search_path = pg_catalog, pg_temp
    return case w.notify
        when 'never' then ''
        when 'always' then format(E'    rang := pg_notify(%L, '''') is not null;\n', 'rowbell:' || w.channel)
        else format(E'    rang := rowbell.ring(%L);\n', w.channel)
    end;
comment on function rowbell.ring_statement(rowbell.watched) is
    'What a trigger function does about the bell, after its insert into the log: a writer must have its xid before it looks.';

-- Every expression that stands by itself is made ready anew in each transaction, so what the insert can evaluate
-- stands in the insert.
create function rowbell.log_body(w rowbell.watched) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
begin atomic
    select format($body$
declare
    number bigint;
    former_version bigint;
    key text;
    former_key text;
    image json;
    former json;
    rang boolean;
begin
    begin
%10$s        if tg_op <> 'INSERT' then
            if tg_op = 'UPDATE' and %1$s then
                return null;
            end if;
            %5$sformer_key := %6$s;
            former := %7$s;
        end if;
        if tg_op <> 'DELETE' then
            %2$skey := %3$s;
            image := %4$s;
        end if;
    exception when others then
        -- A column was renamed under us, or an image is larger than the server can make: never the writer's
        -- problem. What was found before the failure stays; what cannot be known is logged as null.
        if tg_op <> 'DELETE' then
            select coalesce(key, r.found_key), coalesce(number, r.found_version), r.found_image
            into key, number, image
            from rowbell.rescue(%8$L, new) r;
        end if;
        if tg_op <> 'INSERT' then
            select coalesce(former_key, r.found_key), coalesce(former_version, r.found_version), r.found_image
            into former_key, former_version, former
            from rowbell.rescue(%8$L, old) r;
        end if;
    end;
    if tg_op <> 'INSERT' and (tg_op = 'DELETE' or former_key is distinct from key) then
        -- A key that changed: this number is the version of the new row, so the drain puts it right before that.
        insert into rowbell.sync_log (seq, channel, op, row_id, version, old, actor, branch)
        values (coalesce(number, nextval('rowbell.seq'::regclass)), %8$L, 'delete', former_key, former_version,
            case when octet_length(former::text) <= 1048576 then former end,
            nullif(current_setting('rowbell.actor', true), ''), nullif(current_setting('rowbell.branch', true), ''));
        former := null;
    end if;
    if tg_op <> 'DELETE' then
        insert into rowbell.sync_log (seq, channel, op, row_id, version, row, old, actor, branch)
        values (nextval('rowbell.seq'::regclass), %8$L,
            case when tg_op = 'INSERT' or former_key is distinct from key then 'insert' else 'update' end,
            key, number,
            case when octet_length(image::text) <= 1048576 then image end,
            case when octet_length(former::text) <= 1048576 then former end,
            nullif(current_setting('rowbell.actor', true), ''), nullif(current_setting('rowbell.branch', true), ''));
    end if;
%9$s    return null;
end
$body$,
        -- One trigger of the user's may sort after ours and change a row that was unchanged before.
        case when w.version_column is null then '' else format('new.%1$I is not distinct from old.%1$I and ', w.version_column) end
            || 'new *= old',
        case when w.version_column is null then '' else format(E'number := new.%I;\n            ', w.version_column) end,
        rowbell.key_expression(w.relation, 'new', w.key_columns, rowbell.sent_as_text(w)),
        rowbell.image_expression(w.relation, 'new', rowbell.omitted(w), rowbell.sent_as_text(w)),
        case when w.version_column is null then '' else format(E'former_version := coalesce(old.%I, 0);\n            ', w.version_column) end,
        rowbell.key_expression(w.relation, 'old', w.key_columns, rowbell.sent_as_text(w)),
        rowbell.image_expression(w.relation, 'old', rowbell.omitted(w), rowbell.sent_as_text(w)),
        w.channel,
        rowbell.ring_statement(w),
        -- Columns to show are named one by one: a new one has to be noticed.
        case when cardinality(rowbell.omitted(w) || rowbell.sent_as_text(w)) = 0 then '' else format(
            E'        if (select c.relnatts <> %s from pg_class c where c.oid = %s) then\n'
            '            raise exception ''a column was added'';\n        end if;\n',
            (select c.relnatts from pg_class c where c.oid = w.relation), w.relation::oid) end
    );
end;
comment on function rowbell.log_body(rowbell.watched) is 'The body of !rowbell_log for one table.';

create function rowbell.truncate_body(w rowbell.watched) returns text
    language sql immutable
    set search_path = pg_catalog, pg_temp
begin atomic
    select format($body$
declare
    rang boolean;
begin
    insert into rowbell.sync_log (seq, channel, op, actor, branch)
    values (nextval('rowbell.seq'::regclass), %L, 'truncate',
        nullif(current_setting('rowbell.actor', true), ''), nullif(current_setting('rowbell.branch', true), ''));
%s    return null;
end
$body$, w.channel, rowbell.ring_statement(w));
end;
comment on function rowbell.truncate_body(rowbell.watched) is 'The body of !rowbell_truncate for one table.';

revoke all on all functions in schema rowbell from public;

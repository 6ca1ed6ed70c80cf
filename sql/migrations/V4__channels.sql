-- What is watched, and how a row of it becomes text.
--
-- The same row must give the same text whoever wrote it, so settings that change how values are written are pinned. A
-- function with `set` clauses is the plain way, and where writers come from 32 sessions it was a third of all that a watched
-- table costs them. So a row is told as it is where its types do not depend on settings, or the session has those that
-- matter: nearly always. The question is asked when the trigger's plan is made and again when the table is altered, and
-- costs a row nothing.
--
-- Left out: enums, domains, ranges, types of extensions and partitioned tables, which take the plain way. A type that is not
-- built in may have a cast to json of somebody's, and row_to_json calls it: not with our rights and a writer's search_path.

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
                'pg_catalog.concat(''['', '
                || string_agg(
                    format('pg_catalog.to_json(%s.%I%s)::pg_catalog.text', record_name, a.attname,
                        case when a.attname = any (as_text) then '::pg_catalog.' || rowbell.text_form(a.atttypid) end),
                    ', '','', ' order by k.place)
                || ', '']'')'
            when bool_and(a.atttypid in ('uuid'::regtype, 'text'::regtype, 'int8'::regtype, 'int4'::regtype, 'int2'::regtype)) then
                string_agg(format('%s.%I::pg_catalog.text', record_name, a.attname), '')
            else string_agg(format('pg_catalog.to_json(%s.%I) operator(pg_catalog.#>>) ''{}''', record_name, a.attname), '')
        end
        from unnest(key_columns) with ordinality k(name, place)
        join pg_attribute a on a.attrelid = relation and a.attname = k.name
    );
comment on function rowbell.key_expression(regclass, text, text[], text[]) is
    'SQL text for the id of NEW or OLD, equal to how the key stands in the row''s JSON.';

create function rowbell.types_now(relation regclass) returns setof text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select m.type[1]
        from regexp_matches(
            substring(table_to_xmlschema(relation, false, false, '')::text from '<xsd:complexType name="RowType.*?</xsd:complexType>'),
            'type="([^"]*)"', 'g') m (type);
exception when others then
    -- A server without libxml, a name that its encoding cannot say.
    return query select 'unknown';
end
$$;
comment on function rowbell.types_now(regclass) is
    'What types the columns have this moment, by their names in XML schemas: the one answer that comes from no snapshot.';

create function rowbell.image_needs(channel text, relation regclass, need text) returns boolean
    language sql immutable
    set search_path = pg_catalog, pg_temp
begin atomic
    select case
        -- A partitioned table is not looked at: whoever writes straight to a partition would wait for locks on it.
        when not exists (
            select from rowbell.watched w
            join pg_class c on c.oid = w.relation and c.relkind = 'r'
            where w.channel = image_needs.channel and w.relation = image_needs.relation
        ) then true
        else exists (
            select from rowbell.types_now(relation) t (type)
            -- Dots in names are escaped.
            cross join lateral (select coalesce(substring(t.type from '^UDT\.[^.]*\.pg_catalog\.([^.]*)$'), t.type)) u (type)
            where need = case
                when u.type = any ('{SMALLINT,INTEGER,BIGINT,NUMERIC,BOOLEAN,CHAR,VARCHAR,DATE,TIME,TIMESTAMP}') then 'nothing'
                when u.type = any ('{text,uuid,json,jsonb,name,oid,inet,cidr,macaddr,bit,varbit}') then 'nothing'
                when u.type = any ('{_int2,_int4,_int8,_numeric,_bool,_text,_varchar,_uuid,_date}') then 'nothing'
                when u.type = 'TIMESTAMP_WTZ' then 'timezone'
                when u.type = any ('{REAL,DOUBLE}') then 'extra_float_digits'
                when u.type = 'bytea' then 'bytea_output'
                else 'other'
            end
        )
    end;
end;
comment on function rowbell.image_needs(text, regclass, text) is
    'Whether a row''s text depends on a setting (timezone, extra_float_digits, bytea_output) or on anything else (other). '
    'Immutable, so that a plan has the answer instead of the question: PostgreSQL plans anew when the table is altered.';

-- No `set search_path`, so that it is inlined, and of the questions only those are left that a session can answer.
create function rowbell.tells_alike(channel text, relation regclass) returns boolean
    language sql stable
    return not rowbell.image_needs(channel, relation, 'other')
        and (not rowbell.image_needs(channel, relation, 'timezone')
            or current_setting('timezone') in ('UTC', 'Etc/UTC', 'GMT'))
        and (not rowbell.image_needs(channel, relation, 'extra_float_digits')
            or current_setting('extra_float_digits') in ('1', '2', '3'))
        and (not rowbell.image_needs(channel, relation, 'bytea_output') or current_setting('bytea_output') = 'hex');
comment on function rowbell.tells_alike(text, regclass) is
    'Whether this session writes the text of a row as every other would.';

create function rowbell.pinned_image(subject record) returns json
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'iso_8601'
    set bytea_output = 'hex'
    set extra_float_digits = 1
    set lc_monetary = 'C'
    set quote_all_identifiers = off
as $$
begin
    return row_to_json(subject);
end
$$;
comment on function rowbell.pinned_image(record) is 'The text of a row, the same whoever asks.';

create function rowbell.pinned_text(subject anyelement) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set extra_float_digits = 1
as $$
begin
    return subject;
end
$$;
comment on function rowbell.pinned_text(anyelement) is 'A number as text, or an array of them, the same whoever asks.';

create function rowbell.alike_expression(w rowbell.watched, record_name text) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    return format('case when rowbell.tells_alike(%L, %L::pg_catalog.regclass) then pg_catalog.row_to_json(%3$s)'
        ' else rowbell.pinned_image(%3$s) end', w.channel, w.relation::oid, record_name);
comment on function rowbell.alike_expression(rowbell.watched, text) is
    'SQL text for the JSON of a record made of the table''s columns, the same whoever writes.';

create function rowbell.image_expression(w rowbell.watched, record_name text) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    return (
        -- Named columns, since json_each cannot read \u0000; `ctid` is an alias that no column can be mistaken for.
        select case
            when cardinality(rowbell.omitted(w) || rowbell.sent_as_text(w)) = 0 then rowbell.alike_expression(w, record_name)
            else format('(select %s from (select %s) ctid)', rowbell.alike_expression(w, 'ctid'), string_agg(
                format(
                    case
                        when not a.attname = any (rowbell.sent_as_text(w)) then '%1$s.%2$I'
                        -- Of exact numbers the text is the same everywhere.
                        when a.atttypid = any (array['int2', 'int4', 'int8', 'numeric']::regtype[])
                            then '%1$s.%2$I::pg_catalog.%3$s as %2$I'
                        else 'rowbell.pinned_text(%1$s.%2$I)::pg_catalog.%3$s as %2$I'
                    end,
                    record_name, a.attname, rowbell.text_form(a.atttypid)),
                ', ' order by a.attnum))
        end
        from pg_attribute a
        where a.attrelid = w.relation and a.attnum > 0 and not a.attisdropped and a.attname <> all (rowbell.omitted(w))
    );
comment on function rowbell.image_expression(rowbell.watched, text) is 'SQL text for the image of NEW or OLD.';

create function rowbell.id_in(image json, key_columns text[]) returns text
    language sql immutable
    set search_path = pg_catalog, pg_temp
    return case cardinality(key_columns)
        when 1 then image ->> key_columns[1]
        else (select '[' || string_agg((image -> k.name)::text, ',' order by k.place) || ']'
            from unnest(key_columns) with ordinality k (name, place))
    end;
comment on function rowbell.id_in(json, text[]) is 'The id as it stands in a row''s JSON.';

create function rowbell.id_expression(w rowbell.watched, record_name text, image_name text) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    return (
        select case when bool_and(a.atttypid = any (
                array['uuid', 'text', 'varchar', 'bpchar', 'int2', 'int4', 'int8', 'numeric', 'bool', 'date', 'timestamp']::regtype[]))
            then rowbell.key_expression(w.relation, record_name, w.key_columns, rowbell.sent_as_text(w))
            -- Only the image is pinned.
            else format('rowbell.id_in(%s, %L)', image_name, w.key_columns) end
        from pg_attribute a
        where a.attrelid = w.relation and a.attname = any (w.key_columns)
    );
comment on function rowbell.id_expression(rowbell.watched, text, text) is 'SQL text for the id of NEW or OLD, of which the image is made.';

-- No `set search_path` on what follows, so that it is inlined.
create function rowbell.fitting(image json) returns json
    language sql immutable
    return case when octet_length(image::text) <= 1048576 then image end;
comment on function rowbell.fitting(json) is 'The image, if it is not too large for the log.';

create function rowbell.actor() returns text
    language sql stable
    return nullif(current_setting('rowbell.actor', true), '');
comment on function rowbell.actor() is 'Who writes, if the transaction says so.';

create function rowbell.branch() returns text
    language sql stable
    return nullif(current_setting('rowbell.branch', true), '');
comment on function rowbell.branch() is 'From which branch office, if the transaction says so.';

create function rowbell.differs(a text, b text) returns boolean
    language sql immutable
    return a is distinct from b;
comment on function rowbell.differs(text, text) is 'Whether two keys are not the same.';

revoke all on all functions in schema rowbell from public;

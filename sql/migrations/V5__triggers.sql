-- The text of the three triggers that log what is watched.
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
-- The functions run with the rights of the schema's owner and the search_path of whoever writes: pinning it took 25 of 100 µs
-- where 32 sessions write. So nothing in them is looked up in it. Every name is qualified, also of operators and types
-- (`bigint` and `boolean` are words of the grammar), and what would look up an operator by itself (`is distinct from`, `nullif`)
-- stands in functions whose bodies are bound when they are made.
--
-- Left out: following a renamed key by itself (call `rowbell.resync(channel)` after such a change).

create function rowbell.rescue(
    channel text, subject anyelement, out found_key text, out found_version bigint, out found_image json
)
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO, YMD'
    set intervalstyle = 'iso_8601'
    set bytea_output = 'hex'
    set extra_float_digits = 1
    set lc_monetary = 'C'
    set quote_all_identifiers = off
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
    execute 'select ' || rowbell.image_expression(w, '($1)')
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
                when w.version_column then 'pg_catalog.nextval(''rowbell.seq''::pg_catalog.regclass)'
                when 'last_synced_at' then 'pg_catalog.clock_timestamp()'
                else 'pg_catalog.now()'
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
        if tg_op operator(pg_catalog.=) 'UPDATE' then
%s            former := old;
%s            if new operator(pg_catalog.*=) former then
                return new;
            end if;
        end if;
%s    exception when others then
        -- A column was renamed, dropped or retyped under us: a version alone, so that the change is logged.
        begin
            new.%I := pg_catalog.nextval('rowbell.seq'::pg_catalog.regclass);
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
        when 'always' then format(E'    rang := pg_catalog.pg_notify(%L, '''') is not null;\n', 'rowbell:' || w.channel)
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
    key pg_catalog.text;
    former_key pg_catalog.text;
    image pg_catalog.json;
    former pg_catalog.json;
    rang boolean;
begin
    begin
%10$s        if tg_op operator(pg_catalog.<>) 'INSERT' then
            if tg_op operator(pg_catalog.=) 'UPDATE' and %1$s then
                return null;
            end if;
            %5$sformer := %7$s;
            former_key := %6$s;
        end if;
        if tg_op operator(pg_catalog.<>) 'DELETE' then
            %2$simage := %4$s;
            key := %3$s;
        end if;
    exception when others then
        -- A column was renamed under us, or an image is larger than the server can make: never the writer's
        -- problem. What was found before the failure stays; what cannot be known is logged as null.
        if tg_op operator(pg_catalog.<>) 'DELETE' then
            select coalesce(key, r.found_key), coalesce(number, r.found_version), r.found_image
            into key, number, image
            from rowbell.rescue(%8$L, new) r;
        end if;
        if tg_op operator(pg_catalog.<>) 'INSERT' then
            select coalesce(former_key, r.found_key), coalesce(former_version, r.found_version), r.found_image
            into former_key, former_version, former
            from rowbell.rescue(%8$L, old) r;
        end if;
    end;
    if tg_op operator(pg_catalog.<>) 'INSERT' and (tg_op operator(pg_catalog.=) 'DELETE' or rowbell.differs(former_key, key)) then
        -- A key that changed: this number is the version of the new row, so the drain puts it right before that.
        insert into rowbell.sync_log (seq, channel, op, row_id, version, old, actor, branch)
        values (coalesce(number, pg_catalog.nextval('rowbell.seq'::pg_catalog.regclass)), %8$L, 'delete', former_key, former_version,
            rowbell.fitting(former), rowbell.actor(), rowbell.branch());
        former := null;
    end if;
    if tg_op operator(pg_catalog.<>) 'DELETE' then
        insert into rowbell.sync_log (seq, channel, op, row_id, version, row, old, actor, branch)
        values (pg_catalog.nextval('rowbell.seq'::pg_catalog.regclass), %8$L,
            case when tg_op operator(pg_catalog.=) 'INSERT' or rowbell.differs(former_key, key) then 'insert' else 'update' end,
            key, number, rowbell.fitting(image), rowbell.fitting(former), rowbell.actor(), rowbell.branch());
    end if;
%9$s    return null;
end
$body$,
        -- One trigger of the user's may sort after ours and change a row that was unchanged before.
        case when w.version_column is null then '' else format('(new.%1$I operator(pg_catalog.=) old.%1$I) is not false and ', w.version_column) end
            || 'new operator(pg_catalog.*=) old',
        case when w.version_column is null then '' else format(E'number := new.%I;\n            ', w.version_column) end,
        rowbell.id_expression(w, 'new', 'image'),
        rowbell.image_expression(w, 'new'),
        case when w.version_column is null then '' else format(E'former_version := coalesce(old.%I, 0);\n            ', w.version_column) end,
        rowbell.id_expression(w, 'old', 'former'),
        rowbell.image_expression(w, 'old'),
        w.channel,
        rowbell.ring_statement(w),
        -- Columns to show are named one by one: a new one has to be noticed.
        case when cardinality(rowbell.omitted(w) || rowbell.sent_as_text(w)) = 0 then '' else format(
            E'        if (select c.relnatts operator(pg_catalog.<>) %s from pg_catalog.pg_class c where c.oid operator(pg_catalog.=) %s) then\n'
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
    values (pg_catalog.nextval('rowbell.seq'::pg_catalog.regclass), %L, 'truncate',
        rowbell.actor(), rowbell.branch());
%s    return null;
end
$body$, w.channel, rowbell.ring_statement(w));
end;
comment on function rowbell.truncate_body(rowbell.watched) is 'The body of !rowbell_truncate for one table.';

revoke all on all functions in schema rowbell from public;

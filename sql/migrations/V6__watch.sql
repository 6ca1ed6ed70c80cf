-- Watching a table: refusals with a reason and a way out, bookkeeping columns, triggers, and back again.
--
-- Both directions take their table lock by short tries, because whoever queues for a lock makes all later
-- writers queue behind it, and name who stands in the way. Refusals carry SQLSTATE RB001 (cannot be watched)
-- or RB002 (could not lock) and a hint.
--
-- Left out: watching leaf partitions, inheritance, views: row triggers do not reach what they show.
-- Out of trouble: `select rowbell.unwatch('public.orders')` removes every trace from the table.

create function rowbell.refuse(reason text, advice text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using errcode = 'RB001', message = reason, hint = advice;
end
$$;
comment on function rowbell.refuse(text, text) is 'Raises a refusal meant for people: SQLSTATE RB001 with a hint.';

create function rowbell.blockers(relation regclass) returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
    return (
        select string_agg(distinct format('pid %s (%s%s%s)', l.pid, coalesce('user ' || a.usename, 'unknown user'),
            coalesce(', ' || nullif(a.application_name, ''), ''), coalesce(', ' || a.state, '')), ', ')
        from pg_locks l
        left join pg_stat_activity a on a.pid = l.pid
        where l.granted and l.pid <> pg_backend_pid()
            and l.database = (select d.oid from pg_database d where d.datname = current_database())
            and l.relation in (select t.relid from pg_partition_tree(relation) t union all select relation::oid)
    );
comment on function rowbell.blockers(regclass) is 'Who holds a lock on the table or a partition of it, for a message to people.';

create function rowbell.lock_briefly(relation regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '100ms'
as $$
declare
    who text;
begin
    for attempt in 1..40 loop
        begin
            execute format('lock table %s in access exclusive mode', relation);
            return;
        exception when lock_not_available then
            who := coalesce(rowbell.blockers(relation), who);
        end;
        perform pg_sleep(0.15);
    end loop;
    raise exception using errcode = 'RB002',
        message = format('could not lock %s within 10 seconds, it is in use by %s', relation, coalesce(who, 'another transaction')),
        hint = 'end that transaction, or try again when it is done';
end
$$;
comment on function rowbell.lock_briefly(regclass) is 'Takes the table lock; writers queue behind it for 100 ms at a time at most.';

create function rowbell.check_watchable(relation regclass) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    c pg_class;
    schema_name name;
    schema_owner regrole := (select nspowner from pg_namespace where nspname = 'rowbell');
begin
    select * into c from pg_class where oid = relation;
    select nspname into schema_name from pg_namespace where oid = c.relnamespace;
    if c.oid is null then
        perform rowbell.refuse('no such table', 'name it with its schema: public.orders');
    elsif c.relkind not in ('r', 'p') then
        perform rowbell.refuse(format('%s is %s, not a table', relation, case c.relkind
            when 'v' then 'a view' when 'm' then 'a materialized view' when 'f' then 'a foreign table'
            when 'S' then 'a sequence' when 'i' then 'an index' else 'something else' end),
            'watch the tables its rows come from');
    elsif c.relpersistence = 't' then
        perform rowbell.refuse(format('%s is a temporary table', relation), 'only its own session sees it; use a regular table');
    elsif c.relpersistence = 'u' then
        perform rowbell.refuse(format('%s is an unlogged table, which a crash empties without a trace', relation),
            format('make it permanent: alter table %s set logged', relation));
    elsif schema_name in ('pg_catalog', 'information_schema', 'pg_toast', 'rowbell') then
        perform rowbell.refuse(format('%s belongs to %s', relation, case schema_name when 'rowbell' then 'Rowbell' else 'PostgreSQL' end),
            'watch a table of your own; a role named rowbell creates its tables in this schema unless its search_path says otherwise');
    elsif c.relispartition then
        perform rowbell.refuse(format('%s is a partition', relation), format('watch its root: %s', pg_partition_root(relation)));
    elsif c.relkind = 'r' and exists (select from pg_inherits i where relation in (i.inhparent, i.inhrelid)) then
        perform rowbell.refuse(format('%s is part of table inheritance, through which row triggers do not pass', relation),
            'use declarative partitioning, or separate tables');
    elsif exists (select from pg_partition_tree(relation) t join pg_class l on l.oid = t.relid
                  where l.relkind = 'f' or l.relpersistence <> 'p') then
        perform rowbell.refuse(format('%s has a foreign, temporary or unlogged partition', relation), 'detach it first');
    elsif rowbell.key_columns(relation) is null then
        perform rowbell.refuse(format('%s has no primary key', relation), 'add one: a change must be able to name its row');
    elsif not pg_has_role(c.relowner, 'usage') then
        perform rowbell.refuse(format('%s belongs to %s, and %s may not alter it', relation, c.relowner::regrole, current_user),
            format('run watch as a member of %s', c.relowner::regrole));
    elsif not pg_has_role(schema_owner, 'usage') then
        perform rowbell.refuse(format('schema rowbell belongs to %s, and %s may not add to it', schema_owner, current_user),
            format('run watch as a member of %s', schema_owner));
    end if;
end
$$;
comment on function rowbell.check_watchable(regclass) is 'Refuses, with a reason and a way out, what cannot be a channel.';

create function rowbell.check_columns(relation regclass, omit text[], version_column text, as_text text[]) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    stray text;
    a pg_attribute;
begin
    select o into stray from unnest(omit) o
    where not exists (select from pg_attribute x where x.attrelid = relation and x.attname = o and x.attnum > 0 and not x.attisdropped);
    if found then
        perform rowbell.refuse(format('%s has no column %s to omit', relation, stray), 'check the spelling; case counts');
    end if;
    select o into stray from unnest(omit) o where o = any (rowbell.key_columns(relation)) or o = version_column;
    if found then
        perform rowbell.refuse(format('column %s cannot be omitted', stray), 'keys and versions name the row; omit other columns');
    end if;
    select t into stray from unnest(as_text) t
    where t = any (omit) or t = version_column or not exists (
        select from pg_attribute x where x.attrelid = relation and x.attname = t and rowbell.text_form(x.atttypid) is not null);
    if found then
        perform rowbell.refuse(format('%s has no column %s that can be sent as text', relation, stray),
            'choose columns that hold numbers, or arrays of them, and are neither omitted nor the version; case counts');
    end if;
    if version_column is null then
        return;
    end if;
    if octet_length(version_column) not between 1 and 63 or version_column = 'last_synced_at' then
        perform rowbell.refuse(format('%L cannot be the version''s column', left(version_column, 100)), 'choose a name of 1 to 63 bytes');
    end if;
    select * into a from pg_attribute x where x.attrelid = relation and x.attname = version_column and not x.attisdropped;
    if found and (a.attnum < 0 or a.atttypid <> 'int8'::regtype or a.attgenerated <> '' or a.attidentity <> ''
                  or version_column = any (rowbell.key_columns(relation))) then
        perform rowbell.refuse(format('%s already has a column %s with another meaning', relation, version_column),
            'name another column: --version-column row_version (in SQL: version_column => ''row_version''), or watch it --feed-only');
    end if;
    select * into a from pg_attribute x where x.attrelid = relation and x.attname = 'last_synced_at' and not x.attisdropped;
    if found and (a.atttypid <> 'timestamptz'::regtype or a.attgenerated <> '') then
        perform rowbell.refuse(format('%s already has a column last_synced_at with another meaning', relation),
            'rename that column, or watch the table --feed-only (in SQL: feed_only => true)');
    end if;
end
$$;
comment on function rowbell.check_columns(regclass, text[], text, text[]) is
    'Refuses columns to omit or to send as text that cannot be, and bookkeeping names that mean something else.';

create function rowbell.channel_name("table" regclass, wanted text) returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    chosen text := coalesce(wanted, (select regexp_replace(lower(c.relname), '[^a-z0-9]+', '-', 'g') from pg_class c where c.oid = "table"));
    holder regclass;
begin
    if chosen !~ '^[a-z][a-z0-9-]{0,47}$' or chosen = 'batch' then
        perform rowbell.refuse(format('%L cannot be a channel name', chosen),
            'choose one of a-z, 0-9 and -, starting with a letter, at most 48 long, not "batch": --channel NAME (in SQL: channel => ''name'')');
    end if;
    select w.relation into holder from rowbell.watched w where w.channel = chosen and w.relation <> "table";
    if found then
        perform rowbell.refuse(format('channel %s is taken by %s', chosen, holder),
            'choose another name: --channel NAME (in SQL: channel => ''name'')');
    end if;
    return chosen;
end
$$;
comment on function rowbell.channel_name(regclass, text) is 'The channel a table gets; refuses names that do not fit or are taken.';

create function rowbell.add_columns(relation regclass, version_column text) returns text[]
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    added text[] := '{}';
    wanted record;
begin
    if version_column is null then
        return added;
    end if;
    for wanted in
        select v.name, v.type from (values (version_column, 'bigint not null default 0'), ('last_synced_at', 'timestamptz')) v(name, type)
        where not exists (select from pg_attribute x where x.attrelid = relation and x.attname = v.name and not x.attisdropped)
    loop
        -- Neither default rewrites the table: rows that were there before have version 0 until they change.
        execute format('alter table %s add column %I %s', relation, wanted.name, wanted.type);
        raise notice 'added column % (%) to %', quote_ident(wanted.name), wanted.type, relation;
        added := added || wanted.name;
    end loop;
    return added;
end
$$;
comment on function rowbell.add_columns(regclass, text) is 'Adds the bookkeeping columns that are missing, says so, and returns their names.';

create function rowbell.write_function(name text, body text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Without `set search_path`: no name in the body is looked up in it.
    execute format('create or replace function rowbell.%I() returns trigger language plpgsql security definer as %L', name, body);
    execute format('alter function rowbell.%I() owner to %s', name, (select nspowner::regrole from pg_namespace where nspname = 'rowbell'));
    execute format('revoke all on function rowbell.%I() from public', name);
end
$$;
comment on function rowbell.write_function(text, text) is
    'Makes one trigger function: security definer, so that writers need no right in schema rowbell.';

create function rowbell.write_functions(w rowbell.watched) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if w.version_column is not null then
        perform rowbell.write_function(w.channel || '_version', rowbell.version_body(w));
    end if;
    perform rowbell.write_function(w.channel || '_log', rowbell.log_body(w));
    perform rowbell.write_function(w.channel || '_truncate', rowbell.truncate_body(w));
end
$$;
comment on function rowbell.write_functions(rowbell.watched) is 'Makes the trigger functions of one channel from the catalog as it is now.';

create function rowbell.attach(w rowbell.watched) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    t record;
begin
    perform rowbell.write_functions(w);
    for t in
        select v.* from (values
            ('~rowbell_version', 'before insert or update', 'row', '_version'),
            ('!rowbell_log', 'after insert or update or delete', 'row', '_log'),
            ('!rowbell_truncate', 'after truncate', 'statement', '_truncate')
        ) v(name, events, level, suffix)
        where v.suffix <> '_version' or w.version_column is not null
    loop
        execute format('create trigger %I %s on %s for each %s execute function rowbell.%I()',
            t.name, t.events, w.relation, t.level, w.channel || t.suffix);
        -- ENABLE ALWAYS fires for rows that logical replication applies, too.
        if w.replica then
            execute format('alter table %s enable always trigger %I', w.relation, t.name);
        end if;
    end loop;
end
$$;
comment on function rowbell.attach(rowbell.watched) is 'Makes functions and triggers of one watch.';

create function rowbell.detach(w rowbell.watched) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    name text;
begin
    for name in
        select t.tgname from pg_trigger t
        where t.tgrelid = w.relation and t.tgname in ('~rowbell_version', '!rowbell_log', '!rowbell_truncate')
    loop
        execute format('drop trigger %I on %s', name, w.relation);
    end loop;
    for name in
        select p.proname from pg_proc p
        where p.pronamespace = 'rowbell'::regnamespace
            and p.proname in (w.channel || '_version', w.channel || '_log', w.channel || '_truncate')
    loop
        execute format('drop function rowbell.%I()', name);
    end loop;
    delete from rowbell.watched x where x.channel = w.channel;
end
$$;
comment on function rowbell.detach(rowbell.watched) is 'Removes triggers, functions and the record of one watch; columns stay.';

create function rowbell.announce(channel text, event text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    insert into rowbell.sync_log (seq, channel, op) values (nextval('rowbell.seq'), announce.channel, announce.event);
    -- Whether or not somebody sleeps on the channel: others may LISTEN to it, and it happens rarely.
    perform pg_notify('rowbell:' || announce.channel, '');
    perform rowbell.ring_catalog();
end
$$;
comment on function rowbell.announce(text, text) is
    'Logs what happened to a channel itself (resync, unwatch), so that those who are away learn it in its place too.';

create function rowbell.watch(
    "table" regclass, channel text default null, omit text[] default '{}', notify text default 'auto',
    feed_only boolean default false, version_column text default 'version', replica boolean default false,
    as_text text[] default '{}'
) returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    before rowbell.watched;
    w rowbell.watched;
    orphan rowbell.watched;
begin
    perform rowbell.check_watchable("table");
    if feed_only then
        version_column := null;
    end if;
    perform rowbell.check_columns("table", omit, version_column, as_text);
    if notify is null or notify not in ('auto', 'always', 'never') then
        perform rowbell.refuse(format('notify cannot be %s', quote_nullable(notify)), 'use auto, always or never');
    end if;
    perform rowbell.lock_briefly("table");
    -- Tables dropped while watched leave their record behind; their names are free.
    for orphan in select * from rowbell.watched x where not exists (select from pg_class c where c.oid = x.relation) loop
        perform rowbell.detach(orphan);
    end loop;
    select * into before from rowbell.watched x where x.relation = "table";
    if before.channel <> watch.channel then
        perform rowbell.refuse(format('%s is already watched as channel %s', "table", before.channel), 'unwatch it first');
    end if;
    w.channel := coalesce(before.channel, rowbell.channel_name("table", watch.channel));
    w.relation := "table";
    w.key_columns := rowbell.key_columns("table");
    w.version_column := version_column;
    w.omit := coalesce(omit, '{}');
    w.omit_numbers := array(select a.attnum from pg_attribute a where a.attrelid = "table" and a.attnum > 0 and a.attname = any (w.omit));
    w.as_text := coalesce(as_text, '{}');
    w.as_text_numbers := array(select a.attnum from pg_attribute a where a.attrelid = "table" and a.attnum > 0 and a.attname = any (w.as_text));
    w.notify := notify;
    w.replica := coalesce(replica, false);
    w.added_columns := coalesce(before.added_columns, '{}') || rowbell.add_columns("table", version_column);
    w.watched_at := clock_timestamp();
    if before.channel is not null then
        perform rowbell.detach(before);
    end if;
    insert into rowbell.watched select (w).*;
    perform rowbell.attach(w);
    perform rowbell.announce(w.channel, 'resync');
    return w.channel;
end
$$;
comment on function rowbell.watch(regclass, text, text[], text, boolean, text, boolean, text[]) is
    'Attaches Rowbell to a table and returns its channel; on a watched table it applies the new options and subscribers start over.';

create function rowbell.unwatch("table" regclass) returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    w rowbell.watched;
    added text;
begin
    select * into w from rowbell.watched x where x.relation = "table";
    if not found then
        perform rowbell.refuse(format('%s is not watched', "table"), 'rowbell channels lists what is');
    end if;
    perform rowbell.lock_briefly("table");
    perform rowbell.detach(w);
    foreach added in array w.added_columns loop
        begin
            execute format('alter table %s drop column if exists %I', "table", added);
            raise notice 'removed column % from %', quote_ident(added), "table";
        exception when dependent_objects_still_exist then
            raise notice 'column % of % stays: other objects depend on it', quote_ident(added), "table";
        end;
    end loop;
    perform rowbell.announce(w.channel, 'unwatch');
    return w.channel;
end
$$;
comment on function rowbell.unwatch(regclass) is
    'Detaches Rowbell from a table, with the columns watch had added: a version means nothing while nobody keeps it.';

create function rowbell.resync(channel text) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    w rowbell.watched;
begin
    select * into w from rowbell.watched x where x.channel = resync.channel;
    if not found then
        perform rowbell.refuse(format('channel %s is not watched', quote_nullable(channel)), 'rowbell channels lists what is');
    end if;
    w.key_columns := rowbell.key_columns(w.relation);
    update rowbell.watched x set key_columns = w.key_columns where x.channel = w.channel;
    perform rowbell.write_functions(w);
    perform rowbell.announce(w.channel, 'resync');
end
$$;
comment on function rowbell.resync(text) is
    'Renews the trigger functions from the catalog and tells subscribers to start over: after ATTACH, DETACH, DROP or '
    'TRUNCATE of a partition, or a change of the key.';

revoke all on all functions in schema rowbell from public;
revoke all on all tables in schema rowbell from public;

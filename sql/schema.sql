-- Generated from the migrations; dumped by PostgreSQL 15, by ROWBELL_UPDATE_SCHEMA=1 cargo test --test it schema
CREATE SCHEMA rowbell;

CREATE FUNCTION rowbell.actor() RETURNS text
    LANGUAGE sql STABLE
    RETURN NULLIF(current_setting('rowbell.actor'::text, true), ''::text);

COMMENT ON FUNCTION rowbell.actor() IS 'Who writes, if the transaction says so.';

CREATE FUNCTION rowbell.add_columns(relation regclass, version_column text) RETURNS text[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION rowbell.add_columns(relation regclass, version_column text) IS 'Adds the bookkeeping columns that are missing, says so, and returns their names.';

CREATE TABLE rowbell.watched (
    channel text NOT NULL,
    relation regclass NOT NULL,
    key_columns text[] NOT NULL,
    version_column text,
    omit text[] NOT NULL,
    omit_numbers smallint[] NOT NULL,
    as_text text[] NOT NULL,
    as_text_numbers smallint[] NOT NULL,
    notify text NOT NULL,
    replica boolean NOT NULL,
    added_columns text[] NOT NULL,
    watched_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT watched_channel CHECK (((channel ~ '^[a-z][a-z0-9-]{0,47}$'::text) AND (channel <> 'batch'::text))),
    CONSTRAINT watched_notify CHECK ((notify = ANY (ARRAY['auto'::text, 'always'::text, 'never'::text])))
);

COMMENT ON TABLE rowbell.watched IS 'One row per watch; `rowbell.channel` shows those whose table and triggers still exist.';

COMMENT ON COLUMN rowbell.watched.version_column IS 'Null when feed-only.';

COMMENT ON COLUMN rowbell.watched.omit_numbers IS 'The same columns by number: a renamed column stays secret.';

COMMENT ON COLUMN rowbell.watched.as_text IS 'Columns of numbers that are sent as text, because not every client keeps all of them.';

COMMENT ON COLUMN rowbell.watched.as_text_numbers IS 'The same columns by number: a renamed column is sent as before.';

COMMENT ON COLUMN rowbell.watched.added_columns IS 'What watch added to the table, and unwatch takes away again.';

CREATE FUNCTION rowbell.alike_expression(w rowbell.watched, record_name text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN format('case when rowbell.tells_alike(%L, %L::pg_catalog.regclass) then pg_catalog.row_to_json(%3$s) else rowbell.pinned_image(%3$s) end'::text, (w).channel, ((w).relation)::oid, record_name);

COMMENT ON FUNCTION rowbell.alike_expression(w rowbell.watched, record_name text) IS 'SQL text for the JSON of a record made of the table''s columns, the same whoever writes.';

CREATE FUNCTION rowbell.announce(channel text, event text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    insert into rowbell.sync_log (seq, channel, op) values (nextval('rowbell.seq'), announce.channel, announce.event);
    -- Whether or not somebody sleeps on the channel: others may LISTEN to it, and it happens rarely.
    perform pg_notify('rowbell:' || announce.channel, '');
    perform rowbell.ring_catalog();
end
$$;

COMMENT ON FUNCTION rowbell.announce(channel text, event text) IS 'Logs what happened to a channel itself (resync, unwatch), so that those who are away learn it in its place too.';

CREATE FUNCTION rowbell.attach(w rowbell.watched) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION rowbell.attach(w rowbell.watched) IS 'Makes functions and triggers of one watch.';

CREATE FUNCTION rowbell.bell_key(channel text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (hashtext(channel) & 1023);

COMMENT ON FUNCTION rowbell.bell_key(channel text) IS 'The second number of a channel''s lock. Few, so that a node that sleeps on ten thousand channels fills no lock table.';

CREATE FUNCTION rowbell.blockers(relation regclass) RETURNS text
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT string_agg(DISTINCT format('pid %s (%s%s%s)'::text, l.pid, COALESCE(('user '::text || (a.usename)::text), 'unknown user'::text), COALESCE((', '::text || NULLIF(a.application_name, ''::text)), ''::text), COALESCE((', '::text || a.state), ''::text)), ', '::text) AS string_agg FROM (pg_locks l LEFT JOIN pg_stat_activity a ON ((a.pid = l.pid))) WHERE (l.granted AND (l.pid <> pg_backend_pid()) AND (l.database = (SELECT d.oid FROM pg_database d WHERE (d.datname = current_database()))) AND (l.relation IN (SELECT t.relid FROM pg_partition_tree((l.relation)::regclass) t(relid, parentrelid, isleaf, level) UNION ALL SELECT l.relation))));

COMMENT ON FUNCTION rowbell.blockers(relation regclass) IS 'Who holds a lock on the table or a partition of it, for a message to people.';

CREATE FUNCTION rowbell.branch() RETURNS text
    LANGUAGE sql STABLE
    RETURN NULLIF(current_setting('rowbell.branch'::text, true), ''::text);

COMMENT ON FUNCTION rowbell.branch() IS 'From which branch office, if the transaction says so.';

CREATE FUNCTION rowbell.channel_name("table" regclass, wanted text) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

COMMENT ON FUNCTION rowbell.channel_name("table" regclass, wanted text) IS 'The channel a table gets; refuses names that do not fit or are taken.';

CREATE FUNCTION rowbell.check_columns(relation regclass, omit text[], version_column text, as_text text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION rowbell.check_columns(relation regclass, omit text[], version_column text, as_text text[]) IS 'Refuses columns to omit or to send as text that cannot be, and bookkeeping names that mean something else.';

CREATE FUNCTION rowbell.check_watchable(relation regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION rowbell.check_watchable(relation regclass) IS 'Refuses, with a reason and a way out, what cannot be a channel.';

CREATE FUNCTION rowbell.columns_now(relation regclass, names text[], numbers smallint[]) RETURNS TABLE(number smallint, name text, type oid)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT a.attnum,
     (a.attname)::text AS attname,
     a.atttypid
    FROM pg_attribute a
   WHERE ((a.attrelid = (columns_now.relation)::oid) AND (NOT a.attisdropped) AND ((a.attnum = ANY (columns_now.numbers)) OR (a.attname = ANY (columns_now.names))));
END;

COMMENT ON FUNCTION rowbell.columns_now(relation regclass, names text[], numbers smallint[]) IS 'Columns chosen by name when they had these numbers, by the names they have now.';

CREATE FUNCTION rowbell.covers(larger pg_snapshot, smaller pg_snapshot) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN ((pg_snapshot_xmax(smaller) <= pg_snapshot_xmax(larger)) AND (NOT (EXISTS (SELECT FROM pg_snapshot_xip(covers.larger) x(xid) WHERE pg_visible_in_snapshot(x.xid, covers.smaller)))));

COMMENT ON FUNCTION rowbell.covers(larger pg_snapshot, smaller pg_snapshot) IS 'True when everything that is visible in the second is visible in the first.';

CREATE FUNCTION rowbell.detach(w rowbell.watched) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION rowbell.detach(w rowbell.watched) IS 'Removes triggers, functions and the record of one watch; columns stay.';

CREATE FUNCTION rowbell.differs(a text, b text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN (a IS DISTINCT FROM b);

COMMENT ON FUNCTION rowbell.differs(a text, b text) IS 'Whether two keys are not the same.';

CREATE FUNCTION rowbell.empty_leaf(leaf smallint, keep interval, OUT outcome text, OUT bytes bigint) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    part text := format('rowbell.sync_log_%s', leaf);
    cover pg_snapshot;
    highest xid8;
begin
    bytes := 0;
    execute format('select l.xid from %s l order by l.xid desc limit 1', part) into highest;
    if highest is null then
        outcome := 'empty';
        return;
    end if;
    -- The next one may be turned to any moment, and nobody is to wait for its emptying then.
    if exists (
        select from rowbell.retention r
        where leaf = r.turns % 8
            or leaf = (r.turns + 7) % 8 and r.stage <> 'settled'
            or leaf = (r.turns + 1) % 8 and r.stage = 'settled' and clock_timestamp() + interval '5 seconds' > r.slot_since + make_interval(secs => r.period)
    ) then
        outcome := 'current';
        return;
    end if;
    select t.snapshot into cover from rowbell.tick t where t.at <= clock_timestamp() - empty_leaf.keep order by t.at desc limit 1;
    -- What was dropped once stays dropped: the floor never goes back.
    select case when cover is null or rowbell.covers(r.base, cover) then r.base
        when r.base is null or rowbell.covers(cover, r.base) then cover end
    into cover from rowbell.retention r;
    if cover is null or rowbell.holds_younger(leaf, cover) then
        outcome := 'young';
        return;
    end if;
    begin
        execute format('lock table only %s in access exclusive mode nowait', part);
    exception when lock_not_available then
        outcome := 'busy';
        return;
    end;
    -- A transaction that had written to it may have committed in between; none can be open now.
    if rowbell.holds_younger(leaf, cover) then
        outcome := 'young';
        return;
    end if;
    -- Nobody who waits for the lock must wait for a standby too.
    perform set_config('synchronous_commit', 'local', true);
    bytes := pg_total_relation_size(part::regclass);
    execute format('select l.xid from %s l order by l.xid desc limit 1', part) into highest;
    update rowbell.retention r
    set base = cover, dropped = greatest(r.dropped, highest), emptied_at = clock_timestamp();
    execute format('truncate table only %s', part);
    outcome := 'emptied';
end
$$;

COMMENT ON FUNCTION rowbell.empty_leaf(leaf smallint, keep interval, OUT outcome text, OUT bytes bigint) IS 'Empties a leaf if all of it is older than that and nobody is at it; floor and emptying are one transaction. Outcomes: empty, current (it takes rows now, or in a moment), young, busy, emptied.';

CREATE FUNCTION rowbell.fitting(image json) RETURNS json
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN (octet_length((image)::text) <= 1048576) THEN image ELSE NULL::json END;

COMMENT ON FUNCTION rowbell.fitting(image json) IS 'The image, if it is not too large for the log.';

CREATE FUNCTION rowbell.learn_generation() RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform set_config('rowbell.generation', g.nonce::text, false) from rowbell.generation g;
    return found;
end
$$;

COMMENT ON FUNCTION rowbell.learn_generation() IS 'Asks whether a node has opened this generation, and remembers a yes for the session.';

CREATE FUNCTION rowbell.settled() RETURNS boolean
    LANGUAGE sql
    RETURN ((COALESCE(current_setting('rowbell.generation'::text, true), ''::text) <> ''::text) OR rowbell.learn_generation());

COMMENT ON FUNCTION rowbell.settled() IS 'Whether a node has opened this generation; cheap after the first yes.';

CREATE FUNCTION rowbell.slot() RETURNS smallint
    LANGUAGE sql
    RETURN (0)::smallint;

COMMENT ON FUNCTION rowbell.slot() IS 'Which leaf of the ring takes rows now; `rowbell.turn` writes it anew, and PostgreSQL then plans anew what writes rows.';

CREATE TABLE rowbell.sync_log (
    seq bigint NOT NULL,
    slot smallint DEFAULT rowbell.slot() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    op text NOT NULL,
    row_id text COLLATE pg_catalog."C",
    version bigint,
    "row" json,
    old json,
    actor text,
    branch text,
    durable boolean DEFAULT (current_setting('synchronous_commit'::text) <> 'off'::text) NOT NULL,
    logged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settled boolean DEFAULT rowbell.settled() NOT NULL
)
PARTITION BY LIST (slot);

COMMENT ON TABLE rowbell.sync_log IS 'One row per change of a watched row; the only way a write reaches a subscriber.';

COMMENT ON COLUMN rowbell.sync_log.seq IS 'Drawn when the row is logged, after every wait for other writers: commits are ordered by their last one.';

COMMENT ON COLUMN rowbell.sync_log.xid IS 'The top-level transaction; a drain reads by it, never by seq.';

COMMENT ON COLUMN rowbell.sync_log.op IS 'insert, update, delete, truncate; resync: subscribers must start over; unwatch: the channel ended.';

COMMENT ON COLUMN rowbell.sync_log.row_id IS 'The key as text; of several columns their JSON array, without blanks.';

COMMENT ON COLUMN rowbell.sync_log.version IS 'The version after the change; of a delete the version removed; null when feed-only.';

COMMENT ON COLUMN rowbell.sync_log."row" IS 'The row after the change; null where it was over 1 MiB or could not be made.';

COMMENT ON COLUMN rowbell.sync_log.old IS 'The row before the change, whole; null as above.';

COMMENT ON COLUMN rowbell.sync_log.durable IS 'False when the writer ran with synchronous_commit off: a reader waits until the log is flushed past it.';

COMMENT ON COLUMN rowbell.sync_log.settled IS 'False when written after a crash or promotion before the first node: no proof of what had survived it.';

CREATE TABLE rowbell.tick (
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    snapshot pg_snapshot DEFAULT pg_current_snapshot() NOT NULL,
    generation bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE rowbell.tick IS 'Stored snapshots: steps for a long catch-up, positions by wall-clock time, and proof of what was on disk.';

CREATE FUNCTION rowbell.highest_xid() RETURNS xid8
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT x.xid
    FROM (( SELECT l.xid
            FROM rowbell.sync_log l
           ORDER BY l.xid DESC
          LIMIT 1)
         UNION ALL
         ( SELECT t.xid
            FROM rowbell.tick t
           ORDER BY t.xid DESC
          LIMIT 1)) x
   ORDER BY x.xid DESC
  LIMIT 1;
END;

COMMENT ON FUNCTION rowbell.highest_xid() IS 'The highest transaction with a visible log row or tick: a cursor may claim nothing above it.';

CREATE FUNCTION rowbell.holds_younger(leaf smallint, base pg_snapshot) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $_$
declare
    younger boolean;
begin
    execute format('select exists (select from rowbell.sync_log_%1$s where xid >= $1)'
        ' or exists (select from rowbell.sync_log_%1$s where xid = any ($2))', leaf)
    into younger using pg_snapshot_xmax(base), array(select pg_snapshot_xip(base));
    return younger;
end
$_$;

COMMENT ON FUNCTION rowbell.holds_younger(leaf smallint, base pg_snapshot) IS 'True when a leaf holds a committed row that is not visible in the snapshot.';

CREATE FUNCTION rowbell.text_form(type oid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (WITH RECURSIVE below(oid, arrays) AS (SELECT text_form.type AS type, 0 AS "?column?" UNION ALL SELECT CASE t.typtype WHEN 'd'::"char" THEN t.typbasetype ELSE t.typelem END AS typelem, (b_1.arrays + CASE t.typtype WHEN 'd'::"char" THEN 0 ELSE 1 END) FROM (below b_1 JOIN pg_type t ON ((t.oid = b_1.oid))) WHERE ((t.typtype = 'd'::"char") OR ((t.typcategory = 'A'::"char") AND (t.typelem <> (0)::oid) AND (t.typlen = '-1'::integer)))) SELECT CASE b.arrays WHEN 0 THEN 'text'::text WHEN 1 THEN 'text[]'::text ELSE NULL::text END AS "case" FROM below b WHERE (b.oid = ANY ((ARRAY['smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype, 'real'::regtype, 'double precision'::regtype])::oid[])));

COMMENT ON FUNCTION rowbell.text_form(type oid) IS 'What a type is cast to so that its numbers travel as text: text, text[] of their arrays, null where it holds no numbers.';

CREATE FUNCTION rowbell.key_expression(relation regclass, record_name text, key_columns text[], as_text text[]) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT CASE WHEN (cardinality(key_expression.key_columns) > 1) THEN (('pg_catalog.concat(''['', '::text || string_agg(format('pg_catalog.to_json(%s.%I%s)::pg_catalog.text'::text, key_expression.record_name, a.attname, CASE WHEN (a.attname = ANY (key_expression.as_text)) THEN ('::pg_catalog.'::text || rowbell.text_form(a.atttypid)) ELSE NULL::text END), ', '','', '::text ORDER BY k.place)) || ', '']'')'::text) WHEN bool_and((a.atttypid = ANY (ARRAY[('uuid'::regtype)::oid, ('text'::regtype)::oid, ('bigint'::regtype)::oid, ('integer'::regtype)::oid, ('smallint'::regtype)::oid]))) THEN string_agg(format('%s.%I::pg_catalog.text'::text, key_expression.record_name, a.attname), ''::text) ELSE string_agg(format('pg_catalog.to_json(%s.%I) operator(pg_catalog.#>>) ''{}'''::text, key_expression.record_name, a.attname), ''::text) END AS string_agg FROM (unnest(key_expression.key_columns) WITH ORDINALITY k(name, place) JOIN pg_attribute a ON (((a.attrelid = (key_expression.relation)::oid) AND (a.attname = k.name)))));

COMMENT ON FUNCTION rowbell.key_expression(relation regclass, record_name text, key_columns text[], as_text text[]) IS 'SQL text for the id of NEW or OLD, equal to how the key stands in the row''s JSON.';

CREATE FUNCTION rowbell.sent_as_text(w rowbell.watched) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT COALESCE(array_agg(c.name ORDER BY c.number), '{}'::text[]) AS "coalesce" FROM rowbell.columns_now((sent_as_text.w).relation, (sent_as_text.w).as_text, (sent_as_text.w).as_text_numbers) c(number, name, type) WHERE (rowbell.text_form(c.type) IS NOT NULL));

COMMENT ON FUNCTION rowbell.sent_as_text(w rowbell.watched) IS 'The columns that are sent as text, by the names they have now; one that holds no numbers any more is not among them.';

CREATE FUNCTION rowbell.id_expression(w rowbell.watched, record_name text, image_name text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT CASE WHEN bool_and((a.atttypid = ANY ((ARRAY['uuid'::regtype, 'text'::regtype, 'character varying'::regtype, 'character'::regtype, 'smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype, 'boolean'::regtype, 'date'::regtype, 'timestamp without time zone'::regtype])::oid[]))) THEN rowbell.key_expression((id_expression.w).relation, id_expression.record_name, (id_expression.w).key_columns, rowbell.sent_as_text(id_expression.w)) ELSE format('rowbell.id_in(%s, %L)'::text, id_expression.image_name, (id_expression.w).key_columns) END AS format FROM pg_attribute a WHERE ((a.attrelid = ((id_expression.w).relation)::oid) AND (a.attname = ANY ((id_expression.w).key_columns))));

COMMENT ON FUNCTION rowbell.id_expression(w rowbell.watched, record_name text, image_name text) IS 'SQL text for the id of NEW or OLD, of which the image is made.';

CREATE FUNCTION rowbell.id_in(image json, key_columns text[]) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE cardinality(key_columns) WHEN 1 THEN (image ->> (key_columns)[1]) ELSE (SELECT (('['::text || string_agg(((id_in.image -> k.name))::text, ','::text ORDER BY k.place)) || ']'::text) FROM unnest(id_in.key_columns) WITH ORDINALITY k(name, place)) END;

COMMENT ON FUNCTION rowbell.id_in(image json, key_columns text[]) IS 'The id as it stands in a row''s JSON.';

CREATE FUNCTION rowbell.omitted(w rowbell.watched) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT COALESCE(array_agg(c.name ORDER BY c.number), '{}'::text[]) AS "coalesce" FROM rowbell.columns_now((omitted.w).relation, (omitted.w).omit, (omitted.w).omit_numbers) c(number, name, type));

COMMENT ON FUNCTION rowbell.omitted(w rowbell.watched) IS 'The columns left out, by the names they have now.';

CREATE FUNCTION rowbell.image_expression(w rowbell.watched, record_name text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT CASE WHEN (cardinality((rowbell.omitted(image_expression.w) || rowbell.sent_as_text(image_expression.w))) = 0) THEN rowbell.alike_expression(image_expression.w, image_expression.record_name) ELSE format('(select %s from (select %s) ctid)'::text, rowbell.alike_expression(image_expression.w, 'ctid'::text), string_agg(format(CASE WHEN (NOT (a.attname = ANY (rowbell.sent_as_text(image_expression.w)))) THEN '%1$s.%2$I'::text WHEN (a.atttypid = ANY ((ARRAY['smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype])::oid[])) THEN '%1$s.%2$I::pg_catalog.%3$s as %2$I'::text ELSE 'rowbell.pinned_text(%1$s.%2$I)::pg_catalog.%3$s as %2$I'::text END, image_expression.record_name, a.attname, rowbell.text_form(a.atttypid)), ', '::text ORDER BY a.attnum)) END AS format FROM pg_attribute a WHERE ((a.attrelid = ((image_expression.w).relation)::oid) AND (a.attnum > 0) AND (NOT a.attisdropped) AND (a.attname <> ALL (rowbell.omitted(image_expression.w)))));

COMMENT ON FUNCTION rowbell.image_expression(w rowbell.watched, record_name text) IS 'SQL text for the image of NEW or OLD.';

CREATE FUNCTION rowbell.types_now(relation regclass) RETURNS SETOF text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION rowbell.types_now(relation regclass) IS 'What types the columns have this moment, by their names in XML schemas: the one answer that comes from no snapshot.';

CREATE FUNCTION rowbell.image_needs(channel text, relation regclass, need text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT
         CASE
             WHEN (NOT (EXISTS ( SELECT
                FROM (rowbell.watched w
                  JOIN pg_class c ON (((c.oid = (w.relation)::oid) AND (c.relkind = 'r'::"char"))))
               WHERE ((w.channel = image_needs.channel) AND ((w.relation)::oid = (image_needs.relation)::oid))))) THEN true
             ELSE (EXISTS ( SELECT
                FROM (rowbell.types_now(image_needs.relation) t(type)
                  CROSS JOIN LATERAL ( SELECT COALESCE("substring"(t.type, '^UDT\.[^.]*\.pg_catalog\.([^.]*)$'::text), t.type) AS "coalesce") u(type))
               WHERE (image_needs.need =
                     CASE
                         WHEN (u.type = ANY ('{SMALLINT,INTEGER,BIGINT,NUMERIC,BOOLEAN,CHAR,VARCHAR,DATE,TIME,TIMESTAMP}'::text[])) THEN 'nothing'::text
                         WHEN (u.type = ANY ('{text,uuid,json,jsonb,name,oid,inet,cidr,macaddr,bit,varbit}'::text[])) THEN 'nothing'::text
                         WHEN (u.type = ANY ('{_int2,_int4,_int8,_numeric,_bool,_text,_varchar,_uuid,_date}'::text[])) THEN 'nothing'::text
                         WHEN (u.type = 'TIMESTAMP_WTZ'::text) THEN 'timezone'::text
                         WHEN (u.type = ANY ('{REAL,DOUBLE}'::text[])) THEN 'extra_float_digits'::text
                         WHEN (u.type = 'bytea'::text) THEN 'bytea_output'::text
                         ELSE 'other'::text
                     END)))
         END AS "exists";
END;

COMMENT ON FUNCTION rowbell.image_needs(channel text, relation regclass, need text) IS 'Whether a row''s text depends on a setting (timezone, extra_float_digits, bytea_output) or on anything else (other). Immutable, so that a plan has the answer instead of the question: PostgreSQL plans anew when the table is altered.';

CREATE FUNCTION rowbell.install() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    here bigint;
    restored boolean := exists (select from rowbell.installation);
begin
    select i.id into here
    from rowbell.installation i, pg_control_system() c, pg_database d
    where i.system_identifier = c.system_identifier and d.datname = current_database() and i.database_oid = d.oid
        and i.table_oid = i.tableoid;
    if found then
        perform rowbell.open_generation();
        return here;
    end if;
    -- Another cluster or database than the log was written in: its xids mean nothing here. Or the same one with
    -- an older state put back: what was told since then did not happen.
    truncate rowbell.sync_log, rowbell.tick, rowbell.generation, rowbell.generation_start, rowbell.installation;
    update rowbell.retention set base = null, dropped = null, emptied_at = null;
    -- A dump that was taken while the ring turned may have the record of before and the function of after.
    if restored then
        perform rowbell.turn_to(r.turns) from rowbell.retention r;
    end if;
    insert into rowbell.installation (system_identifier, database_oid, table_oid)
    select c.system_identifier, d.oid, 'rowbell.installation'::regclass
    from pg_control_system() c, pg_database d
    where d.datname = current_database()
    returning id into here;
    perform rowbell.open_generation();
    return here;
end
$$;

COMMENT ON FUNCTION rowbell.install() IS 'Ties the log to this cluster and database; an empty log under a new id where it was tied to another.';

CREATE FUNCTION rowbell.keep_for(keep interval) RETURNS interval
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    former interval;
    wanted integer := ceil(extract(epoch from keep) / 6);
begin
    if keep is null or keep < '1 minute' or keep > '10 years' then
        perform rowbell.refuse(format('changes cannot be kept for %s', coalesce(keep::text, 'ever')),
            'a retention is between a minute and ten years: 30m, 36h, 7d');
    end if;
    select r.keep into former from rowbell.retention r;
    if former = keep_for.keep then
        return former;
    end if;
    select r.keep into former from rowbell.retention r for update;
    update rowbell.retention r set keep = keep_for.keep, period = wanted;
    return former;
end
$$;

COMMENT ON FUNCTION rowbell.keep_for(keep interval) IS 'Sets how long changes are kept, for all nodes; returns what it was before. Rows that are there stay in their leaves.';

CREATE FUNCTION rowbell.key_columns(relation regclass) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT array_agg((a.attname)::text ORDER BY k.place) AS array_agg FROM ((pg_index i CROSS JOIN LATERAL unnest((i.indkey)::smallint[]) WITH ORDINALITY k(number, place)) JOIN pg_attribute a ON (((a.attrelid = i.indrelid) AND (a.attnum = k.number)))) WHERE ((i.indrelid = (key_columns.relation)::oid) AND i.indisprimary AND (k.place <= i.indnkeyatts)));

COMMENT ON FUNCTION rowbell.key_columns(relation regclass) IS 'The columns of the primary key, in key order; null where there is none.';

CREATE FUNCTION rowbell.lock_briefly(relation regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '100ms'
    AS $$
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

COMMENT ON FUNCTION rowbell.lock_briefly(relation regclass) IS 'Takes the table lock; writers queue behind it for 100 ms at a time at most.';

CREATE FUNCTION rowbell.ring_statement(w rowbell.watched) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN CASE (w).notify WHEN 'never'::text THEN ''::text WHEN 'always'::text THEN format('    rang := pg_catalog.pg_notify(%L, '''') is not null;
'::text, ('rowbell:'::text || (w).channel)) ELSE format('    rang := rowbell.ring(%L);
'::text, (w).channel) END;

COMMENT ON FUNCTION rowbell.ring_statement(w rowbell.watched) IS 'What a trigger function does about the bell, after its insert into the log: a writer must have its xid before it looks.';

CREATE FUNCTION rowbell.log_body(w rowbell.watched) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT format('
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
%10$s        if tg_op operator(pg_catalog.<>) ''INSERT'' then
            if tg_op operator(pg_catalog.=) ''UPDATE'' and %1$s then
                return null;
            end if;
            %5$sformer := %7$s;
            former_key := %6$s;
        end if;
        if tg_op operator(pg_catalog.<>) ''DELETE'' then
            %2$simage := %4$s;
            key := %3$s;
        end if;
    exception when others then
        -- A column was renamed under us, or an image is larger than the server can make: never the writer''s
        -- problem. What was found before the failure stays; what cannot be known is logged as null.
        if tg_op operator(pg_catalog.<>) ''DELETE'' then
            select coalesce(key, r.found_key), coalesce(number, r.found_version), r.found_image
            into key, number, image
            from rowbell.rescue(%8$L, new) r;
        end if;
        if tg_op operator(pg_catalog.<>) ''INSERT'' then
            select coalesce(former_key, r.found_key), coalesce(former_version, r.found_version), r.found_image
            into former_key, former_version, former
            from rowbell.rescue(%8$L, old) r;
        end if;
    end;
    if tg_op operator(pg_catalog.<>) ''INSERT'' and (tg_op operator(pg_catalog.=) ''DELETE'' or rowbell.differs(former_key, key)) then
        -- A key that changed: this number is the version of the new row, so the drain puts it right before that.
        insert into rowbell.sync_log (seq, channel, op, row_id, version, old, actor, branch)
        values (coalesce(number, pg_catalog.nextval(''rowbell.seq''::pg_catalog.regclass)), %8$L, ''delete'', former_key, former_version,
            rowbell.fitting(former), rowbell.actor(), rowbell.branch());
        former := null;
    end if;
    if tg_op operator(pg_catalog.<>) ''DELETE'' then
        insert into rowbell.sync_log (seq, channel, op, row_id, version, row, old, actor, branch)
        values (pg_catalog.nextval(''rowbell.seq''::pg_catalog.regclass), %8$L,
            case when tg_op operator(pg_catalog.=) ''INSERT'' or rowbell.differs(former_key, key) then ''insert'' else ''update'' end,
            key, number, rowbell.fitting(image), rowbell.fitting(former), rowbell.actor(), rowbell.branch());
    end if;
%9$s    return null;
end
'::text, (
         CASE
             WHEN ((w).version_column IS NULL) THEN ''::text
             ELSE format('(new.%1$I operator(pg_catalog.=) old.%1$I) is not false and '::text, (w).version_column)
         END || 'new operator(pg_catalog.*=) old'::text),
         CASE
             WHEN ((w).version_column IS NULL) THEN ''::text
             ELSE format('number := new.%I;
            '::text, (w).version_column)
         END, rowbell.id_expression(w, 'new'::text, 'image'::text), rowbell.image_expression(w, 'new'::text),
         CASE
             WHEN ((w).version_column IS NULL) THEN ''::text
             ELSE format('former_version := coalesce(old.%I, 0);
            '::text, (w).version_column)
         END, rowbell.id_expression(w, 'old'::text, 'former'::text), rowbell.image_expression(w, 'old'::text), (w).channel, rowbell.ring_statement(w),
         CASE
             WHEN (cardinality((rowbell.omitted(w) || rowbell.sent_as_text(w))) = 0) THEN ''::text
             ELSE format('        if (select c.relnatts operator(pg_catalog.<>) %s from pg_catalog.pg_class c where c.oid operator(pg_catalog.=) %s) then
            raise exception ''a column was added'';
        end if;
'::text, ( SELECT c.relnatts
                FROM pg_class c
               WHERE (c.oid = ((log_body.w).relation)::oid)), ((w).relation)::oid)
         END) AS format;
END;

COMMENT ON FUNCTION rowbell.log_body(w rowbell.watched) IS 'The body of !rowbell_log for one table.';

CREATE FUNCTION rowbell.merge_patch(target jsonb, patch jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if jsonb_typeof(patch) is distinct from 'object' then
        return patch;
    end if;
    if jsonb_typeof(target) is distinct from 'object' then
        target := '{}';
    end if;
    -- In one pass: adding key by key would copy the whole object for each of them.
    return (
        select coalesce(jsonb_object_agg(m.key, m.value), '{}')
        from (
            select t.key, t.value from jsonb_each(target) t where not patch ? t.key
            union all
            select p.key, case when jsonb_typeof(p.value) = 'object' then rowbell.merge_patch(target -> p.key, p.value) else p.value end
            from jsonb_each(patch) p
            where p.value <> 'null'
        ) m
    );
end
$$;

COMMENT ON FUNCTION rowbell.merge_patch(target jsonb, patch jsonb) IS 'RFC 7396: an object is merged key by key, null removes a key, anything else replaces what was there.';

CREATE FUNCTION rowbell.nonce() RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN ((('x'::text || encode(SUBSTRING(uuid_send(gen_random_uuid()) FROM 9 FOR 8), 'hex'::text)))::bit(64))::bigint;

COMMENT ON FUNCTION rowbell.nonce() IS 'A random number that nobody has drawn before.';

CREATE FUNCTION rowbell.open_generation() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    found_nonce bigint;
begin
    select g.nonce into found_nonce from rowbell.generation g;
    if found then
        return found_nonce;
    end if;
    -- Positions claim the tick that is made here, so a crash must not take it back.
    perform set_config('synchronous_commit', 'local', true);
    -- Nodes only: writers just read this table. The second look sees what the first node made.
    lock table rowbell.generation in exclusive mode;
    select g.nonce into found_nonce from rowbell.generation g;
    if found then
        return found_nonce;
    end if;
    insert into rowbell.generation_start (nonce, timeline, highest_xid, newest_tick)
    values (
        rowbell.nonce(),
        rowbell.timeline(),
        greatest(
            coalesce((select l.xid from rowbell.sync_log l where l.settled order by l.xid desc limit 1), '0'),
            coalesce((select t.xid from rowbell.tick t order by t.xid desc limit 1), '0')
        ),
        coalesce((select t.xid from rowbell.tick t order by t.xid desc limit 1), '0')
    )
    returning nonce into found_nonce;
    insert into rowbell.generation (nonce) values (found_nonce);
    -- Every generation starts with a tick, so that highest_xid() always has an answer.
    insert into rowbell.tick (generation) values (found_nonce);
    return found_nonce;
end
$$;

COMMENT ON FUNCTION rowbell.open_generation() IS 'The generation this database is in; the first node after a crash or promotion begins a new one.';

CREATE FUNCTION rowbell.open_transactions() RETURNS text[]
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT COALESCE(array_agg(l.virtualtransaction), '{}'::text[]) AS "coalesce"
    FROM (pg_locks l
      LEFT JOIN pg_stat_activity a ON ((a.pid = l.pid)))
   WHERE ((l.locktype = 'virtualxid'::text) AND l.granted AND (l.pid <> pg_backend_pid()) AND (COALESCE(a.datname, current_database()) = current_database()));
END;

COMMENT ON FUNCTION rowbell.open_transactions() IS 'The virtual transactions of others in this database.';

CREATE FUNCTION rowbell.pinned_image(subject record) RETURNS json
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'iso_8601'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '1'
    SET lc_monetary TO 'C'
    SET quote_all_identifiers TO 'off'
    AS $$
begin
    return row_to_json(subject);
end
$$;

COMMENT ON FUNCTION rowbell.pinned_image(subject record) IS 'The text of a row, the same whoever asks.';

CREATE FUNCTION rowbell.pinned_text(subject anyelement) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET extra_float_digits TO '1'
    AS $$
begin
    return subject;
end
$$;

COMMENT ON FUNCTION rowbell.pinned_text(subject anyelement) IS 'A number as text, or an array of them, the same whoever asks.';

CREATE FUNCTION rowbell.placed(from_xid xid8, below xid8, besides xid8[], until pg_snapshot, from_seq bigint, to_seq bigint, channels text[]) RETURNS TABLE(slot smallint, xid xid8, seq bigint, weight integer, size bigint, place bigint, rank integer, last_seq bigint, last_at timestamp with time zone, last_actor text, last_branch text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    BEGIN ATOMIC
 WITH ranged AS (
          SELECT l.slot,
             l.xid,
             l.seq,
             l.channel,
             l.op,
             l.row_id,
             l.version,
             l.logged_at,
             l.actor,
             l.branch,
                 CASE
                     WHEN ((placed.channels IS NULL) OR (l.channel = ANY (placed.channels))) THEN (((100 + COALESCE(octet_length(l.row_id), 0)) + COALESCE(octet_length((l."row")::text), 0)) + COALESCE(octet_length((l.old)::text), 0))
                     ELSE NULL::integer
                 END AS weight
            FROM rowbell.sync_log l
           WHERE ((l.xid >= placed.from_xid) AND (l.xid < placed.below) AND pg_visible_in_snapshot(l.xid, placed.until) AND ((l.seq >= placed.from_seq) AND (l.seq <= placed.to_seq)))
         UNION ALL
          SELECT l.slot,
             l.xid,
             l.seq,
             l.channel,
             l.op,
             l.row_id,
             l.version,
             l.logged_at,
             l.actor,
             l.branch,
                 CASE
                     WHEN ((placed.channels IS NULL) OR (l.channel = ANY (placed.channels))) THEN (((100 + COALESCE(octet_length(l.row_id), 0)) + COALESCE(octet_length((l."row")::text), 0)) + COALESCE(octet_length((l.old)::text), 0))
                     ELSE NULL::integer
                 END AS "case"
            FROM rowbell.sync_log l
           WHERE ((l.xid = ANY (placed.besides)) AND (l.xid < placed.from_xid) AND pg_visible_in_snapshot(l.xid, placed.until) AND ((l.seq >= placed.from_seq) AND (l.seq <= placed.to_seq)))
         )
  SELECT r.slot,
     r.xid,
     r.seq,
     r.weight,
     count(*) OVER whole AS count,
         CASE
             WHEN (r.op = 'delete'::text) THEN LEAST(r.seq, lead(r.version) OVER (PARTITION BY r.xid, r.channel, r.row_id ORDER BY r.version, (r.op = 'delete'::text)),
             CASE
                 WHEN ((lead(r.op) OVER logged = 'insert'::text) AND (lead(r.channel) OVER logged = r.channel) AND (lead(r.version) OVER logged > r.version)) THEN lead(r.version) OVER logged
                 ELSE NULL::bigint
             END)
             ELSE COALESCE(r.version, r.seq)
         END AS "coalesce",
         CASE
             WHEN (r.op = 'delete'::text) THEN 0
             ELSE 1
         END AS "case",
     last_value(r.seq) OVER whole AS last_value,
     last_value(r.logged_at) OVER whole AS last_value,
     last_value(r.actor) OVER whole AS last_value,
     last_value(r.branch) OVER whole AS last_value
    FROM ranged r
   WINDOW logged AS (PARTITION BY r.xid ORDER BY r.seq), whole AS (PARTITION BY r.xid ORDER BY r.seq ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING);
END;

COMMENT ON FUNCTION rowbell.placed(from_xid xid8, below xid8, besides xid8[], until pg_snapshot, from_seq bigint, to_seq bigint, channels text[]) IS 'Rows of a range of the log with their places: commits by last_seq, within a commit by place, rank and seq. Rows of channels that are not wanted have no weight; size is how many rows the whole commit has in the range.';

CREATE UNLOGGED TABLE rowbell.generation (
    only_row boolean DEFAULT true NOT NULL,
    nonce bigint NOT NULL,
    CONSTRAINT generation_one_row CHECK (only_row)
);

COMMENT ON TABLE rowbell.generation IS 'Unlogged on purpose: crash recovery and promotion empty it, and its emptiness is the message.';

CREATE TABLE rowbell.installation (
    only_row boolean DEFAULT true NOT NULL,
    id bigint DEFAULT rowbell.nonce() NOT NULL,
    system_identifier bigint NOT NULL,
    database_oid oid NOT NULL,
    table_oid oid NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT installation_one_row CHECK (only_row)
);

COMMENT ON TABLE rowbell.installation IS 'The one log this database holds. A dump restored elsewhere carries the row of its origin, which is how it is found out.';

COMMENT ON COLUMN rowbell.installation.id IS 'Carried in every cursor; another id means a cursor of another log.';

COMMENT ON COLUMN rowbell.installation.table_oid IS 'This table itself: a dump restored into the very database it came from makes the table anew.';

CREATE FUNCTION rowbell."position"(reached pg_snapshot, OUT snapshot pg_snapshot, OUT highest xid8, OUT installation bigint, OUT generation bigint, OUT durable boolean) RETURNS record
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT pg_current_snapshot() AS pg_current_snapshot,
     rowbell.highest_xid() AS highest_xid,
     ( SELECT i.id
            FROM rowbell.installation i) AS id,
     ( SELECT g.nonce
            FROM rowbell.generation g) AS nonce,
     (NOT (EXISTS ( SELECT
            FROM rowbell.sync_log l
           WHERE ((NOT l.durable) AND ((l.xid >= pg_snapshot_xmax("position".reached)) OR (l.xid = ANY (ARRAY( SELECT pg_snapshot_xip("position".reached) AS pg_snapshot_xip))))))));
END;

COMMENT ON FUNCTION rowbell."position"(reached pg_snapshot, OUT snapshot pg_snapshot, OUT highest xid8, OUT installation bigint, OUT generation bigint, OUT durable boolean) IS 'The position of the statement that calls it; durable when nothing it sees, beyond a position known to be on disk, could be taken back by a crash. Generation is null until a node has opened one.';

CREATE FUNCTION rowbell.prepared_transactions() RETURNS text[]
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT COALESCE(array_agg(((p.transaction || ' '::text) || p.gid)), '{}'::text[]) AS "coalesce"
    FROM pg_prepared_xacts p
   WHERE (p.database = current_database());
END;

COMMENT ON FUNCTION rowbell.prepared_transactions() IS 'The transactions of this database that are prepared, to be committed at any time.';

CREATE FUNCTION rowbell.refuse(reason text, advice text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    raise exception using errcode = 'RB001', message = reason, hint = advice;
end
$$;

COMMENT ON FUNCTION rowbell.refuse(reason text, advice text) IS 'Raises a refusal meant for people: SQLSTATE RB001 with a hint.';

CREATE FUNCTION rowbell.rescue(channel text, subject anyelement, OUT found_key text, OUT found_version bigint, OUT found_image json) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'iso_8601'
    SET bytea_output TO 'hex'
    SET extra_float_digits TO '1'
    SET lc_monetary TO 'C'
    SET quote_all_identifiers TO 'off'
    AS $_$
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
$_$;

COMMENT ON FUNCTION rowbell.rescue(channel text, subject anyelement, OUT found_key text, OUT found_version bigint, OUT found_image json) IS 'What can be known of a row whose trigger function no longer fits its table; slow, and never raises.';

CREATE FUNCTION rowbell.resync(channel text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION rowbell.resync(channel text) IS 'Renews the trigger functions from the catalog and tells subscribers to start over: after ATTACH, DETACH, DROP or TRUNCATE of a partition, or a change of the key.';

CREATE FUNCTION rowbell.ring(channel text) RETURNS boolean
    LANGUAGE sql
    RETURN CASE WHEN CASE WHEN pg_try_advisory_lock(1380074828, rowbell.bell_key(channel)) THEN (NOT pg_advisory_unlock(1380074828, rowbell.bell_key(channel))) WHEN pg_try_advisory_lock_shared(1380074828, rowbell.bell_key(channel)) THEN pg_advisory_unlock_shared(1380074828, rowbell.bell_key(channel)) ELSE false END THEN (pg_notify(('rowbell:'::text || channel), ''::text) IS NOT NULL) ELSE false END;

COMMENT ON FUNCTION rowbell.ring(channel text) IS 'Rings the bell of one channel at commit if somebody sleeps on it, and says whether. Call it after the insert into the log.';

CREATE FUNCTION rowbell.ring_catalog() RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN pg_notify('rowbell'::text, ''::text);

COMMENT ON FUNCTION rowbell.ring_catalog() IS 'Tells every node that the list of watched tables changed.';

CREATE FUNCTION rowbell.steps(since pg_snapshot, until pg_snapshot, step bigint, ahead bigint) RETURNS TABLE(goal pg_snapshot, highest xid8, boundary xid8, next_seq bigint)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET enable_sort TO 'off'
    SET enable_hashagg TO 'off'
    SET jit TO 'off'
    BEGIN ATOMIC
 WITH far AS (
          SELECT l.xid
            FROM rowbell.sync_log l
           WHERE ((l.xid >= pg_snapshot_xmax(steps.since)) AND (l.xid < pg_snapshot_xmax(steps.until)))
           ORDER BY l.xid
          OFFSET steps.ahead
          LIMIT 1
         ), goals AS (
          SELECT ( SELECT t.snapshot
                    FROM rowbell.tick t
                   WHERE ((t.xid <= f.xid) AND (t.xid > pg_snapshot_xmax(steps.since)) AND rowbell.covers(t.snapshot, steps.since) AND (NOT rowbell.covers(steps.since, t.snapshot)) AND rowbell.covers(steps.until, t.snapshot))
                   ORDER BY t.xid DESC
                  LIMIT 1) AS newest_before,
             ( SELECT t.snapshot
                    FROM rowbell.tick t
                   WHERE ((t.xid > f.xid) AND (t.xid < pg_snapshot_xmax(steps.until)) AND rowbell.covers(t.snapshot, steps.since) AND (NOT rowbell.covers(steps.since, t.snapshot)) AND rowbell.covers(steps.until, t.snapshot))
                   ORDER BY t.xid
                  LIMIT 1) AS oldest_after
            FROM far f
         ), goal AS (
          SELECT COALESCE(( SELECT COALESCE(g_1.newest_before, g_1.oldest_after) AS "coalesce"
                    FROM goals g_1), steps.until) AS snapshot
         ), commits AS (
          SELECT l.xid,
             min(l.seq) AS first_seq,
             count(*) AS size
            FROM rowbell.sync_log l
           WHERE ((l.xid >= pg_snapshot_xmax(steps.since)) AND (l.xid < pg_snapshot_xmax(( SELECT g_1.snapshot
                    FROM goal g_1))) AND pg_visible_in_snapshot(l.xid, ( SELECT g_1.snapshot
                    FROM goal g_1)))
           GROUP BY l.xid
         ), counted AS (
          SELECT c.xid,
             c.size,
             (sum(c.size) OVER (ORDER BY c.xid))::bigint AS upto,
             min(c.first_seq) OVER (ORDER BY c.xid DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS next_seq
            FROM commits c
         )
  SELECT g.snapshot,
     ( SELECT c.xid
            FROM commits c
           ORDER BY c.xid DESC
          LIMIT 1) AS xid,
     b.xid,
     b.next_seq
    FROM (goal g
      LEFT JOIN counted b ON (((b.next_seq IS NOT NULL) AND ((b.upto / steps.step) > ((b.upto - b.size) / steps.step)))))
   ORDER BY b.xid;
END;

COMMENT ON FUNCTION rowbell.steps(since pg_snapshot, until pg_snapshot, step bigint, ahead bigint) IS 'The way from one position to another: how far it goes this time (to a tick where there are more than `ahead` rows), the highest transaction on it, and steps of about `step` rows: up to the transaction `boundary`, commits whose last number is below `next_seq`. The last step goes to the goal.';

CREATE FUNCTION rowbell.stretch(from_xid xid8, below xid8, besides xid8[], until pg_snapshot, channels text[], most bigint) RETURNS TABLE(xid xid8, seq bigint, channel text, op text, row_id text, version bigint, "row" json, old json, logged_at timestamp with time zone, actor text, branch text, wanted boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET jit TO 'off'
    BEGIN ATOMIC
( SELECT l.xid,
     l.seq,
     l.channel,
     l.op,
     l.row_id,
     l.version,
         CASE
             WHEN ((stretch.channels IS NULL) OR (l.channel = ANY (stretch.channels))) THEN l."row"
             ELSE NULL::json
         END AS "case",
         CASE
             WHEN ((stretch.channels IS NULL) OR (l.channel = ANY (stretch.channels))) THEN l.old
             ELSE NULL::json
         END AS "case",
     l.logged_at,
     l.actor,
     l.branch,
     ((stretch.channels IS NULL) OR (l.channel = ANY (stretch.channels)))
    FROM rowbell.sync_log l
   WHERE ((l.xid = ANY (stretch.besides)) AND (l.xid < stretch.from_xid) AND pg_visible_in_snapshot(l.xid, stretch.until))
   ORDER BY l.xid, l.seq)
 UNION ALL
 ( SELECT l.xid,
     l.seq,
     l.channel,
     l.op,
     l.row_id,
     l.version,
         CASE
             WHEN ((stretch.channels IS NULL) OR (l.channel = ANY (stretch.channels))) THEN l."row"
             ELSE NULL::json
         END AS "case",
         CASE
             WHEN ((stretch.channels IS NULL) OR (l.channel = ANY (stretch.channels))) THEN l.old
             ELSE NULL::json
         END AS "case",
     l.logged_at,
     l.actor,
     l.branch,
     ((stretch.channels IS NULL) OR (l.channel = ANY (stretch.channels)))
    FROM rowbell.sync_log l
   WHERE ((l.xid >= stretch.from_xid) AND (l.xid < stretch.below) AND pg_visible_in_snapshot(l.xid, stretch.until))
   ORDER BY l.xid, l.seq)
 LIMIT stretch.most;
END;

COMMENT ON FUNCTION rowbell.stretch(from_xid xid8, below xid8, besides xid8[], until pg_snapshot, channels text[], most bigint) IS 'Rows of a range of the log as they were logged, transaction by transaction, with their images.';

CREATE FUNCTION rowbell.tells_alike(channel text, relation regclass) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN ((NOT rowbell.image_needs(channel, relation, 'other'::text)) AND ((NOT rowbell.image_needs(channel, relation, 'timezone'::text)) OR (current_setting('timezone'::text) = ANY (ARRAY['UTC'::text, 'Etc/UTC'::text, 'GMT'::text]))) AND ((NOT rowbell.image_needs(channel, relation, 'extra_float_digits'::text)) OR (current_setting('extra_float_digits'::text) = ANY (ARRAY['1'::text, '2'::text, '3'::text]))) AND ((NOT rowbell.image_needs(channel, relation, 'bytea_output'::text)) OR (current_setting('bytea_output'::text) = 'hex'::text)));

COMMENT ON FUNCTION rowbell.tells_alike(channel text, relation regclass) IS 'Whether this session writes the text of a row as every other would.';

CREATE FUNCTION rowbell.timeline() RETURNS integer
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN ((('x'::text || SUBSTRING(pg_walfile_name(pg_current_wal_lsn()) FROM 1 FOR 8)))::bit(32))::integer;

COMMENT ON FUNCTION rowbell.timeline() IS 'The timeline this primary writes; it changes with every promotion.';

CREATE TABLE rowbell.generation_start (
    nonce bigint NOT NULL,
    number bigint NOT NULL,
    timeline integer NOT NULL,
    highest_xid xid8 NOT NULL,
    newest_tick xid8 NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE rowbell.generation_start IS 'What each generation found when it began; logged, so that it outlives crashes.';

COMMENT ON COLUMN rowbell.generation_start.number IS 'Their order; a clock can be set back.';

COMMENT ON COLUMN rowbell.generation_start.highest_xid IS 'The highest transaction with a log row or tick that had survived.';

COMMENT ON COLUMN rowbell.generation_start.newest_tick IS 'The transaction of the newest tick that had survived.';

CREATE TABLE rowbell.retention (
    only_row boolean DEFAULT true NOT NULL,
    keep interval DEFAULT '7 days'::interval NOT NULL,
    period integer DEFAULT 100800 NOT NULL,
    turns bigint DEFAULT 0 NOT NULL,
    slot_since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    stage text DEFAULT 'settled'::text NOT NULL,
    waits_for text[] DEFAULT '{}'::text[] NOT NULL,
    base pg_snapshot,
    dropped xid8,
    emptied_at timestamp with time zone,
    CONSTRAINT retention_floor CHECK (((base IS NULL) = (dropped IS NULL))),
    CONSTRAINT retention_one_row CHECK (only_row),
    CONSTRAINT retention_stage CHECK ((stage = ANY (ARRAY['turned'::text, 'waiting'::text, 'prepared'::text, 'settled'::text])))
);

COMMENT ON TABLE rowbell.retention IS 'How long changes are kept, and up to where they were dropped.';

COMMENT ON COLUMN rowbell.retention.period IS 'Seconds a slot lasts.';

COMMENT ON COLUMN rowbell.retention.turns IS 'How often the ring was turned: the rest modulo 8 is the leaf that takes rows since `slot_since`, the number in rowbell.slot.';

COMMENT ON COLUMN rowbell.retention.stage IS 'Settled: nobody writes to another leaf, and all who did have ended. Turned, waiting, prepared: not all of them have.';

COMMENT ON COLUMN rowbell.retention.waits_for IS 'Turned: the virtual transaction that turned the ring. Waiting: those that were open when it had ended. Prepared: transactions that were prepared when those had ended.';

COMMENT ON COLUMN rowbell.retention.base IS 'A snapshot in which everything that was dropped is visible.';

COMMENT ON COLUMN rowbell.retention.dropped IS 'The highest transaction that was dropped: the floor is `base`, cut there.';

CREATE FUNCTION rowbell."trim"() RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 DELETE FROM rowbell.tick AS t
   WHERE ((t.at < ( SELECT max(n.at) AS max
            FROM rowbell.tick n,
             rowbell.retention r
           WHERE (n.at <= (clock_timestamp() - r.keep)))) AND (NOT (EXISTS ( SELECT
            FROM rowbell.generation_start s
           WHERE (s.newest_tick = t.xid)))));
 DELETE FROM rowbell.generation_start AS g
   WHERE (EXISTS ( SELECT
            FROM rowbell.generation_start later,
             rowbell.retention r
           WHERE ((later.number > g.number) AND (later.highest_xid < r.dropped))));
END;

COMMENT ON FUNCTION rowbell."trim"() IS 'Deletes ticks older than the retention, but one, and generations of which no cursor can be continued.';

CREATE FUNCTION rowbell.truncate_body(w rowbell.watched) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 SELECT format('
declare
    rang boolean;
begin
    insert into rowbell.sync_log (seq, channel, op, actor, branch)
    values (pg_catalog.nextval(''rowbell.seq''::pg_catalog.regclass), %L, ''truncate'',
        rowbell.actor(), rowbell.branch());
%s    return null;
end
'::text, (w).channel, rowbell.ring_statement(w)) AS format;
END;

COMMENT ON FUNCTION rowbell.truncate_body(w rowbell.watched) IS 'The body of !rowbell_truncate for one table.';

CREATE FUNCTION rowbell.turn() RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    r rowbell.retention;
begin
    select * into r from rowbell.retention;
    -- Looked at before anything is locked, which takes a transaction id.
    if r.stage in ('turned', 'waiting') and rowbell.open_transactions() && r.waits_for
        or r.stage = 'prepared' and rowbell.prepared_transactions() && r.waits_for
        -- A clock that was set back is no reason to wait until it has come there again.
        or r.stage = 'settled'
            and clock_timestamp() between r.slot_since - interval '1 minute' and r.slot_since + make_interval(secs => r.period)
    then
        return null;
    end if;
    perform from rowbell.retention x where x.turns = r.turns and x.stage = r.stage for update skip locked;
    if not found then
        return null;
    end if;
    if r.stage = 'settled' then
        perform rowbell.turn_to(r.turns + 1);
        return 'turned';
    end if;
    update rowbell.retention x
    set stage = case r.stage when 'turned' then 'waiting' when 'waiting' then 'prepared' else 'settled' end,
        waits_for = case r.stage when 'turned' then rowbell.open_transactions()
            when 'waiting' then rowbell.prepared_transactions() else '{}' end
    returning x.stage into r.stage;
    return r.stage;
end
$$;

COMMENT ON FUNCTION rowbell.turn() IS 'Goes a step on the way to the next slot, if one can be gone; where to. Each step is a transaction of its own.';

CREATE FUNCTION rowbell.turn_to(turns bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    execute format('create or replace function rowbell.slot() returns smallint language sql volatile return %s::smallint', turns % 8);
    update rowbell.retention set turns = turn_to.turns, slot_since = clock_timestamp(), stage = 'turned', waits_for = array(
        select l.virtualtransaction from pg_locks l where l.locktype = 'virtualxid' and l.pid = pg_backend_pid());
end
$$;

COMMENT ON FUNCTION rowbell.turn_to(turns bigint) IS 'Makes the ring stand there: function and record in one. PostgreSQL shows a commit before it tells others to plan anew, and lets go of its virtual transaction after.';

CREATE FUNCTION rowbell.unwatch("table" regclass) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION rowbell.unwatch("table" regclass) IS 'Detaches Rowbell from a table, with the columns watch had added: a version means nothing while nobody keeps it.';

CREATE FUNCTION rowbell.version_body(w rowbell.watched) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 WITH columns AS (
          SELECT a.attname,
             a.attgenerated,
             a.atttypid
            FROM pg_attribute a
           WHERE ((a.attrelid = ((version_body.w).relation)::oid) AND (a.attnum > 0) AND (NOT a.attisdropped))
         ), kept AS (
          SELECT c.attname,
                 CASE c.attname
                     WHEN (version_body.w).version_column THEN 'pg_catalog.nextval(''rowbell.seq''::pg_catalog.regclass)'::text
                     WHEN 'last_synced_at'::name THEN 'pg_catalog.clock_timestamp()'::text
                     ELSE 'pg_catalog.now()'::text
                 END AS value
            FROM columns c
           WHERE ((c.attgenerated = ''::"char") AND ((c.attname = (version_body.w).version_column) OR ((c.attname = 'last_synced_at'::name) AND (c.atttypid = ('timestamp with time zone'::regtype)::oid)) OR ((c.attname = 'updated_at'::name) AND (c.atttypid = ANY (ARRAY[('timestamp with time zone'::regtype)::oid, ('timestamp without time zone'::regtype)::oid])))))
         )
  SELECT format('
declare
    former record;
begin
    begin
        if tg_op operator(pg_catalog.=) ''UPDATE'' then
%s            former := old;
%s            if new operator(pg_catalog.*=) former then
                return new;
            end if;
        end if;
%s    exception when others then
        -- A column was renamed, dropped or retyped under us: a version alone, so that the change is logged.
        begin
            new.%I := pg_catalog.nextval(''rowbell.seq''::pg_catalog.regclass);
        exception when others then
            null;
        end;
    end;
    return new;
end
'::text, ( SELECT string_agg(format('            new.%I := old.%I;
'::text, k.attname, k.attname), ''::text) AS string_agg
            FROM kept k), ( SELECT COALESCE(string_agg(format('            former.%I := new.%I;
'::text, c.attname, c.attname), ''::text), ''::text) AS "coalesce"
            FROM columns c
           WHERE (c.attgenerated <> ''::"char")), ( SELECT string_agg(format('        new.%I := %s;
'::text, k.attname, k.value), ''::text) AS string_agg
            FROM kept k), (w).version_column) AS format;
END;

COMMENT ON FUNCTION rowbell.version_body(w rowbell.watched) IS 'The body of ~rowbell_version for one table.';

CREATE FUNCTION rowbell.watch("table" regclass, channel text DEFAULT NULL::text, omit text[] DEFAULT '{}'::text[], notify text DEFAULT 'auto'::text, feed_only boolean DEFAULT false, version_column text DEFAULT 'version'::text, replica boolean DEFAULT false, as_text text[] DEFAULT '{}'::text[]) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

COMMENT ON FUNCTION rowbell.watch("table" regclass, channel text, omit text[], notify text, feed_only boolean, version_column text, replica boolean, as_text text[]) IS 'Attaches Rowbell to a table and returns its channel; on a watched table it applies the new options and subscribers start over.';

CREATE FUNCTION rowbell.write_function(name text, body text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    -- Without `set search_path`: no name in the body is looked up in it.
    execute format('create or replace function rowbell.%I() returns trigger language plpgsql security definer as %L', name, body);
    execute format('alter function rowbell.%I() owner to %s', name, (select nspowner::regrole from pg_namespace where nspname = 'rowbell'));
    execute format('revoke all on function rowbell.%I() from public', name);
end
$$;

COMMENT ON FUNCTION rowbell.write_function(name text, body text) IS 'Makes one trigger function: security definer, so that writers need no right in schema rowbell.';

CREATE FUNCTION rowbell.write_functions(w rowbell.watched) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if w.version_column is not null then
        perform rowbell.write_function(w.channel || '_version', rowbell.version_body(w));
    end if;
    perform rowbell.write_function(w.channel || '_log', rowbell.log_body(w));
    perform rowbell.write_function(w.channel || '_truncate', rowbell.truncate_body(w));
end
$$;

COMMENT ON FUNCTION rowbell.write_functions(w rowbell.watched) IS 'Makes the trigger functions of one channel from the catalog as it is now.';

CREATE VIEW rowbell.changes AS
 SELECT l.logged_at AS at,
    l.xid,
    l.seq,
    l.channel,
    l.op,
    l.row_id AS id,
    l.version,
    l.actor,
    l.branch,
    l."row",
    l.old
   FROM rowbell.sync_log l;

COMMENT ON VIEW rowbell.changes IS 'The log for people: one line a change, `row` after and `old` before it.';

CREATE VIEW rowbell.channel AS
 SELECT w.channel,
    w.relation AS "table",
    w.key_columns,
    w.version_column,
    (w.version_column IS NULL) AS feed_only,
    rowbell.omitted(w.*) AS omit,
    w.notify,
    w.replica,
    w.watched_at,
    rowbell.sent_as_text(w.*) AS as_text
   FROM rowbell.watched w
  WHERE (EXISTS ( SELECT
           FROM pg_trigger t
          WHERE ((t.tgrelid = (w.relation)::oid) AND (t.tgname = '!rowbell_log'::name))));

COMMENT ON VIEW rowbell.channel IS 'What is watched now: one table, one channel, one NOTIFY topic, one REST resource.';

ALTER TABLE rowbell.generation_start ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rowbell.generation_start_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE rowbell.migration (
    version integer NOT NULL,
    name character varying(255),
    applied_on character varying(255),
    checksum character varying(255)
);

CREATE TABLE rowbell.request (
    subject text NOT NULL,
    key text NOT NULL,
    hash bytea NOT NULL,
    status smallint NOT NULL,
    row_id text NOT NULL,
    version bigint,
    xid xid8,
    answer text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

COMMENT ON TABLE rowbell.request IS 'What writes were answered that came with a key of the client''s, so that the same request again writes nothing.';

COMMENT ON COLUMN rowbell.request.subject IS 'Who sent it; keys of others are of no concern.';

COMMENT ON COLUMN rowbell.request.hash IS 'SHA-256 of what was asked for: another request under the same key is refused.';

COMMENT ON COLUMN rowbell.request.version IS 'The row''s version after it; of a delete, the one removed.';

COMMENT ON COLUMN rowbell.request.xid IS 'The transaction that wrote; null where there was nothing to change.';

COMMENT ON COLUMN rowbell.request.answer IS 'The row as it was answered, to the letter.';

CREATE SEQUENCE rowbell.seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

COMMENT ON SEQUENCE rowbell.seq IS 'Versions and log numbers, drawn while the row is locked; cache 1, or two versions of a row could swap.';

CREATE TABLE rowbell.sync_log_0 (
    seq bigint NOT NULL,
    slot smallint DEFAULT rowbell.slot() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    op text NOT NULL,
    row_id text COLLATE pg_catalog."C",
    version bigint,
    "row" json,
    old json,
    actor text,
    branch text,
    durable boolean DEFAULT (current_setting('synchronous_commit'::text) <> 'off'::text) NOT NULL,
    logged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settled boolean DEFAULT rowbell.settled() NOT NULL
);

CREATE TABLE rowbell.sync_log_1 (
    seq bigint NOT NULL,
    slot smallint DEFAULT rowbell.slot() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    op text NOT NULL,
    row_id text COLLATE pg_catalog."C",
    version bigint,
    "row" json,
    old json,
    actor text,
    branch text,
    durable boolean DEFAULT (current_setting('synchronous_commit'::text) <> 'off'::text) NOT NULL,
    logged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settled boolean DEFAULT rowbell.settled() NOT NULL
);

CREATE TABLE rowbell.sync_log_2 (
    seq bigint NOT NULL,
    slot smallint DEFAULT rowbell.slot() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    op text NOT NULL,
    row_id text COLLATE pg_catalog."C",
    version bigint,
    "row" json,
    old json,
    actor text,
    branch text,
    durable boolean DEFAULT (current_setting('synchronous_commit'::text) <> 'off'::text) NOT NULL,
    logged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settled boolean DEFAULT rowbell.settled() NOT NULL
);

CREATE TABLE rowbell.sync_log_3 (
    seq bigint NOT NULL,
    slot smallint DEFAULT rowbell.slot() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    op text NOT NULL,
    row_id text COLLATE pg_catalog."C",
    version bigint,
    "row" json,
    old json,
    actor text,
    branch text,
    durable boolean DEFAULT (current_setting('synchronous_commit'::text) <> 'off'::text) NOT NULL,
    logged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settled boolean DEFAULT rowbell.settled() NOT NULL
);

CREATE TABLE rowbell.sync_log_4 (
    seq bigint NOT NULL,
    slot smallint DEFAULT rowbell.slot() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    op text NOT NULL,
    row_id text COLLATE pg_catalog."C",
    version bigint,
    "row" json,
    old json,
    actor text,
    branch text,
    durable boolean DEFAULT (current_setting('synchronous_commit'::text) <> 'off'::text) NOT NULL,
    logged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settled boolean DEFAULT rowbell.settled() NOT NULL
);

CREATE TABLE rowbell.sync_log_5 (
    seq bigint NOT NULL,
    slot smallint DEFAULT rowbell.slot() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    op text NOT NULL,
    row_id text COLLATE pg_catalog."C",
    version bigint,
    "row" json,
    old json,
    actor text,
    branch text,
    durable boolean DEFAULT (current_setting('synchronous_commit'::text) <> 'off'::text) NOT NULL,
    logged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settled boolean DEFAULT rowbell.settled() NOT NULL
);

CREATE TABLE rowbell.sync_log_6 (
    seq bigint NOT NULL,
    slot smallint DEFAULT rowbell.slot() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    op text NOT NULL,
    row_id text COLLATE pg_catalog."C",
    version bigint,
    "row" json,
    old json,
    actor text,
    branch text,
    durable boolean DEFAULT (current_setting('synchronous_commit'::text) <> 'off'::text) NOT NULL,
    logged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settled boolean DEFAULT rowbell.settled() NOT NULL
);

CREATE TABLE rowbell.sync_log_7 (
    seq bigint NOT NULL,
    slot smallint DEFAULT rowbell.slot() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    channel text NOT NULL COLLATE pg_catalog."C",
    op text NOT NULL,
    row_id text COLLATE pg_catalog."C",
    version bigint,
    "row" json,
    old json,
    actor text,
    branch text,
    durable boolean DEFAULT (current_setting('synchronous_commit'::text) <> 'off'::text) NOT NULL,
    logged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    settled boolean DEFAULT rowbell.settled() NOT NULL
);

ALTER TABLE ONLY rowbell.sync_log ATTACH PARTITION rowbell.sync_log_0 FOR VALUES IN ('0');

ALTER TABLE ONLY rowbell.sync_log ATTACH PARTITION rowbell.sync_log_1 FOR VALUES IN ('1');

ALTER TABLE ONLY rowbell.sync_log ATTACH PARTITION rowbell.sync_log_2 FOR VALUES IN ('2');

ALTER TABLE ONLY rowbell.sync_log ATTACH PARTITION rowbell.sync_log_3 FOR VALUES IN ('3');

ALTER TABLE ONLY rowbell.sync_log ATTACH PARTITION rowbell.sync_log_4 FOR VALUES IN ('4');

ALTER TABLE ONLY rowbell.sync_log ATTACH PARTITION rowbell.sync_log_5 FOR VALUES IN ('5');

ALTER TABLE ONLY rowbell.sync_log ATTACH PARTITION rowbell.sync_log_6 FOR VALUES IN ('6');

ALTER TABLE ONLY rowbell.sync_log ATTACH PARTITION rowbell.sync_log_7 FOR VALUES IN ('7');

ALTER TABLE ONLY rowbell.generation
    ADD CONSTRAINT generation_pk PRIMARY KEY (only_row);

ALTER TABLE ONLY rowbell.generation_start
    ADD CONSTRAINT generation_start_pk PRIMARY KEY (nonce);

ALTER TABLE ONLY rowbell.installation
    ADD CONSTRAINT installation_pk PRIMARY KEY (only_row);

ALTER TABLE ONLY rowbell.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (version);

ALTER TABLE ONLY rowbell.request
    ADD CONSTRAINT request_once PRIMARY KEY (subject, key);

ALTER TABLE ONLY rowbell.retention
    ADD CONSTRAINT retention_pk PRIMARY KEY (only_row);

ALTER TABLE ONLY rowbell.tick
    ADD CONSTRAINT tick_pk PRIMARY KEY (xid);

ALTER TABLE ONLY rowbell.watched
    ADD CONSTRAINT watched_pk PRIMARY KEY (channel);

ALTER TABLE ONLY rowbell.watched
    ADD CONSTRAINT watched_relation UNIQUE (relation);

CREATE INDEX request_by_age ON rowbell.request USING btree (at);

CREATE INDEX sync_log_row ON ONLY rowbell.sync_log USING btree (channel, row_id, version);

CREATE INDEX sync_log_0_channel_row_id_version_idx ON rowbell.sync_log_0 USING btree (channel, row_id, version);

CREATE INDEX sync_log_unflushed ON ONLY rowbell.sync_log USING btree (xid) WHERE (NOT durable);

CREATE INDEX sync_log_0_xid_idx ON rowbell.sync_log_0 USING btree (xid) WHERE (NOT durable);

CREATE INDEX sync_log_commit ON ONLY rowbell.sync_log USING btree (xid, seq);

CREATE INDEX sync_log_0_xid_seq_idx ON rowbell.sync_log_0 USING btree (xid, seq);

CREATE INDEX sync_log_1_channel_row_id_version_idx ON rowbell.sync_log_1 USING btree (channel, row_id, version);

CREATE INDEX sync_log_1_xid_idx ON rowbell.sync_log_1 USING btree (xid) WHERE (NOT durable);

CREATE INDEX sync_log_1_xid_seq_idx ON rowbell.sync_log_1 USING btree (xid, seq);

CREATE INDEX sync_log_2_channel_row_id_version_idx ON rowbell.sync_log_2 USING btree (channel, row_id, version);

CREATE INDEX sync_log_2_xid_idx ON rowbell.sync_log_2 USING btree (xid) WHERE (NOT durable);

CREATE INDEX sync_log_2_xid_seq_idx ON rowbell.sync_log_2 USING btree (xid, seq);

CREATE INDEX sync_log_3_channel_row_id_version_idx ON rowbell.sync_log_3 USING btree (channel, row_id, version);

CREATE INDEX sync_log_3_xid_idx ON rowbell.sync_log_3 USING btree (xid) WHERE (NOT durable);

CREATE INDEX sync_log_3_xid_seq_idx ON rowbell.sync_log_3 USING btree (xid, seq);

CREATE INDEX sync_log_4_channel_row_id_version_idx ON rowbell.sync_log_4 USING btree (channel, row_id, version);

CREATE INDEX sync_log_4_xid_idx ON rowbell.sync_log_4 USING btree (xid) WHERE (NOT durable);

CREATE INDEX sync_log_4_xid_seq_idx ON rowbell.sync_log_4 USING btree (xid, seq);

CREATE INDEX sync_log_5_channel_row_id_version_idx ON rowbell.sync_log_5 USING btree (channel, row_id, version);

CREATE INDEX sync_log_5_xid_idx ON rowbell.sync_log_5 USING btree (xid) WHERE (NOT durable);

CREATE INDEX sync_log_5_xid_seq_idx ON rowbell.sync_log_5 USING btree (xid, seq);

CREATE INDEX sync_log_6_channel_row_id_version_idx ON rowbell.sync_log_6 USING btree (channel, row_id, version);

CREATE INDEX sync_log_6_xid_idx ON rowbell.sync_log_6 USING btree (xid) WHERE (NOT durable);

CREATE INDEX sync_log_6_xid_seq_idx ON rowbell.sync_log_6 USING btree (xid, seq);

CREATE INDEX sync_log_7_channel_row_id_version_idx ON rowbell.sync_log_7 USING btree (channel, row_id, version);

CREATE INDEX sync_log_7_xid_idx ON rowbell.sync_log_7 USING btree (xid) WHERE (NOT durable);

CREATE INDEX sync_log_7_xid_seq_idx ON rowbell.sync_log_7 USING btree (xid, seq);

CREATE INDEX tick_at ON rowbell.tick USING btree (at);

ALTER INDEX rowbell.sync_log_row ATTACH PARTITION rowbell.sync_log_0_channel_row_id_version_idx;

ALTER INDEX rowbell.sync_log_unflushed ATTACH PARTITION rowbell.sync_log_0_xid_idx;

ALTER INDEX rowbell.sync_log_commit ATTACH PARTITION rowbell.sync_log_0_xid_seq_idx;

ALTER INDEX rowbell.sync_log_row ATTACH PARTITION rowbell.sync_log_1_channel_row_id_version_idx;

ALTER INDEX rowbell.sync_log_unflushed ATTACH PARTITION rowbell.sync_log_1_xid_idx;

ALTER INDEX rowbell.sync_log_commit ATTACH PARTITION rowbell.sync_log_1_xid_seq_idx;

ALTER INDEX rowbell.sync_log_row ATTACH PARTITION rowbell.sync_log_2_channel_row_id_version_idx;

ALTER INDEX rowbell.sync_log_unflushed ATTACH PARTITION rowbell.sync_log_2_xid_idx;

ALTER INDEX rowbell.sync_log_commit ATTACH PARTITION rowbell.sync_log_2_xid_seq_idx;

ALTER INDEX rowbell.sync_log_row ATTACH PARTITION rowbell.sync_log_3_channel_row_id_version_idx;

ALTER INDEX rowbell.sync_log_unflushed ATTACH PARTITION rowbell.sync_log_3_xid_idx;

ALTER INDEX rowbell.sync_log_commit ATTACH PARTITION rowbell.sync_log_3_xid_seq_idx;

ALTER INDEX rowbell.sync_log_row ATTACH PARTITION rowbell.sync_log_4_channel_row_id_version_idx;

ALTER INDEX rowbell.sync_log_unflushed ATTACH PARTITION rowbell.sync_log_4_xid_idx;

ALTER INDEX rowbell.sync_log_commit ATTACH PARTITION rowbell.sync_log_4_xid_seq_idx;

ALTER INDEX rowbell.sync_log_row ATTACH PARTITION rowbell.sync_log_5_channel_row_id_version_idx;

ALTER INDEX rowbell.sync_log_unflushed ATTACH PARTITION rowbell.sync_log_5_xid_idx;

ALTER INDEX rowbell.sync_log_commit ATTACH PARTITION rowbell.sync_log_5_xid_seq_idx;

ALTER INDEX rowbell.sync_log_row ATTACH PARTITION rowbell.sync_log_6_channel_row_id_version_idx;

ALTER INDEX rowbell.sync_log_unflushed ATTACH PARTITION rowbell.sync_log_6_xid_idx;

ALTER INDEX rowbell.sync_log_commit ATTACH PARTITION rowbell.sync_log_6_xid_seq_idx;

ALTER INDEX rowbell.sync_log_row ATTACH PARTITION rowbell.sync_log_7_channel_row_id_version_idx;

ALTER INDEX rowbell.sync_log_unflushed ATTACH PARTITION rowbell.sync_log_7_xid_idx;

ALTER INDEX rowbell.sync_log_commit ATTACH PARTITION rowbell.sync_log_7_xid_seq_idx;

REVOKE ALL ON FUNCTION rowbell.actor() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.add_columns(relation regclass, version_column text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.alike_expression(w rowbell.watched, record_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.announce(channel text, event text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.attach(w rowbell.watched) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.bell_key(channel text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.blockers(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.branch() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.channel_name("table" regclass, wanted text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.check_columns(relation regclass, omit text[], version_column text, as_text text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.check_watchable(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.columns_now(relation regclass, names text[], numbers smallint[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.covers(larger pg_snapshot, smaller pg_snapshot) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.detach(w rowbell.watched) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.differs(a text, b text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.empty_leaf(leaf smallint, keep interval, OUT outcome text, OUT bytes bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.fitting(image json) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.learn_generation() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.settled() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.slot() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.highest_xid() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.holds_younger(leaf smallint, base pg_snapshot) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.text_form(type oid) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.key_expression(relation regclass, record_name text, key_columns text[], as_text text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.sent_as_text(w rowbell.watched) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.id_expression(w rowbell.watched, record_name text, image_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.id_in(image json, key_columns text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.omitted(w rowbell.watched) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.image_expression(w rowbell.watched, record_name text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.types_now(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.image_needs(channel text, relation regclass, need text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.install() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.keep_for(keep interval) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.key_columns(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.lock_briefly(relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.ring_statement(w rowbell.watched) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.log_body(w rowbell.watched) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.merge_patch(target jsonb, patch jsonb) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.nonce() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.open_generation() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.open_transactions() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.pinned_image(subject record) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.pinned_text(subject anyelement) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.placed(from_xid xid8, below xid8, besides xid8[], until pg_snapshot, from_seq bigint, to_seq bigint, channels text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell."position"(reached pg_snapshot, OUT snapshot pg_snapshot, OUT highest xid8, OUT installation bigint, OUT generation bigint, OUT durable boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.prepared_transactions() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.refuse(reason text, advice text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.rescue(channel text, subject anyelement, OUT found_key text, OUT found_version bigint, OUT found_image json) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.resync(channel text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.ring(channel text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.ring_catalog() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.steps(since pg_snapshot, until pg_snapshot, step bigint, ahead bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.stretch(from_xid xid8, below xid8, besides xid8[], until pg_snapshot, channels text[], most bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.tells_alike(channel text, relation regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.timeline() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell."trim"() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.truncate_body(w rowbell.watched) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.turn() FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.turn_to(turns bigint) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.unwatch("table" regclass) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.version_body(w rowbell.watched) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.watch("table" regclass, channel text, omit text[], notify text, feed_only boolean, version_column text, replica boolean, as_text text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.write_function(name text, body text) FROM PUBLIC;

REVOKE ALL ON FUNCTION rowbell.write_functions(w rowbell.watched) FROM PUBLIC;

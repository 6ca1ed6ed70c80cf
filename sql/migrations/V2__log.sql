-- The log every change goes through on its way to a subscriber, and the ring that keeps it bounded.
--
-- The log is partitioned by `slot`, which moves on each sixth of the retention (`rowbell.turn`): the oldest leaf can be
-- emptied by TRUNCATE while writers fill the newest, and nobody ever waits for DDL on the parent. The slot is a constant in
-- a function and not made of the time, because then it is known which leaf takes rows: a drain reads one instead of eight.
-- `old` holds the whole previous image: the writer pays one row_to_json instead of a comparison of columns,
-- and the reader sends only what changed.
--
-- After a crash or a promotion writers may come before the first node, and use transaction ids again that a cursor of
-- the generation before claims. Were they counted to what had survived, that cursor would pass for good and swallow
-- them. So a row says in `settled` whether its writer found a generation: until a node has opened one there is none. A
-- session asks once and remembers it in a setting of its own, which ends with the session as every crash ends all of
-- them. A writer may set `rowbell.generation` itself and so deceive the log about its own rows, nobody else's.
--
-- Left out: emptying leaves (the keeper's business), and any foreign key: a log row outlives its table.
-- Out of trouble: `truncate rowbell.sync_log` is never right while cursors are out; use a new installation.

create table rowbell.retention (
    only_row boolean not null default true,
    keep interval not null default '7 days',
    period integer not null default 100800,
    turns bigint not null default 0,
    slot_since timestamptz not null default clock_timestamp(),
    stage text not null default 'settled',
    waits_for text[] not null default '{}',
    base pg_snapshot,
    dropped xid8,
    emptied_at timestamptz,
    constraint retention_one_row check (only_row),
    constraint retention_pk primary key (only_row),
    constraint retention_floor check ((base is null) = (dropped is null)),
    constraint retention_stage check (stage in ('turned', 'waiting', 'prepared', 'settled'))
);
comment on table rowbell.retention is 'How long changes are kept, and up to where they were dropped.';
comment on column rowbell.retention.period is 'Seconds a slot lasts.';
comment on column rowbell.retention.turns is
    'How often the ring was turned: the rest modulo 8 is the leaf that takes rows since `slot_since`, the number in rowbell.slot.';
comment on column rowbell.retention.stage is
    'Settled: nobody writes to another leaf, and all who did have ended. Turned, waiting, prepared: not all of them have.';
comment on column rowbell.retention.waits_for is
    'Turned: the virtual transaction that turned the ring. Waiting: those that were open when it had ended. Prepared: transactions that were prepared when those had ended.';
comment on column rowbell.retention.base is 'A snapshot in which everything that was dropped is visible.';
comment on column rowbell.retention.dropped is 'The highest transaction that was dropped: the floor is `base`, cut there.';
insert into rowbell.retention default values;

create function rowbell.slot() returns smallint
    language sql volatile
    return 0::smallint;
-- No `set search_path` here: it would keep the planner from inlining the body into every log row's default.
comment on function rowbell.slot() is
    'Which leaf of the ring takes rows now; `rowbell.turn` writes it anew, and PostgreSQL then plans anew what writes rows.';

create function rowbell.turn_to(turns bigint) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('create or replace function rowbell.slot() returns smallint language sql volatile return %s::smallint', turns % 8);
    update rowbell.retention set turns = turn_to.turns, slot_since = clock_timestamp(), stage = 'turned', waits_for = array(
        select l.virtualtransaction from pg_locks l where l.locktype = 'virtualxid' and l.pid = pg_backend_pid());
end
$$;
comment on function rowbell.turn_to(bigint) is
    'Makes the ring stand there: function and record in one. PostgreSQL shows a commit before it tells others to plan anew, '
    'and lets go of its virtual transaction after.';

create function rowbell.learn_generation() returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('rowbell.generation', g.nonce::text, false) from rowbell.generation g;
    return found;
end
$$;
comment on function rowbell.learn_generation() is 'Asks whether a node has opened this generation, and remembers a yes for the session.';

-- No `set search_path`, so that the body is inlined into the default of every log row; it is bound here and now.
create function rowbell.settled() returns boolean
    language sql volatile
    return coalesce(current_setting('rowbell.generation', true), '') <> '' or rowbell.learn_generation();
comment on function rowbell.settled() is 'Whether a node has opened this generation; cheap after the first yes.';

-- No check says which words `op` may be: PostgreSQL prepares a check anew for every statement, which here is every
-- row, and that took 5.5 of 30 µs. Only the functions of this schema write to the log.
create table rowbell.sync_log (
    seq bigint not null,
    slot smallint not null default rowbell.slot(),
    xid xid8 not null default pg_current_xact_id(),
    channel text collate "C" not null,
    op text not null,
    row_id text collate "C",
    version bigint,
    row json,
    old json,
    actor text,
    branch text,
    durable boolean not null default current_setting('synchronous_commit') <> 'off',
    logged_at timestamptz not null default clock_timestamp(),
    settled boolean not null default rowbell.settled()
) partition by list (slot);

comment on table rowbell.sync_log is 'One row per change of a watched row; the only way a write reaches a subscriber.';
comment on column rowbell.sync_log.seq is 'Drawn when the row is logged, after every wait for other writers: commits are ordered by their last one.';
comment on column rowbell.sync_log.xid is 'The top-level transaction; a drain reads by it, never by seq.';
comment on column rowbell.sync_log.op is
    'insert, update, delete, truncate; resync: subscribers must start over; unwatch: the channel ended.';
comment on column rowbell.sync_log.row_id is 'The key as text; of several columns their JSON array, without blanks.';
comment on column rowbell.sync_log.version is 'The version after the change; of a delete the version removed; null when feed-only.';
comment on column rowbell.sync_log.row is 'The row after the change; null where it was over 1 MiB or could not be made.';
comment on column rowbell.sync_log.old is 'The row before the change, whole; null as above.';
comment on column rowbell.sync_log.durable is
    'False when the writer ran with synchronous_commit off: a reader waits until the log is flushed past it.';
comment on column rowbell.sync_log.settled is
    'False when written after a crash or promotion before the first node: no proof of what had survived it.';

create table rowbell.sync_log_0 partition of rowbell.sync_log for values in (0);
create table rowbell.sync_log_1 partition of rowbell.sync_log for values in (1);
create table rowbell.sync_log_2 partition of rowbell.sync_log for values in (2);
create table rowbell.sync_log_3 partition of rowbell.sync_log for values in (3);
create table rowbell.sync_log_4 partition of rowbell.sync_log for values in (4);
create table rowbell.sync_log_5 partition of rowbell.sync_log for values in (5);
create table rowbell.sync_log_6 partition of rowbell.sync_log for values in (6);
create table rowbell.sync_log_7 partition of rowbell.sync_log for values in (7);

-- Serves both arms of a drain: everything from xmax on, and the few that were in progress. With the number it names
-- one row of a commit, and a part of it.
create index sync_log_commit on rowbell.sync_log (xid, seq);
-- One row's history, and the merge base of a conflict: (channel, id, version) names one log row.
create index sync_log_row on rowbell.sync_log (channel, row_id, version);

create view rowbell.changes as
    select l.logged_at as at, l.xid, l.seq, l.channel, l.op, l.row_id as id, l.version, l.actor, l.branch, l.row, l.old
    from rowbell.sync_log l;
comment on view rowbell.changes is 'The log for people: one line a change, `row` after and `old` before it.';

create function rowbell.highest_xid() returns xid8
    language sql stable
    set search_path = pg_catalog, pg_temp
begin atomic
    select x.xid
    from (
        (select l.xid from rowbell.sync_log l order by l.xid desc limit 1)
        union all
        (select t.xid from rowbell.tick t order by t.xid desc limit 1)
    ) x
    order by x.xid desc
    limit 1;
end;
comment on function rowbell.highest_xid() is
    'The highest transaction with a visible log row or tick: a cursor may claim nothing above it.';

create function rowbell.open_generation() returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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
comment on function rowbell.open_generation() is
    'The generation this database is in; the first node after a crash or promotion begins a new one.';

create function rowbell.install() returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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
comment on function rowbell.install() is
    'Ties the log to this cluster and database; an empty log under a new id where it was tied to another.';

revoke all on all functions in schema rowbell from public;

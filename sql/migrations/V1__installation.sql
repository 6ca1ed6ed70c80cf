-- Who this database is, and which life it is in.
--
-- A cursor names positions by transaction id, and a transaction id means something only inside one cluster,
-- one database and one unbroken life of its write-ahead log. These tables let a node say which of them a
-- cursor comes from: `installation` ties the log to this cluster and database, `generation` is emptied by
-- PostgreSQL itself whenever commits may have been lost (it is unlogged), `generation_start` keeps what every
-- generation found when it began, and `tick` stores snapshots that prove what was on disk when.
--
-- Left out: dropping old rows of `generation_start` and `tick` (the keeper's business).
-- Out of trouble: all of it can be made anew by `rowbell migrate` after `drop schema rowbell cascade`, at the
-- price of the log; watched tables keep their rows, and must be watched again.

revoke all on schema rowbell from public;

create sequence rowbell.seq as bigint cache 1;
comment on sequence rowbell.seq is
    'Versions and log numbers, drawn while the row is locked; cache 1, or two versions of a row could swap.';

create function rowbell.nonce() returns bigint
    language sql volatile
    set search_path = pg_catalog, pg_temp
    return ('x' || encode(substring(uuid_send(gen_random_uuid()) from 9 for 8), 'hex'))::bit(64)::bigint;
comment on function rowbell.nonce() is 'A random number that nobody has drawn before.';

create function rowbell.timeline() returns integer
    language sql volatile
    set search_path = pg_catalog, pg_temp
    return ('x' || substring(pg_walfile_name(pg_current_wal_lsn()) from 1 for 8))::bit(32)::integer;
comment on function rowbell.timeline() is 'The timeline this primary writes; it changes with every promotion.';

create table rowbell.installation (
    only_row boolean not null default true,
    id bigint not null default rowbell.nonce(),
    system_identifier bigint not null,
    database_oid oid not null,
    table_oid oid not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint installation_one_row check (only_row),
    constraint installation_pk primary key (only_row)
);
comment on table rowbell.installation is
    'The one log this database holds. A dump restored elsewhere carries the row of its origin, which is how it is found out.';
comment on column rowbell.installation.table_oid is
    'This table itself: a dump restored into the very database it came from makes the table anew.';
comment on column rowbell.installation.id is 'Carried in every cursor; another id means a cursor of another log.';

create unlogged table rowbell.generation (
    only_row boolean not null default true,
    nonce bigint not null,
    constraint generation_one_row check (only_row),
    constraint generation_pk primary key (only_row)
);
comment on table rowbell.generation is
    'Unlogged on purpose: crash recovery and promotion empty it, and its emptiness is the message.';

create table rowbell.generation_start (
    nonce bigint not null,
    number bigint generated always as identity,
    timeline integer not null,
    highest_xid xid8 not null,
    newest_tick xid8 not null,
    started_at timestamptz not null default clock_timestamp(),
    constraint generation_start_pk primary key (nonce)
);
comment on table rowbell.generation_start is 'What each generation found when it began; logged, so that it outlives crashes.';
comment on column rowbell.generation_start.number is 'Their order; a clock can be set back.';
comment on column rowbell.generation_start.highest_xid is 'The highest transaction with a log row or tick that had survived.';
comment on column rowbell.generation_start.newest_tick is 'The transaction of the newest tick that had survived.';

create table rowbell.tick (
    xid xid8 not null default pg_current_xact_id(),
    snapshot pg_snapshot not null default pg_current_snapshot(),
    generation bigint not null,
    at timestamptz not null default clock_timestamp(),
    constraint tick_pk primary key (xid)
);
comment on table rowbell.tick is
    'Stored snapshots: steps for a long catch-up, positions by wall-clock time, and proof of what was on disk.';
-- Finds the newest tick not after a given time.
create index tick_at on rowbell.tick (at);

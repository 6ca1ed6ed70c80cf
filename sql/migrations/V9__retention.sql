-- How long the log is kept, and how its oldest part is emptied without anybody waiting.
--
-- The retention is a setting of the database, shared by all nodes. A slot lasts a sixth of it. With eight slots an eighth
-- would be too short: when a slot comes round, the newest row of its leaf would be only seven eighths of the retention old.
--
-- The keeper turns the ring: it writes `rowbell.slot` anew with the next number. Whoever was in a transaction then may have
-- the plan with the number before, and write to that leaf until its end; whoever begins later has learnt of it. So the
-- keeper notes who is open (after the end of the transaction that turned it, which tells the others) and waits until they
-- have ended; then it notes who is prepared, since those are among them that have ended and not committed. When they are
-- gone the slot is settled: rows that come are in this leaf alone. The ring does not turn before: the log only grows meanwhile.
--
-- A leaf is emptied when everything in it is visible in a tick that is older than the retention. That tick, cut to
-- what was dropped, is the floor: a cursor that covers it misses nothing. Its lock is asked for once and not waited
-- for, because others would queue behind whoever waits.
--
-- Left out: deleting single rows; a leaf with one young row keeps all of them another round.
-- Out of trouble: `select rowbell.keep_for('7 days')` puts slots and setting in step again.

create function rowbell.keep_for(keep interval) returns interval
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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
comment on function rowbell.keep_for(interval) is
    'Sets how long changes are kept, for all nodes; returns what it was before. Rows that are there stay in their leaves.';

create function rowbell.open_transactions() returns text[]
    language sql volatile
    set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(array_agg(l.virtualtransaction), '{}')
    from pg_locks l
    left join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'virtualxid' and l.granted and l.pid <> pg_backend_pid()
        and coalesce(a.datname, current_database()) = current_database();
end;
comment on function rowbell.open_transactions() is 'The virtual transactions of others in this database.';

create function rowbell.prepared_transactions() returns text[]
    language sql volatile
    set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(array_agg(p.transaction || ' ' || p.gid), '{}') from pg_prepared_xacts p where p.database = current_database();
end;
comment on function rowbell.prepared_transactions() is 'The transactions of this database that are prepared, to be committed at any time.';

create function rowbell.turn() returns text
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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
comment on function rowbell.turn() is
    'Goes a step on the way to the next slot, if one can be gone; where to. Each step is a transaction of its own.';

create function rowbell.holds_younger(leaf smallint, base pg_snapshot) returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
as $$
declare
    younger boolean;
begin
    execute format('select exists (select from rowbell.sync_log_%1$s where xid >= $1)'
        ' or exists (select from rowbell.sync_log_%1$s where xid = any ($2))', leaf)
    into younger using pg_snapshot_xmax(base), array(select pg_snapshot_xip(base));
    return younger;
end
$$;
comment on function rowbell.holds_younger(smallint, pg_snapshot) is
    'True when a leaf holds a committed row that is not visible in the snapshot.';

create function rowbell.empty_leaf(leaf smallint, keep interval, out outcome text, out bytes bigint)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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
comment on function rowbell.empty_leaf(smallint, interval) is
    'Empties a leaf if all of it is older than that and nobody is at it; floor and emptying are one transaction. '
    'Outcomes: empty, current (it takes rows now, or in a moment), young, busy, emptied.';

create function rowbell.trim() returns void
    language sql
    set search_path = pg_catalog, pg_temp
begin atomic
    -- Those that a generation began with stay: they prove what its cursors may claim.
    delete from rowbell.tick t
    where t.at < (
            select max(n.at) from rowbell.tick n, rowbell.retention r where n.at <= clock_timestamp() - r.keep
        )
        and not exists (select from rowbell.generation_start s where s.newest_tick = t.xid);
    -- Whoever comes with a cursor of theirs does not cover the floor.
    delete from rowbell.generation_start g
    where exists (
        select from rowbell.generation_start later, rowbell.retention r
        where later.number > g.number and later.highest_xid < r.dropped
    );
end;
comment on function rowbell.trim() is 'Deletes ticks older than the retention, but one, and generations of which no cursor can be continued.';

revoke all on all functions in schema rowbell from public;
revoke all on all tables in schema rowbell from public;

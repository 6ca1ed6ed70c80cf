-- How long the log is kept, and how its oldest part is emptied without anybody waiting.
--
-- The retention is a setting of the database, shared by all nodes. `rowbell.slot` holds what follows from it as a
-- constant, since every log row calls it: `keep_for` writes the function anew. A slot lasts a sixth of the retention.
-- With eight slots an eighth would be too short: when a slot comes round, the newest row of its leaf would be only
-- seven eighths of the retention old.
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
    execute format('create or replace function rowbell.slot() returns smallint language sql volatile'
        ' return ((date_part(''epoch'', clock_timestamp())::bigint / %s) %% 8)::smallint', wanted);
    return former;
end
$$;
comment on function rowbell.keep_for(interval) is
    'Sets how long changes are kept, for all nodes; returns what it was before. Rows that are there stay in their leaves.';

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
    if leaf = rowbell.slot() or leaf = (
        select (date_part('epoch', clock_timestamp() + interval '5 seconds')::bigint / r.period) % 8 from rowbell.retention r
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
    'Outcomes: empty, current (it takes rows now), young, busy, emptied.';

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

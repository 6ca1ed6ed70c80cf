-- What a long catch-up needs, so that it goes through the log in steps and each step is one bounded read.
--
-- A step takes its commits from a range of the log by (xid, seq). `placed` says in which order they are to be told:
-- the same order as a drain's, but without the images, which are fetched only for the rows that leave. Functions here
-- pin how they are planned: a bulk load leaves the log without statistics, and a guess that reads or sorts all of it
-- for every step is costly.
--
-- A step may not simply end at a transaction id: one with a lower id may have gone on writing after one with a higher
-- id committed. It ends at an id and a number of the log: commits of lower ids that were done before any higher id
-- wrote its first row are told, the others wait for a later step. So a step needs no tick to end at; ticks only bound
-- how far a plan looks.
--
-- A step that is short is read whole by `stretch`, and put in order by the reader, which costs a fifth as much.
--
-- Left out: reading, which `sql/queries/whole_step.sql` and `sql/queries/changes_between.sql` do.
-- Out of trouble: the functions can be dropped and made anew at any time.

create function rowbell.covers(larger pg_snapshot, smaller pg_snapshot) returns boolean
    language sql immutable
    set search_path = pg_catalog, pg_temp
    return pg_snapshot_xmax(smaller) <= pg_snapshot_xmax(larger)
        and not exists (
            select from pg_snapshot_xip(larger) x(xid) where pg_visible_in_snapshot(x.xid, smaller)
        );
comment on function rowbell.covers(pg_snapshot, pg_snapshot) is
    'True when everything that is visible in the second is visible in the first.';

create function rowbell.placed(
    from_xid xid8, below xid8, besides xid8[], until pg_snapshot, from_seq bigint, to_seq bigint, channels text[]
) returns table (
    slot smallint, xid xid8, seq bigint, weight integer, size bigint, place bigint, rank integer,
    last_seq bigint, last_at timestamptz, last_actor text, last_branch text
)
    language sql stable
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set jit = off
begin atomic
    with ranged as (
        select l.slot, l.xid, l.seq, l.channel, l.op, l.row_id, l.version, l.logged_at, l.actor, l.branch,
            case when placed.channels is null or l.channel = any (placed.channels) then
                100 + coalesce(octet_length(l.row_id), 0) + coalesce(octet_length(l.row::text), 0)
                + coalesce(octet_length(l.old::text), 0) end as weight
        from rowbell.sync_log l
        where l.xid >= from_xid and l.xid < below and pg_visible_in_snapshot(l.xid, until)
            and l.seq between from_seq and to_seq
        union all
        select l.slot, l.xid, l.seq, l.channel, l.op, l.row_id, l.version, l.logged_at, l.actor, l.branch,
            case when placed.channels is null or l.channel = any (placed.channels) then
                100 + coalesce(octet_length(l.row_id), 0) + coalesce(octet_length(l.row::text), 0)
                + coalesce(octet_length(l.old::text), 0) end
        from rowbell.sync_log l
        where l.xid = any (besides) and l.xid < from_xid and pg_visible_in_snapshot(l.xid, until)
            and l.seq between from_seq and to_seq
    )
    select r.slot, r.xid, r.seq, r.weight,
        count(*) over whole,
        -- The same as in sql/queries/changes_since.sql, which says why.
        case when r.op = 'delete' then least(
            r.seq,
            lead(r.version) over (partition by r.xid, r.channel, r.row_id order by r.version, r.op = 'delete'),
            case when lead(r.op) over logged = 'insert' and lead(r.channel) over logged = r.channel
                and lead(r.version) over logged > r.version then lead(r.version) over logged end)
        else coalesce(r.version, r.seq) end,
        case when r.op = 'delete' then 0 else 1 end,
        last_value(r.seq) over whole,
        last_value(r.logged_at) over whole,
        last_value(r.actor) over whole,
        last_value(r.branch) over whole
    from ranged r
    window logged as (partition by r.xid order by r.seq),
        whole as (partition by r.xid order by r.seq rows between unbounded preceding and unbounded following);
end;
comment on function rowbell.placed(xid8, xid8, xid8[], pg_snapshot, bigint, bigint, text[]) is
    'Rows of a range of the log with their places: commits by last_seq, within a commit by place, rank and seq. '
    'Rows of channels that are not wanted have no weight; size is how many rows the whole commit has in the range.';

create function rowbell.stretch(
    from_xid xid8, below xid8, besides xid8[], until pg_snapshot, channels text[], most bigint
) returns table (
    xid xid8, seq bigint, channel text, op text, row_id text, version bigint, "row" json, old json,
    logged_at timestamptz, actor text, branch text, wanted boolean
)
    language sql stable
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set enable_bitmapscan = off
    set jit = off
begin atomic
    (
        select l.xid, l.seq, l.channel, l.op, l.row_id, l.version,
            case when stretch.channels is null or l.channel = any (stretch.channels) then l.row end,
            case when stretch.channels is null or l.channel = any (stretch.channels) then l.old end,
            l.logged_at, l.actor, l.branch, stretch.channels is null or l.channel = any (stretch.channels)
        from rowbell.sync_log l
        where l.xid = any (besides) and l.xid < from_xid and pg_visible_in_snapshot(l.xid, until)
        order by l.xid, l.seq
    )
    union all
    (
        select l.xid, l.seq, l.channel, l.op, l.row_id, l.version,
            case when stretch.channels is null or l.channel = any (stretch.channels) then l.row end,
            case when stretch.channels is null or l.channel = any (stretch.channels) then l.old end,
            l.logged_at, l.actor, l.branch, stretch.channels is null or l.channel = any (stretch.channels)
        from rowbell.sync_log l
        where l.xid >= from_xid and l.xid < below and pg_visible_in_snapshot(l.xid, until)
        order by l.xid, l.seq
    )
    limit most;
end;
comment on function rowbell.stretch(xid8, xid8, xid8[], pg_snapshot, text[], bigint) is
    'Rows of a range of the log as they were logged, transaction by transaction, with their images.';

create function rowbell.steps(since pg_snapshot, until pg_snapshot, step bigint, ahead bigint)
returns table (goal pg_snapshot, highest xid8, boundary xid8, next_seq bigint)
    language sql stable
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set enable_bitmapscan = off
    set enable_sort = off
    set enable_hashagg = off
    set jit = off
begin atomic
    with far as (
        select l.xid
        from rowbell.sync_log l
        where l.xid >= pg_snapshot_xmax(since) and l.xid < pg_snapshot_xmax(until)
        order by l.xid
        offset ahead limit 1
    ), goals as (
        select
            (
                select t.snapshot from rowbell.tick t
                where t.xid <= f.xid and t.xid > pg_snapshot_xmax(since)
                    and rowbell.covers(t.snapshot, since) and not rowbell.covers(since, t.snapshot) and rowbell.covers(until, t.snapshot)
                order by t.xid desc limit 1
            ) as newest_before,
            (
                select t.snapshot from rowbell.tick t
                where t.xid > f.xid and t.xid < pg_snapshot_xmax(until)
                    and rowbell.covers(t.snapshot, since) and not rowbell.covers(since, t.snapshot) and rowbell.covers(until, t.snapshot)
                order by t.xid limit 1
            ) as oldest_after
        from far f
    ), goal as (
        select coalesce((select coalesce(g.newest_before, g.oldest_after) from goals g), until) as snapshot
    ), commits as (
        select l.xid, min(l.seq) as first_seq, count(*) as size
        from rowbell.sync_log l
        where l.xid >= pg_snapshot_xmax(since)
            and l.xid < pg_snapshot_xmax((select g.snapshot from goal g))
            and pg_visible_in_snapshot(l.xid, (select g.snapshot from goal g))
        group by l.xid
    ), counted as (
        select c.xid, c.size,
            (sum(c.size) over (order by c.xid))::bigint as upto,
            -- Backwards: a frame that loses its first row is computed anew for every row.
            min(c.first_seq) over (order by c.xid desc rows between unbounded preceding and 1 preceding) as next_seq
        from commits c
    )
    select g.snapshot, (select c.xid from commits c order by c.xid desc limit 1), b.xid, b.next_seq
    from goal g
    left join counted b on b.next_seq is not null and b.upto / step > (b.upto - b.size) / step
    order by b.xid;
end;
comment on function rowbell.steps(pg_snapshot, pg_snapshot, bigint, bigint) is
    'The way from one position to another: how far it goes this time (to a tick where there are more than `ahead` rows), '
    'the highest transaction on it, and steps of about `step` rows: up to the transaction `boundary`, commits whose last '
    'number is below `next_seq`. The last step goes to the goal.';

revoke all on all functions in schema rowbell from public;

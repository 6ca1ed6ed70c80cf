-- How far do the first changes between two positions reach, and which commits does that leave for later?
--
-- $1 pg_snapshot: the position reached before. $2 text[]: channels that count, null for all. $3 pg_snapshot: where to
-- stop. $4 bigint: changes wanted; the commit with the last of them is taken whole. The order is that of changes_since.
with commits as materialized (
    select l.xid, max(l.seq) as last_seq,
        count(*) filter (where ours and l.op not in ('resync', 'unwatch')) as changes,
        bool_or(ours and (l.op = 'resync' or l.op = 'unwatch' and $2::text[] is null)) as starts_over
    from rowbell.sync_log l
    cross join lateral (select $2::text[] is null or l.channel = any ($2)) channel (ours)
    where (l.xid >= pg_snapshot_xmax($1) or l.xid = any (array(select pg_snapshot_xip($1))))
        and pg_visible_in_snapshot(l.xid, $3)
    group by l.xid
), ordered as (
    select c.xid, c.last_seq, coalesce(sum(c.changes) over earlier, 0) < $4 as taken
    from commits c
    where c.changes > 0
    window earlier as (order by c.last_seq rows between unbounded preceding and 1 preceding)
), reached as (
    -- Not max(), which PostgreSQL 14 does not have for xid8.
    select r.xid
    from (select o.xid from ordered o where o.taken union all select pg_snapshot_xmax($1)) r
    order by r.xid desc
    limit 1
)
select array(select o.xid from ordered o where o.taken order by o.last_seq) as taken,
    array(select o.xid from ordered o, reached r where not o.taken and o.xid < r.xid) as left_below,
    exists (select from ordered o where not o.taken) as more,
    exists (select from commits c where c.starts_over) as starts_over

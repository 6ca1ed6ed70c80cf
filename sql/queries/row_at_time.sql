-- What was one row at a time?
--
-- {wanted}: the time. One row always: whether it is still to come; the newest change by then, as op, version and image;
-- whether the log holds everything since; the first change after it that is known, as op and image before it; and what
-- the row is now.
with changes as materialized (
    {changes}
), last as (
    select c.op, c.version, l.row::text as image
    -- In order already, so that no more changes are looked at than it takes to find one.
    from (select * from changes x where x.logged_at <= {wanted}::timestamptz order by x.number) c
    join rowbell.sync_log l on l.slot = c.slot and l.xid = c.xid and l.seq = c.seq
    -- The time of a commit is that of its last change, as in the feed.
    cross join lateral (
        select w.logged_at from rowbell.sync_log w where w.xid = c.xid order by w.seq desc limit 1
    ) w
    where w.logged_at <= {wanted}::timestamptz
    order by c.number limit 1
), first as (
    select c.op, l.old::text as image
    from (select * from changes x order by x.number desc limit 1) c
    join rowbell.sync_log l on l.slot = c.slot and l.xid = c.xid and l.seq = c.seq
), tick as (
    select t.snapshot from rowbell.tick t where t.at <= {wanted}::timestamptz order by t.at desc limit 1
)
select {wanted}::timestamptz > clock_timestamp(),
    a.op, a.version, a.image,
    -- A tick of before that time saw all that was dropped, so nothing of later is missing.
    not exists (
        select from rowbell.retention r
        where r.base is not null and not exists (
            select from tick t
            where pg_snapshot_xmax(t.snapshot) > r.dropped and not exists (
                select from pg_snapshot_xip(t.snapshot) x where x <= r.dropped and pg_visible_in_snapshot(x, r.base)
            )
        )
    ) and not exists (
        select from rowbell.sync_log b
        where b.channel = {channel} and b.row_id is null and b.op in ('resync', 'unwatch')
            and b.logged_at > {wanted}::timestamptz
    ),
    z.op, z.image, {version}, case when t.{presence} is not null then {image}::text end
from (select) one
left join last a on true
left join first z on true
left join {relation} t on {key}

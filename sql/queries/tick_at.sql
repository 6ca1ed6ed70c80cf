-- Which position is the newest not after a time? $1 timestamptz.
--
-- One row always: whether that time is still to come; then the tick's snapshot, its generation, and the highest
-- transaction it saw that left something in the log, or did before that was dropped. Null from before the first tick.
select $1::timestamptz > clock_timestamp(), t.snapshot, t.generation,
    greatest(
        (
            select l.xid from rowbell.sync_log l
            where l.xid < pg_snapshot_xmax(t.snapshot) and pg_visible_in_snapshot(l.xid, t.snapshot)
            order by l.xid desc limit 1
        ),
        (select r.dropped from rowbell.retention r where pg_visible_in_snapshot(r.dropped, t.snapshot))
    )
from (select) one
left join lateral (
    select t.snapshot, t.generation from rowbell.tick t where t.at <= $1::timestamptz order by t.at desc limit 1
) t on true

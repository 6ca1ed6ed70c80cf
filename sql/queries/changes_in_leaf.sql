-- What committed since a position, if all of it is in one leaf of the log?
--
-- $1 pg_snapshot: a position in which the leaf had settled: what is not in it is there, or in the leaf that was turned to
-- later. $2 text[]: channels of which images are wanted, null for all. Every row has the snapshot and how often
-- the ring was turned in it: where that is more, nothing of this counts. Without changes one row. The columns are those of changes_since;
-- that reads eight leaves, which takes a backend that has just woken twice as long.
select pg_current_snapshot() as snapshot, null::xid8 as tick, r.turns,
    l.xid, l.seq, l.channel, l.op, l.row_id, l.version,
    case when $2::text[] is null or l.channel = any ($2) then l.row::text end as row,
    case when $2::text[] is null or l.channel = any ($2) then l.old::text end as old,
    l.logged_at, l.actor, l.branch, l.durable, $2::text[] is null or l.channel = any ($2) as wanted
from rowbell.retention r
left join rowbell.sync_log_{leaf} l on l.xid >= pg_snapshot_xmax($1) {still_open}

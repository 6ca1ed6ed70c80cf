-- What committed since a position, and which position is reached by having read it?
--
-- $1 pg_snapshot: the position reached before. $2 text[]: channels to read, null for all. The first row has the snapshot
-- and the newest tick, and how often the ring of leaves was turned, if one leaf takes all rows from here on; the others are the log, in no order:
-- src/pg/order.rs puts it in order. All of it is one statement, or something could commit between snapshot and rows.
select pg_current_snapshot() as snapshot, (select t.xid from rowbell.tick t order by t.xid desc limit 1) as tick,
    (select r.turns from rowbell.retention r where r.stage = 'settled') as turns, null::xid8 as xid, null::bigint as seq, null::text as channel, null::text as op, null::text as row_id,
    null::bigint as version, null::text as row, null::text as old, null::timestamptz as logged_at,
    null::text as actor, null::text as branch, null::boolean as durable, null::boolean as wanted
union all
-- Rows of all channels: what a cursor claims, whether it is on disk, and the order of commits do not depend on who asks
-- for what. But images that nobody asks for would only be carried along.
select null, null, null, l.xid, l.seq, l.channel, l.op, l.row_id, l.version,
    case when $2::text[] is null or l.channel = any ($2) then l.row::text end,
    case when $2::text[] is null or l.channel = any ($2) then l.old::text end,
    l.logged_at, l.actor, l.branch, l.durable, $2::text[] is null or l.channel = any ($2)
from rowbell.sync_log l
where l.xid >= pg_snapshot_xmax($1) or l.xid = any (array(select pg_snapshot_xip($1)))

-- What is in a step, all of it, in the order it was logged?
--
-- Commits that are visible at $2 pg_snapshot and not at $1 pg_snapshot, of transactions below $3 xid8. $4 text[]:
-- channels to read, null for all; rows of others are there to put commits in order, without images and not `wanted`.
-- $5 bigint: rows at most.
select s.xid, s.seq, s.channel, s.op, s.row_id, s.version, s.row::text, s.old::text, s.logged_at, s.actor, s.branch,
    s.wanted
from rowbell.stretch(pg_snapshot_xmax($1), $3::xid8, array(select pg_snapshot_xip($1)), $2::pg_snapshot, $4::text[],
    $5::bigint) s

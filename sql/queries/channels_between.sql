-- Which channels have changes between two positions? $1 pg_snapshot: the earlier, $2 pg_snapshot: the later.
select distinct l.channel
from rowbell.sync_log l
where (l.xid >= pg_snapshot_xmax($1) or l.xid = any (array(select pg_snapshot_xip($1))))
    and pg_visible_in_snapshot(l.xid, $2)

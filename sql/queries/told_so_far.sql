-- Which transactions of a range of the log were told by the time a commit was, and which come after it?
--
-- $1 pg_snapshot: the position the range begins at. $2 pg_snapshot: what is visible in it. $3 xid8: the transaction
-- after its last. $4 xid8: the commit. The order is that of changes_since: by the last number of the whole commit.
with commits as materialized (
    select l.xid, max(l.seq) as last_seq
    from rowbell.sync_log l
    where (l.xid >= pg_snapshot_xmax($1) and l.xid < $3::xid8
            or l.xid < pg_snapshot_xmax($1) and l.xid = any (array(select pg_snapshot_xip($1))))
        and pg_visible_in_snapshot(l.xid, $2)
    group by l.xid
), this as (
    select c.last_seq from commits c where c.xid = $4::xid8
)
select array(select c.xid from commits c, this where c.last_seq <= this.last_seq) as told,
    array(select c.xid from commits c, this where c.last_seq > this.last_seq) as untold

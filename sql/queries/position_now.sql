-- Which position is "now"?
select pg_current_snapshot(), rowbell.highest_xid()

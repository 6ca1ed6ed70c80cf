-- Store the snapshot of now, if something was logged since the last one.
--
-- A tick draws a transaction id, so a database where nothing happens stays as it is. One with too many transactions
-- in progress is left out: its cursor would be too long to be handed out.
with on_disk as materialized (
    -- Positions claim a tick's transaction, so a crash must not take it back.
    select set_config('synchronous_commit', 'local', true)
), last as (
    select t.snapshot from rowbell.tick t order by t.xid desc limit 1
)
insert into rowbell.tick (generation)
select g.nonce
from rowbell.generation g
cross join on_disk
left join last on true
where (
        last.snapshot is null
        or (select l.xid from rowbell.sync_log l order by l.xid desc limit 1) >= pg_snapshot_xmax(last.snapshot)
        or exists (
            select from rowbell.sync_log l
            where l.xid = any (array(select pg_snapshot_xip(n.snapshot) from last n))
        )
    )
    and (select count(*) from pg_snapshot_xip(pg_current_snapshot())) < 900

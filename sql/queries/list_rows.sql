-- Which rows are wanted, and which position of the feed are they of?
--
-- {on_disk}: a position of which everything was on disk. One statement, because rows and position must be of one
-- snapshot: whoever follows the feed since that position misses nothing and sees nothing twice. One row at least,
-- without an image where nothing is wanted. {image}, {relation}, {filter} and {order} are SQL from the catalog.
with position as materialized (
    select
        pg_current_snapshot() as snapshot,
        rowbell.highest_xid() as highest,
        (select i.id from rowbell.installation i) as installation,
        (select g.nonce from rowbell.generation g) as generation,
        -- What a crash could still take back must not be shown as if it had happened.
        not exists (
            select from rowbell.sync_log l
            where not l.durable and (l.xid >= pg_snapshot_xmax({on_disk}::pg_snapshot)
                or l.xid = any (array(select pg_snapshot_xip({on_disk}::pg_snapshot))))
        ) as on_disk
)
select p.snapshot, p.highest, p.installation, p.generation, p.on_disk, q.image
from position p
left join lateral (
    select {image}::text as image
    from {relation} t
    where {filter}
    order by {order}
    limit {limit}::bigint offset {offset}::bigint
) q on true

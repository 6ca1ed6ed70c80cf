-- Which rows are wanted, and which position of the feed are they of?
--
-- {on_disk}: a position of which everything was on disk. One statement, because rows and position must be of one
-- snapshot: whoever follows the feed since that position misses nothing and sees nothing twice. One row at least,
-- without an image where nothing is wanted. {image}, {relation}, {filter} and {order} are SQL from the catalog. {total}
-- is a count of all rows that pass, or null.
select p.snapshot, p.highest, p.installation, p.generation, p.durable, q.image, {total}::bigint as total
from rowbell.position({on_disk}::pg_snapshot) p
left join lateral (
    select {image}::text as image
    from {relation} t
    where {filter}
    order by {order}
    limit {limit}::bigint offset {offset}::bigint
) q on true

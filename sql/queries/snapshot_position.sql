-- Which position of the feed is this transaction's snapshot of?
select p.snapshot, p.highest, p.installation, p.generation, p.durable
from rowbell.position({on_disk}::pg_snapshot) p

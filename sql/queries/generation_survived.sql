-- Did everything a cursor of an older generation claims survive?
--
-- $1 bigint: the cursor's generation. $2 xid8: the highest transaction it claims. True when every generation that
-- began since found that transaction or a later one, on the same timeline; null when the generation is unknown.
select (
    select coalesce(bool_and(later.timeline = g.timeline and later.highest_xid >= $2), true)
    from rowbell.generation_start later
    where later.number > g.number
)
from rowbell.generation_start g
where g.nonce = $1

-- Did everything a cursor of an older generation claims survive?
--
-- $1 bigint: the cursor's generation. $2 xid8: the highest transaction it claims. $3 pg_snapshot: all it claims. True
-- when every generation that began since found that transaction or a later one, on the same timeline; or when the last
-- tick of its time survived and covers it: a tick is written after its snapshot was taken, so what it saw is older in
-- the write-ahead log. Null when the generation is unknown.
select (
        select coalesce(bool_and(later.timeline = g.timeline and later.highest_xid >= $2), true)
        from rowbell.generation_start later
        where later.number > g.number
    )
    or exists (
        select from rowbell.tick t
        where t.generation = g.nonce and rowbell.covers(t.snapshot, $3)
            and t.xid = (
                select next.newest_tick from rowbell.generation_start next
                where next.number > g.number order by next.number limit 1
            )
    )
from rowbell.generation_start g
where g.nonce = $1

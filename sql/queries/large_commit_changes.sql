-- What comes next in one part of a large commit, as much as fits?
--
-- $1 xid8: the commit, $2 xid8: the transaction after it. $3 pg_snapshot: one that sees it. $4 bigint, $5 bigint: between
-- which numbers of the log. $6 text[]: channels to read, null for all. $7 $8 $9: the place, rank and seq after which to
-- go on. $10 bigint: the part's last place. $11 bigint: bytes after which to stop. `available` is how many there were to
-- choose from.
-- Named as one of those besides the range, so that the index finds only these numbers.
with wanted as (
    select p.slot, p.xid, p.seq, p.place, p.rank,
        coalesce(sum(p.weight) over (
            order by p.place, p.rank, p.seq rows between unbounded preceding and 1 preceding), 0) as before,
        count(*) over () as available
    from rowbell.placed($2::xid8, $2::xid8, array[$1::xid8], $3::pg_snapshot, $4::bigint, $5::bigint, $6::text[]) p
    where p.weight is not null and p.place <= $10::bigint
        and (p.place, p.rank, p.seq) > ($7::bigint, $8::integer, $9::bigint)
)
select w.available, w.place, w.rank, l.seq, l.channel, l.op, l.row_id, l.version, l.row::text, l.old::text
from wanted w
join rowbell.sync_log l on l.slot = w.slot and l.xid = w.xid and l.seq = w.seq
where w.before < $11::bigint
order by w.place, w.rank, w.seq

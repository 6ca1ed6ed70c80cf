-- In which parts can a large commit be read?
--
-- $1 xid8: the commit, $2 xid8: the transaction after it. $3 pg_snapshot: one that sees it. $4 text[]: channels to read,
-- null for all. $5 bigint: bytes of a part. Of each part the last place, and between which numbers of the log its rows
-- are: a row that is told before its number, a delete before the insert that makes its row anew, has the place of that
-- insert, so both are in one part.
-- Named as one of those besides the range, so that the index finds it with its numbers.
with placed as (
    select p.place, p.seq, p.weight
    from rowbell.placed($2::xid8, $2::xid8, array[$1::xid8], $3::pg_snapshot, 0, 9223372036854775807, $4::text[]) p
    where p.weight is not null
), summed as (
    select p.place, p.seq,
        (sum(p.weight) over (order by p.place) - sum(p.weight) over (partition by p.place))::bigint / $5::bigint as part
    from placed p
)
select max(s.place), min(s.seq), max(s.seq)
from summed s
group by s.part
order by s.part

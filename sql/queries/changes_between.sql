-- What comes next on the way from one position to another, as much as fits?
--
-- Commits of transactions below $3 xid8 that are visible at $2 pg_snapshot and not at $1 pg_snapshot, if their last
-- number is below $4 bigint. $5 text[]: channels to read, null for all. $6 $7 $8 $9: the last_seq, place, rank and seq
-- after which to go on. $10 bigint: bytes after which to stop. $11 bigint: a commit of more rows than that comes as
-- one row with `is_large`, and is read by itself. One row at least: the transactions left for a later step, and
-- how many rows there were to choose from.
with placed as materialized (
    select p.*
    from rowbell.placed(pg_snapshot_xmax($1), $3::xid8, array(select pg_snapshot_xip($1)), $2::pg_snapshot,
        0, 9223372036854775807, $5::text[]) p
), wanted as (
    select p.*, p.size > $11::bigint as is_large
    from placed p
    where p.weight is not null and p.last_seq < $4::bigint
        and (p.last_seq, p.place, p.rank, p.seq) > ($6::bigint, $7::bigint, $8::integer, $9::bigint)
), summed as (
    select w.*,
        coalesce(sum(w.weight) filter (where not w.is_large) over (
            order by w.last_seq, w.place, w.rank, w.seq rows between unbounded preceding and 1 preceding), 0) as before,
        row_number() over (partition by w.xid, w.is_large order by w.place, w.rank, w.seq) as number
    from wanted w
), chosen as (
    select s.* from summed s where s.before < $10::bigint and (not s.is_large or s.number = 1)
)
select array(select distinct p.xid from placed p where p.last_seq >= $4::bigint) as deferred,
    (select count(*) from summed s where not s.is_large or s.number = 1) as available,
    c.last_seq, c.place, c.rank, c.is_large,
    c.xid, l.seq, l.channel, l.op, l.row_id, l.version, l.row::text, l.old::text, c.last_at, c.last_actor, c.last_branch
from (select) one
left join chosen c on true
left join rowbell.sync_log l on l.slot = c.slot and l.xid = c.xid and l.seq = c.seq
order by c.last_seq, c.place, c.rank, c.seq

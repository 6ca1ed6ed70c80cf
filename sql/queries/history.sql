-- What happened to one row, newest first?
--
-- {before}: the version (of a feed-only channel the number) after which to go on, or null; {limit}: how many at most.
-- A page goes on to the next change that a version names, so that the next page can begin after its last one: a delete
-- has the version that it removed, a truncate none. One row at least: whether anything is known of that row.
with changes as materialized (
    {changes}
), told as materialized (
    select c.*,
        row_number() over (order by c.number) as place,
        case when {counts_versions} then case when c.op in ('insert', 'update') then c.version end else c.seq end as name
    from changes c
    where c.op <> 'truncate' or c.former_op in ('insert', 'update')
), start as (
    select case when {before}::bigint is null then 0 else coalesce(
        (select min(t.place) from told t where t.name = {before}::bigint),
        -- Nobody has that name: the first that is older.
        (select min(t.place) - 1 from told t where t.name < {before}::bigint),
        (select count(*) from told)
    ) end as place
), page as (
    select t.*
    from told t, start s
    where {limit}::bigint > 0 and t.place > s.place and t.place <= coalesce(
        (select min(e.place) from told e where e.place >= s.place + {limit}::bigint and e.name is not null),
        (select count(*) from told)
    )
)
select exists (select from told) or exists (select from {relation} t where {key}),
    p.xid, l.seq, l.channel, l.op, l.row_id, l.version, l.row::text, l.old::text,
    c.logged_at, c.actor, c.branch, l.durable
from (select) one
left join page p on true
left join rowbell.sync_log l on l.slot = p.slot and l.xid = p.xid and l.seq = p.seq
-- Time and writer are the commit's, as in the feed.
left join lateral (
    select w.logged_at, w.actor, w.branch from rowbell.sync_log w where w.xid = p.xid order by w.seq desc limit 1
) c on true
order by p.place

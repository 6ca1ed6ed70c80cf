-- What was one row at a version?
--
-- {wanted}: the version. One row always: the image now, if it is at that version; whether the log holds the change that
-- made it, and with which image; the image before the change that came next, which has that version if it is the one;
-- whether the log does not reach back so far.
with changes as materialized (
    {changes}
), made as (
    select l.row::text as image
    from changes c
    join rowbell.sync_log l on l.slot = c.slot and l.xid = c.xid and l.seq = c.seq
    where c.version = {wanted}::bigint and c.op in ('insert', 'update')
    limit 1
), next as (
    select l.old::text as image
    from changes c
    join rowbell.sync_log l on l.slot = c.slot and l.xid = c.xid and l.seq = c.seq
    where c.op = 'delete' and c.version = {wanted}::bigint or c.op = 'update' and c.version > {wanted}::bigint
    order by c.version limit 1
)
select
    case when {version} = {wanted}::bigint then {image}::text end,
    exists (select from made),
    (select m.image from made m),
    (select n.image from next n),
    not exists (select from changes c where c.version <= {wanted}::bigint)
        and coalesce({version} > {wanted}::bigint, true)
        and (
            exists (select from rowbell.retention r where r.base is not null)
            or exists (
                select from rowbell.sync_log b
                where b.channel = {channel} and b.row_id is null and b.op in ('resync', 'unwatch')
                    and b.seq >= {wanted}::bigint
            )
        )
from (select) one
left join {relation} t on {key}

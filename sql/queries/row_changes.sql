-- What does the log know of one row, and in which order does the feed tell it?
--
-- A part of other statements; {channel} and {id} as in the log. `number` counts from the newest. Two transactions that
-- change the same row come one after the other, so the numbers of this row alone put commits in the order that the
-- feed has them in; inside a commit the order is the feed's. A truncate is a change of every row; `former_op` says
-- whether this one was there before it.
select c.slot, c.xid, c.seq, c.op, c.version, c.logged_at,
    row_number() over (order by c.last_seq desc, c.place desc, c.op = 'delete', c.seq desc) as number,
    lead(c.op) over (order by c.last_seq desc, c.place desc, c.op = 'delete', c.seq desc) as former_op
from (
    select l.slot, l.xid, l.seq, l.op, l.version, l.logged_at,
        max(l.seq) over (partition by l.xid) as last_seq,
        case when l.op = 'delete'
            then least(l.seq, lead(l.version) over (partition by l.xid order by l.version, l.op = 'delete'))
        else coalesce(l.version, l.seq) end as place
    from rowbell.sync_log l
    where l.channel = {channel}
        and (l.row_id = {id} and l.op in ('insert', 'update', 'delete') or l.row_id is null and l.op = 'truncate')
        -- What the log tells from before the table was watched as it is now may be another table's, or more than is
        -- shown now.
        and l.seq > (
            select coalesce(max(b.seq), 0) from rowbell.sync_log b
            where b.channel = {channel} and b.row_id is null and b.op in ('resync', 'unwatch')
        )
) c

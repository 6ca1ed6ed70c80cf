-- What committed since a position, and which position is reached by having read it?
--
-- $1 pg_snapshot: the position reached before. $2 text[]: channels to read, null for all. Snapshot and rows come from
-- one statement, or something could commit between the two.
with fresh as materialized (
    select l.xid, l.seq, l.channel, l.op, l.row_id, l.version, l.actor, l.branch, l.durable, l.logged_at,
        -- Rows of other channels are there to put commits in order; their images would only be carried along.
        case when $2::text[] is null or l.channel = any ($2) then l.row end as row,
        case when $2::text[] is null or l.channel = any ($2) then l.old end as old
    from rowbell.sync_log l
    where l.xid >= pg_snapshot_xmax($1) or l.xid = any (array(select pg_snapshot_xip($1)))
), position as (
    -- Of all channels: what a cursor claims, and whether it is on disk, does not depend on who asks for what.
    select pg_current_snapshot() as snapshot,
        -- Ticks count, here as in every position: one node must not claim less than another has handed out. Of the log
        -- only what is new: whoever reads on claims at least the position it came from, and so all that was there.
        -- Not max(), which PostgreSQL 14 does not have for xid8.
        greatest(
            (select f.xid from fresh f order by f.xid desc limit 1),
            (select t.xid from rowbell.tick t order by t.xid desc limit 1)
        ) as highest,
        not exists (select from fresh f where not f.durable) as durable
), ordered as (
    select f.*,
        last_value(f.seq) over whole as last_seq,
        last_value(f.logged_at) over whole as last_at,
        last_value(f.actor) over whole as last_actor,
        last_value(f.branch) over whole as last_branch,
        -- A delete comes before the same transaction makes the row anew, or makes it elsewhere: a move between
        -- partitions logs the delete of one leaf and at once the insert into the other.
        case when f.op = 'delete' then least(
            f.seq,
            lead(f.version) over (partition by f.xid, f.channel, f.row_id order by f.version, f.op = 'delete'),
            case when lead(f.op) over logged = 'insert' and lead(f.channel) over logged = f.channel
                and lead(f.version) over logged > f.version then lead(f.version) over logged end)
        -- A version is drawn before the write and the seq after it, so only versions order nested writes.
        else coalesce(f.version, f.seq) end as place
    from fresh f
    window logged as (partition by f.xid order by f.seq),
        whole as (partition by f.xid order by f.seq rows between unbounded preceding and unbounded following)
)
select p.snapshot, p.highest, p.durable,
    o.xid, o.seq, o.channel, o.op, o.row_id, o.version, o.row::text, o.old::text, o.last_at, o.last_actor, o.last_branch
from position p
left join ordered o on $2::text[] is null or o.channel = any ($2)
order by o.last_seq, o.place, o.op <> 'delete', o.seq

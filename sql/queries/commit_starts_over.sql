-- Does a commit change the meaning of a channel, so that its readers must start over?
--
-- $1 xid8: the commit. $2 text[]: channels that are read, null for all, where the end of one counts too.
select exists (
    select from rowbell.sync_log l
    where l.xid = $1::xid8
        and (l.op = 'resync' and ($2::text[] is null or l.channel = any ($2)) or l.op = 'unwatch' and $2::text[] is null)
)

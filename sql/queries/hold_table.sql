-- Who writes, and from which branch office? Of this transaction alone.
--
-- $1 text: the actor, $2 text: the branch. $3 text: the channel, $4 text: the name of its table. What has
-- that name is held first, so it keeps it until the write after this is done: where another table has taken the name,
-- or nobody watches it any more, this fails as for a table that is gone, and the shape is read anew.
select set_config('rowbell.actor', $1, true), set_config('rowbell.branch', $2, true),
    coalesce(
        (select c."table" from rowbell.channel c where c.channel = $3 and c."table" = $4::text::regclass),
        'rowbell.table_of_the_channel'::text::regclass)
from (select) one
left join (select from {relation} where false) held on true

-- Who writes, from which branch office, and is the shape still the one of the channel's table?
--
-- A condition of every write: true, or an error. It is looked at before the first row is, and not again, so row triggers
-- find who writes; for those of the statement that come before it `writer` is a statement of its own. PostgreSQL locks the tables of a statement before it takes the snapshot this is read in; so where
-- another table has taken the name, or nobody watches it any more, this fails as for a table that is gone, and the shape
-- is read anew. Never role or claims: what they allow is settled before any of this is looked at.
(
    select {who} coalesce(
        (select c."table" from rowbell.channel c where c.channel = {channel} and c."table" = {table}::text::regclass),
        'rowbell.table_of_the_channel'::text::regclass) is not null
)

-- What is watched?
select c.channel, c."table"::text, c.key_columns, c.version_column, c.omit, c.notify, c.replica, c.as_text
from rowbell.channel c
order by c.channel

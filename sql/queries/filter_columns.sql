-- Are the columns of filters what they were?
--
-- {channel}, and {names} text[]. One row per column that is there. What changes with every alteration is the transaction
-- that wrote its row of the catalog.
select a.attname::text, concat_ws(' ', a.attrelid, a.attnum, a.atttypid, a.atttypmod, a.attcollation, a.xmin) as mark
from rowbell.channel c
join pg_attribute a on a.attrelid = c."table" and a.attnum > 0 and not a.attisdropped
where c.channel = {channel} and a.attname::text = any ({names}::text[]) and a.attname <> all (c.omit)

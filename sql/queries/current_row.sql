-- Why did a write find no row at its version: what is the row now, and what was it then?
--
-- One row always. {differs}: for each column of the body that nobody may change, whether the body has another value.
select
    {version},
    case when t.{presence} is not null then {image}::text end,
    (
        select l.row::text from rowbell.sync_log l
        where l.channel = {channel} and l.row_id = {id_of_key} and l.version = {based_on}::bigint
            and l.op in ('insert', 'update') and l.seq > w.began
        limit 1
    ),
    exists (select from rowbell.sync_log l where l.channel = {channel} and l.row_id = {id_of_key} and l.seq > w.began),
    {differs}
from (select {key_values}) k
-- What the log tells from before the table was watched as it is now may be another table's, or more than is shown now.
cross join lateral (
    select coalesce(max(l.seq), 0) as began from rowbell.sync_log l
    where l.channel = {channel} and l.row_id is null and l.op in ('resync', 'unwatch')
) w
left join {relation} t on {key}
{join}

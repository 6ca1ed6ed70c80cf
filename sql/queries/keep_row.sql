-- The same for a body that changes no column: is the row still at the version it was read at?
select {version}, {image}::text, {id}, null::xid8
from {relation} t
{record}
where {held} and {key} and {current} {unchanged}

-- Change a row, if it is still at the version it was read at and nothing is changed that nobody may change.
update {relation} t
set {set}
{record}
where {held} and {key} and {current} {unchanged}
returning {version}, {image}::text, {id}, pg_current_xact_id()

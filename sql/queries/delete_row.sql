-- Remove a row, if it is still at the version it was read at.
delete from {relation} t
where {held} and {key} and {current}
returning {version}, {image}::text, {id}, pg_current_xact_id()

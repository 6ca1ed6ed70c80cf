-- Make a row of which a client said nothing.
insert into {relation} as t select where {held}
returning {version}, {image}::text, {id}, pg_current_xact_id()

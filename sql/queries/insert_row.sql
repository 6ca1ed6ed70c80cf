-- Make a row of the columns a client sent; the others take their defaults.
insert into {relation} as t ({columns})
select {values} from {record} where {held}
returning {version}, {image}::text, {id}, pg_current_xact_id()

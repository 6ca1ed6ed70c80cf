-- All rows of a table that pass a filter, to be fetched a part at a time.
declare rowbell_rows no scroll cursor for select {image}::text from {relation} t where {filter}

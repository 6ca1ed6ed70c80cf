-- Is there a table of this name? $1 text: with its schema.
select to_regclass($1) is not null

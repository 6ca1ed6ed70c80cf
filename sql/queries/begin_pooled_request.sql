-- Behind a pooler in transaction mode every transaction may be on another connection, so it brings its settings along.
begin isolation level read committed;
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';
set local intervalstyle = 'iso_8601';
set local bytea_output = 'hex';
set local extra_float_digits = 1;
set local lc_monetary = 'C';
set local quote_all_identifiers = off;
set local statement_timeout = {milliseconds};

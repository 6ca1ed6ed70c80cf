-- Settings every one of our sessions has, whatever the server's, database's or role's defaults are.
-- Sent after connecting, because a pooler refuses most of them as startup options.
set timezone = 'UTC';
set datestyle = 'ISO, YMD';
set intervalstyle = 'iso_8601';
set bytea_output = 'hex';
set extra_float_digits = 1;
set lc_monetary = 'C';
set quote_all_identifiers = off;
set default_transaction_isolation = 'read committed';
set statement_timeout = 0;
set idle_in_transaction_session_timeout = 0;
set client_encoding = 'UTF8';

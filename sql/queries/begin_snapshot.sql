-- One snapshot over all tables. The locks come before the snapshot: a table emptied or rewritten between the two
-- would look empty in it. They are those of any reader.
begin isolation level repeatable read read only;
set local lock_timeout = '5s';
lock table {relations} in access share mode

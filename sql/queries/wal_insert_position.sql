-- Up to where must the write-ahead log be flushed for all that is visible now to be durable?
select pg_current_wal_insert_lsn()

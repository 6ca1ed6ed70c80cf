-- Is the write-ahead log on disk up to $1?
select pg_current_wal_flush_lsn() >= $1::pg_lsn

-- Put the write-ahead log on disk up to here, whoever wrote it.
--
-- A small synchronous commit of our own does it. Waiting for pg_current_wal_flush_lsn() to reach the insert
-- position does not: nobody flushes the last page while it holds nothing but an open transaction's records.
select set_config('synchronous_commit', 'local', true), pg_logical_emit_message(true, 'rowbell', '')

-- Tie the log to this cluster and database.
select rowbell.install()

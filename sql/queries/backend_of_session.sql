-- Which backend serves this session? A process id alone may come again.
select a.pid, a.backend_start from pg_stat_activity a where a.pid = pg_backend_pid()

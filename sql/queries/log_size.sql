-- How many bytes does the log take, with its indexes, and for how many seconds is it kept?
select (select sum(pg_total_relation_size(i.inhrelid))::bigint
        from pg_inherits i
        where i.inhparent = 'rowbell.sync_log'::regclass),
    extract(epoch from r.keep)::float8
from rowbell.retention r

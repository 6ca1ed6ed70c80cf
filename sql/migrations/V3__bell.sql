-- The bell: the NOTIFY that says there is something to read. It carries no data, so it can never be too long.
--
-- PostgreSQL folds equal notifications of one transaction into one, also for 100,000 rows, and forgets those
-- of a savepoint that was rolled back. Everything that rings calls `rowbell.ring`.
--
-- Left out: silence while nobody listens.

-- No `set search_path`, so that the call is inlined where it stands; the body is bound to pg_catalog here and now.
create function rowbell.ring(channel text) returns void
    language sql volatile
    return pg_catalog.pg_notify('rowbell:' operator(pg_catalog.||) channel, '');
comment on function rowbell.ring(text) is 'Rings the bell of one channel when the transaction commits.';

create function rowbell.ring_catalog() returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
    return pg_notify('rowbell', '');
comment on function rowbell.ring_catalog() is 'Tells every node that the list of watched tables changed.';

revoke all on all functions in schema rowbell from public;

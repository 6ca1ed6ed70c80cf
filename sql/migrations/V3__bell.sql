-- The bell: the NOTIFY that says there is something to read. It carries no data, so it can never be too long.
--
-- PostgreSQL lets notifying transactions commit only one after the other, so writers ring only when somebody sleeps.
-- A node that waits for the bell of a channel holds an advisory lock, shared; a writer, once its row is in the log,
-- tries the same lock exclusively. Where it gets it nobody sleeps: it lets go at once and stays silent. Try and
-- letting go are one expression, or a query cancelled in between would keep the lock until its session ends.
-- Where it does not get it, another writer may just have it. So it tries to share it, as the nodes do: whom even that
-- is denied knows that a writer has it, and so that no node does, as well as if it had got it itself.
-- Nobody ever waits for this lock, so it takes part in no deadlock, and a node that dies frees it with its session.
--
-- Locks are (1380074828, key) in pg_locks: "RBEL" as a number, and one of 1,024 keys. Two channels may share a key;
-- then a subscriber of one lets the writers of both ring.
--
-- PostgreSQL folds equal notifications of one transaction into one, also for 100,000 rows, and forgets those of a
-- savepoint that was rolled back, so nothing has to be remembered between the rows of a transaction.
--
-- Left out: writers that are told to stay silent always; their trigger functions do not call anything here.
-- Out of trouble: who holds the locks is `select pid from pg_locks where locktype = 'advisory' and classid = 1380074828`.

create function rowbell.bell_key(channel text) returns integer
    language sql immutable
    set search_path = pg_catalog, pg_temp
    return hashtext(channel) & 1023;
comment on function rowbell.bell_key(text) is
    'The second number of a channel''s lock. Few, so that a node that sleeps on ten thousand channels fills no lock table.';

-- No `set search_path`, so that the call is inlined where it stands; the body is bound to pg_catalog here and now.
-- A boolean, because plpgsql evaluates an assignment ten times quicker than it performs a void function.
create function rowbell.ring(channel text) returns boolean
    language sql volatile
    return case
        when case
            when pg_catalog.pg_try_advisory_lock(1380074828, rowbell.bell_key(channel))
                then not pg_catalog.pg_advisory_unlock(1380074828, rowbell.bell_key(channel))
            when pg_catalog.pg_try_advisory_lock_shared(1380074828, rowbell.bell_key(channel))
                then pg_catalog.pg_advisory_unlock_shared(1380074828, rowbell.bell_key(channel))
            else false
        end
        then pg_catalog.pg_notify('rowbell:' operator(pg_catalog.||) channel, '') is not null
        else false
    end;
comment on function rowbell.ring(text) is
    'Rings the bell of one channel at commit if somebody sleeps on it, and says whether. Call it after the insert into the log.';

create function rowbell.ring_catalog() returns void
    language sql volatile
    set search_path = pg_catalog, pg_temp
    return pg_notify('rowbell', '');
comment on function rowbell.ring_catalog() is 'Tells every node that the list of watched tables changed.';

revoke all on all functions in schema rowbell from public;

-- What reads and writes by request need of the database: merging a patch into a json column, and the position of the
-- feed that belongs to what a statement reads, with a quick look for rows of the log that a crash could take back.
--
-- A patch merges where the row is, in the statement that names its version, so that no read has to come before it.
-- Left out: merging by column, of two writers' changes; a patch says itself which columns it sets.
-- Out of trouble: all of it can be dropped and made anew at any time.

create function rowbell.merge_patch(target jsonb, patch jsonb) returns jsonb
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if jsonb_typeof(patch) is distinct from 'object' then
        return patch;
    end if;
    if jsonb_typeof(target) is distinct from 'object' then
        target := '{}';
    end if;
    -- In one pass: adding key by key would copy the whole object for each of them.
    return (
        select coalesce(jsonb_object_agg(m.key, m.value), '{}')
        from (
            select t.key, t.value from jsonb_each(target) t where not patch ? t.key
            union all
            select p.key, case when jsonb_typeof(p.value) = 'object' then rowbell.merge_patch(target -> p.key, p.value) else p.value end
            from jsonb_each(patch) p
            where p.value <> 'null'
        ) m
    );
end
$$;
comment on function rowbell.merge_patch(jsonb, jsonb) is
    'RFC 7396: an object is merged key by key, null removes a key, anything else replaces what was there.';

create function rowbell.position(
    reached pg_snapshot, out snapshot pg_snapshot, out highest xid8, out installation bigint, out generation bigint,
    out durable boolean
)
    language sql stable
    set search_path = pg_catalog, pg_temp
begin atomic
    select pg_current_snapshot(), rowbell.highest_xid(), (select i.id from rowbell.installation i),
        (select g.nonce from rowbell.generation g),
        not exists (
            select from rowbell.sync_log l
            where not l.durable and (l.xid >= pg_snapshot_xmax(reached)
                or l.xid = any (array(select pg_snapshot_xip(reached))))
        );
end;
comment on function rowbell.position(pg_snapshot) is
    'The position of the statement that calls it; durable when nothing it sees, beyond a position known to be on disk, '
    'could be taken back by a crash. Generation is null until a node has opened one.';

-- Empty where writers leave synchronous_commit on; rowbell.position looks here for what is not on disk yet.
create index sync_log_unflushed on rowbell.sync_log (xid) where not durable;

revoke all on all functions in schema rowbell from public;

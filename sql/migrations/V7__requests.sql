-- What reads and writes by request need of the database: merging a patch into a json column, the position of the feed
-- that belongs to what a statement reads, with a quick look for rows of the log that a crash could take back, and the
-- answers of writes that were sent with a key of the client's.
--
-- A patch merges where the row is, in the statement that names its version, so that no read has to come before it. An
-- answer is kept by the statement that does the write, so there is never one without the other.
-- Left out: merging two writers' changes, which is done by the server; it sees more than one statement does.
-- Out of trouble: the functions can be dropped and made anew at any time. Without rowbell.request, a write that is sent
-- again is done again.

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

create table rowbell.request (
    subject text not null,
    key text not null,
    hash bytea not null,
    status smallint not null,
    row_id text not null,
    version bigint,
    xid xid8,
    answer text not null,
    at timestamptz not null default clock_timestamp(),
    constraint request_once primary key (subject, key)
);
comment on table rowbell.request is
    'What writes were answered that came with a key of the client''s, so that the same request again writes nothing.';
comment on column rowbell.request.subject is 'Who sent it; keys of others are of no concern.';
comment on column rowbell.request.hash is 'SHA-256 of what was asked for: another request under the same key is refused.';
comment on column rowbell.request.version is 'The row''s version after it; of a delete, the one removed.';
comment on column rowbell.request.xid is 'The transaction that wrote; null where there was nothing to change.';
comment on column rowbell.request.answer is 'The row as it was answered, to the letter.';
-- Old answers are deleted by age.
create index request_by_age on rowbell.request (at);

revoke all on all functions in schema rowbell from public;

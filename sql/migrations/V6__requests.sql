-- What REST needs of the database: merging a patch into a json column, and a quick look for rows of the log that a
-- crash could take back.
--
-- A patch merges where the row is, in the statement that names its version, so that no read has to come before it.
-- Left out: merging by column, of two writers' changes; a patch says itself which columns it sets.
-- Out of trouble: both can be dropped and made anew at any time.

create function rowbell.merge_patch(target jsonb, patch jsonb) returns jsonb
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    merged jsonb;
    name text;
    value jsonb;
begin
    if jsonb_typeof(patch) is distinct from 'object' then
        return patch;
    end if;
    merged := case when jsonb_typeof(target) = 'object' then target else '{}'::jsonb end;
    for name, value in select e.key, e.value from jsonb_each(patch) e loop
        if value = 'null'::jsonb then
            merged := merged - name;
        else
            merged := merged || jsonb_build_object(name, rowbell.merge_patch(merged -> name, value));
        end if;
    end loop;
    return merged;
end
$$;
comment on function rowbell.merge_patch(jsonb, jsonb) is
    'RFC 7396: an object is merged key by key, null removes a key, anything else replaces what was there.';

-- Empty where writers leave synchronous_commit on; a list read looks here for what is not on disk yet.
create index sync_log_unflushed on rowbell.sync_log (xid) where not durable;

revoke all on all functions in schema rowbell from public;

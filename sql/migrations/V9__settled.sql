-- Which rows of the log were written in a generation that a node had opened.
--
-- After a crash or a promotion writers may come before the first node, and use transaction ids again that a cursor of
-- the generation before claims. Were they counted to what had survived, that cursor would pass for good and swallow
-- them. So a row says whether its writer found a generation: until a node has opened one there is none. A session
-- asks once and remembers it in a setting of its own, which ends with the session as every crash ends all of them.
--
-- Left out: the generation itself; a yes or no is all that is ever asked.
-- Out of trouble: a writer may set `rowbell.generation` itself and so deceive the log about its own rows, nobody else's.

create function rowbell.learn_generation() returns boolean
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('rowbell.generation', g.nonce::text, false) from rowbell.generation g;
    return found;
end
$$;
comment on function rowbell.learn_generation() is 'Asks whether a node has opened this generation, and remembers a yes for the session.';

-- No `set search_path`, so that the body is inlined into the default of every log row; it is bound here and now.
create function rowbell.settled() returns boolean
    language sql volatile
    return coalesce(current_setting('rowbell.generation', true), '') <> '' or rowbell.learn_generation();
comment on function rowbell.settled() is 'Whether a node has opened this generation; cheap after the first yes.';

alter table rowbell.sync_log add column settled boolean not null default true;
alter table rowbell.sync_log alter column settled set default rowbell.settled();
comment on column rowbell.sync_log.settled is
    'False when written after a crash or promotion before the first node: no proof of what had survived it.';

create or replace function rowbell.open_generation() returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    found_nonce bigint;
begin
    select g.nonce into found_nonce from rowbell.generation g;
    if found then
        return found_nonce;
    end if;
    -- Positions claim the tick that is made here, so a crash must not take it back.
    perform set_config('synchronous_commit', 'local', true);
    -- Nodes only: writers just read this table. The second look sees what the first node made.
    lock table rowbell.generation in exclusive mode;
    select g.nonce into found_nonce from rowbell.generation g;
    if found then
        return found_nonce;
    end if;
    insert into rowbell.generation_start (nonce, timeline, highest_xid, newest_tick)
    values (
        rowbell.nonce(),
        rowbell.timeline(),
        greatest(
            coalesce((select l.xid from rowbell.sync_log l where l.settled order by l.xid desc limit 1), '0'),
            coalesce((select t.xid from rowbell.tick t order by t.xid desc limit 1), '0')
        ),
        coalesce((select t.xid from rowbell.tick t order by t.xid desc limit 1), '0')
    )
    returning nonce into found_nonce;
    insert into rowbell.generation (nonce) values (found_nonce);
    -- Every generation starts with a tick, so that highest_xid() always has an answer.
    insert into rowbell.tick (generation) values (found_nonce);
    return found_nonce;
end
$$;

revoke all on all functions in schema rowbell from public;

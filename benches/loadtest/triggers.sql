-- Tables whose triggers do a part each of what a watched table's do, to see what which part costs.

create table flat_log (like rowbell.sync_log including defaults);
create table indexed_log (like rowbell.sync_log including defaults);
create index on indexed_log (xid, seq);
create index on indexed_log (channel, row_id, version);

create procedure part(name text, settings text, body text)
    language plpgsql
as $$
begin
    execute format('create function public.%I() returns trigger language plpgsql security definer %s as %L', name, settings, 'begin ' || body || ' return null; end');
    execute format('create trigger "!part" after insert on %I for each row execute function public.%I()', name, name);
end
$$;

create function write_to(log text) returns text
    language sql
    return format('insert into %s (seq, channel, op, row_id, row) values (nextval(''rowbell.seq''::regclass), ''part'', ''insert'','
        ' new.id::text, row_to_json(new));', log);

call part('nothing', '', '');
call part('settings', 'set search_path = pg_catalog, pg_temp set timezone = ''UTC'' set datestyle = ''ISO, YMD'' set intervalstyle = ''iso_8601'''
    ' set bytea_output = ''hex'' set extra_float_digits = 1 set lc_monetary = ''C''', '');
call part('flat', '', write_to('public.flat_log'));
call part('indexed', '', write_to('public.indexed_log'));
call part('ring', '', write_to('rowbell.sync_log') || ' perform rowbell.ring(''part'');');
select rowbell.watch('feed_only', feed_only => true);
select rowbell.watch('watched');

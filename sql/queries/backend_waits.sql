-- Is this backend gone, or has it had nothing to do for a while?
--
-- $1 integer, $2 timestamptz: the backend. Whoever still waits for its answer waits for nothing.
select not exists (
    select from pg_stat_activity a
    where a.pid = $1 and a.backend_start = $2
        -- Where activity is not tracked, nobody knows, and it counts as busy.
        and (a.state in ('active', 'disabled') or a.state_change > clock_timestamp() - interval '1 second')
)

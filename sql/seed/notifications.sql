-- What the application told its users about the rows that are there: each names the row it is about.
with told(channel, row_id, branch_id, user_id, kind, title, body, at) as (
    select 'orders', o.id::text, o.branch_id, null::uuid, 'task', 'Order ' || o.reference || ' is set aside', o.note, o.created_at
    from public.orders o
    where o.status = 'held'
    union all
    select 'stock-requests', r.id::text, r.branch_id, null, case r.status when 'rejected' then 'warning' else 'info' end,
        p.name || ' ' || case r.status when 'sent' then 'is on its way' when 'rejected' then 'will not come' else 'will come' end,
        r.note, r.decided_at
    from public.stock_requests r
    join public.products p on p.id = r.product_id
    where r.status in ('approved', 'sent', 'rejected') and r.decided_at < now()
    union all
    select 'leave', l.id::text, l.branch_id, u.id, 'task', e.name || ' asks for leave',
        'From ' || l.starts_on || ' to ' || l.ends_on, l.created_at
    from public.leave l
    join public.employees e on e.id = l.employee_id
    join public.users u on u.branch_id = l.branch_id and u.role = 'manager'
    where l.status = 'requested'
    union all
    select 'reports', r.id::text, r.branch_id, null, 'info', 'Best day of the month: ' || r.revenue, null, r.created_at
    from (
        select distinct on (branch_id, date_trunc('month', date)) * from public.reports
        order by branch_id, date_trunc('month', date), revenue desc, date
    ) r
)
insert into public.notifications (id, branch_id, user_id, kind, title, body, channel, row_id, read_at, created_at)
select pg_temp.key('notification ' || t.row_id, 1), t.branch_id, t.user_id, t.kind, t.title, t.body, t.channel, t.row_id,
    case when t.at < now() - interval '3 days' then t.at + interval '4 hours' end, t.at
from told t
order by t.at, t.row_id

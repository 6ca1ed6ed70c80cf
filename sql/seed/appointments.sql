-- Clients who come or are visited: from a month ago to six weeks from now, on the half hour of open days.
with days as materialized (
    select open.day, row_number() over (order by open.day) as number
    from pg_temp.open_days(current_date - 30, current_date + 45) open(day)
), guests as materialized (
    select c.id, c.branch_id, row_number() over (order by c.id) as number from public.clients c
), hosts as materialized (
    select e.id, e.branch_id, row_number() over of_branch - 1 as number, count(*) over (partition by e.branch_id) as many
    from public.employees e
    where e.job_title in ('Deputy manager', 'Sales assistant') and e.status = 'active'
    window of_branch as (partition by e.branch_id order by e.id)
), drawn as (
    select n as number, g.id as client_id, g.branch_id, h.id as employee_id,
        d.day + interval '9 hours' + floor(16 * pg_temp.draw('meeting time', n)) * interval '30 minutes' as starts_at,
        (1 + floor(3 * pg_temp.draw('meeting length', n))) * interval '30 minutes' as length
    from generate_series(1, 150) n
    join days d on d.number = 1 + floor((select count(*) from days) * pg_temp.draw('meeting day', n))
    join guests g on g.number = 1 + floor(400 * pg_temp.draw('meeting client', n))
    join hosts h on h.branch_id = g.branch_id and h.number = floor(h.many * pg_temp.draw('meeting host', n))
)
insert into public.appointments (
    id, branch_id, client_id, employee_id, title, starts_at, ends_at, status, created_at)
select pg_temp.key('appointment', d.number), d.branch_id, d.client_id, d.employee_id,
    pg_temp.pick('meeting title', d.number, '{
        Measure for shelves,Paint colours,Garden plan,Key safe fitting,Mower service,Blinds on site,Tool hire,
        Kitchen worktop,Fence quotation,Lock change}'),
    d.starts_at, d.starts_at + d.length,
    case when d.starts_at + d.length < now() then pg_temp.pick('meeting fate', d.number, '{done,done,done,done,missed,cancelled}')
        else pg_temp.pick('meeting fate', d.number, '{booked,booked,confirmed,confirmed,confirmed,cancelled}') end,
    least(d.starts_at - (2 + floor(12 * pg_temp.draw('meeting notice', d.number))) * interval '1 day', now() - interval '1 hour')
from drawn d
order by d.starts_at, d.number

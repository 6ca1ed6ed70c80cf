-- Sixty times in three months a shop needed money for something.
with askers as (
    select e.id, e.branch_id, row_number() over (order by e.id) - 1 as number, count(*) over () as many
    from public.employees e
    where e.status = 'active' and e.job_title <> 'Branch manager'
), drawn as (
    select n as number, a.id as employee_id, a.branch_id,
        now() - power(pg_temp.draw('cash age', n), 1.5) * interval '90 days' - interval '10 minutes' as at,
        round((5 + 180 * power(pg_temp.draw('cash amount', n), 2))::numeric, 2) as amount
    from generate_series(1, 60) n
    join askers a on a.number = floor(a.many * pg_temp.draw('cash asker', n))
), judged as (
    select d.*, case
            when d.at > now() - interval '2 days' then 'requested'
            when pg_temp.draw('cash fate', d.number) < 0.12 then 'rejected'
            when d.at > now() - interval '5 days' then 'approved'
            else 'paid'
        end as status
    from drawn d
)
insert into public.cash_requests (
    id, branch_id, employee_id, amount, purpose, status, decided_by, decided_at, created_at)
select pg_temp.key('cash request', j.number), j.branch_id, j.employee_id, j.amount,
    pg_temp.pick('cash purpose', j.number, '{
        Stamps,Parking for the van,Flowers for a jubilee,Window cleaner,Light bulbs for the shop,Change for the till,
        Coffee and milk,Plumber call-out,Fuel for the van,Printer paper,Taxi for a delivery,First aid box}'),
    j.status, case when j.status <> 'requested' then m.id end,
    case when j.status <> 'requested' then j.at + interval '6 hours' end, j.at
from judged j
join public.employees m on m.branch_id = j.branch_id and m.job_title = 'Branch manager'
order by j.at, j.number

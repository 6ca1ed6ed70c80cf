-- What the shops asked the central store for: old requests have been received, new ones wait.
with askers as (
    select e.id, e.branch_id, row_number() over (order by e.id) - 1 as number, count(*) over () as many
    from public.employees e
    where e.job_title = 'Storekeeper' and e.status = 'active'
), goods as (
    select p.id, p.reorder_level, row_number() over (order by p.sku) as number from public.products p
), drawn as (
    select n as number, a.id as employee_id, a.branch_id, g.id as product_id, 2 * g.reorder_level as quantity,
        now() - power(pg_temp.draw('request age', n), 2) * interval '100 days' - interval '20 minutes' as at
    from generate_series(1, 120) n
    join askers a on a.number = floor(a.many * pg_temp.draw('request asker', n))
    join goods g on g.number = 1 + floor(150 * pg_temp.draw('request product', n))
), judged as (
    select d.*, case
            when d.at > now() - interval '1 day' then 'requested'
            when pg_temp.draw('request fate', d.number) < 0.08 then 'rejected'
            when d.at > now() - interval '3 days' then 'approved'
            when d.at > now() - interval '6 days' then 'sent'
            else 'received'
        end as status
    from drawn d
)
insert into public.stock_requests (
    id, branch_id, product_id, employee_id, quantity, status, needed_on, decided_at, note, created_at)
select pg_temp.key('stock request', j.number), j.branch_id, j.product_id, j.employee_id, j.quantity, j.status,
    j.at::date + 7, case when j.status <> 'requested' then j.at + interval '16 hours' end,
    case when j.status = 'rejected' then 'Being discontinued: sell what is there' end, j.at
from judged j
order by j.at

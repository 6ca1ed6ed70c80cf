-- Every shop reports every day it was open, up to yesterday, what its paid orders add up to and what sold best.
with sold as (
    select o.branch_id, o.created_at::date as day, o.id, o.total, o.payment_method, o.items
    from public.orders o
    where o.status in ('paid', 'completed')
), days as (
    select s.branch_id, s.day, count(*) as orders_count, sum(s.total) as revenue,
        coalesce(sum(s.total) filter (where s.payment_method = 'cash'), 0) as cash
    from sold s
    group by s.branch_id, s.day
), things as (
    select s.branch_id, s.day, i.product_id, i.name, sum(i.quantity) as quantity, sum(i.amount) as revenue,
        row_number() over (partition by s.branch_id, s.day order by sum(i.amount) desc, i.product_id) as rank
    from sold s
    cross join lateral jsonb_to_recordset(s.items) i(product_id uuid, name text, quantity integer, amount numeric)
    group by s.branch_id, s.day, i.product_id, i.name
), best as (
    select t.branch_id, t.day, jsonb_agg(jsonb_build_object(
            'product_id', t.product_id, 'name', t.name, 'quantity', t.quantity, 'revenue', t.revenue) order by t.rank) as products
    from things t
    where t.rank <= 5
    group by t.branch_id, t.day
)
insert into public.reports (id, branch_id, employee_id, date, status, orders_count, revenue, cash, products, note, created_at)
select pg_temp.key('report ' || b.code, open.day - date '2020-01-01'), b.id, e.id, open.day,
    case when open.day < current_date - 2 then 'approved' else 'submitted' end,
    coalesce(d.orders_count, 0), coalesce(d.revenue, 0), coalesce(d.cash, 0), coalesce(t.products, '[]'),
    case when d.day is null then 'No sales today' end, open.day + interval '18 hours 20 minutes'
from public.branches b
cross join pg_temp.open_days(current_date - 119, current_date - 1) open(day)
join public.employees e on e.branch_id = b.id and e.job_title = 'Branch manager'
left join days d on d.branch_id = b.id and d.day = open.day
left join best t on t.branch_id = b.id and t.day = open.day
order by open.day, b.code

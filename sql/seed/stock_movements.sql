-- How the goods came and went: each shop took in, four months ago, what it has sold since and what is on its shelves.
-- Sales are told one by one for the last two weeks, and before that as one sum a product.
with sold as materialized (
    select o.branch_id, i.product_id, i.quantity, o.id as order_id, o.employee_id, o.created_at as at,
        o.created_at >= current_date - 14 as recent
    from public.orders o
    cross join lateral jsonb_to_recordset(o.items) i(product_id uuid, quantity integer)
    where o.status in ('paid', 'completed')
), shelves as materialized (
    select b.id as branch_id, p.id as product_id, b.code || ' ' || p.sku as name,
        coalesce((select sum(s.quantity) from sold s where s.branch_id = b.id and s.product_id = p.id), 0) as sold,
        coalesce((select sum(s.quantity) from sold s where s.branch_id = b.id and s.product_id = p.id and not s.recent), 0) as sold_before,
        p.reorder_level
    from public.branches b
    cross join public.products p
), movements(name, branch_id, product_id, kind, quantity, order_id, stock_request_id, employee_id, note, at) as (
    select 'purchase ' || s.name, s.branch_id, s.product_id, 'purchase',
        s.sold + floor((0.5 + 3 * pg_temp.draw('stock ' || s.name, 1)) * s.reorder_level) + 1,
        null::uuid, null::uuid, null::uuid, 'Opening stock', current_date - 125 + interval '7 hours'
    from shelves s
    union all
    select 'sales ' || s.name, s.branch_id, s.product_id, 'sale', -s.sold_before, null, null, null,
        'Sales up to two weeks ago', current_date - 14 + interval '-1 second'
    from shelves s
    where s.sold_before > 0
    union all
    select 'sale ' || s.order_id || s.product_id, s.branch_id, s.product_id, 'sale', -s.quantity, s.order_id, null, s.employee_id, null, s.at
    from sold s
    where s.recent
    union all
    select 'transfer ' || r.id, r.branch_id, r.product_id, 'transfer', r.quantity, null, r.id, r.employee_id, null,
        least(r.decided_at + interval '2 days', now())
    from public.stock_requests r
    where r.status = 'received'
    union all
    -- One shelf in fifteen had something broken.
    select 'waste ' || s.name, s.branch_id, s.product_id, 'waste', -1, null, null, null,
        pg_temp.pick('waste ' || s.name, 1, '{Dropped,Packaging torn,Wet,Returned broken}'),
        current_date - floor(100 * pg_temp.draw('waste day ' || s.name, 1))::integer - interval '6 hours'
    from shelves s
    where pg_temp.draw('waste of ' || s.name, 1) < 0.065
)
insert into public.stock_movements (
    id, branch_id, product_id, kind, quantity, order_id, stock_request_id, employee_id, note, moved_at, created_at)
select pg_temp.key(m.name, 1), m.branch_id, m.product_id, m.kind, m.quantity, m.order_id, m.stock_request_id,
    m.employee_id, m.note, m.at, m.at
from movements m
order by m.at, m.name collate "C"

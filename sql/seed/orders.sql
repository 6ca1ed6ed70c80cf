-- Two and a half thousand orders of the last 120 days, all in opening hours and none later than now. Totals are the
-- sums of the items, at the prices of the products.
with days as materialized (
    -- Saturdays count double. Today counts once the shops have been open for an hour.
    select d.day, row_number() over (order by d.day, copy) as number
    from pg_temp.open_days(current_date - 119, (now() - interval '10 hours')::date) d(day)
    cross join generate_series(1, 2) copy
    where copy = 1 or extract(isodow from d.day) = 6
), lately as materialized (
    -- The last two open days, where things are still going on, also on a Monday morning.
    select min(l.day) as day from (select distinct d.day from days d order by d.day desc limit 2) l
), sales as materialized (
    select n as number, d.day,
        pg_temp.key('branch', (array[1, 1, 1, 1, 2, 2, 2, 3, 3, 4])[1 + floor(10 * pg_temp.draw('order branch', n))::integer]) as branch_id,
        greatest(d.day + interval '9 hours', least(
            d.day + interval '9 hours' + pg_temp.draw('order time', n) * interval '9 hours',
            now() - pg_temp.draw('order age', n) * interval '90 minutes')) as at,
        -- Drawn here, because a join below would draw once for every pair it looks at. About two in three are known.
        case when pg_temp.draw('order known', n) < 0.65 then pg_temp.draw('order client', n) end as client_draw,
        pg_temp.draw('order seller', n) as seller_draw
    from generate_series(1, 2500) n
    join days d on d.number = 1 + floor((select count(*) from days) * pg_temp.draw('order day', n))
), goods as materialized (
    select p.id, p.name, p.price, row_number() over (order by p.sku) as number from public.products p
), lines as (
    -- Some things sell better than others, and a thing stands in an order once.
    select distinct on (s.number, g.number) s.number, place, g.id, g.name, g.price,
        1 + floor(4 * power(pg_temp.draw('order quantity', 10 * s.number + place), 3))::integer as quantity
    from sales s
    cross join lateral generate_series(1, 1 + floor(5 * power(pg_temp.draw('order size', s.number), 2))::integer) place
    join goods g on g.number = 1 + floor(150 * power(pg_temp.draw('order product', 10 * s.number + place), 1.6))
    order by s.number, g.number, place
), baskets as materialized (
    select l.number, sum(l.quantity * l.price) as total, jsonb_agg(jsonb_build_object(
            'product_id', l.id, 'name', l.name, 'quantity', l.quantity, 'price', l.price, 'amount', l.quantity * l.price)
        order by l.place) as items
    from lines l
    group by l.number
), buyers as materialized (
    select c.id, c.branch_id, c.kind, row_number() over of_branch - 1 as number, count(*) over (partition by c.branch_id) as many
    from public.clients c
    window of_branch as (partition by c.branch_id order by c.id)
), sellers as materialized (
    select e.id, e.branch_id, row_number() over of_branch - 1 as number, count(*) over (partition by e.branch_id) as many
    from public.employees e
    where e.job_title in ('Deputy manager', 'Sales assistant', 'Cashier') and e.status = 'active'
    window of_branch as (partition by e.branch_id order by e.id)
), judged as (
    select s.*, b.total, b.items, c.id as client_id, c.kind as client_kind, e.id as employee_id, case
            when fate.draw < 0.02 then 'cancelled'
            when fate.draw < 0.04 and s.day < lately.day then 'refunded'
            when s.day < lately.day - 6 then 'completed'
            when s.day < lately.day then case when fate.draw < 0.25 then 'paid' else 'completed' end
            else (array['open', 'open', 'held', 'paid', 'paid', 'completed'])[1 + floor(6 * pg_temp.draw('order step', s.number))::integer]
        end as status
    from sales s
    cross join lately
    join baskets b using (number)
    cross join lateral (select pg_temp.draw('order fate', s.number) as draw) fate
    left join buyers c on c.branch_id = s.branch_id and c.number = floor(c.many * s.client_draw)
    join sellers e on e.branch_id = s.branch_id and e.number = floor(e.many * s.seller_draw)
)
insert into public.orders (
    id, branch_id, client_id, employee_id, reference, status, items, total, payment_method, paid_at, note, created_at)
select pg_temp.key('order', j.number), j.branch_id, j.client_id, j.employee_id,
    b.code || '-' || to_char(row_number() over (partition by j.branch_id order by j.at, j.number), 'FM00000'),
    j.status, j.items, j.total,
    case
        when j.status in ('open', 'held', 'cancelled') then null
        when j.client_kind = 'company' then pg_temp.pick('order payment', j.number, '{account,account,transfer,card}')
        else pg_temp.pick('order payment', j.number, '{card,card,card,cash}')
    end,
    case when j.status in ('paid', 'completed', 'refunded') then j.at end,
    case when j.status = 'held' then pg_temp.pick('order note', j.number,
        '{Collects on Saturday,Waits for the second tin,Deliver with the van,Rings when the builder has time}') end,
    j.at
from judged j
join public.branches b on b.id = j.branch_id
order by j.at, j.number

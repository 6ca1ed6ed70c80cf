-- Sixty people: in every shop a manager, a deputy, and the others by what a shop needs most. Three have left.
with posts as (
    select n as number, branch.number as branch, row_number() over (partition by branch.number order by n) as place
    from generate_series(1, 60) n
    cross join lateral (
        select case when n <= 20 then 1 when n <= 36 then 2 when n <= 50 then 3 else 4 end as number
    ) branch
), people as (
    select p.*, pg_temp.first_name('employee', p.number) || ' ' || pg_temp.last_name('employee', p.number) as name,
        case
            when p.place = 1 then 'Branch manager'
            when p.place = 2 then 'Deputy manager'
            when p.place % 5 = 0 then 'Storekeeper'
            when p.place % 7 = 0 then 'Delivery driver'
            when p.place % 4 = 0 then 'Cashier'
            else 'Sales assistant'
        end as job_title,
        greatest(b.opened_on, current_date - 150 - floor(2600 * pg_temp.draw('employee hired', p.number))::integer) as hired_on,
        case when p.number in (13, 29, 47) then current_date - p.number::integer end as left_on
    from posts p
    join public.branches b on b.id = pg_temp.key('branch', p.branch)
)
insert into public.employees (id, branch_id, name, job_title, email, phone, hired_on, left_on, status, created_at)
select pg_temp.key('employee', p.number), pg_temp.key('branch', p.branch), p.name, p.job_title,
    translate(lower(p.name), ' ''', '.') || '@hollin.example', pg_temp.phone('employee', p.number),
    p.hired_on, p.left_on, case when p.left_on is null then 'active' else 'left' end,
    greatest(p.hired_on, current_date - 400)::timestamptz
from people p
order by p.number

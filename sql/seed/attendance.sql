-- The working days of the last two months. A shop is open six days a week and everybody works five: one weekday, not
-- the same for all, is theirs. Who was on approved leave is marked so; of today only who has come.
with staff as (
    select e.*, row_number() over (order by e.email) as number from public.employees e
), turns as (
    select s.id, s.branch_id, s.number, open.day, s.number * 1000 + (open.day - date '2020-01-01') as draw,
        exists (
            select from public.leave l
            where l.employee_id = s.id and l.status = 'approved' and open.day between l.starts_on and l.ends_on
        ) as is_away
    from staff s
    cross join pg_temp.open_days(current_date - 60, current_date) open(day)
    where extract(isodow from open.day) <> 1 + s.number % 6 and (s.left_on is null or open.day < s.left_on)
), judged as (
    select t.*, case
            when t.is_away then 'leave'
            when fate.draw < 0.015 then 'sick'
            when fate.draw < 0.02 then 'absent'
            when fate.draw < 0.08 then 'late'
            else 'present'
        end as status
    from turns t
    cross join lateral (select pg_temp.draw('attendance', t.draw) as draw) fate
), clocked as (
    select j.*, case j.status
            when 'present' then j.day + interval '8 hours 40 minutes' + pg_temp.draw('clock in', j.draw) * interval '19 minutes'
            when 'late' then j.day + interval '9 hours 6 minutes' + pg_temp.draw('clock in', j.draw) * interval '50 minutes'
        end as clock_in,
        case when j.status in ('present', 'late') then
            j.day + interval '18 hours 2 minutes' + pg_temp.draw('clock out', j.draw) * interval '25 minutes'
        end as clock_out
    from judged j
)
insert into public.attendance (id, branch_id, employee_id, date, status, clock_in, clock_out, created_at)
select pg_temp.key('attendance', c.draw), c.branch_id, c.id, c.day, c.status, date_trunc('second', c.clock_in),
    case when c.clock_out < now() then date_trunc('second', c.clock_out) end, coalesce(c.clock_in, c.day + interval '9 hours')
from clocked c
where coalesce(c.clock_in, c.day + interval '9 hours') < now()
order by c.day, c.number

-- Everybody who works here was or will be away: once in the last three months for most, and once in the next.
with deciders as (
    select e.branch_id, e.id from public.employees e where e.job_title = 'Branch manager'
), staff as (
    select e.id, e.branch_id, e.job_title, row_number() over (order by e.email) as number
    from public.employees e
    where e.status = 'active'
), drawn as (
    select s.*, 1 as side, 1 + floor(7 * pg_temp.draw('leave past length', s.number))::integer as days,
        current_date - 8 - floor(75 * pg_temp.draw('leave past', s.number))::integer as starts_on,
        pg_temp.pick('leave past kind', s.number, '{annual,annual,sick,sick,unpaid}') as kind
    from staff s
    where pg_temp.draw('leave was', s.number) < 0.7
    union all
    select s.*, 2, 5 + floor(10 * pg_temp.draw('leave next length', s.number))::integer,
        current_date + 3 + floor(80 * pg_temp.draw('leave next', s.number))::integer, 'annual'
    from staff s
    where pg_temp.draw('leave will', s.number) < 0.55
), judged as (
    select d.*, case
            when d.kind = 'sick' then 'approved'
            when pg_temp.draw('leave fate ' || d.side, d.number) < 0.1 then 'rejected'
            when d.side = 2 and pg_temp.draw('leave fate ' || d.side, d.number) < 0.5 then 'requested'
            else 'approved'
        end as status,
        -- Illness is told on its first morning, holidays weeks before.
        case d.kind
            when 'sick' then d.starts_on + interval '8 hours'
            else least(d.starts_on - 20, current_date - 2) + interval '12 hours'
        end as asked_at
    from drawn d
)
insert into public.leave (
    id, branch_id, employee_id, kind, starts_on, ends_on, status, reason, decided_by, decided_at, created_at)
select pg_temp.key('leave ' || j.side, j.number), j.branch_id, j.id, j.kind, j.starts_on, j.starts_on + j.days - 1, j.status,
    case when j.kind = 'unpaid' then pg_temp.pick('leave reason', j.number, '{Moving house,Wedding abroad,Family}') end,
    case when j.status <> 'requested' then d.id end,
    case when j.status <> 'requested' then j.asked_at + interval '5 hours' end, j.asked_at
from judged j
join deciders d on d.branch_id = j.branch_id
order by j.asked_at, j.number

-- Bonuses of the last three months: paid, then approved, then proposed.
with deciders as (
    select e.branch_id, e.id from public.employees e where e.job_title = 'Branch manager'
), drawn as (
    select e.id as employee_id, e.branch_id, e.job_title, ago, row_number() over (order by e.email, ago) as number
    from public.employees e
    cross join generate_series(1, 3) ago
    where e.status = 'active'
), months as (
    select d.*, (date_trunc('month', current_date) - d.ago * interval '1 month')::date as month,
        (case when d.job_title in ('Branch manager', 'Deputy manager') then 150 else 60 end
            + 10 * floor(15 * pg_temp.draw('bonus amount', d.number)))::numeric as amount
    from drawn d
    where pg_temp.draw('bonus', d.number) < 0.6
)
insert into public.bonus (id, branch_id, employee_id, month, amount, reason, status, decided_by, paid_on, created_at)
select pg_temp.key('bonus', m.number), m.branch_id, m.employee_id, m.month, m.amount,
    pg_temp.pick('bonus reason', m.number, '{Sales above target,Stood in for colleagues,Stocktaking,Fewest returns,Client praise}'),
    case m.ago when 1 then 'proposed' when 2 then 'approved' else 'paid' end,
    case when m.ago > 1 then d.id end, case when m.ago = 3 then (m.month + interval '1 month 24 days')::date end,
    -- On the last day of its month.
    m.month + interval '1 month -9 hours'
from months m
join deciders d on d.branch_id = m.branch_id
order by m.month, m.number

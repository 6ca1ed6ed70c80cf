-- Managers and deputies have accounts of their own, the others share the till of their shop. Nobody has a password.
with accounts as (
    select e.branch_id, e.id as employee_id, e.name, e.email,
        case e.job_title when 'Branch manager' then 'manager' else 'seller' end as role
    from public.employees e
    where e.job_title in ('Branch manager', 'Deputy manager')
    union all
    select b.id, null, 'Till ' || b.city, 'till.' || b.email, 'seller'
    from public.branches b
)
insert into public.users (id, branch_id, employee_id, name, email, role, created_at)
select pg_temp.key('user', row_number() over (order by a.email)), a.branch_id, a.employee_id, a.name, a.email, a.role,
    (current_date - 400)::timestamptz
from accounts a
order by a.email

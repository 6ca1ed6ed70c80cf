-- Which of the business tables hold rows?
select t.name
from (
    values
        ('branches', exists (select from public.branches)),
        ('employees', exists (select from public.employees)),
        ('users', exists (select from public.users)),
        ('clients', exists (select from public.clients)),
        ('products', exists (select from public.products)),
        ('orders', exists (select from public.orders)),
        ('reports', exists (select from public.reports)),
        ('stock_requests', exists (select from public.stock_requests)),
        ('stock_movements', exists (select from public.stock_movements)),
        ('attendance', exists (select from public.attendance)),
        ('leave', exists (select from public.leave)),
        ('bonus', exists (select from public.bonus)),
        ('cash_requests', exists (select from public.cash_requests)),
        ('notifications', exists (select from public.notifications)),
        ('appointments', exists (select from public.appointments))
) t(name, filled)
where t.filled

-- Four hundred clients, about one in seven a company. Most live where their shop is.
with drawn as (
    select n as number, (array[1, 1, 1, 1, 2, 2, 2, 3, 3, 4])[1 + floor(10 * pg_temp.draw('client branch', n))::integer] as branch,
        pg_temp.draw('client kind', n) < 0.15 as is_company,
        pg_temp.first_name('client', n) as first_name, pg_temp.last_name('client', n) as last_name
    from generate_series(1, 400) n
), named as (
    select d.*, case
            when d.is_company then d.last_name || ' ' || pg_temp.pick('client trade', d.number,
                '{Builders,Joinery,Property Care,Gardens,Lettings,Electrical,& Sons,Interiors,Plumbing,Landscapes}')
            else d.first_name || ' ' || d.last_name
        end as name
    from drawn d
)
insert into public.clients (id, branch_id, name, kind, email, phone, address, city, postal_code, note, created_at)
select pg_temp.key('client', n.number), b.id, n.name, case when n.is_company then 'company' else 'person' end,
    -- One in five left no mail address.
    case when pg_temp.draw('client mail', n.number) < 0.8 then
        pg_temp.address_of(n.first_name || ' ' || n.last_name, n.number) end,
    pg_temp.phone('client', n.number), pg_temp.street('client', n.number), b.city,
    split_part(b.postal_code, ' ', 1) || ' ' || 1 + floor(8 * pg_temp.draw('client code', n.number))
        || pg_temp.pick('client code', n.number, '{AB,DQ,EH,HT,JF,LN,PR,QX,RW,TS,UY,WZ}'),
    case when n.is_company then pg_temp.pick('client note', n.number,
        '{Pays by the end of the month,Deliver before 8,Ask for the site office,null}') end,
    current_date - 120 - 280 * pg_temp.draw('client since', n.number) * interval '1 day'
from named n
join public.branches b on b.id = pg_temp.key('branch', n.branch)
order by n.number

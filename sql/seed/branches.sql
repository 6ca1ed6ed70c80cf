-- Four shops in four cities, the oldest and largest first.
insert into public.branches (id, name, code, city, address, postal_code, phone, email, opened_on, created_at)
select pg_temp.key('branch', b.number), b.name, b.code, b.city, b.address, b.postal_code,
    pg_temp.phone('branch', b.number), lower(b.city) || '@hollin.example', current_date - b.age,
    -- The books are kept in this application since last year.
    (current_date - 400)::timestamptz
from (
    values
        (1, 'Hollin & Rowe Harbourside', 'BRI', 'Bristol', '14 Canons Way', 'BS1 5LL', 6240),
        (2, 'Hollin & Rowe Roath', 'CDF', 'Cardiff', '88 Albany Road', 'CF24 3RS', 4015),
        (3, 'Hollin & Rowe Quayside', 'EXE', 'Exeter', '3 Piazza Terracina', 'EX2 4AN', 2380),
        (4, 'Hollin & Rowe Walcot', 'BTH', 'Bath', '41 Walcot Street', 'BA1 5BN', 890)
) b(number, name, code, city, address, postal_code, age)

-- A hardware, garden and household shop: fifty things in three sizes each.
with things(category, name, unit, sizes, prices) as (
    values
        ('Garden', 'Watering can', 'piece', '{5 l,7 l,10 l}'::text[], '{8.95,11.50,14.95}'::numeric[]),
        ('Garden', 'Garden hose', 'piece', '{15 m,25 m,50 m}', '{16.95,24.95,42.00}'),
        ('Garden', 'Multi-purpose compost', 'bag', '{20 l,40 l,60 l}', '{4.50,7.25,9.95}'),
        ('Garden', 'Terracotta pot', 'piece', '{12 cm,18 cm,28 cm}', '{1.95,4.25,9.50}'),
        ('Garden', 'Lawn seed', 'box', '{500 g,1 kg,2.5 kg}', '{6.95,11.95,24.50}'),
        ('Garden', 'Bird feed', 'bag', '{1 kg,4 kg,12 kg}', '{3.25,9.95,24.95}'),
        ('Garden', 'Hand fork', 'piece', '{ash handle,steel,left-handed}', '{9.95,12.50,13.95}'),
        ('Garden', 'Secateurs', 'piece', '{bypass,anvil,ratchet}', '{14.95,12.95,19.95}'),
        ('Garden', 'Gardening gloves', 'pair', '{small,medium,large}', '{5.95,5.95,5.95}'),
        ('Garden', 'Weed membrane', 'roll', '{1 x 8 m,1 x 15 m,2 x 25 m}', '{7.95,12.95,29.95}'),
        ('Tools', 'Claw hammer', 'piece', '{8 oz,16 oz,20 oz}', '{9.95,13.95,17.50}'),
        ('Tools', 'Screwdriver', 'piece', '{PZ1,PZ2,slotted 5 mm}', '{4.95,5.25,4.75}'),
        ('Tools', 'Hand saw', 'piece', '{400 mm,500 mm,550 mm}', '{9.95,11.95,13.95}'),
        ('Tools', 'Adjustable spanner', 'piece', '{150 mm,200 mm,250 mm}', '{8.50,10.95,13.95}'),
        ('Tools', 'Tape measure', 'piece', '{3 m,5 m,8 m}', '{4.95,7.95,11.95}'),
        ('Tools', 'Spirit level', 'piece', '{230 mm,600 mm,1200 mm}', '{7.95,14.95,27.50}'),
        ('Tools', 'Wood chisel', 'piece', '{10 mm,16 mm,25 mm}', '{8.95,9.95,11.95}'),
        ('Tools', 'Combination pliers', 'piece', '{160 mm,180 mm,200 mm}', '{9.50,11.50,13.50}'),
        ('Tools', 'Masonry drill bit', 'piece', '{5.5 mm,7 mm,10 mm}', '{1.95,2.45,3.95}'),
        ('Tools', 'Cordless drill', 'piece', '{12 V,18 V,18 V with two batteries}', '{59.95,89.95,129.00}'),
        ('Fixings', 'Wood screws', 'box', '{4 x 30 mm,4 x 50 mm,5 x 80 mm}', '{3.95,4.95,7.95}'),
        ('Fixings', 'Wall plugs', 'bag', '{red 100,brown 100,blue 50}', '{2.25,2.75,3.25}'),
        ('Fixings', 'Round wire nails', 'bag', '{40 mm,65 mm,100 mm}', '{2.95,3.25,3.95}'),
        ('Fixings', 'Picture hooks', 'pack', '{single,double,heavy}', '{1.75,2.25,3.50}'),
        ('Fixings', 'Angle bracket', 'piece', '{40 mm,75 mm,150 mm}', '{0.85,1.45,2.95}'),
        ('Fixings', 'Butt hinge', 'pair', '{50 mm,75 mm,100 mm}', '{2.95,3.95,6.50}'),
        ('Fixings', 'Cable ties', 'pack', '{100 mm,200 mm,370 mm}', '{1.95,2.95,5.95}'),
        ('Paint', 'Emulsion, white', 'tin', '{1 l,2.5 l,5 l}', '{9.95,19.95,32.00}'),
        ('Paint', 'Eggshell, chalk', 'tin', '{750 ml,1 l,2.5 l}', '{18.95,23.95,46.00}'),
        ('Paint', 'Masonry paint', 'tin', '{1 l,5 l,10 l}', '{12.95,36.00,62.00}'),
        ('Paint', 'Wood preserver', 'tin', '{1 l,2.5 l,5 l}', '{11.95,22.95,38.50}'),
        ('Paint', 'Paint brush', 'piece', '{25 mm,50 mm,75 mm}', '{3.95,5.95,8.50}'),
        ('Paint', 'Roller set', 'set', '{4 inch,7 inch,9 inch}', '{5.95,8.95,10.95}'),
        ('Paint', 'Masking tape', 'roll', '{25 mm,38 mm,50 mm}', '{2.75,3.75,4.75}'),
        ('Paint', 'Filler', 'tub', '{330 g,600 g,1 kg}', '{3.95,5.95,8.25}'),
        ('Paint', 'Sandpaper', 'pack', '{fine,medium,coarse}', '{3.50,3.50,3.50}'),
        ('Household', 'Mop and bucket', 'set', '{standard,wringer,flat}', '{14.95,22.95,26.50}'),
        ('Household', 'Galvanised bucket', 'piece', '{9 l,12 l,15 l}', '{9.95,12.50,14.95}'),
        ('Household', 'Broom', 'piece', '{soft,stiff,outdoor}', '{9.95,10.95,13.95}'),
        ('Household', 'Beeswax polish', 'tin', '{clear 150 g,clear 400 g,brown 400 g}', '{6.95,12.95,12.95}'),
        ('Household', 'Storage box', 'piece', '{9 l,24 l,64 l}', '{4.95,8.95,17.50}'),
        ('Household', 'Clothes line', 'piece', '{15 m,30 m,retractable}', '{4.50,6.95,18.95}'),
        ('Household', 'Padlock', 'piece', '{30 mm,40 mm,50 mm}', '{7.95,10.95,15.95}'),
        ('Household', 'Door mat', 'piece', '{40 x 60 cm,45 x 75 cm,60 x 90 cm}', '{11.95,16.95,29.95}'),
        ('Electrical', 'LED bulb, warm white', 'piece', '{E14 4 W,E27 8 W,GU10 5 W}', '{3.25,3.95,4.25}'),
        ('Electrical', 'Extension lead', 'piece', '{2 m,5 m,10 m}', '{8.95,12.95,19.95}'),
        ('Electrical', 'Batteries', 'pack', '{AA 4,AAA 4,9 V}', '{4.50,4.50,4.95}'),
        ('Electrical', 'Torch', 'piece', '{pocket,head,lantern}', '{8.95,16.95,21.95}'),
        ('Electrical', 'Smoke alarm', 'piece', '{optical,heat,carbon monoxide}', '{16.95,18.95,22.50}'),
        ('Electrical', 'Socket tester', 'piece', '{basic,with display,with loop test}', '{9.95,16.95,34.00}')
), numbered as (
    select row_number() over (order by t.category collate "C", t.name collate "C") as thing, t.* from things t
), sized as (
    select 3 * (n.thing - 1) + s.place as number, n.category, n.unit, n.name || ', ' || s.size as name, s.price
    from numbered n
    cross join lateral unnest(n.sizes, n.prices) with ordinality s(size, price, place)
)
insert into public.products (id, name, sku, category, unit, price, cost, reorder_level, created_at)
select pg_temp.key('product', s.number), s.name, upper(left(s.category, 3)) || '-' || to_char(s.number, 'FM0000'),
    s.category, s.unit, s.price, round((s.price * (0.5 + 0.2 * pg_temp.draw('product cost', s.number)))::numeric, 2),
    case when s.price < 5 then 20 when s.price < 20 then 10 else 3 end, (current_date - 400)::timestamptz
from sized s
order by s.number

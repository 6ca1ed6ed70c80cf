-- What is sold, to whom, and what a branch tells of its day.
--
-- An order carries its items as a JSON array: they are written once with the order, read only with it, and must keep
-- the names and prices of that day whatever becomes of the product. A report carries its best sellers the same way.
--
-- Left out: taxes and discounts (a price is what is paid), and a trigger that adds up `total`: whoever writes the
-- items writes their sum, and the feed shows both in one row.
-- Out of trouble: an order that adds up wrongly is found by comparing `total` with the sum over
-- `jsonb_to_recordset(items)`, and put right by an update.

create table public.products (
    id uuid not null default gen_random_uuid(),
    name text not null,
    sku text,
    category text,
    description text,
    unit text not null default 'piece',
    price numeric(12, 2) not null default 0,
    cost numeric(12, 2),
    reorder_level integer not null default 0,
    active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint products_pk primary key (id),
    constraint products_sku unique (sku),
    constraint products_name check (btrim(name) <> ''),
    constraint products_price check (price >= 0),
    constraint products_cost check (cost >= 0),
    constraint products_reorder_level check (reorder_level >= 0)
);
comment on table public.products is 'What the chain sells, the same in every branch; how many are where is in stock_movements.';
comment on column public.products.sku is 'The number on the shelf label.';
comment on column public.products.cost is 'What the chain pays for one; null where nobody knows.';
comment on column public.products.reorder_level is 'A branch with fewer of them asks for more.';
-- The catalogue, a category at a time.
create index products_by_category on public.products (category, name);
-- All products by name, a page at a time.
create index products_by_name on public.products (name);

create table public.orders (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    client_id uuid,
    employee_id uuid,
    reference text,
    status text not null default 'open',
    items jsonb not null default '[]',
    total numeric(12, 2) not null default 0,
    payment_method text,
    paid_at timestamptz,
    note text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint orders_pk primary key (id),
    constraint orders_branch_fk foreign key (branch_id) references public.branches,
    constraint orders_client_fk foreign key (client_id) references public.clients,
    constraint orders_employee_fk foreign key (employee_id) references public.employees,
    constraint orders_reference unique (reference),
    constraint orders_status check (status in ('open', 'held', 'paid', 'completed', 'cancelled', 'refunded')),
    constraint orders_items check (jsonb_typeof(items) = 'array'),
    constraint orders_total check (total >= 0),
    constraint orders_payment_method check (payment_method in ('cash', 'card', 'transfer', 'account'))
);
comment on table public.orders is 'Sales, from the first item on the counter to the end.';
comment on column public.orders.branch_id is 'Null: sold by the web shop.';
comment on column public.orders.client_id is 'Null: nobody asked for a name.';
comment on column public.orders.employee_id is 'Who served; null in the web shop.';
comment on column public.orders.reference is 'The number on the receipt: BRI-00042.';
comment on column public.orders.status is
    'open: being put together; held: set aside for the client; paid: to be handed over; completed, cancelled, refunded: over.';
comment on column public.orders.items is
    'An array of {product_id, name, quantity, price, amount}, with the names and prices of that day.';
comment on column public.orders.total is 'The sum of the amounts.';
-- A branch's orders by date; also the foreign key.
create index orders_branch_created on public.orders (branch_id, created_at);
-- What a branch still has to do: its open orders, oldest first.
create index orders_branch_status on public.orders (branch_id, status, created_at);
-- The whole chain's orders by date.
create index orders_created on public.orders (created_at);
-- What a client bought, newest last; also the foreign key.
create index orders_client on public.orders (client_id, created_at);
-- Whom an employee served; also the foreign key.
create index orders_employee on public.orders (employee_id, created_at);

create table public.reports (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    employee_id uuid,
    date date not null default current_date,
    status text not null default 'draft',
    orders_count integer not null default 0,
    revenue numeric(12, 2) not null default 0,
    cash numeric(12, 2) not null default 0,
    products jsonb not null default '[]',
    note text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint reports_pk primary key (id),
    constraint reports_branch_fk foreign key (branch_id) references public.branches,
    constraint reports_employee_fk foreign key (employee_id) references public.employees,
    constraint reports_status check (status in ('draft', 'submitted', 'approved')),
    constraint reports_orders_count check (orders_count >= 0),
    constraint reports_products check (jsonb_typeof(products) = 'array')
);
comment on table public.reports is
    'What a branch tells of its day. Not one a day by force: a branch that was offline may send a second, better one.';
comment on column public.reports.branch_id is 'Null: of the whole chain.';
comment on column public.reports.date is 'The day told of; the report itself may be written later.';
comment on column public.reports.cash is 'The part of the revenue that lies in the till.';
comment on column public.reports.products is 'The best sellers: an array of {product_id, name, quantity, revenue}.';
-- Lists by date, of one branch; also the foreign key.
create index reports_branch_date on public.reports (branch_id, date);
-- Lists by date, of all branches.
create index reports_date on public.reports (date);
-- What an employee wrote; the foreign key.
create index reports_employee on public.reports (employee_id);

select rowbell.watch('public.products');
select rowbell.watch('public.orders');
select rowbell.watch('public.reports');

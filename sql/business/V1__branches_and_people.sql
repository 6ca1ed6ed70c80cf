-- The branches of a shop chain and the people in it: those who work there, sign in, and buy.
--
-- The business tables are the reference application: ordinary tables in schema public that Rowbell watches like any
-- others. Keys are uuids, so that a client that is offline can name a row before the server has seen it. All tables
-- end with the same four columns: `created_at` is the writer's to set, `updated_at`, `version` and `last_synced_at`
-- are kept by Rowbell's trigger whatever a statement says. They are declared here, so that `unwatch` leaves them.
-- `branch_id` is null where a row belongs to the chain as a whole: its head office, its web shop.
--
-- Left out: pay (it belongs to payroll), and cascades: who is named by other rows cannot be deleted, only set
-- inactive. Currencies: the chain has one.
-- Out of trouble: all fifteen tables are made in one transaction, so a failure leaves none of them. To be rid of them,
-- drop them and `rowbell.business_migration`; `rowbell migrate --business` then makes them anew.

create table public.branches (
    id uuid not null default gen_random_uuid(),
    name text not null,
    code text,
    city text,
    address text,
    postal_code text,
    phone text,
    email text,
    opened_on date,
    active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint branches_pk primary key (id),
    constraint branches_name check (btrim(name) <> ''),
    constraint branches_code unique (code)
);
comment on table public.branches is 'The shops of the chain.';
comment on column public.branches.code is 'Short and spoken: BRI. Numbers of orders begin with it.';
comment on column public.branches.active is 'False when the shop has closed: its rows stay.';

create table public.employees (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    name text not null,
    job_title text,
    email text,
    phone text,
    hired_on date not null default current_date,
    left_on date,
    status text not null default 'active',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint employees_pk primary key (id),
    constraint employees_branch_fk foreign key (branch_id) references public.branches,
    constraint employees_name check (btrim(name) <> ''),
    constraint employees_dates check (left_on >= hired_on),
    constraint employees_status check (status in ('active', 'suspended', 'left'))
);
comment on table public.employees is 'Who works in the chain, and who did.';
comment on column public.employees.left_on is 'The first day no longer worked; null while employed.';
-- The staff of a branch by name; also the foreign key.
create index employees_branch on public.employees (branch_id, name);

create table public.users (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    employee_id uuid,
    name text not null,
    email text not null,
    role text not null default 'seller',
    password_hash text,
    active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint users_pk primary key (id),
    constraint users_branch_fk foreign key (branch_id) references public.branches,
    constraint users_employee_fk foreign key (employee_id) references public.employees,
    constraint users_name check (btrim(name) <> ''),
    constraint users_email_form check (email like '%_@_%'),
    constraint users_role check (role in ('owner', 'accountant', 'manager', 'seller'))
);
comment on table public.users is 'Who signs in to the shop''s application: people, and the tills they share.';
comment on column public.users.employee_id is 'Null for a till, which is nobody in particular.';
comment on column public.users.password_hash is
    'Omitted from the channel: it reaches neither the log nor a client. Null: cannot sign in by password.';
-- One account an address, however it is written; signing in looks here.
create unique index users_email on public.users (lower(email));
-- The accounts of a branch; also the foreign key.
create index users_branch on public.users (branch_id, name);
-- The account of an employee; also the foreign key.
create index users_employee on public.users (employee_id);

create table public.clients (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    name text not null,
    kind text not null default 'person',
    email text,
    phone text,
    address text,
    city text,
    postal_code text,
    note text,
    active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint clients_pk primary key (id),
    constraint clients_branch_fk foreign key (branch_id) references public.branches,
    constraint clients_name check (btrim(name) <> ''),
    constraint clients_kind check (kind in ('person', 'company'))
);
comment on table public.clients is 'Who buys often enough to be known by name.';
comment on column public.clients.branch_id is 'Where they usually buy; they may buy anywhere.';
-- The clients of a branch by name; also the foreign key.
create index clients_branch on public.clients (branch_id, name);
-- All clients by name, a page at a time.
create index clients_by_name on public.clients (name);
-- Who wrote this? Mail comes with an address only.
create index clients_by_email on public.clients (lower(email));

select rowbell.watch('public.branches');
select rowbell.watch('public.employees');
select rowbell.watch('public.users', omit => '{password_hash}');
select rowbell.watch('public.clients');

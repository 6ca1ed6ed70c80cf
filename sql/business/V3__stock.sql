-- Goods on the move: what a branch asks for, and every piece that came or went.
--
-- Stock is the sum of its movements. A column with the number on hand would be written by everybody at once and
-- always be somebody's conflict; movements are only ever added, so branches that were offline cannot disagree.
--
-- Left out: a check that stock stays above zero, because a branch that sells a thing it does not have on paper does
-- have it on the shelf.
-- Out of trouble: a wrong movement is put right by a second one of kind adjustment, not by an update.

create table public.stock_requests (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    product_id uuid not null,
    employee_id uuid,
    quantity numeric(12, 3) not null,
    status text not null default 'requested',
    needed_on date,
    decided_at timestamptz,
    note text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint stock_requests_pk primary key (id),
    constraint stock_requests_branch_fk foreign key (branch_id) references public.branches,
    constraint stock_requests_product_fk foreign key (product_id) references public.products,
    constraint stock_requests_employee_fk foreign key (employee_id) references public.employees,
    constraint stock_requests_quantity check (quantity > 0),
    constraint stock_requests_status check (status in ('requested', 'approved', 'sent', 'received', 'rejected'))
);
comment on table public.stock_requests is 'What a branch wants from the central store.';
comment on column public.stock_requests.employee_id is 'Who asks.';
comment on column public.stock_requests.decided_at is 'When it was approved or rejected; null until then.';
-- A branch's requests by date; also the foreign key.
create index stock_requests_branch on public.stock_requests (branch_id, created_at);
-- What the central store still has to do, oldest first.
create index stock_requests_status_created on public.stock_requests (status, created_at);
-- Who else wants this product; also the foreign key.
create index stock_requests_product on public.stock_requests (product_id);
-- The foreign key.
create index stock_requests_employee on public.stock_requests (employee_id);

create table public.stock_movements (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    product_id uuid not null,
    kind text not null,
    quantity numeric(12, 3) not null,
    order_id uuid,
    stock_request_id uuid,
    employee_id uuid,
    note text,
    moved_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint stock_movements_pk primary key (id),
    constraint stock_movements_branch_fk foreign key (branch_id) references public.branches,
    constraint stock_movements_product_fk foreign key (product_id) references public.products,
    constraint stock_movements_order_fk foreign key (order_id) references public.orders,
    constraint stock_movements_request_fk foreign key (stock_request_id) references public.stock_requests,
    constraint stock_movements_employee_fk foreign key (employee_id) references public.employees,
    constraint stock_movements_kind check (kind in ('purchase', 'transfer', 'sale', 'return', 'waste', 'adjustment')),
    constraint stock_movements_direction check (
        case
            when kind in ('purchase', 'return') then quantity > 0
            when kind in ('sale', 'waste') then quantity < 0
            else quantity <> 0
        end
    )
);
comment on table public.stock_movements is
    'Every piece that came or went; the stock of a product in a branch is the sum of its quantities.';
comment on column public.stock_movements.branch_id is 'Null: the central store.';
comment on column public.stock_movements.quantity is 'Above zero: it came; below: it went.';
comment on column public.stock_movements.moved_at is 'When it happened; it may be told later.';
-- The stock of a branch, product by product; also a foreign key.
create index stock_movements_branch_product on public.stock_movements (branch_id, product_id);
-- What moved in a branch by date.
create index stock_movements_branch_moved on public.stock_movements (branch_id, moved_at);
-- The way of one product; also the foreign key.
create index stock_movements_product on public.stock_movements (product_id, moved_at);
-- What an order took; also the foreign key. Most movements have none.
create index stock_movements_order on public.stock_movements (order_id) where order_id is not null;
-- What a request brought; also the foreign key.
create index stock_movements_request on public.stock_movements (stock_request_id) where stock_request_id is not null;
-- The foreign key.
create index stock_movements_employee on public.stock_movements (employee_id) where employee_id is not null;

select rowbell.watch('public.stock_requests');
select rowbell.watch('public.stock_movements');

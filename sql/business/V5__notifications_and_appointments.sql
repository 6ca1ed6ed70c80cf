-- What the application tells its users, and when they are to be where.
--
-- A notification names the row it is about by channel and id, not by foreign key: it may be about any of them, and
-- must outlive a row that was deleted.
--
-- Left out: sending anything (mail, messages): that is for a subscriber of the channel. Appointments that overlap
-- are allowed, since people double-book on purpose.
-- Out of trouble: deleting a user deletes what was addressed to them and nothing else.

create table public.notifications (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    user_id uuid,
    kind text not null default 'info',
    title text not null,
    body text,
    channel text,
    row_id text,
    read_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint notifications_pk primary key (id),
    constraint notifications_branch_fk foreign key (branch_id) references public.branches,
    -- Addressed to nobody they would be addressed to everybody.
    constraint notifications_user_fk foreign key (user_id) references public.users on delete cascade,
    constraint notifications_kind check (kind in ('info', 'task', 'warning')),
    constraint notifications_title check (btrim(title) <> '')
);
comment on table public.notifications is 'What the application tells its users.';
comment on column public.notifications.user_id is 'Null: everybody in the branch, or in the chain where there is none.';
comment on column public.notifications.channel is 'With row_id: the row it is about.';
-- What a user was told, newest last; also the foreign key.
create index notifications_user on public.notifications (user_id, created_at);
-- What a branch was told; also the foreign key.
create index notifications_branch on public.notifications (branch_id, created_at);
-- How many are unread: asked on every page, of few rows.
create index notifications_unread on public.notifications (user_id, branch_id) where read_at is null;

create table public.appointments (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    client_id uuid,
    employee_id uuid,
    title text not null,
    starts_at timestamptz not null,
    ends_at timestamptz,
    status text not null default 'booked',
    note text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint appointments_pk primary key (id),
    constraint appointments_branch_fk foreign key (branch_id) references public.branches,
    constraint appointments_client_fk foreign key (client_id) references public.clients,
    constraint appointments_employee_fk foreign key (employee_id) references public.employees,
    constraint appointments_title check (btrim(title) <> ''),
    constraint appointments_times check (ends_at > starts_at),
    constraint appointments_status check (status in ('booked', 'confirmed', 'done', 'missed', 'cancelled'))
);
comment on table public.appointments is 'Who meets whom, where and when.';
comment on column public.appointments.branch_id is 'Null: at the client''s.';
comment on column public.appointments.ends_at is 'Null: until it is done.';
-- A branch's calendar; also the foreign key.
create index appointments_branch_starts on public.appointments (branch_id, starts_at);
-- An employee's calendar; also the foreign key.
create index appointments_employee_starts on public.appointments (employee_id, starts_at);
-- What a client has coming; also the foreign key.
create index appointments_client_starts on public.appointments (client_id, starts_at);
-- The day in all branches.
create index appointments_starts on public.appointments (starts_at);

select rowbell.watch('public.notifications');
select rowbell.watch('public.appointments');

-- The working life of employees: who was there, who was away, who gets what.
--
-- What is asked for and then decided (leave, a bonus, cash) is one row with a status, so that the one who asks and
-- the one who decides see the same row change.
--
-- Left out: a rule that nobody works while on leave (people do), and rotas.
-- Out of trouble: a decision that was wrong is another decision; the log has both, with who made them.

create table public.attendance (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    employee_id uuid not null,
    date date not null default current_date,
    status text not null default 'present',
    clock_in timestamptz,
    clock_out timestamptz,
    note text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint attendance_pk primary key (id),
    constraint attendance_branch_fk foreign key (branch_id) references public.branches,
    constraint attendance_employee_fk foreign key (employee_id) references public.employees,
    constraint attendance_status check (status in ('present', 'late', 'sick', 'leave', 'absent')),
    constraint attendance_times check (clock_out > clock_in)
);
comment on table public.attendance is 'Who was there on which day; two rows where somebody came twice.';
comment on column public.attendance.clock_in is 'Null for somebody who did not come.';
comment on column public.attendance.clock_out is 'Null while they are there.';
-- Who is there today, and any other day; also the foreign key.
create index attendance_branch_date on public.attendance (branch_id, date);
-- An employee's days; also the foreign key.
create index attendance_employee_date on public.attendance (employee_id, date);
-- A day in all branches.
create index attendance_date on public.attendance (date);

create table public.leave (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    employee_id uuid not null,
    kind text not null default 'annual',
    starts_on date not null,
    ends_on date not null,
    status text not null default 'requested',
    reason text,
    decided_by uuid,
    decided_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint leave_pk primary key (id),
    constraint leave_branch_fk foreign key (branch_id) references public.branches,
    constraint leave_employee_fk foreign key (employee_id) references public.employees,
    constraint leave_decided_by_fk foreign key (decided_by) references public.employees,
    constraint leave_kind check (kind in ('annual', 'sick', 'parental', 'unpaid', 'other')),
    constraint leave_dates check (ends_on >= starts_on),
    constraint leave_status check (status in ('requested', 'approved', 'rejected', 'cancelled'))
);
comment on table public.leave is 'Days away from work, asked for and decided.';
comment on column public.leave.ends_on is 'The last day away.';
-- Who of a branch is away when; also the foreign key.
create index leave_branch_starts on public.leave (branch_id, starts_on);
-- An employee's leave; also the foreign key.
create index leave_employee_starts on public.leave (employee_id, starts_on);
-- What waits for a decision.
create index leave_status_created on public.leave (status, created_at);
-- The foreign key.
create index leave_decided_by on public.leave (decided_by);

create table public.bonus (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    employee_id uuid not null,
    month date not null default date_trunc('month', current_date)::date,
    amount numeric(12, 2) not null,
    reason text,
    status text not null default 'proposed',
    decided_by uuid,
    paid_on date,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint bonus_pk primary key (id),
    constraint bonus_branch_fk foreign key (branch_id) references public.branches,
    constraint bonus_employee_fk foreign key (employee_id) references public.employees,
    constraint bonus_decided_by_fk foreign key (decided_by) references public.employees,
    constraint bonus_month check (extract(day from month) = 1),
    constraint bonus_amount check (amount > 0),
    constraint bonus_status check (status in ('proposed', 'approved', 'rejected', 'paid'))
);
comment on table public.bonus is 'What an employee gets on top of the pay, month by month.';
comment on column public.bonus.month is 'The month it is for, by its first day.';
-- A branch's month; also the foreign key.
create index bonus_branch_month on public.bonus (branch_id, month);
-- An employee's months; also the foreign key.
create index bonus_employee_month on public.bonus (employee_id, month);
-- What waits for a decision or for its money.
create index bonus_status_created on public.bonus (status, created_at);
-- The foreign key.
create index bonus_decided_by on public.bonus (decided_by);

create table public.cash_requests (
    id uuid not null default gen_random_uuid(),
    branch_id uuid,
    employee_id uuid,
    amount numeric(12, 2) not null,
    purpose text not null,
    status text not null default 'requested',
    decided_by uuid,
    decided_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 0,
    last_synced_at timestamptz,
    constraint cash_requests_pk primary key (id),
    constraint cash_requests_branch_fk foreign key (branch_id) references public.branches,
    constraint cash_requests_employee_fk foreign key (employee_id) references public.employees,
    constraint cash_requests_decided_by_fk foreign key (decided_by) references public.employees,
    constraint cash_requests_amount check (amount > 0),
    constraint cash_requests_purpose check (btrim(purpose) <> ''),
    constraint cash_requests_status check (status in ('requested', 'approved', 'rejected', 'paid'))
);
comment on table public.cash_requests is 'Money a branch needs from the till for something: a plumber, stamps, flowers.';
comment on column public.cash_requests.employee_id is 'Who asks.';
-- A branch's requests by date; also the foreign key.
create index cash_requests_branch on public.cash_requests (branch_id, created_at);
-- What waits for a decision.
create index cash_requests_status_created on public.cash_requests (status, created_at);
-- What an employee asked for; also the foreign key.
create index cash_requests_employee on public.cash_requests (employee_id);
-- The foreign key.
create index cash_requests_decided_by on public.cash_requests (decided_by);

select rowbell.watch('public.attendance');
select rowbell.watch('public.leave');
select rowbell.watch('public.bonus');
select rowbell.watch('public.cash_requests');

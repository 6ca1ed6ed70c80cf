-- Of the business tables the orders stay watched, and tables join them that have every kind of column, key and channel: the
-- other business tables are like the orders.
select rowbell.unwatch("table") from rowbell.channel where channel <> 'orders';

create type mood as enum ('sad', 'it''s ok', 'happy, very');
create domain percent as numeric(5, 2) check (value between 0 and 100);
create domain named as text not null;

create table kinds (
    id uuid primary key default gen_random_uuid(),
    small smallint, int integer, big bigint, exact numeric(12, 4), loose numeric, wide double precision, flag boolean,
    word varchar(10), bytes bytea, day date, clock time, clocktz timetz, stamp timestamp, stamptz timestamptz,
    span interval, mood mood, percent percent, ints integer[], moods mood[], doc json, docb jsonb, addr inet,
    rng int4range, must named default 'yes',
    counter integer generated always as identity,
    total bigint generated always as (coalesce(int, 0)::bigint + coalesce(small, 0)) stored,
    "select" text, "two words" text, "a.b" integer, secret text
);
comment on table kinds is 'One column of each kind.';
comment on column kinds.word is 'At most ten letters.';
select rowbell.watch('kinds', omit => '{secret}');

create table pairs (branch integer, code varchar(8), note text, primary key (branch, code));
select rowbell.watch('pairs');

create table facts (id bigint primary key, note text);
select rowbell.watch('facts', feed_only => true);
insert into facts select n, 'fact ' || n from generate_series(1, 20) n;

create table sums (id bigint primary key, small smallint, wide double precision, exact numeric(12, 4), loose numeric,
    many bigint[], note text);
select rowbell.watch('sums', as_text => '{id,small,wide,exact,loose,many}');

-- A session behind a pooler goes on after the seed: leave nothing in it.
drop function pg_temp.open_days(date, date);
drop function pg_temp.address_of(text, bigint);
drop function pg_temp.phone(text, bigint);
drop function pg_temp.street(text, bigint);
drop function pg_temp.last_name(text, bigint);
drop function pg_temp.first_name(text, bigint);
drop function pg_temp.key(text, bigint);
drop function pg_temp.pick(text, bigint, text[]);
drop function pg_temp.draw(text, bigint);

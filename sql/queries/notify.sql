-- Ring a bell by hand.
select pg_notify($1, '')

-- Which of these channels do tables have already? $1 text[].
select w.channel, w.relation::text
from rowbell.watched w
where w.channel = any ($1) and exists (select from pg_class c where c.oid = w.relation)
order by w.channel

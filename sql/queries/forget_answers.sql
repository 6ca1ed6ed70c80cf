-- Delete some answers older than the log's retention; what somebody else holds is left for the next time.
delete from rowbell.request r
using (
    select o.subject, o.key from rowbell.request o
    where o.at < clock_timestamp() - (select t.keep from rowbell.retention t)
    order by o.at
    limit 5000
    for update skip locked
) old
where r.subject = old.subject and r.key = old.key

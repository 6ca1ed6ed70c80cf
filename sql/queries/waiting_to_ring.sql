-- How many commits wait for another one that rings? They take turns at this lock, in all databases of the cluster.
select count(*)
from pg_locks l
where l.locktype = 'object' and l.database = 0 and l.classid = 'pg_database'::regclass and l.objid = 0 and not l.granted

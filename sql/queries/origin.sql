-- Which log is this, is it still in the database it was written in, and which generation is open?
select i.id,
    i.system_identifier = c.system_identifier and i.database_oid = d.oid and i.table_oid = i.tableoid,
    rowbell.open_generation()
from rowbell.installation i, pg_control_system() c, pg_database d
where d.datname = current_database()

-- Empty one leaf of the log, $1 smallint, if all of it is older than $2 float8 seconds. What came of it?
select e.outcome, e.bytes from rowbell.empty_leaf($1, make_interval(secs => $2::float8)) e

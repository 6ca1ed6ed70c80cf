-- Keep changes that long: $1 float8, seconds. How long was it before, in seconds?
select extract(epoch from rowbell.keep_for(make_interval(secs => $1::float8)))::float8

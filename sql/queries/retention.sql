-- How long are changes kept, in seconds?
select extract(epoch from r.keep)::float8 from rowbell.retention r

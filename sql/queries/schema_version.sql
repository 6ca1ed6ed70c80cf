-- Which migration was the last one applied?
select coalesce(max(m.version), 0)::integer from rowbell.migration m

-- Which migration was the last one applied? `{history}` is the table that remembers them.
select coalesce(max(m.version), 0)::integer from {history} m

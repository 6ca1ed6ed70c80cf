-- The same for what the table's own triggers made of the row afterwards.
with now (version, image) as ({read}),
kept as (
    update rowbell.request r
    set version = n.version, answer = n.image,
        xid = case when n.version is distinct from {based_on}::bigint then pg_current_xact_id() end
    from now n
    where r.subject = {subject} and r.key = {request_key}
)
select n.version, n.image from now n

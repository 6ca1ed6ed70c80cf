-- Do a write, and keep its answer under the client's key: both or neither.
--
-- Where somebody else keeps an answer under that key in an open transaction, this waits for its end.
with written (version, image, id, xid) as ({write}),
kept as (
    insert into rowbell.request (subject, key, hash, status, row_id, version, xid, answer)
    select {subject}, {request_key}, {hash}::bytea, {status}::smallint, w.id, w.version, {xid}, w.image
    from written w
)
select w.version, w.image, w.id, w.xid from written w

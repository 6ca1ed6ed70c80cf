-- Which answers are kept for a subject ($1 text) under keys ($2 json, an array of texts)?
select r.key, r.hash, r.status, r.row_id, r.version, r.xid, r.answer
from rowbell.request r
where r.subject = $1::text and r.key in (select k.key from json_array_elements_text($2::json) k (key))

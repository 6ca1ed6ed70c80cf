-- What is this row now?
select {version}, {image}::text
from {relation} t
where {key}

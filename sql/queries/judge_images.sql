-- Which images of rows pass which filters?
--
-- {images} text[]: each an object of the columns that filters ask for. {columns}: these as a row of the types the table
-- has, so that a filter means the same of an image as of a row. {tests}: the filters. One row per image, in order.
select array[{tests}]::boolean[] as passes
from unnest({images}::text[]) with ordinality i(image, place)
cross join lateral json_to_record(i.image::json) as t({columns})
order by i.place

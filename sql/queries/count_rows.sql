-- How many rows pass a filter? A part of another statement, so that it counts in the same snapshot.
(select count(*) from {relation} t where {filter})

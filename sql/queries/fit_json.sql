-- Is a JSON value one of this type? An error means that it is not.
select r.v from json_to_record({value}::json) as r(v {type})

-- Is a text a value of this type? An error means that it is not.
select {value}::{type}

//! REST, from the socket to the table and back.

mod altered;
mod attacks;
mod batch;
mod browsers;
mod business;
mod filters;
mod idempotency;
mod lists;
mod names;
mod outage;
mod races;
mod refusals;
mod statements;
mod values;
mod writes;

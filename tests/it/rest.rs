//! REST, from the socket to the table and back.

mod altered;
mod batch;
mod browsers;
mod business;
mod idempotency;
mod lists;
mod names;
mod outage;
mod races;
mod refusals;
mod values;
mod writes;

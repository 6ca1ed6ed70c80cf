//! REST, from the socket to the table and back.

mod altered;
mod batch;
mod broken;
mod browsers;
mod business;
mod filters;
mod history;
mod idempotency;
mod lists;
mod merge;
mod names;
mod outage;
mod races;
mod refusals;
mod values;
mod writes;

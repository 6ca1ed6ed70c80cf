//! REST, from the socket to the table and back.

mod altered;
mod attacks;
mod batch;
mod broken;
mod browsers;
mod business;
mod described;
mod filters;
mod history;
mod idempotency;
mod lists;
mod merge;
mod names;
mod outage;
mod races;
mod refusals;
mod statements;
mod values;
mod writes;

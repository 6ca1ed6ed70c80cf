//! REST, from the socket to the table and back.

mod altered;
mod as_text;
mod attacks;
mod batch;
mod broken;
mod browsers;
mod business;
mod described;
mod filters;
mod gone;
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
mod writers;
mod writes;

use crate::support::api::Api;
use crate::support::database::Database;

/// A trigger of the table's own that changes a row once more after it was written.
const CHANGED_AGAIN: &str = "create function again() returns trigger language plpgsql as $$ begin
        update items set name = new.name || '!' where id = new.id and right(name, 1) <> '!'; return null; end $$;
    create trigger again after insert or update on items for each row execute function again()";

/// A database with these tables, and a node that serves it.
async fn served(tables: &str) -> (Database, Api) {
    let database = Database::new().await;
    database.run(tables).await;
    let api = Api::on(&database.url).await;
    (database, api)
}

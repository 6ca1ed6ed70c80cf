//! The business tables: the reference application, ordinary tables in schema public that are watched.

use tokio_postgres::Client;

use super::connect::Connector;
use super::fault::database_error;
use super::migrate::{bring_up, check_server};
use super::schema::{Schema, SchemaStatus, alone, table_exists};
use crate::words::{Error, Result};

const NAMES_TAKEN: &str = include_str!("../../sql/queries/names_taken.sql");
const CHANNELS_TAKEN: &str = include_str!("../../sql/queries/channels_taken.sql");

mod embedded {
    refinery::embed_migrations!("sql/business");
}

/// What an installation did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installed {
    /// Names of the migrations of Rowbell's own schema that were applied first.
    pub schema: Vec<String>,
    /// Names of the migrations of the business tables that were applied.
    pub business: Vec<String>,
}

/// Brings Rowbell's schema and then the business tables up to date.
///
/// Any number of programs may do so at once. Where something else has a name that is needed, it is refused
/// before anything is changed.
pub async fn install_business(connector: &Connector) -> Result<Installed> {
    let mut link = alone(connector, "migrate").await?;
    let client = &mut link.client;
    check_server(client).await?;
    let business = business();
    let status = business.status(client).await?;
    business.check_not_newer(&status)?;
    check_free(client, &tables_after(&business, status.at)).await?;
    let schema = bring_up(connector, client).await?;
    Ok(Installed { schema, business: business.apply(client).await? })
}

/// How far the business tables are; none where they are not installed.
pub async fn business_status(connector: &Connector) -> Result<Option<SchemaStatus>> {
    let link = connector.connect("migrate status").await?;
    status_in(&link.client).await
}

/// The same in a session that is there.
pub(super) async fn status_in(client: &Client) -> Result<Option<SchemaStatus>> {
    let status = business().status(client).await?;
    Ok(Some(status).filter(|status| status.at > 0))
}

/// Refuses where a table that is to be made finds its name or its channel taken.
async fn check_free(client: &Client, tables: &[String]) -> Result<()> {
    let failed = |error| database_error("could not look for tables in the way", error);
    let names = client.query(NAMES_TAKEN, &[&tables]).await.map_err(failed)?;
    let mut taken: Vec<String> =
        names.iter().map(|row| format!("public.{}", row.get::<_, &str>(0))).collect();
    // Before the schema is there, nothing is watched.
    if table_exists(client, "rowbell.watched").await? {
        let channels: Vec<String> = tables.iter().map(|table| table.replace('_', "-")).collect();
        let held = client.query(CHANNELS_TAKEN, &[&channels]).await.map_err(failed)?;
        taken.extend(
            held.iter().map(|row| format!("channel {} of {}", row.get::<_, &str>(0), row.get::<_, &str>(1))),
        );
    }
    if taken.is_empty() {
        return Ok(());
    }
    let told = format!("nothing was changed: in the way of the business tables are {}", taken.join(", "));
    Err(Error::refused(told).with_hint(
        "give them a database of their own: create one, and run rowbell migrate --business with its URL",
    ))
}

/// What the migrations after one of them would make in schema public.
fn tables_after(business: &Schema, at: i32) -> Vec<String> {
    let lines = business.texts_after(at).flat_map(str::lines);
    lines.filter_map(made_table).map(str::to_owned).collect()
}

/// The table a line begins to make.
fn made_table(line: &str) -> Option<&str> {
    let mut words = line.split(' ');
    let is_made = words.next() == Some("create") && words.next() == Some("table");
    is_made.then_some(words.next()?.strip_prefix("public.")?)
}

/// All in one transaction, so that a failure leaves no part of the tables.
fn business() -> Schema {
    Schema::new(
        "the business schema",
        "rowbell.business_migration",
        embedded::migrations::runner().set_grouped(true),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_that_are_made_are_found() {
        let business = business();
        let all = tables_after(&business, 0);
        assert_eq!(all.len(), 15, "{all:?}");
        assert!(all.contains(&"stock_movements".to_owned()), "{all:?}");
        assert!(!tables_after(&business, 1).contains(&"branches".to_owned()));
    }
}

//! Bringing Rowbell's schema into a database, and telling how far it is.

use tokio_postgres::Client;

use super::connect::Connector;
use super::fault::database_error;
use super::schema::{Schema, SchemaStatus, alone, table_exists};
use crate::words::{Error, Result};

const CREATE_SCHEMA: &str = include_str!("../../sql/queries/create_schema.sql");
const SERVER_VERSION: &str = include_str!("../../sql/queries/server_version.sql");
const INSTALL: &str = include_str!("../../sql/queries/install.sql");

/// The oldest PostgreSQL whose features the schema needs, as `server_version_num`.
const OLDEST_SERVER: i32 = 140_000;

const HISTORY: &str = "rowbell.migration";

mod embedded {
    refinery::embed_migrations!("sql/migrations");
}

/// Brings the schema up to date; returns the names of the migrations applied.
///
/// Any number of programs may do so at once: one works, the others wait and find nothing to do.
pub async fn migrate_up(connector: &Connector) -> Result<Vec<String>> {
    let mut link = alone(connector, "migrate").await?;
    bring_up(connector, &mut link.client).await
}

/// The same in a session that is alone.
pub(super) async fn bring_up(connector: &Connector, client: &mut Client) -> Result<Vec<String>> {
    check_server(client).await?;
    let create = |error| {
        let error = database_error("could not create schema rowbell", error);
        let grant = format!(
            "as the database's owner: grant create on database \"{}\" to the role in the URL",
            connector.database()
        );
        if error.is_refused() { error.with_hint(grant) } else { error }
    };
    if !table_exists(client, HISTORY).await? {
        client.batch_execute(CREATE_SCHEMA).await.map_err(create)?;
    }
    let applied = schema().apply(client).await?;
    let installed = client.execute(INSTALL, &[]).await;
    installed.map_err(|error| database_error("could not tie the log to its database", error))?;
    Ok(applied)
}

/// How far the schema is.
pub async fn schema_status(connector: &Connector) -> Result<SchemaStatus> {
    let link = connector.connect("migrate status").await?;
    check_server(&link.client).await?;
    schema().status(&link.client).await
}

/// Refuses a schema that is not the one this program was built for.
pub async fn check_schema(client: &Client) -> Result<()> {
    check_server(client).await?;
    let schema = schema();
    let status = schema.status(client).await?;
    schema.check_not_newer(&status)?;
    if status.at == status.needs {
        return Ok(());
    }
    let told = format!("schema is at {}, needs {}: run rowbell migrate", status.at, status.needs);
    Err(Error::refused(told))
}

/// Refuses a server that is too old for the schema.
pub(super) async fn check_server(client: &Client) -> Result<()> {
    let row = client.query_typed_one(SERVER_VERSION, &[]).await;
    let row = row.map_err(|error| database_error("could not read the server's version", error))?;
    if row.get::<_, i32>(0) >= OLDEST_SERVER {
        return Ok(());
    }
    let told = format!("this is PostgreSQL {}, Rowbell needs 14 or newer", row.get::<_, &str>(1));
    Err(Error::refused(told).with_hint("upgrade the server"))
}

fn schema() -> Schema {
    Schema::new("schema rowbell", HISTORY, embedded::migrations::runner())
}

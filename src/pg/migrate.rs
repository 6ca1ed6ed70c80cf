//! Bringing Rowbell's schema into a database, and telling how far it is.

use refinery::Runner;
use tokio_postgres::Client;

use super::connect::Connector;
use super::fault::database_error;
use crate::words::{Error, Result};

const LOCK_MIGRATIONS: &str = include_str!("../../sql/queries/lock_migrations.sql");
const CREATE_SCHEMA: &str = include_str!("../../sql/queries/create_schema.sql");
const SCHEMA_EXISTS: &str = include_str!("../../sql/queries/schema_exists.sql");
const SCHEMA_VERSION: &str = include_str!("../../sql/queries/schema_version.sql");
const SERVER_VERSION: &str = include_str!("../../sql/queries/server_version.sql");
const INSTALL: &str = include_str!("../../sql/queries/install.sql");

/// The oldest PostgreSQL whose features the schema needs, as `server_version_num`.
const OLDEST_SERVER: i32 = 140_000;

mod embedded {
    refinery::embed_migrations!("sql/migrations");
}

/// How far a database's schema is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStatus {
    /// The last migration applied; 0 where there is none.
    pub at: i32,
    /// The last migration this program has.
    pub needs: i32,
    /// Names of the migrations between the two.
    pub pending: Vec<String>,
}

/// Brings the schema up to date; returns the names of the migrations applied.
///
/// Any number of programs may do so at once: one works, the others wait and find nothing to do.
pub async fn migrate_up(connector: &Connector) -> Result<Vec<String>> {
    let mut link = connector.connect("migrate").await?;
    let client = &mut link.client;
    check_server(client).await?;
    let failed = |error| database_error("could not migrate", error);
    client.execute(LOCK_MIGRATIONS, &[]).await.map_err(failed)?;
    let create = |error| {
        let error = database_error("could not create schema rowbell", error);
        let grant = format!(
            "as the database's owner: grant create on database \"{}\" to the role in the URL",
            connector.database()
        );
        if error.is_refused() { error.with_hint(grant) } else { error }
    };
    if !client.query_typed_one(SCHEMA_EXISTS, &[]).await.map_err(failed)?.get::<_, bool>(0) {
        client.batch_execute(CREATE_SCHEMA).await.map_err(create)?;
    }
    let status = status_of(client).await?;
    if status.at > status.needs {
        return Err(newer(&status));
    }
    let report = runner().run_async(client).await;
    let report = report.map_err(|error| Error::unexpected("could not migrate").with_source(error))?;
    client.execute(INSTALL, &[]).await.map_err(failed)?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// How far the schema is.
pub async fn schema_status(connector: &Connector) -> Result<SchemaStatus> {
    let link = connector.connect("migrate status").await?;
    check_server(&link.client).await?;
    status_of(&link.client).await
}

/// Refuses a schema that is not the one this program was built for.
pub async fn check_schema(client: &Client) -> Result<()> {
    check_server(client).await?;
    let status = status_of(client).await?;
    match status.at.cmp(&status.needs) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(newer(&status)),
        std::cmp::Ordering::Less => {
            let told = format!("schema is at {}, needs {}: run rowbell migrate", status.at, status.needs);
            Err(Error::refused(told))
        }
    }
}

fn newer(status: &SchemaStatus) -> Error {
    let told = format!("schema is at {}, this program knows only {}", status.at, status.needs);
    Error::refused(told).with_hint("install a newer rowbell")
}

async fn check_server(client: &Client) -> Result<()> {
    let row = client.query_typed_one(SERVER_VERSION, &[]).await;
    let row = row.map_err(|error| database_error("could not read the server's version", error))?;
    if row.get::<_, i32>(0) >= OLDEST_SERVER {
        return Ok(());
    }
    let told = format!("this is PostgreSQL {}, Rowbell needs 14 or newer", row.get::<_, &str>(1));
    Err(Error::refused(told).with_hint("upgrade the server"))
}

async fn status_of(client: &Client) -> Result<SchemaStatus> {
    let failed = |error| database_error("could not read the version of schema rowbell", error);
    let exists: bool = client.query_typed_one(SCHEMA_EXISTS, &[]).await.map_err(failed)?.get(0);
    let at =
        if exists { client.query_typed_one(SCHEMA_VERSION, &[]).await.map_err(failed)?.get(0) } else { 0 };
    let runner = runner();
    let mut migrations: Vec<_> = runner.get_migrations().iter().collect();
    migrations.sort_by_key(|migration| migration.version());
    let needs = migrations.last().map_or(0, |migration| migration.version());
    let pending = migrations.into_iter().filter(|migration| migration.version() > at);
    Ok(SchemaStatus { at, needs, pending: pending.map(ToString::to_string).collect() })
}

fn runner() -> Runner {
    let mut runner = embedded::migrations::runner();
    runner.set_migration_table_name("rowbell.migration");
    runner
}

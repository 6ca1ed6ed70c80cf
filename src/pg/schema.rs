//! A schema made step by step: numbered migrations, and the table that remembers which a database has.

use std::error::Error as StdError;

use postgres_types::Type;
use refinery::Runner;
use refinery::error::Kind;
use tokio_postgres::Client;

use super::connect::Connector;
use super::fault::{database_error, server_error};
use super::link::Link;
use crate::words::{Error, Result};

const LOCK_MIGRATIONS: &str = include_str!("../../sql/queries/lock_migrations.sql");
const TABLE_EXISTS: &str = include_str!("../../sql/queries/table_exists.sql");
const SCHEMA_VERSION: &str = include_str!("../../sql/queries/schema_version.sql");

const DIVERGED: &str = "it was migrated by another build of rowbell: use that one, or a new database";

/// How far a schema is in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStatus {
    /// The last migration applied; 0 where there is none.
    pub at: i32,
    /// The last migration this program has.
    pub needs: i32,
    /// Names of the migrations between the two.
    pub pending: Vec<String>,
}

/// One set of migrations.
pub(super) struct Schema {
    /// What it is called in messages.
    name: &'static str,
    /// The table that remembers what is applied.
    history: &'static str,
    runner: Runner,
}

impl Schema {
    pub(super) fn new(name: &'static str, history: &'static str, mut runner: Runner) -> Self {
        runner.set_migration_table_name(history);
        Self { name, history, runner }
    }

    /// How far it is; a schema from a newer program is told, not refused.
    pub(super) async fn status(&self, client: &Client) -> Result<SchemaStatus> {
        let failed = |error| database_error(&format!("could not read the version of {}", self.name), error);
        let mut at = 0;
        if table_exists(client, self.history).await? {
            let question = SCHEMA_VERSION.replace("{history}", self.history);
            at = client.query_typed_one(&question, &[]).await.map_err(failed)?.get(0);
        }
        let mut migrations: Vec<_> = self.runner.get_migrations().iter().collect();
        migrations.sort_by_key(|migration| migration.version());
        let needs = migrations.last().map_or(0, |migration| migration.version());
        let pending = migrations.into_iter().filter(|migration| migration.version() > at);
        Ok(SchemaStatus { at, needs, pending: pending.map(ToString::to_string).collect() })
    }

    /// Refuses a schema from a newer program.
    pub(super) fn check_not_newer(&self, status: &SchemaStatus) -> Result<()> {
        if status.at <= status.needs {
            return Ok(());
        }
        let told = format!("{} is at {}, this program knows only {}", self.name, status.at, status.needs);
        Err(Error::refused(told).with_hint("install a newer rowbell"))
    }

    /// Applies what is missing; returns the names. The caller holds the lock.
    pub(super) async fn apply(&self, client: &mut Client) -> Result<Vec<String>> {
        let status = self.status(client).await?;
        self.check_not_newer(&status)?;
        let report = self.runner.run_async(client).await;
        let report = report.map_err(|error| migration_error(self.name, &error))?;
        Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
    }

    /// The text of the migrations after the one that was applied last.
    pub(super) fn texts_after(&self, at: i32) -> impl Iterator<Item = &str> {
        let pending = self.runner.get_migrations().iter().filter(move |migration| migration.version() > at);
        pending.filter_map(|migration| migration.sql())
    }
}

/// A session that alone may change schemas in its database, for as long as it lives; it waits for others that do.
pub(super) async fn alone(connector: &Connector, purpose: &str) -> Result<Link> {
    let link = connector.connect(purpose).await?;
    let locked = link.client.execute(LOCK_MIGRATIONS, &[]).await;
    locked.map_err(|error| database_error("could not wait for other migrations", error))?;
    Ok(link)
}

/// Whether there is a table of this name, which has its schema with it.
pub(super) async fn table_exists(client: &Client, name: &str) -> Result<bool> {
    let row = client.query_typed_one(TABLE_EXISTS, &[(&name, Type::TEXT)]).await;
    Ok(row.map_err(|error| database_error(&format!("could not look for {name}"), error))?.get(0))
}

/// Tells what an error of refinery means, which keeps the reason as its source.
fn migration_error(name: &str, error: &refinery::Error) -> Error {
    let Kind::Connection(step, source) = error.kind() else {
        // What is applied is not what this program has; refinery names the migration.
        let attempted = format!("could not bring {name} up to date");
        return Error::refused(attempted).with_source(error.to_string()).with_hint(DIVERGED);
    };
    let attempted = match step.strip_prefix("error applying migration ") {
        Some(migration) => format!("could not apply migration {migration} of {name}"),
        None => format!("could not bring {name} up to date"),
    };
    let lost = match source.downcast_ref::<tokio_postgres::Error>() {
        Some(error) => match error.as_db_error() {
            Some(said) => return server_error(&attempted, said),
            None => error.source().map_or_else(|| error.to_string(), ToString::to_string),
        },
        None => source.to_string(),
    };
    Error::unavailable(format!("{attempted}: the connection to PostgreSQL was lost")).with_source(lost)
}

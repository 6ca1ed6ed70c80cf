//! Filling the business tables with a shop chain to look at.

use tokio_postgres::Client;

use super::business::status_in;
use super::connect::Connector;
use super::fault::database_error;
use super::migrate::check_schema;
use super::schema::alone;
use crate::words::{Error, Result};

const FILLED_BUSINESS: &str = include_str!("../../sql/queries/filled_business.sql");
const BEGIN: &str = include_str!("../../sql/seed/begin.sql");
const END: &str = include_str!("../../sql/seed/end.sql");

/// One statement a table, in an order in which each finds what it refers to.
const TABLES: [(&str, &str); 15] = [
    ("branches", include_str!("../../sql/seed/branches.sql")),
    ("employees", include_str!("../../sql/seed/employees.sql")),
    ("users", include_str!("../../sql/seed/users.sql")),
    ("clients", include_str!("../../sql/seed/clients.sql")),
    ("products", include_str!("../../sql/seed/products.sql")),
    ("orders", include_str!("../../sql/seed/orders.sql")),
    ("reports", include_str!("../../sql/seed/reports.sql")),
    ("stock_requests", include_str!("../../sql/seed/stock_requests.sql")),
    ("stock_movements", include_str!("../../sql/seed/stock_movements.sql")),
    ("leave", include_str!("../../sql/seed/leave.sql")),
    ("attendance", include_str!("../../sql/seed/attendance.sql")),
    ("bonus", include_str!("../../sql/seed/bonus.sql")),
    ("cash_requests", include_str!("../../sql/seed/cash_requests.sql")),
    ("notifications", include_str!("../../sql/seed/notifications.sql")),
    ("appointments", include_str!("../../sql/seed/appointments.sql")),
];

/// Fills the business tables in one transaction and returns the number of rows; `told` hears of each table as it
/// is filled, and ends the seed by failing.
///
/// Refuses where the tables are missing, behind this program, or hold rows already.
pub async fn seed(
    connector: &Connector,
    mut told: impl FnMut(&'static str, u64) -> Result<()>,
) -> Result<u64> {
    // Alone, so that a second seed waits and then finds the rows of the first.
    let mut link = alone(connector, "seed").await?;
    check_ready(&link.client).await?;
    let failed = |error| database_error("could not seed, nothing was kept", error);
    let transaction = link.client.transaction().await.map_err(failed)?;
    transaction.batch_execute(BEGIN).await.map_err(failed)?;
    let mut total = 0;
    for (table, statement) in TABLES {
        let rows = transaction.execute(statement, &[]).await;
        let rows = rows
            .map_err(|error| database_error(&format!("could not seed {table}, nothing was kept"), error))?;
        told(table, rows)?;
        total += rows;
    }
    transaction.batch_execute(END).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(total)
}

async fn check_ready(client: &Client) -> Result<()> {
    check_schema(client).await?;
    let Some(status) = status_in(client).await? else {
        return Err(Error::refused("the business tables are not in this database")
            .with_hint("rowbell migrate --business makes them"));
    };
    if status.at < status.needs {
        let told = format!("the business schema is at {}, needs {}", status.at, status.needs);
        return Err(Error::refused(told).with_hint("rowbell migrate --business brings it up to date"));
    }
    let rows = client.query_typed(FILLED_BUSINESS, &[]).await;
    let rows = rows.map_err(|error| database_error("could not look into the business tables", error))?;
    if rows.is_empty() {
        return Ok(());
    }
    let filled = rows.iter().map(|row| row.get(0)).collect::<Vec<&str>>().join(", ");
    let told = format!("nothing was changed: there are rows already in {filled}");
    Err(Error::refused(told).with_hint("seed a database whose business tables are empty"))
}

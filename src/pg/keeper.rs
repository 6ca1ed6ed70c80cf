//! The keeper's statements: who keeps, ticks, and emptying what is past retention.

use std::time::Duration;

use postgres_types::Type;
use tokio_postgres::Client;

use super::fault::database_error;
use super::leaf::LEAVES;
use super::rows::get;
use crate::words::{Error, Result};

const TRY_KEEP: &str = include_str!("../../sql/queries/try_keep.sql");
const WRITE_TICK: &str = include_str!("../../sql/queries/write_tick.sql");
const TRY_PRUNE: &str = include_str!("../../sql/queries/try_prune.sql");
const END_PRUNE: &str = include_str!("../../sql/queries/end_prune.sql");
const TURN: &str = include_str!("../../sql/queries/turn.sql");
const EMPTY_LEAF: &str = include_str!("../../sql/queries/empty_leaf.sql");
const TRIM: &str = include_str!("../../sql/queries/trim.sql");
const FORGET_ANSWERS: &str = include_str!("../../sql/queries/forget_answers.sql");

/// From one settled slot to the next: turned, waiting, prepared, settled.
const STEPS: u32 = 4;

/// What became of one leaf of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing in it.
    Empty,
    /// It takes rows now, or in a moment.
    Current,
    /// It holds a row that is not past retention.
    Young,
    /// A transaction that is open has written to it or read from it.
    Busy,
    /// It was emptied; it had taken that many bytes.
    Emptied(u64),
}

/// Becomes the keeper for as long as this session lives; false where somebody else is.
pub async fn try_keep(client: &Client) -> Result<bool> {
    let row = client.query_typed_one(TRY_KEEP, &[]).await;
    Ok(row.map_err(|error| database_error("could not ask who keeps the log", error))?.get(0))
}

/// Stores the snapshot of now, if something was logged since the last.
pub async fn tick(client: &Client) -> Result<()> {
    let written = client.execute_typed(WRITE_TICK, &[]).await;
    written.map(drop).map_err(|error| database_error("could not write a tick", error))
}

/// Turns the ring of leaves as far as it can be turned now. Steps are transactions of their own, and few.
pub async fn turn(client: &Client) -> Result<()> {
    let failed = |error| database_error("could not turn to the next part of the log", error);
    for _ in 0..STEPS {
        if client.query_typed_one(TURN, &[]).await.map_err(failed)?.get::<_, Option<&str>>(0).is_none() {
            break;
        }
    }
    Ok(())
}

/// Empties the leaves of which everything is older than `keep`, by number; none where somebody else is at it.
///
/// Nobody waits for it, and it waits for nobody: a leaf in use is left for the next time.
pub async fn prune(client: &Client, keep: Duration) -> Result<Option<Vec<Outcome>>> {
    let failed = |error| database_error("could not empty what is past retention", error);
    if !client.query_typed_one(TRY_PRUNE, &[]).await.map_err(failed)?.get::<_, bool>(0) {
        return Ok(None);
    }
    let mut outcomes = Vec::new();
    for leaf in 0..LEAVES {
        let parameters: [(&(dyn postgres_types::ToSql + Sync), Type); 2] =
            [(&leaf, Type::INT2), (&keep.as_secs_f64(), Type::FLOAT8)];
        let row = client.query_typed_one(EMPTY_LEAF, &parameters).await.map_err(failed)?;
        outcomes.push(match get::<&str>(&row, 0)? {
            "empty" => Outcome::Empty,
            "current" => Outcome::Current,
            "young" => Outcome::Young,
            "busy" => Outcome::Busy,
            "emptied" => Outcome::Emptied(u64::try_from(get::<i64>(&row, 1)?).unwrap_or(0)),
            other => return Err(Error::unexpected(format!("the database says a leaf is {other}"))),
        });
    }
    client.query_typed(TRIM, &[]).await.map_err(failed)?;
    client.query_typed(END_PRUNE, &[]).await.map_err(failed)?;
    Ok(Some(outcomes))
}

/// Deletes some of the answers that are older than the log; how many.
///
/// A bite at a time, so that nothing is held for long, and nobody is waited for.
pub async fn forget_answers(client: &Client) -> Result<u64> {
    let forgotten = client.execute_typed(FORGET_ANSWERS, &[]).await;
    forgotten.map_err(|error| database_error("could not delete old answers", error))
}

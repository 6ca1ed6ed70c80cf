//! Several writes in one request.

use std::borrow::Cow;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use super::claim::{self, Kept};
use super::key::Key;
use super::plan::{Change, Verb, Writer};
use super::refusal::Failure;
use super::session::Session;
use super::table::Table;
use super::write::{Stored, Written};

/// Writes that are under way at once on one connection.
pub(super) const MOST_UNDER_WAY: usize = 64;

/// One write of several.
#[derive(Debug)]
pub struct Operation {
    /// The channel of its row.
    pub channel: String,
    /// What is done.
    pub change: Change,
    /// The place of an earlier operation that makes the version this one is based on, and its row where no id is given.
    pub after: Option<usize>,
}

/// What became of one of several writes.
#[derive(Debug)]
pub enum Outcome {
    /// The same as of a write by itself.
    Ended(Result<Written, Failure>),
    /// It was not tried, because the one at that place failed.
    Skipped(usize),
}

/// Why nothing was written, or perhaps nothing.
#[derive(Debug)]
pub struct Undone {
    /// Whose fault it was; none where it was nobody's alone.
    pub place: Option<usize>,
    /// What became of that one.
    pub told: Result<Written, Failure>,
}

/// What a batch may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When no further write is begun.
    pub begin: Instant,
    /// When what is under way is waited for no longer.
    pub end: Instant,
    /// Bytes of answers after which no further write is begun.
    pub bytes: usize,
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Self {
        Self { place: None, told: Err(failure) }
    }
}

impl From<crate::words::Error> for Undone {
    fn from(error: crate::words::Error) -> Self {
        Failure::from(error).into()
    }
}

impl Operation {
    /// The change with the version and the row that an earlier one made.
    pub(super) fn resolved(&self, earlier: Option<&Stored>) -> Cow<'_, Change> {
        let Some(earlier) = earlier else { return Cow::Borrowed(&self.change) };
        let mut change = self.change.clone();
        change.version = earlier.version;
        change.id.get_or_insert_with(|| earlier.id.clone());
        Cow::Owned(change)
    }
}

/// The row a change is about, as far as its id tells.
pub(super) fn row_of(table: &Table, change: &Change) -> Option<(Arc<str>, Key)> {
    let key = match (&change.id, change.verb) {
        (Some(id), _) => Key::read(table, id).ok(),
        (None, Verb::Insert) => Key::of_body(table, &change.row),
        (None, _) => None,
    };
    key.map(|key| (Arc::clone(&table.channel), key))
}

/// The answers that are kept under the keys of a batch.
pub(super) async fn kept(
    session: &Session,
    operations: &[Operation],
    writer: &Writer,
) -> Result<HashMap<String, Kept>, Failure> {
    let keys: Vec<_> = operations.iter().filter_map(|operation| operation.change.key.as_deref()).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    claim::recall(session, writer.subject(), &keys).await
}

/// Waits for some work while others are under way on the same connection. Their answers are taken meanwhile, because
/// the one to this work comes behind them.
pub(super) async fn meanwhile<F: Future, T>(
    flight: &mut FuturesUnordered<F>,
    work: impl Future<Output = T>,
    mut land: impl FnMut(F::Output),
) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(landed) = flight.next(), if !flight.is_empty() => land(landed),
            done = &mut work => return done,
        }
    }
}

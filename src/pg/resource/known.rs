//! The shapes that were read lately. A shape may grow old while its table is altered; statements that do not fit
//! any more say so, and then it is read anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::refusal::{Failure, Refusal};
use super::session::Session;
use super::table::Table;
use crate::words::topic::is_channel_name;

/// How long a shape is used without a look: a column that was added is known after that at the latest.
const AGE: Duration = Duration::from_secs(1);

/// Shapes by channel.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<Arc<str>, Shape>>);

#[derive(Debug)]
struct Shape {
    table: Arc<Table>,
    read: Instant,
}

impl Known {
    /// The shape of a channel's table, at most some seconds old.
    pub(super) async fn table(&self, session: &Session, channel: &str) -> Result<Arc<Table>, Failure> {
        if let Some(table) = self.young(channel) {
            return Ok(table);
        }
        self.renew(session, channel).await
    }

    /// The shape, if it was read lately.
    pub(super) fn young(&self, channel: &str) -> Option<Arc<Table>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(channel).filter(|shape| shape.read.elapsed() < AGE).map(|shape| Arc::clone(&shape.table))
    }

    /// The shape as it is now.
    pub(super) async fn renew(&self, session: &Session, channel: &str) -> Result<Arc<Table>, Failure> {
        if !is_channel_name(channel) {
            return Err(Refusal::UnknownChannel.into());
        }
        let read = Instant::now();
        let rows = session.read(&Table::question(channel)).await?;
        let table = Table::of_rows(channel, &rows).map(Arc::new);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &table {
            Ok(table) => known.insert(Arc::clone(&table.channel), Shape { table: Arc::clone(table), read }),
            Err(_) => known.remove(channel),
        };
        table
    }
}

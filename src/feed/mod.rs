//! Floor 2: commits, cursors and topics in memory.

pub mod stats;
mod subscription;

pub use stats::Stats;
pub use subscription::{Delivery, Opened, Start, Subscription};

use std::sync::Arc;

use crate::words::{Result, Topic};

/// The feed of one node; cheap to clone, every session holds one.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stats: Stats,
}

impl Feed {
    /// Holds a position for a topic: from now on, or continuing where the client was.
    ///
    /// An error means that the database is away (`is_unavailable`); the caller may try again.
    pub async fn subscribe(&self, topic: Topic, start: Start) -> Result<Opened> {
        let _ = (topic, start);
        std::future::pending().await
    }

    /// The counters of this node.
    pub fn stats(&self) -> &Stats {
        &self.0.stats
    }

    /// How many topics somebody listens to.
    pub fn topics(&self) -> usize {
        0
    }

    /// For how long the listening connection has been away; none while it is there.
    pub fn away_for(&self) -> Option<std::time::Duration> {
        None
    }
}

//! What this node counts; read by `/stats`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::mode::Mode;

/// Counters of one node, written by whoever does the counted thing.
#[derive(Debug, Default)]
pub struct Stats {
    /// Open sessions.
    pub sessions: Gauge,
    /// Open subscriptions, of all sessions.
    pub subscriptions: Gauge,
    /// How the listener learns of commits.
    pub mode: Current,
    /// Bells heard.
    pub bells: Counter,
    /// Reads of the log by the listener.
    pub drains: Counter,
    /// Those of them that found nothing.
    pub empty_drains: Counter,
    /// Reads of the log for those behind.
    pub catch_ups: Counter,
    /// Commits drained.
    pub commits: Counter,
    /// Changes drained.
    pub changes: Counter,
    /// Frames sent.
    pub frames: Counter,
    /// Bytes of frames sent.
    pub bytes: Counter,
    /// Times the listening connection was lost.
    pub reconnects: Counter,
    /// Milliseconds from the newest commit's last change to its drain, at the last drain that had any.
    pub lag_ms: Gauge,
}

/// The listener's mode, as others may look at it.
#[derive(Debug, Default)]
pub struct Current(Mutex<Mode>);

impl Current {
    /// Replaces it.
    pub fn set(&self, mode: Mode) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Its value.
    pub fn get(&self) -> Mode {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Replaces it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds one.
    pub fn hold(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one away.
    pub fn release(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

//! How long to wait before the next connection.

use std::time::Duration;

use rand::Rng;

/// The first new connection is tried within this; the next ones take longer.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause between two tries.
const MOST: Duration = Duration::from_secs(5);

/// Growing, capped pauses, each anything from nothing to what is due, so that the clients of a server that restarts
/// do not come back in step.
#[derive(Debug)]
pub(super) struct Backoff {
    /// What the next pause may take; none before a failure.
    due: Option<Duration>,
}

impl Backoff {
    /// No pause before the first try; then up to 250 ms, growing up to 5 s.
    pub(super) fn usual() -> Self {
        Self { due: None }
    }

    /// How long to wait before the next try.
    pub(super) fn pause(&self) -> Duration {
        self.due.map_or(Duration::ZERO, |due| due.mul_f64(rand::rng().random_range(0.0..=1.0)))
    }

    /// One more failure.
    pub(super) fn grow(&mut self) {
        self.due = Some(self.due.map_or(FIRST, |due| due * 2).min(MOST));
    }

    /// After a healthy spell: the next trouble starts from the beginning.
    pub(super) fn reset(&mut self) {
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_cap_and_start_over() {
        let mut backoff = Backoff::usual();
        assert_eq!(backoff.pause(), Duration::ZERO);
        backoff.grow();
        let pauses: Vec<_> = (0..50).map(|_| backoff.pause()).collect();
        assert!(pauses.iter().all(|pause| *pause <= FIRST));
        assert!(
            pauses.iter().any(|pause| *pause > FIRST / 2) && pauses.iter().any(|pause| *pause < FIRST / 2)
        );
        for _ in 0..40 {
            backoff.grow();
            assert!(backoff.pause() <= MOST);
        }
        assert!((0..50).any(|_| backoff.pause() > MOST / 2));
        backoff.reset();
        backoff.grow();
        assert!(backoff.pause() <= FIRST);
    }
}

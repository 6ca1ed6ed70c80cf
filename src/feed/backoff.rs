//! How long to wait before trying again.

use std::time::Duration;

use rand::Rng;

/// Growing, capped, jittered pauses.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses from `first` up to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first }
    }

    /// The next pause: between half of what is due and all of it, so that nodes do not return in step.
    pub fn pause(&mut self) -> Duration {
        let due = self.next;
        self.next = (due * 2).min(self.most);
        due.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// After a healthy spell: the next trouble starts from the beginning.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_cap_and_start_over() {
        let (first, most) = (Duration::from_millis(50), Duration::from_secs(2));
        let mut backoff = Backoff::new(first, most);
        assert!(backoff.pause() <= first);
        let pauses: Vec<_> = (0..20).map(|_| backoff.pause()).collect();
        assert!(pauses.iter().all(|pause| *pause <= most));
        assert!(pauses[19] >= most / 2);
        backoff.reset();
        assert!(backoff.pause() <= first);
    }
}

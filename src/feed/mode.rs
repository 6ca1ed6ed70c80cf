//! How the listener learns that there is something to read: by the bell, or by looking all the time.
//!
//! Plain values, no connection and no clock: `sleeper.rs` does what a mode asks for and says what came of it.
//!
//! Falling asleep takes three steps, or a writer could commit without ringing while nobody looks. The node listens and
//! takes the channel's lock, so that later writers ring; it draws a transaction id, the fence, because every writer
//! that found the lock free has a smaller one; and it keeps looking until no smaller one is open.

use std::time::Duration;

/// Where the listener stands between looking all the time and sleeping until a bell rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// There is no connection.
    #[default]
    Away,
    /// Bell mode, first step: it tries for the lock of every channel that has a subscriber.
    Locking,
    /// Bell mode, second step: it has the locks and needs a fence.
    Fencing,
    /// Bell mode, third step: it looks until every transaction before the fence has ended.
    Settling,
    /// Bell mode: every commit rings.
    Asleep,
    /// Pull mode: it holds no lock, writers stay silent, and it looks all the time.
    Pulling,
}

/// What happens to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A connection was made; it holds nothing yet.
    Connected,
    /// The connection ended, and its locks with it.
    Lost,
    /// A channel has its first subscriber.
    Gained,
    /// The last subscriber of the last channel has gone.
    Deserted,
    /// The locks of all channels with subscribers are held.
    Locked,
    /// A lock could not be had: a writer was just trying it.
    Missed,
    /// The fence is drawn.
    Fenced,
    /// Every transaction before the fence has ended, and what it did was read.
    Passed,
    /// Commits come so often that ringing holds them up, or would.
    Busy,
    /// They come seldom again.
    Calm,
}

use Mode::{Asleep, Away, Fencing, Locking, Pulling, Settling};

/// One row for each mode, one column for each event, both in the order they are declared.
///
/// Cells that cannot come about keep the mode. A channel that loses its last subscriber while others stay is no event:
/// its lock is let go and nothing else changes.
#[rustfmt::skip]
const TABLE: [[Mode; 10]; 6] = [
    // Connected Lost  Gained   Deserted  Locked    Missed    Fenced    Passed    Busy      Calm
    [  Asleep,   Away, Away,    Away,     Away,     Away,     Away,     Away,     Away,     Away],     // Away
    [  Locking,  Away, Locking, Asleep,   Fencing,  Locking,  Locking,  Locking,  Pulling,  Locking],  // Locking
    [  Fencing,  Away, Locking, Asleep,   Fencing,  Fencing,  Settling, Fencing,  Pulling,  Fencing],  // Fencing
    [  Settling, Away, Locking, Asleep,   Settling, Settling, Settling, Asleep,   Pulling,  Settling], // Settling
    [  Asleep,   Away, Locking, Asleep,   Asleep,   Asleep,   Asleep,   Asleep,   Pulling,  Asleep],   // Asleep
    [  Pulling,  Away, Pulling, Asleep,   Pulling,  Pulling,  Pulling,  Pulling,  Pulling,  Locking],  // Pulling
];

/// How long the listener looks at full rate before it takes the next looks slowly, and those before it leaves the rest
/// to the heartbeat.
const QUICKLY: Duration = Duration::from_millis(100);
const SLOWLY: Duration = Duration::from_millis(1_100);

impl Mode {
    /// The mode after an event.
    #[must_use]
    pub fn on(self, event: Event) -> Self {
        TABLE[self as usize][event as usize]
    }

    /// What operators call it: `bell` or `pull`.
    pub fn word(self) -> &'static str {
        match self {
            Away | Locking | Fencing | Settling | Asleep => "bell",
            Pulling => "pull",
        }
    }

    /// How long after the last look the next one is due, where the mode began so long ago; none where a bell or the
    /// heartbeat will tell.
    pub fn pause(self, since: Duration) -> Option<Duration> {
        let (full, slow) = (Duration::from_millis(1), Duration::from_millis(10));
        match self {
            Away | Asleep => None,
            Pulling => Some(full),
            Locking | Fencing | Settling if since < QUICKLY => Some(full),
            // Until the locks are held nobody rings, however long that takes.
            Locking | Fencing => Some(slow),
            Settling => (since < SLOWLY).then_some(slow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event::{Busy, Calm, Connected, Deserted, Fenced, Gained, Locked, Lost, Missed, Passed};

    const MODES: [Mode; 6] = [Away, Locking, Fencing, Settling, Asleep, Pulling];
    const EVENTS: [Event; 10] =
        [Connected, Lost, Gained, Deserted, Locked, Missed, Fenced, Passed, Busy, Calm];

    /// Every cell that moves, said a second time and the other way round: by event.
    fn moves(mode: Mode, event: Event) -> Option<Mode> {
        match (event, mode) {
            (Connected, Away) => Some(Asleep),
            (Connected, _) => None,
            (Lost, _) => Some(Away),
            (_, Away) => None,
            (Gained, Fencing | Settling | Asleep) => Some(Locking),
            (Deserted, _) => Some(Asleep),
            (Locked, Locking) => Some(Fencing),
            (Fenced, Fencing) => Some(Settling),
            (Passed, Settling) => Some(Asleep),
            (Busy, _) => Some(Pulling),
            (Calm, Pulling) => Some(Locking),
            _ => None,
        }
    }

    #[test]
    fn every_cell_of_the_table() {
        for mode in MODES {
            for event in EVENTS {
                assert_eq!(mode.on(event), moves(mode, event).unwrap_or(mode), "{event:?} in {mode:?}");
            }
        }
    }

    /// Whatever happens in whatever order, who sleeps has taken every step since the last channel was gained, the last
    /// pull and the last connection.
    #[test]
    fn nobody_sleeps_on_a_channel_without_every_step() {
        fn walk(mode: Mode, wanted: bool, steps: [bool; 3], depth: usize) {
            assert!(mode != Asleep || !wanted || steps == [true; 3], "asleep after {steps:?}");
            if depth == 0 {
                return;
            }
            for event in EVENTS {
                let next = mode.on(event);
                let (mut wanted, mut steps) = (wanted, steps);
                match event {
                    // Nothing is locked on a new connection, so each channel is gained anew.
                    Connected | Lost | Deserted => (wanted, steps) = (false, [false; 3]),
                    Gained => (wanted, steps) = (true, [false; 3]),
                    Busy => steps = [false; 3],
                    // The sleeper reports a step only where the mode asks for it.
                    Locked if mode == Locking => steps[0] = true,
                    Fenced if mode == Fencing => steps[1] = steps[0],
                    Passed if mode == Settling => steps[2] = steps[1],
                    Locked | Fenced | Passed | Missed | Calm => {}
                }
                if mode != Away || matches!(event, Connected | Lost) {
                    walk(next, wanted, steps, depth - 1);
                }
            }
        }
        walk(Away, false, [false; 3], 6);
    }

    #[test]
    fn looks_become_rarer_until_the_bell_is_trusted() {
        let at = Duration::from_millis;
        let (full, slow) = (Some(at(1)), Some(at(10)));
        let expected = [
            (Away, [None, None, None]),
            (Locking, [full, slow, slow]),
            (Fencing, [full, slow, slow]),
            (Settling, [full, slow, None]),
            (Asleep, [None, None, None]),
            (Pulling, [full, full, full]),
        ];
        for (mode, pauses) in expected {
            assert_eq!([at(99), at(100), at(1_100)].map(|since| mode.pause(since)), pauses, "{mode:?}");
        }
    }
}

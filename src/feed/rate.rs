//! How often commits come, and when that is worth another mode.

use std::time::{Duration, Instant};

use super::mode::Event;

/// What is counted together. Short, because writers are held up until it ends.
const WINDOW: Duration = Duration::from_millis(100);
/// How long commits must come seldom before the bell is worth it again.
const CALM: Duration = Duration::from_secs(1);

/// How soon, at least and at most, it is looked again whether writers wait for one another, and after how many commits.
const LOOK_SOON: Duration = Duration::from_millis(100);
const LOOK_LATE: Duration = Duration::from_secs(1);
const LOOK_COMMITS: usize = 10;

/// Between which rates the mode stays what it is, in commits per second.
#[derive(Debug, Clone, Copy)]
pub struct Thresholds {
    /// From here on ringing holds writers up more than looking all the time costs.
    pub busy: u32,
    /// Below, looking all the time finds next to nothing.
    pub calm: u32,
}

/// Counts commits; the clock is the caller's.
#[derive(Debug)]
pub struct Rate {
    thresholds: Thresholds,
    since: Instant,
    commits: usize,
    /// Since when no window was above `calm`.
    calm_since: Option<Instant>,
}

impl Rate {
    /// Counts from `now`.
    pub fn new(thresholds: Thresholds, now: Instant) -> Self {
        Self { thresholds, since: now, commits: 0, calm_since: None }
    }

    /// Forgets what came before `now`: another mode has begun, and how calm it is shows from here on.
    pub fn start_over(&mut self, now: Instant) {
        *self = Self::new(self.thresholds, now);
    }

    /// Takes in what a look at `now` brought. `Busy` at the end of a window in which commits came often, `Calm` when for
    /// a second they came seldom; in between, nothing.
    pub fn count(&mut self, commits: usize, now: Instant) -> Option<Event> {
        self.commits += commits;
        let elapsed = now.duration_since(self.since);
        if elapsed < WINDOW {
            return None;
        }
        let began = std::mem::replace(&mut self.since, now);
        let commits = u32::try_from(std::mem::take(&mut self.commits)).unwrap_or(u32::MAX);
        let rate = f64::from(commits) / elapsed.as_secs_f64();
        if rate >= f64::from(self.thresholds.calm) {
            self.calm_since = None;
            return (rate >= f64::from(self.thresholds.busy)).then_some(Event::Busy);
        }
        let since = *self.calm_since.get_or_insert(began);
        (now.duration_since(since) >= CALM).then_some(Event::Calm)
    }
}

/// When it is worth a look whether writers wait for one another; the clock is the caller's.
///
/// A look holds the listener up for a third of a millisecond, so while it finds nobody it becomes rarer. Ten a second
/// would have met one in twenty of 200 commits a second.
#[derive(Debug)]
pub struct Looks {
    last: Instant,
    commits: usize,
    pause: Duration,
}

impl Looks {
    /// The last one was `now`.
    pub fn new(now: Instant) -> Self {
        Self { last: now, commits: 0, pause: LOOK_SOON }
    }

    /// Counts commits that rang.
    pub fn count(&mut self, commits: usize) {
        self.commits += commits;
    }

    /// Whether to look `now`; the caller does.
    pub fn due(&mut self, now: Instant) -> bool {
        let elapsed = now.duration_since(self.last);
        if self.commits < LOOK_COMMITS || elapsed < self.pause {
            return false;
        }
        // Where so few commits took so long, the next hurry is a new one.
        let slow = elapsed >= 2 * LOOK_LATE;
        *self = Self {
            last: now,
            commits: 0,
            pause: if slow { LOOK_SOON } else { LOOK_LATE.min(2 * self.pause) },
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_for_waiting_writers_become_rarer_while_a_hurry_lasts() {
        let begun = Instant::now();
        let mut looks = Looks::new(begun);
        let mut seen = Vec::new();
        for tick in 1..=400 {
            looks.count(2);
            if looks.due(begun + Duration::from_millis(10 * tick)) {
                seen.push(tick);
            }
        }
        assert_eq!(seen, [10, 30, 70, 150, 250, 350]);
        // Nine commits are not worth a look, however long they take; ten are, and what comes next is new.
        let later = begun + Duration::from_secs(10);
        looks = Looks { last: begun, commits: 9, pause: LOOK_LATE };
        assert!(!looks.due(later));
        looks.count(1);
        assert!(looks.due(later));
        looks.count(10);
        assert!(!looks.due(later + LOOK_SOON / 2));
        assert!(looks.due(later + LOOK_SOON));
    }

    /// What is said of looks 10 ms apart that bring so many commits each.
    fn said(rate: &mut Rate, now: &mut Instant, looks: usize, commits: usize) -> Vec<Event> {
        let look = |_| {
            *now += Duration::from_millis(10);
            rate.count(commits, *now)
        };
        (0..looks).filter_map(look).collect()
    }

    #[test]
    fn the_mode_changes_only_beyond_both_thresholds() {
        let mut now = Instant::now();
        let mut rate = Rate::new(Thresholds { busy: 400, calm: 200 }, now);
        assert_eq!(said(&mut rate, &mut now, 10, 5), [Event::Busy]);
        // 300 a second is neither.
        assert_eq!(said(&mut rate, &mut now, 200, 3), []);
        assert_eq!(said(&mut rate, &mut now, 90, 1), []);
        // One busy moment, and calm has to last a second again.
        assert_eq!(said(&mut rate, &mut now, 10, 3), []);
        assert_eq!(said(&mut rate, &mut now, 99, 1), []);
        assert_eq!(said(&mut rate, &mut now, 1, 1), [Event::Calm]);
    }

    #[test]
    fn a_calm_before_another_mode_says_nothing_of_it() {
        let mut now = Instant::now();
        let mut rate = Rate::new(Thresholds { busy: 400, calm: 200 }, now);
        assert_eq!(said(&mut rate, &mut now, 100, 1), [Event::Calm]);
        rate.start_over(now);
        assert_eq!(said(&mut rate, &mut now, 99, 1), []);
        assert_eq!(said(&mut rate, &mut now, 1, 1), [Event::Calm]);
    }

    #[test]
    fn a_burst_after_a_long_silence_is_seen_in_the_next_window() {
        let mut now = Instant::now();
        let mut rate = Rate::new(Thresholds { busy: 400, calm: 200 }, now);
        now += Duration::from_secs(1);
        assert_eq!(rate.count(9, now), Some(Event::Calm));
        assert_eq!(said(&mut rate, &mut now, 10, 9), [Event::Busy]);
    }
}

//! The steps of a walk, and the places a read may end at.

use std::collections::VecDeque;

use crate::words::{CommitHead, Snapshot, Xid};

/// One step of a plan.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// What it reads from.
    pub(super) goal: Snapshot,
    /// Up to which transaction, and below which last number; none for all that the goal sees.
    pub(super) bound: Option<(Xid, i64)>,
    /// The position after the last step of a plan.
    pub(super) end: Snapshot,
}

impl Step {
    /// Below which transaction it ends, and below which last number of its commits.
    pub(super) fn ends_below(&self) -> (Xid, i64) {
        match self.bound {
            Some((boundary, next_seq)) => (boundary.saturating_add(1), next_seq),
            None => (self.goal.xmax(), i64::MAX),
        }
    }

    /// Where a walk is after it, if it left those transactions for a later one.
    pub(super) fn over(&self, deferred: Vec<Xid>) -> After {
        match self.bound {
            // Reads on from the goal itself: its position may be the one that was there before.
            None => After::Step { since: self.goal.clone(), position: self.end.clone() },
            Some((boundary, _)) => {
                let open = self.goal.in_progress().iter().copied().chain(deferred);
                let position = Snapshot::new(boundary.saturating_add(1), open.collect());
                After::Step { since: position.clone(), position }
            }
        }
    }
}

/// A place in the order of a step: `last_seq`, `place`, `rank` and `seq` of the last row read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(pub(super) i64, pub(super) i64, pub(super) i32, pub(super) i64);

pub(super) const START: Place = Place(0, 0, 0, 0);

/// A commit too large to be put in order at every read.
#[derive(Debug, Clone)]
pub(super) struct Large {
    pub(super) head: CommitHead,
    /// The rest of the parts: last place, and between which numbers of the log.
    pub(super) parts: VecDeque<(i64, i64, i64)>,
    pub(super) place: (i64, i32, i64),
}

/// Where a read has ended.
pub(super) enum After {
    /// At a row of the step.
    Row(Place),
    /// Before a large commit, which has this place in the step.
    Commit(Large, Place),
    /// In a large commit, or after it.
    Part(Option<Large>),
    /// With its step: where to read on from, and the position that is told.
    Step { since: Snapshot, position: Snapshot },
}

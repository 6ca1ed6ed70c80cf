//! Several writes, each in a transaction of its own, on one connection and without waiting for one another's answers.
//!
//! They are sent in their order. One waits for an earlier one only where it needs to know what became of it: for the
//! version that one makes, or because it is about the same row.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, timeout_at};

use super::Resources;
use super::batch::{Limits, MOST_UNDER_WAY, Operation, Outcome, kept, meanwhile, row_of};
use super::claim::{Claim, Kept};
use super::key::Key;
use super::plan::{self, Change, Verb, Writer};
use super::refusal::{Failure, Refusal};
use super::session::Session;
use super::table::Table;
use super::write::{self, Stored, Written};
use crate::words::Error;

/// Does the writes; one outcome for each.
pub(super) async fn write_each(
    resources: &Resources,
    session: Session,
    operations: &[Operation],
    writer: &Writer,
    limits: Limits,
) -> Vec<Outcome> {
    let mut told = Told::new(operations.len(), limits);
    let course = Course { resources, session: &session, operations, writer };
    let ended = timeout_at(limits.end, course.run(&mut told)).await;
    if let Ok(Err(Failure::Broken(error))) = &ended {
        log::warn!("a batch could not be begun: {}", error.report());
        told.lost = true;
    }
    told.conclude()
}

/// What became of each so far.
struct Told {
    places: Vec<Place>,
    limits: Limits,
    /// Bytes of the answers.
    bytes: usize,
    /// The connection is gone.
    lost: bool,
}

enum Place {
    Waiting,
    UnderWay,
    Landed(Outcome),
}

impl Told {
    fn new(count: usize, limits: Limits) -> Self {
        let places = std::iter::repeat_with(|| Place::Waiting).take(count).collect();
        Self { places, limits, bytes: 0, lost: false }
    }

    fn land(&mut self, place: usize, outcome: Outcome) {
        self.bytes += match &outcome {
            Outcome::Ended(Ok(Written::Done(stored))) => stored.row.len(),
            Outcome::Ended(Ok(Written::Stale(conflict))) => conflict.size(),
            _ => 0,
        };
        self.lost |= matches!(outcome, Outcome::Ended(Err(Failure::Unsure(_) | Failure::Broken(_))));
        self.places[place] = Place::Landed(outcome);
    }

    fn is_under_way(&self, place: usize) -> bool {
        matches!(self.places[place], Place::UnderWay)
    }

    /// The row one of them left, where it was done.
    fn stored(&self, place: usize) -> Option<&Stored> {
        match &self.places[place] {
            Place::Landed(Outcome::Ended(Ok(Written::Done(stored)))) => Some(stored),
            _ => None,
        }
    }

    /// True when no further write is begun.
    fn is_over(&self) -> bool {
        self.lost || self.bytes > self.limits.bytes || Instant::now() > self.limits.begin
    }

    /// What nobody waited for is in doubt; what was not begun is as it was.
    fn conclude(self) -> Vec<Outcome> {
        let (lost, too_much) = (self.lost, self.bytes > self.limits.bytes);
        let unsure = || Failure::Unsure(Error::unavailable("a write of a batch took too long"));
        let untried = || match (lost, too_much) {
            (true, _) => Error::unavailable("the connection to PostgreSQL was lost before its turn").into(),
            (false, true) => Refusal::TooMuch.into(),
            (false, false) => Refusal::TimedOut.into(),
        };
        let outcomes = self.places.into_iter().map(|place| match place {
            Place::Landed(outcome) => outcome,
            Place::UnderWay => Outcome::Ended(Err(unsure())),
            Place::Waiting => Outcome::Ended(Err(untried())),
        });
        outcomes.collect()
    }
}

struct Course<'a> {
    resources: &'a Resources,
    session: &'a Session,
    operations: &'a [Operation],
    writer: &'a Writer,
}

type Rows = HashMap<(Arc<str>, Key), usize>;

type Flight<F> = FuturesUnordered<F>;

impl<'a> Course<'a> {
    async fn run(&self, told: &mut Told) -> Result<(), Failure> {
        let kept = kept(self.session, self.operations, self.writer).await?;
        let (mut flight, mut rows) = (Flight::new(), Rows::new());
        for place in 0..self.operations.len() {
            if let Some((table, change)) = self.begin(place, told, &mut flight, &kept, &mut rows).await {
                let alone = write::reads_again(&table, change.verb);
                landed(&mut flight, told, |flight, _| {
                    flight.len() >= MOST_UNDER_WAY || (alone && !flight.is_empty())
                })
                .await;
                if told.is_over() {
                    break;
                }
                // What cannot be prepared says so when it is run.
                let ready = write::prepare(self.session, &table, &change, self.writer);
                let _told_later = meanwhile(&mut flight, ready, |(at, outcome)| told.land(at, outcome)).await;
                told.places[place] = Place::UnderWay;
                flight.push(self.fly(place, change));
                landed(&mut flight, told, |flight, _| alone && !flight.is_empty()).await;
            }
        }
        landed(&mut flight, told, |flight, _| !flight.is_empty()).await;
        Ok(())
    }

    /// The change as it is to be tried, unless it has an outcome already. Waits for those it has to know about.
    async fn begin<F: Future<Output = (usize, Outcome)>>(
        &self,
        place: usize,
        told: &mut Told,
        flight: &mut Flight<F>,
        kept: &HashMap<String, Kept>,
        rows: &mut Rows,
    ) -> Option<(Arc<Table>, Cow<'a, Change>)> {
        let operation = &self.operations[place];
        if let Some(earlier) = operation.after {
            landed(flight, told, |_, told| told.is_under_way(earlier)).await;
        }
        let shape = self.resources.0.known.table(self.session, &operation.channel);
        let table = match meanwhile(flight, shape, |(at, outcome)| told.land(at, outcome)).await {
            Ok(table) => table,
            Err(failure) => {
                told.land(place, Outcome::Ended(Err(failure)));
                return None;
            }
        };
        let made = operation.after.and_then(|earlier| told.stored(earlier));
        let failed = operation.after.filter(|_| made.is_none());
        let change = operation.resolved(made);
        let before = row_of(&table, &change).and_then(|row| rows.insert(row, place));
        if let Some(before) = before {
            landed(flight, told, |_, told| told.is_under_way(before)).await;
        }
        if let Some(earlier) = failed {
            told.land(place, Outcome::Skipped(earlier));
        } else if let Some(answer) = replay(&table, &change, self.writer, kept) {
            told.land(place, Outcome::Ended(answer));
        } else if let Some(before) = before.filter(|before| told.stored(*before).is_none()) {
            told.land(place, Outcome::Skipped(before));
        } else {
            return Some((table, change));
        }
        None
    }

    async fn fly(&self, place: usize, change: Cow<'a, Change>) -> (usize, Outcome) {
        let channel = &self.operations[place].channel;
        let written = self.resources.write_on(self.session, channel, &change, self.writer).await;
        (place, Outcome::Ended(written))
    }
}

/// Takes outcomes for as long as there is something to wait for.
async fn landed<F: Future<Output = (usize, Outcome)>>(
    flight: &mut Flight<F>,
    told: &mut Told,
    waits: impl Fn(&Flight<F>, &Told) -> bool,
) {
    while waits(flight, told) {
        let Some((at, outcome)) = flight.next().await else { return };
        told.land(at, outcome);
    }
}

/// What the same request was answered before.
pub(super) fn replay(
    table: &Table,
    change: &Change,
    writer: &Writer,
    kept: &HashMap<String, Kept>,
) -> Option<Result<Written, Failure>> {
    let kept = kept.get(change.key.as_deref()?)?;
    let based_on = match change.verb {
        Verb::Insert => None,
        _ => plan::base(table.version_name()?, change).ok(),
    };
    let claim = Claim::of(&table.channel, change, based_on, writer)?;
    Some(claim.answer(kept).map(Written::Done))
}

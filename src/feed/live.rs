//! The live stream of a topic: what the listener says, kept until everybody on it has taken it.
//!
//! Who has nothing to do but wait is handed a frame on the spot, if there is a sink that takes it: no task wakes up for
//! it, and what remains of a delivery is one `write(2)`. Everybody else is woken and takes events in their own time,
//! as long as they are kept, which is bounded in number and in bytes. Who comes too late reads the log.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use slab::Slab;

use crate::words::Cursor;
use crate::words::frame::ResetReason;

/// Seats that are visited in one go; with more, all cores take part.
const AT_ONCE: usize = 128;

/// What travels down a topic's live stream.
#[derive(Debug, Clone)]
pub enum Event {
    /// One drain: the parts of its frame and the cursor after them.
    Frame(Arc<[Bytes]>, Arc<Cursor>),
    /// The drain was too large to hold: read the log up to this cursor, then go on.
    Behind(Arc<Cursor>),
    /// The topic ended.
    Reset(ResetReason),
    /// The topic ended with its channel, after one last frame.
    Last(Arc<[Bytes]>, Arc<Cursor>),
    /// The topic ended with its channel.
    Unwatched,
}

impl Event {
    /// True for the last one of a stream.
    pub fn ends(&self) -> bool {
        matches!(self, Event::Reset(_) | Event::Last(..) | Event::Unwatched)
    }

    fn bytes(&self) -> usize {
        match self {
            Event::Frame(parts, _) | Event::Last(parts, _) => parts.iter().map(Bytes::len).sum(),
            Event::Behind(_) | Event::Reset(_) | Event::Unwatched => 0,
        }
    }

    /// The frame, if it is one in one part.
    fn in_one(&self) -> Option<(&Bytes, &Arc<Cursor>)> {
        match self {
            Event::Frame(parts, cursor) => match &**parts {
                [part] => Some((part, cursor)),
                _ => None,
            },
            Event::Behind(_) | Event::Reset(_) | Event::Last(..) | Event::Unwatched => None,
        }
    }
}

/// A shorter way for the frames of one subscription than through its stream.
pub trait Sink: Debug + Send + Sync {
    /// Takes a whole frame, never waiting. False where there is no room for it now; then nothing of it was taken.
    fn take(&self, frame: &Bytes) -> bool;
}

/// How much a stream keeps for those a little behind; always the newest event.
#[derive(Debug, Clone, Copy)]
pub struct Backlog {
    pub events: usize,
    /// Of frames.
    pub bytes: usize,
}

/// One topic's stream, held by the hub and by all places in it.
#[derive(Debug)]
pub struct Live {
    backlog: Backlog,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The number of the oldest event kept.
    first: u64,
    events: VecDeque<Entry>,
    bytes: usize,
    seats: Slab<Arc<Seat>>,
}

#[derive(Debug)]
struct Entry {
    event: Event,
    bytes: usize,
    /// How many have still to take it.
    left: usize,
}

impl Kept {
    fn next(&self) -> u64 {
        self.first + u64::try_from(self.events.len()).unwrap_or(0)
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        self.events.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Some took that event; what nobody waits for any more is let go.
    fn took(&mut self, number: u64, takers: usize) {
        if let Some(entry) = self.entry(number) {
            entry.left = entry.left.saturating_sub(takers);
        }
        while self.events.front().is_some_and(|entry| entry.left == 0) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(entry) = self.events.pop_front() {
            self.first += 1;
            self.bytes -= entry.bytes;
        }
    }
}

impl Live {
    /// A stream nobody is on. `backlog` is what it keeps.
    pub fn new(backlog: Backlog) -> Self {
        Self { backlog, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere leaves plain values behind, never a half-made one.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are on it.
    pub fn places(&self) -> usize {
        self.kept().seats.len()
    }

    /// Takes a place before whatever is said next; `position` is what was said so far.
    pub fn place(self: &Arc<Self>, position: Arc<Cursor>) -> Place {
        let mut kept = self.kept();
        let sitting = Sitting { next: kept.next(), passed: None, waiting: None, sink: None };
        let seat = Arc::new(Seat(Mutex::new(sitting)));
        let key = kept.seats.insert(Arc::clone(&seat));
        drop(kept);
        Place { live: Arc::clone(self), seat, key, position }
    }

    /// Keeps an event for everyone on the stream; they know of it once `deliver` is through.
    pub fn say(self: &Arc<Self>, event: Event) -> Said {
        let mut kept = self.kept();
        let (number, left, bytes) = (kept.next(), kept.seats.len(), event.bytes());
        kept.bytes += bytes;
        kept.events.push_back(Entry { event: event.clone(), bytes, left });
        let Backlog { events, bytes } = self.backlog;
        while kept.events.len() > 1 && (kept.events.len() > events || kept.bytes > bytes) {
            kept.drop_oldest();
        }
        kept.took(number, 0);
        drop(kept);
        Said { live: Arc::clone(self), number, event }
    }
}

/// An event on its way to everyone on its stream.
#[derive(Debug)]
#[must_use = "who waits for it must be told"]
pub struct Said {
    live: Arc<Live>,
    number: u64,
    event: Event,
}

impl Said {
    /// Hands the event to those in some seats, or wakes them.
    fn visit(&self, seats: Range<usize>) {
        let seats: Vec<Arc<Seat>> = {
            let kept = self.live.kept();
            seats.filter_map(|key| kept.seats.get(key).cloned()).collect()
        };
        let takers = seats.iter().filter(|seat| seat.hand(self)).count();
        if takers > 0 {
            self.live.kept().took(self.number, takers);
        }
    }
}

/// Hands everything that was said to everyone concerned. Where those are many, all cores take part.
///
/// Never waits for a reader. Whoever says more only afterwards says no more than can be delivered.
pub async fn deliver(said: Vec<Said>) {
    let mut groups = groups(said).into_iter();
    let first = groups.next();
    let others: Vec<_> = groups.map(|group| tokio::spawn(async move { visit(group) })).collect();
    first.into_iter().for_each(visit);
    for other in others {
        if let Err(error) = other.await {
            log::error!("a frame was not handed to everybody: {error}");
        }
    }
}

type Visit = (Arc<Said>, Range<usize>);

/// Visits to about `AT_ONCE` seats each.
fn groups(said: Vec<Said>) -> Vec<Vec<Visit>> {
    let mut groups = Vec::new();
    let (mut group, mut seats) = (Vec::new(), 0);
    for said in said {
        let said = Arc::new(said);
        // Keys of seats are below this, though not every one is taken.
        let all = said.live.kept().seats.capacity();
        for from in (0..all).step_by(AT_ONCE) {
            let upto = all.min(from + AT_ONCE);
            if seats + upto - from > AT_ONCE && !group.is_empty() {
                groups.push(std::mem::take(&mut group));
                seats = 0;
            }
            seats += upto - from;
            group.push((Arc::clone(&said), from..upto));
        }
    }
    groups.push(group);
    groups
}

fn visit(group: Vec<Visit>) {
    for (said, seats) in group {
        said.visit(seats);
    }
}

/// How far one subscriber is; shared by the subscriber and whoever visits it.
///
/// Locked before the stream's own lock, never while that is held.
#[derive(Debug)]
struct Seat(Mutex<Sitting>);

#[derive(Debug)]
struct Sitting {
    /// The number of the first event that was not taken.
    next: u64,
    /// The cursor after what the sink took, until the subscriber asks for it.
    passed: Option<Arc<Cursor>>,
    /// There while the subscriber waits for an event and has nothing else to do.
    waiting: Option<Waker>,
    sink: Option<Arc<dyn Sink>>,
}

impl Seat {
    fn sitting(&self) -> MutexGuard<'_, Sitting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when the event was taken on the spot; else whoever waits is woken for it.
    fn hand(&self, said: &Said) -> bool {
        let mut sitting = self.sitting();
        if sitting.next > said.number {
            return false;
        }
        let Some(waiting) = sitting.waiting.take() else { return false };
        if sitting.next == said.number
            && let (Some((frame, cursor)), Some(sink)) = (said.event.in_one(), &sitting.sink)
            && sink.take(frame)
        {
            sitting.next += 1;
            sitting.passed = Some(Arc::clone(cursor));
            sitting.waiting = Some(waiting);
            return true;
        }
        drop(sitting);
        waiting.wake();
        false
    }
}

/// A place taken in a live stream, and the position it belongs to; dropped, it is given up.
#[derive(Debug)]
pub struct Place {
    live: Arc<Live>,
    seat: Arc<Seat>,
    key: usize,
    /// What the stream does not tell, because it was said before.
    pub position: Arc<Cursor>,
}

/// What a subscriber finds in its stream.
#[derive(Debug)]
pub enum Taken {
    /// The next event.
    Event(Event),
    /// Too late: the next event is not kept any more.
    Lagged,
}

impl Place {
    /// From now on frames take the shorter way whenever the subscriber waits in `next`.
    pub fn hand_to(&self, sink: Arc<dyn Sink>) {
        self.seat.sitting().sink = Some(sink);
    }

    /// True for a place in that stream.
    pub fn is_in(&self, live: &Arc<Live>) -> bool {
        Arc::ptr_eq(&self.live, live)
    }

    /// The next event that no sink took. Cancel-safe.
    pub async fn next(&mut self) -> Taken {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &Context<'_>) -> Poll<Taken> {
        let mut sitting = self.seat.sitting();
        if let Some(taken) = self.take(&mut sitting) {
            sitting.waiting = None;
            return Poll::Ready(taken);
        }
        match &mut sitting.waiting {
            Some(waiting) => waiting.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// The next event, if there is one.
    pub fn try_next(&mut self) -> Option<Taken> {
        self.take(&mut self.seat.sitting())
    }

    fn take(&self, sitting: &mut Sitting) -> Option<Taken> {
        let mut kept = self.live.kept();
        if sitting.next < kept.first {
            return Some(Taken::Lagged);
        }
        let number = sitting.next;
        let event = kept.entry(number)?.event.clone();
        sitting.next += 1;
        kept.took(number, 1);
        Some(Taken::Event(event))
    }

    /// The cursor after what the sink took since this was asked last.
    pub fn passed(&self) -> Option<Arc<Cursor>> {
        self.seat.sitting().passed.take()
    }

    /// Goes on with the oldest event that is still kept.
    pub fn skip_lost(&mut self) {
        let mut sitting = self.seat.sitting();
        sitting.next = sitting.next.max(self.live.kept().first);
    }

    /// Leaves out what was said so far, which is what `position` says.
    pub fn move_on(&mut self, position: Arc<Cursor>) {
        let mut sitting = self.seat.sitting();
        let mut kept = self.live.kept();
        leave_out(&mut kept, &mut sitting);
        drop((kept, sitting));
        self.position = position;
    }
}

fn leave_out(kept: &mut Kept, sitting: &mut Sitting) {
    let upto = kept.next();
    for number in sitting.next.max(kept.first)..upto {
        kept.took(number, 1);
    }
    sitting.next = upto;
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sitting = self.seat.sitting();
        let mut kept = self.live.kept();
        leave_out(&mut kept, &mut sitting);
        kept.seats.try_remove(self.key);
    }
}

#[cfg(test)]
mod tests;

//! Who listens to which topic in this process, and the seam between the log and the live stream.
//!
//! The hub holds the position `N` up to which the listener has drained, and one live stream per topic. A
//! subscriber joins under the same lock that moves `N`, so the place it takes in the stream and `N` belong
//! together: what is covered by `N` it reads from the log, what is not comes down the stream.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::live::{Backlog, Event, Live, Place, Said};
use super::sifting::Filters;
use crate::pg::log::Channels;
use crate::pg::resource::RowFilter;
use crate::words::frame::ResetReason;
use crate::words::{Cursor, Origin, Snapshot, Topic};

/// The shared half of the feed; the listener is the only one that moves it.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    /// Rung by joiners that need a drain, heard by the listener.
    pub(super) wish: Notify,
    /// The number of the last drain that was published.
    drained: watch::Sender<u64>,
    backlog: Backlog,
}

#[derive(Debug, Default)]
struct State {
    /// `N`; none before the first drain.
    position: Option<Arc<Cursor>>,
    topics: HashMap<Topic, Stream>,
    /// Every watched channel.
    catalog: BTreeSet<Arc<str>>,
    /// What was dropped of the log, by the last drain.
    floor: Option<Snapshot>,
    /// Channels the last published drain read.
    drained: Covered,
    /// Channels the drain in flight reads; a joiner must be in both.
    draining: Option<Covered>,
    /// How many drains have begun; a joiner that needs a fresh one waits for the next number.
    begun: u64,
    /// Since when the listening connection has been away.
    away_since: Option<Instant>,
}

/// The live stream of one topic.
#[derive(Debug)]
struct Stream {
    live: Arc<Live>,
    /// What its rows have to pass; there once somebody has taken a place, where the topic has a filter.
    filter: Option<Arc<RowFilter>>,
    /// Joiners that have not taken their place yet; keeps the topic wanted.
    joining: usize,
    /// When and where it last said something.
    spoke: Instant,
    spoke_at: Option<Arc<Cursor>>,
}

/// Which channels a drain covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Covered {
    all: bool,
    channels: BTreeSet<Arc<str>>,
}

impl Covered {
    fn holds(&self, topic: &Topic) -> bool {
        self.all
            || topic.channels().is_some_and(|names| names.iter().all(|name| self.channels.contains(name)))
    }

    /// The channels whose bells must be heard.
    pub fn names(&self) -> &BTreeSet<Arc<str>> {
        &self.channels
    }

    /// What to read from the log.
    pub fn channels(&self) -> Channels {
        if self.all { Channels::All } else { Channels::Only(self.channels.iter().cloned().collect()) }
    }
}

/// What a joiner is told.
#[derive(Debug)]
pub enum Joined {
    /// The place.
    Held(Place),
    /// Only a later drain can tell.
    NeedsDrain,
    /// The database began another life since the client's cursor was judged.
    Moved,
    /// The client has seen what this database, looked at just now, has not.
    Ahead,
    /// There is no such channel.
    Unknown(Arc<str>),
}

impl Hub {
    /// A hub that nobody has drained for yet. `backlog` is what each topic keeps.
    pub fn new(backlog: Backlog) -> Self {
        let (drained, _) = watch::channel(0);
        Self { state: Mutex::default(), wish: Notify::new(), drained, backlog }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves plain values behind, never a half-made one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the topic wanted until the guard is dropped.
    pub fn announce(self: &Arc<Self>, topic: &Topic) -> Joining {
        self.state().stream(topic, self.backlog).joining += 1;
        Joining { hub: Arc::clone(self), topic: topic.clone() }
    }

    /// The number of the first drain that begins from now on.
    pub fn next_drain(&self) -> u64 {
        self.state().begun + 1
    }

    /// Takes a place, if the drained channels hold the topic and the position covers what the client has seen.
    ///
    /// `fresh` says that a drain was made for this joiner, so that catalog and position are not from before it came.
    /// What the client has seen comes with the origin it was judged against.
    pub fn join(
        &self,
        topic: &Topic,
        filter: Option<&Arc<RowFilter>>,
        seen: Option<(&Cursor, Origin)>,
        fresh: bool,
    ) -> Joined {
        let mut state = self.state();
        let in_flight = state.draining.as_ref().is_none_or(|draining| draining.holds(topic));
        if !in_flight || !state.drained.holds(topic) {
            return Joined::NeedsDrain;
        }
        if let Some(name) =
            topic.channels().unwrap_or_default().iter().find(|name| !state.catalog.contains(*name))
        {
            return if fresh { Joined::Unknown(Arc::clone(name)) } else { Joined::NeedsDrain };
        }
        let Some(position) = state.position.clone() else {
            return Joined::NeedsDrain;
        };
        if seen.is_some_and(|(_, judged)| judged != position.origin) {
            return Joined::Moved;
        }
        if seen.is_some_and(|(cursor, _)| !position.snapshot.covers_all_of(&cursor.snapshot)) {
            return if fresh { Joined::Ahead } else { Joined::NeedsDrain };
        }
        let stream = state.stream(topic, self.backlog);
        // The first one's stays: who joined before relies on it.
        stream.filter = stream.filter.take().or_else(|| filter.cloned());
        Joined::Held(stream.live.place(position))
    }

    /// Moves a subscriber that was too slow to the end of its stream; false when the stream ended meanwhile, though
    /// the topic may have another by now.
    pub fn rejoin(&self, topic: &Topic, place: &mut Place) -> bool {
        let state = self.state();
        let here = state.topics.get(topic).is_some_and(|stream| place.is_in(&stream.live));
        let Some(position) = state.position.clone().filter(|_| here) else { return false };
        place.move_on(position);
        true
    }

    /// Waits until the drain of that number, or a later one, has been published.
    pub async fn drained(&self, number: u64) {
        let mut drained = self.drained.subscribe();
        self.wish.notify_one();
        // The sender lives as long as the hub.
        let _ = drained.wait_for(|done| *done >= number).await;
    }

    /// How many topics somebody listens to.
    pub fn topics(&self) -> usize {
        self.state().topics.len()
    }

    /// The topics most listened to, with how many listen.
    pub fn listened(&self, most: usize) -> Vec<(String, usize)> {
        let counted = |(topic, stream): (&Topic, &Stream)| (topic.text().to_owned(), stream.live.places());
        let mut all: Vec<_> =
            self.state().topics.iter().map(counted).filter(|(_, count)| *count > 0).collect();
        all.sort_by(|(one, few), (other, many)| many.cmp(few).then_with(|| one.cmp(other)));
        all.truncate(most);
        all
    }

    /// For how long the listening connection has been away.
    pub fn away_for(&self) -> Option<Duration> {
        self.state().away_since.map(|since| since.elapsed())
    }

    pub(super) fn set_away(&self, away: bool) {
        let mut state = self.state();
        state.away_since = if away { state.away_since.or_else(|| Some(Instant::now())) } else { None };
    }

    pub(super) fn position(&self) -> Option<Arc<Cursor>> {
        self.state().position.clone()
    }

    /// True when something this position does not cover was dropped of the log.
    pub(super) fn is_expired(&self, snapshot: &Snapshot) -> bool {
        self.state().floor.as_ref().is_some_and(|floor| !snapshot.covers_all_of(floor))
    }

    /// Sets the position of a feed that has none.
    pub(super) fn begin_at(&self, cursor: Arc<Cursor>) {
        self.state().position = Some(cursor);
    }

    /// Begins a drain: what it must read, and its number, which is what joiners wait for.
    ///
    /// Both under one lock: whoever came before is in what it reads, whoever comes after waits for the next.
    /// Topics everybody left are forgotten.
    pub(super) fn begin_drain(&self) -> (u64, Covered) {
        let mut state = self.state();
        state.topics.retain(|_, stream| stream.joining > 0 || stream.live.places() > 0);
        let all = state.topics.keys().any(|topic| topic.channels().is_none());
        let named = state.topics.keys().filter_map(Topic::channels).flatten();
        let channels = if all { state.catalog.clone() } else { named.cloned().collect() };
        let covered = Covered { all, channels };
        state.draining = Some(covered.clone());
        state.begun += 1;
        (state.begun, covered)
    }

    /// The topics there are now; one may join before the next drain is published.
    pub(super) fn topic_names(&self) -> Vec<Topic> {
        self.state().topics.keys().cloned().collect()
    }

    /// Those of them that have a filter.
    pub(super) fn filters(&self) -> Filters {
        let state = self.state();
        let filters = state.topics.iter();
        filters.filter_map(|(topic, stream)| Some((topic.clone(), stream.filter.clone()?))).collect()
    }

    /// Moves the position and hands every topic its event, all at one moment.
    ///
    /// `event_for` is asked once per topic, with whether the topic has been silent for longer than `quiet`.
    pub(super) fn publish(
        &self,
        drain: Published<'_>,
        mut event_for: impl FnMut(&Topic, bool) -> Option<Event>,
    ) -> Vec<Said> {
        let mut state = self.state();
        let mut said = Vec::new();
        state.topics.retain(|topic, stream| {
            let moved = stream.spoke_at.as_ref().is_none_or(|at| at.snapshot != drain.cursor.snapshot);
            let Some(event) = event_for(topic, moved && stream.spoke.elapsed() >= drain.quiet) else {
                return true;
            };
            stream.spoke = Instant::now();
            stream.spoke_at = Some(Arc::clone(drain.cursor));
            stream.say(event, self.backlog, &mut said)
        });
        state.position = Some(Arc::clone(drain.cursor));
        state.floor = drain.floor;
        state.drained = drain.covered;
        state.draining = None;
        drop(state);
        self.drained.send_replace(drain.number);
        said
    }

    /// The catalog as the listener last read it.
    pub(super) fn set_catalog(&self, catalog: BTreeSet<Arc<str>>) {
        self.state().catalog = catalog;
    }

    /// Topics that name a channel which is no longer watched end.
    pub(super) fn end_unwatched(&self) -> Vec<Said> {
        let mut state = self.state();
        let mut said = Vec::new();
        let State { topics, catalog, .. } = &mut *state;
        topics.retain(|topic, stream| {
            let gone = topic.channels().unwrap_or_default().iter().any(|name| !catalog.contains(name));
            !gone || stream.say(Event::Unwatched, self.backlog, &mut said)
        });
        said
    }

    /// The database is not the one the position came from: everybody starts over.
    pub(super) fn reset_all(&self, reason: ResetReason) -> Vec<Said> {
        let mut state = self.state();
        let mut said = Vec::new();
        state.topics.retain(|_, stream| stream.say(Event::Reset(reason), self.backlog, &mut said));
        state.position = None;
        state.drained = Covered::default();
        state.draining = None;
        said
    }
}

/// A drain on its way to the topics.
#[derive(Debug)]
pub struct Published<'a> {
    /// Its number.
    pub number: u64,
    /// The channels it read.
    pub covered: Covered,
    /// The position it reached.
    pub cursor: &'a Arc<Cursor>,
    /// How long a topic may stay silent while the position moves.
    pub quiet: Duration,
    /// What was dropped of the log.
    pub floor: Option<Snapshot>,
}

impl State {
    /// The topic's stream, which begins here where it had none.
    fn stream(&mut self, topic: &Topic, backlog: Backlog) -> &mut Stream {
        self.topics.entry(topic.clone()).or_insert_with(|| Stream::new(backlog))
    }
}

impl Stream {
    fn new(backlog: Backlog) -> Self {
        let live = Arc::new(Live::new(backlog));
        Self { live, filter: None, joining: 0, spoke: Instant::now(), spoke_at: None }
    }

    /// Says an event to everyone on the stream; false when the topic has ended and nobody is about to join it.
    fn say(&mut self, event: Event, backlog: Backlog, said: &mut Vec<Said>) -> bool {
        let ends = event.ends();
        // Nobody there is no fault: the topic goes with the next look at what is wanted.
        said.push(self.live.say(event));
        if ends {
            // Those about to join come after the end, on a stream of their own.
            *self = Self { joining: self.joining, ..Self::new(backlog) };
        }
        !ends || self.joining > 0
    }
}

/// Keeps a topic wanted while somebody is about to join it.
#[derive(Debug)]
pub struct Joining {
    hub: Arc<Hub>,
    topic: Topic,
}

impl Drop for Joining {
    fn drop(&mut self) {
        if let Some(stream) = self.hub.state().topics.get_mut(&self.topic) {
            stream.joining = stream.joining.saturating_sub(1);
        }
    }
}

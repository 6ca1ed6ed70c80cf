//! A channel's rows as a map that is kept up to date.

use std::collections::btree_map::{self, BTreeMap};
use std::fmt;

use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::backoff::Backoff;
use super::change::{Change, Commit, Op, read_as};
use super::course::{Event, Rows};
use super::error::{Error, Result};
use super::events::Events;
use super::follow::Follow;
use super::frame::ResetReason;

/// A channel's rows by id: always the table as of [`Collection::cursor`], never between two commits.
///
/// It is as large in memory as the rows, and twice that while it is read anew. Nothing runs beside it:
/// [`Collection::next`] is what keeps it up to date, and it loses nothing when it is dropped while it waits.
///
/// ```no_run
/// # async fn run() -> Result<(), rowbell::client::Error> {
/// let client = rowbell::Client::new("http://127.0.0.1:8080")?;
/// let mut products = client.follow("products").open().await?;
/// println!("{} products", products.len());
/// while let Some(update) = products.next().await? {
///     println!("{update:?}, now {} products", products.len());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Collection {
    follow: Follow,
    source: Source,
    events: Events,
    cursor: String,
    rows: BTreeMap<String, Entry>,
    /// What is read anew; takes the place of `rows` when it is whole.
    loading: Option<BTreeMap<String, Entry>>,
    /// Why it is read anew.
    reason: Option<ResetReason>,
    /// Changes of a frame that is not whole yet, the last of each id; none for a row that is gone.
    staged: BTreeMap<String, Option<Entry>>,
    /// True when a truncate came before what is staged.
    emptied: bool,
    /// Between two tries to read a list.
    backoff: Backoff,
}

/// One row of a [`Collection`].
#[derive(Debug, Clone)]
pub struct Entry {
    /// The row as PostgreSQL wrote it; none where it is over 1 MiB: read it by [`Client::read`].
    pub json: Option<Box<RawValue>>,
    /// Names this state of the row, to base a write on; none when the channel is feed-only.
    pub version: Option<i64>,
}

/// What [`Collection::next`] did.
#[derive(Debug)]
#[non_exhaustive]
pub enum Update {
    /// One frame of commits was applied; the ids of the rows that are other ones now, or gone.
    Changed(Vec<String>),
    /// All rows were read anew, because commits could not be continued; the reason where the server gave one.
    StartedOver(Option<ResetReason>),
    /// The connection is lost, and the rows stay as they are until there is another.
    Disconnected(Error),
}

/// How the rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// With the subscription.
    Snapshot,
    /// By one list read, where the server gives no snapshot or is not fast enough for it.
    List,
    /// The same, still to be read.
    ListDue,
}

impl Collection {
    /// A copy of which nothing is read yet; the first update is `StartedOver`.
    pub(super) fn begin(follow: Follow) -> Self {
        Self {
            source: Source::Snapshot,
            events: follow.snapshot(),
            follow,
            cursor: String::new(),
            rows: BTreeMap::new(),
            loading: Some(BTreeMap::new()),
            reason: None,
            staged: BTreeMap::new(),
            emptied: false,
            backoff: Backoff::usual(),
        }
    }

    /// The row under an id: the key as text, of several columns their JSON array without blanks.
    pub fn get(&self, id: &str) -> Option<&Entry> {
        self.rows.get(id)
    }

    /// All rows with their ids, in the order of their ids as text.
    pub fn iter(&self) -> btree_map::Iter<'_, String, Entry> {
        self.rows.iter()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The position the rows are as of.
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    /// Waits until rows change, and applies it; none when the channel is watched no longer.
    ///
    /// # Errors
    /// The server refuses what would be refused again, or the rows cannot be read as rows of this channel. The rows
    /// stay as they are; calling again reads them anew.
    pub async fn next(&mut self) -> Result<Option<Update>> {
        loop {
            if self.source == Source::ListDue {
                return self.try_list().await.map(Some);
            }
            match self.events.next().await {
                Some(Ok(Event::Unwatched)) | None => return Ok(None),
                Some(Ok(event)) => {
                    if let Some(update) = self.take(event)? {
                        return Ok(Some(update));
                    }
                }
                Some(Err(error)) => self.refused(error)?,
            }
        }
    }

    /// Takes an error that may only mean that rows must be read in another way.
    fn refused(&mut self, error: Error) -> Result<()> {
        let no_snapshot = matches!(error.code(), Some("bad_frame" | "snapshot_too_slow"));
        if self.source == Source::Snapshot && self.loading.is_some() && no_snapshot {
            self.source = Source::ListDue;
            return Ok(());
        }
        self.start_over(None);
        Err(error)
    }

    fn take(&mut self, event: Event) -> Result<Option<Update>> {
        let took = self.try_take(event);
        if took.is_err() {
            self.start_over(None);
        }
        took
    }

    fn try_take(&mut self, event: Event) -> Result<Option<Update>> {
        match event {
            Event::SnapshotBegins => self.loading = Some(BTreeMap::new()),
            Event::Rows(rows) => return self.load(rows),
            // A change that cannot be applied: the answer to any doubt is to read anew.
            Event::Part(commits) => {
                if !self.stage(commits)? {
                    self.start_over(None);
                }
            }
            Event::Commits(frame) => {
                if !self.stage(frame.commits)? {
                    self.start_over(None);
                    return Ok(None);
                }
                self.cursor = frame.cursor;
                let changed = self.apply();
                return Ok((!changed.is_empty()).then_some(Update::Changed(changed)));
            }
            Event::Reset(reason) if self.source == Source::Snapshot => {
                // The subscription itself begins with a snapshot again.
                self.unstage();
                self.reason = Some(reason);
                self.loading = Some(BTreeMap::new());
            }
            Event::Reset(reason) => self.start_over(Some(reason)),
            Event::Disconnected(error) => {
                self.unstage();
                return Ok(Some(Update::Disconnected(error)));
            }
            Event::Subscribed { .. } | Event::Unwatched => {}
        }
        Ok(None)
    }

    /// Begins anew with what the server can do; the rows stay until the new ones are whole.
    fn start_over(&mut self, reason: Option<ResetReason>) {
        self.unstage();
        self.reason = reason;
        self.loading = Some(BTreeMap::new());
        if self.source == Source::Snapshot {
            self.events = self.follow.snapshot();
        } else {
            self.source = Source::ListDue;
        }
    }

    fn load(&mut self, rows: Rows) -> Result<Option<Update>> {
        let loading = self.loading.get_or_insert_default();
        for row in rows.rows {
            let (id, entry) = self.follow.entry(row)?;
            loading.insert(id, entry);
        }
        let Some(cursor) = rows.cursor else { return Ok(None) };
        self.rows = self.loading.take().unwrap_or_default();
        self.cursor = cursor;
        Ok(Some(Update::StartedOver(self.reason.take())))
    }

    async fn try_list(&mut self) -> Result<Update> {
        tokio::time::sleep(self.backoff.pause()).await;
        match self.read_list().await {
            Ok(()) => {
                self.backoff.reset();
                Ok(Update::StartedOver(self.reason.take()))
            }
            Err(error) => {
                self.backoff.grow();
                if error.is_temporary() { Ok(Update::Disconnected(error)) } else { Err(error) }
            }
        }
    }

    /// Reads the rows by one request, and follows from its cursor on.
    async fn read_list(&mut self) -> Result<()> {
        let list = self.follow.list().await?;
        let read: Result<BTreeMap<_, _>> = list.rows.into_iter().map(|row| self.follow.entry(row)).collect();
        self.rows = read?;
        self.events = self.follow.changes_since(&list.cursor);
        (self.cursor, self.loading, self.source) = (list.cursor, None, Source::List);
        Ok(())
    }

    /// Keeps changes until their frame is whole; false where one does not say what became of its row.
    fn stage(&mut self, commits: Vec<Commit>) -> Result<bool> {
        for change in commits.into_iter().flat_map(|commit| commit.changes) {
            if !self.stage_one(change)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn stage_one(&mut self, change: Change) -> Result<bool> {
        let Change { op, id, version, row, too_large, .. } = change;
        if op == Op::Truncate {
            self.emptied = true;
            self.staged.clear();
            return Ok(true);
        }
        let Some(id) = id else { return Ok(false) };
        if matches!(op, Op::Delete | Op::Leave) {
            self.staged.insert(id, None);
            return Ok(true);
        }
        match &row {
            Some(json) => self.follow.check_id(&id, json)?,
            None if too_large => {}
            None => return Ok(false),
        }
        self.staged.insert(id, Some(Entry { json: row, version }));
        Ok(true)
    }

    /// What is staged becomes part of the rows; the ids that are concerned.
    fn apply(&mut self) -> Vec<String> {
        let staged = std::mem::take(&mut self.staged);
        let mut changed: Vec<String> = Vec::new();
        if std::mem::take(&mut self.emptied) {
            let gone = std::mem::take(&mut self.rows).into_keys();
            changed.extend(gone.filter(|id| !staged.contains_key(id)));
        }
        for (id, entry) in staged {
            changed.push(id.clone());
            match entry {
                Some(entry) => drop(self.rows.insert(id, entry)),
                None => drop(self.rows.remove(&id)),
            }
        }
        changed
    }

    fn unstage(&mut self) {
        self.staged.clear();
        self.emptied = false;
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Collection");
        shown.field("channel", &self.follow.channel()).field("cursor", &self.cursor);
        shown.field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Entry {
    /// The row as a type of yours; none where it is too large to be here.
    ///
    /// # Errors
    /// The row does not fit the type.
    pub fn read_as<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        self.json.as_deref().map(|json| read_as(json, "the collection")).transpose()
    }
}

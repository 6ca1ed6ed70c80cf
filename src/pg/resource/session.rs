//! A pooled connection that answers a request: statements by their text, a transaction in one network wait.
//!
//! A call that is not awaited to its end leaves the connection in the middle of something; then that is called off.

use std::borrow::Cow;
use std::future::Future;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::{TryStreamExt, join};
use postgres_types::Type;
use tokio_postgres::Row;

use super::refusal::{Failure, Refusal};
use crate::pg::pool::{Lent, Naming, Pool, UNDO};
use crate::pg::statement::{Parameters, Statement, fill};
use crate::pg::{log, origin};
use crate::words::Error;

const BEGIN: &str = include_str!("../../../sql/queries/begin_request.sql");
const BEGIN_POOLED: &str = include_str!("../../../sql/queries/begin_pooled_request.sql");
const CHECK_NOW: &str = include_str!("../../../sql/queries/check_now.sql");
const COMMIT: &str = include_str!("../../../sql/queries/commit_request.sql");

/// Prepared statements one connection keeps; at that many it forgets them all and begins anew.
const MOST_PREPARED: usize = 250;

/// Bytes of an answer that no statement but a list comes near.
const ROOM: usize = usize::MAX;

/// One connection on loan to one request.
pub(super) struct Session {
    client: Held,
    pool: Pool,
    naming: Naming,
    /// What opens a transaction.
    begin: Cow<'static, str>,
    /// How much was begun that has not ended.
    under_way: AtomicUsize,
    /// A transaction of several writes is open: what is read and written meanwhile is part of it.
    within: AtomicBool,
}

/// The loan itself, which only the end of its session takes away.
struct Held(Option<Lent>);

impl Deref for Held {
    type Target = Lent;

    fn deref(&self) -> &Lent {
        match &self.0 {
            Some(lent) => lent,
            None => unreachable!("a session has its connection until it is dropped"),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Handed back as it is, the next user would find the transaction, or wait for the answer.
        if *self.under_way.get_mut() > 0
            && let Some(lent) = self.client.0.take()
        {
            self.pool.call_off(lent);
        }
    }
}

/// A statement as this connection runs it.
enum Ready<'a> {
    Named(tokio_postgres::Statement),
    Text(&'a str),
}

/// A write and what has to be done first, ready to be sent.
struct Pair<'a> {
    first: Option<(Ready<'a>, &'a Parameters)>,
    write: (Ready<'a>, &'a Parameters),
}

/// Whether a transaction ends with what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is committed in the same breath.
    Commit,
    /// It stays open for `finish`, unless something failed.
    Open,
}

/// How a transaction of several writes ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    Undo,
}

impl Pool {
    /// A connection for a request; `attempted` is a lower-case fragment for the error.
    pub(super) async fn session(&self, attempted: &str) -> Result<Session, Error> {
        let client = self.client(attempted).await?;
        let naming = self.naming();
        let begin = match naming {
            Naming::Named => Cow::Borrowed(BEGIN),
            Naming::Unnamed => {
                let milliseconds = self.statement_limit().as_millis().to_string();
                Cow::Owned(fill(BEGIN_POOLED, &[("milliseconds", &milliseconds)]))
            }
        };
        let client = Held(Some(client));
        let (pool, under_way, within) = (self.clone(), AtomicUsize::new(0), AtomicBool::new(false));
        Ok(Session { client, pool, naming, begin, under_way, within })
    }
}

impl Session {
    /// Marks what is done as under way until it ends, well or not.
    async fn to_its_end<T>(&self, work: impl Future<Output = T>) -> T {
        self.more_under_way();
        let done = work.await;
        self.less_under_way();
        done
    }

    fn more_under_way(&self) {
        self.under_way.fetch_add(1, Ordering::Relaxed);
    }

    fn less_under_way(&self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    /// True while a transaction of several writes is open.
    pub(super) fn is_within(&self) -> bool {
        self.within.load(Ordering::Relaxed)
    }

    /// Runs one statement that reads.
    pub(super) async fn read(&self, statement: &Statement) -> Result<Vec<Row>, Failure> {
        self.read_within(statement, ROOM).await
    }

    /// The same, refused where the answer has more than `limit` bytes.
    pub(super) async fn read_within(&self, statement: &Statement, limit: usize) -> Result<Vec<Row>, Failure> {
        let read = self.to_its_end(async {
            let ready = self.ready(statement).await?;
            let rows = self.run(&ready, &statement.parameters, limit);
            match self.naming {
                Naming::Named => rows.await,
                Naming::Unnamed if self.is_within() => rows.await,
                Naming::Unnamed => {
                    let (begun, rows, ended) = join!(self.begin(), rows, self.commit());
                    begun?;
                    let rows = rows?;
                    ended?;
                    Ok(rows)
                }
            }
        });
        let read = read.await;
        if matches!(read, Err(Failure::Refused(Refusal::TooMuch))) {
            // The rest of it is still to come.
            self.more_under_way();
        }
        read
    }

    /// Runs one statement that writes in a transaction of its own, with what has to be done first, all of it sent before the
    /// first answer comes; the write's rows.
    ///
    /// One that is left open is under way until `finish` or `end`.
    pub(super) async fn write(
        &self,
        first: Option<&Statement>,
        write: &Statement,
        ending: Ending,
    ) -> Result<Vec<Row>, Failure> {
        // Sent by itself a statement is a transaction: three answers less for everybody to read.
        let alone = self.naming == Naming::Named && ending == Ending::Commit && first.is_none();
        if alone || self.is_within() {
            return self.to_its_end(async { self.run_pair(&self.pair(first, write).await?).await }).await;
        }
        let written = self.to_its_end(self.send(first, write, ending)).await;
        if ending == Ending::Open && written.is_ok() {
            self.more_under_way();
        }
        written
    }

    /// Makes a statement ready, so that nothing has to be waited for when it is sent.
    ///
    /// Several writes may be under way at once: each sends its whole transaction in one go, and their answers come in
    /// the order they were sent.
    pub(super) async fn prepare(&self, statement: &Statement) -> Result<(), Failure> {
        self.to_its_end(self.ready(statement)).await.map(drop)
    }

    /// Opens a transaction for several writes; what is read and written until it ends is part of it.
    pub(super) async fn open(&self) -> Result<(), Failure> {
        self.more_under_way();
        self.begin().await?;
        self.within.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Commits the transaction that was opened; after a failure, undoes it.
    pub(super) async fn close(&self, end: End) -> Result<(), Failure> {
        let ended = match end {
            End::Commit => self.commit().await,
            End::Undo => Ok(self.client.batch_execute(&fill(UNDO, &[])).await?),
        };
        self.within.store(false, Ordering::Relaxed);
        self.less_under_way();
        ended
    }

    async fn send(
        &self,
        first: Option<&Statement>,
        write: &Statement,
        ending: Ending,
    ) -> Result<Vec<Row>, Failure> {
        let pair = self.pair(first, write).await?;
        let end = async {
            match ending {
                Ending::Commit => self.commit().await,
                Ending::Open => Ok(()),
            }
        };
        let (begun, rows, ended) = join!(self.begin(), self.run_pair(&pair), end);
        // In this order, because what follows a failure only says that the transaction is aborted.
        let rows = begun.and(rows);
        if rows.is_err() && ending == Ending::Open {
            self.commit().await?;
        }
        let rows = rows?;
        ended?;
        Ok(rows)
    }

    /// Runs one more statement in a transaction that was left open, and commits.
    pub(super) async fn finish(&self, statement: &Statement) -> Result<Vec<Row>, Failure> {
        if self.is_within() {
            return self.to_its_end(self.run_alone(statement)).await;
        }
        self.less_under_way();
        self.to_its_end(async {
            // Prepared within the transaction: should that fail, the commit still ends it.
            let ready = self.ready(statement).await;
            let (checked, rows, ended) = match &ready {
                Ok(ready) => {
                    join!(self.check_now(), self.run(ready, &statement.parameters, ROOM), self.commit())
                }
                Err(_) => (Ok(()), Ok(Vec::new()), self.commit().await),
            };
            ready?;
            checked?;
            let rows = rows?;
            ended?;
            Ok(rows)
        })
        .await
    }

    /// Commits what was left open.
    pub(super) async fn end(&self) -> Result<(), Failure> {
        if self.is_within() {
            return Ok(());
        }
        self.less_under_way();
        self.to_its_end(self.commit()).await
    }

    /// Puts on disk what other sessions committed without waiting for that.
    pub(super) async fn flush_log(&self) -> Result<(), Failure> {
        Ok(self.to_its_end(log::wait_until_durable(&self.client)).await?)
    }

    /// Begins a new generation where a crash or promotion ended the last.
    pub(super) async fn open_generation(&self) -> Result<(), Failure> {
        self.to_its_end(origin::open_origin(&self.client)).await?;
        Ok(())
    }

    async fn ready<'a>(&self, statement: &'a Statement) -> Result<Ready<'a>, Failure> {
        if self.naming == Naming::Unnamed {
            return Ok(Ready::Text(&statement.sql));
        }
        if self.client.statement_cache.size() >= MOST_PREPARED {
            self.client.statement_cache.clear();
        }
        Ok(Ready::Named(self.client.prepare_cached(&statement.sql).await?))
    }

    /// Makes both ready before either is sent: one that had to be prepared in between would come after the commit.
    async fn pair<'a>(
        &self,
        first: Option<&'a Statement>,
        write: &'a Statement,
    ) -> Result<Pair<'a>, Failure> {
        let first = match first {
            Some(first) => Some((self.ready(first).await?, &first.parameters)),
            None => None,
        };
        Ok(Pair { first, write: (self.ready(write).await?, &write.parameters) })
    }

    /// Runs both, the write sent before the first is answered; its rows.
    async fn run_pair(&self, pair: &Pair<'_>) -> Result<Vec<Row>, Failure> {
        let Pair { first, write: (ready, parameters) } = pair;
        let write = self.run(ready, parameters, ROOM);
        let Some((first, of_first)) = first else { return write.await };
        let (done, rows) = join!(self.run(first, of_first, ROOM), write);
        done.and(rows)
    }

    async fn run_alone(&self, statement: &Statement) -> Result<Vec<Row>, Failure> {
        self.run(&self.ready(statement).await?, &statement.parameters, ROOM).await
    }

    async fn run(
        &self,
        ready: &Ready<'_>,
        parameters: &Parameters,
        limit: usize,
    ) -> Result<Vec<Row>, Failure> {
        let texts = parameters.texts();
        let rows = match ready {
            Ready::Named(statement) => self.client.query_raw(statement, texts).await?,
            Ready::Text(sql) => {
                let untyped = texts.into_iter().map(|text| (text, Type::UNKNOWN));
                self.client.query_typed_raw(sql, untyped).await?
            }
        };
        let mut rows = std::pin::pin!(rows);
        let (mut gathered, mut size) = (Vec::new(), 0usize);
        while let Some(row) = rows.try_next().await? {
            size = size.saturating_add(row.raw_size_bytes());
            if size > limit {
                return Err(Refusal::TooMuch.into());
            }
            gathered.push(row);
        }
        Ok(gathered)
    }

    async fn check_now(&self) -> Result<(), Failure> {
        Ok(self.client.batch_execute(&fill(CHECK_NOW, &[])).await?)
    }

    async fn begin(&self) -> Result<(), Failure> {
        Ok(self.client.batch_execute(&self.begin).await?)
    }

    /// Commits what is open; of a failed transaction that is a rollback.
    async fn commit(&self) -> Result<(), Failure> {
        Ok(self.client.batch_execute(COMMIT.trim()).await?)
    }
}

//! The rows a subscription begins with, read beside its session: the snapshot is over when its time is up, whether
//! or not the client has read them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::time::timeout;

use crate::pg::resource::TableSnapshot;
use crate::words::frame::RowsEncoder;
use crate::words::{Cursor, Result, Topic};

/// Frames that wait for the session; with the one being written, what a snapshot holds in memory.
const QUEUE: usize = 2;

/// How long a client may take none of them: its tables are locked as by any reader, and others wait for its place.
const STALLED: Duration = Duration::from_secs(5);

/// What comes of a snapshot.
#[derive(Debug)]
pub(super) enum Told {
    /// A `rows` frame, not the last.
    Rows(Bytes),
    /// The last one, with the cursor.
    Last(Bytes),
    /// The client did not read fast enough for one transaction.
    TooSlow,
}

/// The frames of a snapshot on their way to a session. They end without `Last` when the database went away.
pub(super) type Frames = mpsc::Receiver<Told>;

/// Reads a snapshot in a task of its own, for as long as the frames are wanted and `patience` lasts.
pub(super) fn read(snapshot: TableSnapshot, topic: &Topic, frame_limit: usize, patience: Duration) -> Frames {
    let (tx, rx) = mpsc::channel(QUEUE);
    let encoder = RowsEncoder::new(topic, frame_limit);
    tokio::spawn(async move {
        let cursor = Arc::new(snapshot.cursor.clone());
        match timeout(patience, send_rows(snapshot, encoder, &cursor, &tx)).await {
            Ok(Ok(Sent::All)) => {}
            Ok(Err(error)) => log::warn!("a snapshot broke off: {}", error.report()),
            // The transaction is over by now. Who has left needs no telling.
            Ok(Ok(Sent::Stalled)) | Err(_) => drop(tx.send(Told::TooSlow).await),
        }
    });
    rx
}

/// How the sending ended.
enum Sent {
    /// Everything is out, or nobody wants more.
    All,
    /// The client takes nothing.
    Stalled,
}

async fn send_rows(
    mut snapshot: TableSnapshot,
    mut encoder: RowsEncoder,
    cursor: &Cursor,
    tx: &mpsc::Sender<Told>,
) -> Result<Sent> {
    while let Some(part) = snapshot.next().await? {
        for frame in encoder.push(&part.channel, &part.rows) {
            match tx.send_timeout(Told::Rows(frame), STALLED).await {
                Ok(()) => {}
                Err(SendTimeoutError::Closed(_)) => return Ok(Sent::All),
                Err(SendTimeoutError::Timeout(_)) => return Ok(Sent::Stalled),
            }
        }
    }
    drop(snapshot);
    // Nobody to send it to is an end as good as any.
    drop(tx.send(Told::Last(encoder.finish(cursor))).await);
    Ok(Sent::All)
}

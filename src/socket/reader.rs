//! The read side of a WebSocket, as a stream of what was heard.
//!
//! tungstenite reads and checks the frames; the replies it would write by itself (pong, close) go nowhere,
//! because the session writes them in their turn.

use futures::stream::{self, Stream, StreamExt};
use tokio::io::{AsyncRead, Join, Sink};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::close::Close;

/// Longest message a client may send.
pub(super) const LONGEST_MESSAGE: usize = 64 * 1024;

/// The read buffer every session keeps, all of which is zeroed before every read. Most client frames take
/// a fifth of it; 4 KiB would nearly double an idle session.
const READ_BUFFER: usize = 512;

/// What comes from the peer.
#[derive(Debug)]
pub(super) enum Heard {
    Message(Message),
    /// The peer cannot be understood any more.
    Unreadable(Close),
    /// Nothing comes any more.
    Gone,
}

/// The bytes a connection reads.
pub(super) type Input = Box<dyn AsyncRead + Send + Unpin>;

enum Reading {
    Frames(Box<WebSocketStream<Join<Input, Sink>>>),
    /// After a `Close` or nonsense: whatever still comes is read and thrown away, because closing a socket
    /// with unread bytes in it resets the connection, and the peer may lose the close frame we sent.
    Rest(Input),
    Over,
}

/// Everything the peer sends, ending with `Gone`; `begun` was read along with the request.
pub(super) async fn listen(input: Input, begun: Vec<u8>) -> impl Stream<Item = Heard> + Send {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(1024)
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE));
    let joined = tokio::io::join(input, tokio::io::sink());
    let frames = WebSocketStream::from_partially_read(joined, begun, Role::Server, Some(config)).await;
    stream::unfold(Reading::Frames(Box::new(frames)), step)
}

async fn step(reading: Reading) -> Option<(Heard, Reading)> {
    let mut rest = match reading {
        Reading::Frames(mut frames) => {
            let end = match frames.next().await {
                Some(Ok(message)) => return Some((Heard::Message(message), Reading::Frames(frames))),
                Some(Err(error)) => Close::of(&error),
                None => None,
            };
            let rest = frames.into_inner().into_inner().0;
            if let Some(close) = end {
                return Some((Heard::Unreadable(close), Reading::Rest(rest)));
            }
            rest
        }
        Reading::Rest(rest) => rest,
        Reading::Over => return None,
    };
    // How it ended does not matter: there is nobody left to tell.
    let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
    Some((Heard::Gone, Reading::Over))
}

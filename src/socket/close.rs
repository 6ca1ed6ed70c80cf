//! How a session ends, in the protocol's close codes.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// Why the server ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The server stops; come back.
    GoingAway,
    /// The peer broke the rules of WebSocket itself.
    Violation,
    /// Not text, not JSON, or not an object.
    NotAnObject,
    /// The token is missing or wrong.
    Unauthorized,
    /// The URL names no topic there is.
    UnknownTopic,
    /// Two pings went unanswered.
    Silent,
    /// Nothing was read for too long.
    NotReading,
    /// A message was over the limit.
    TooLarge,
    /// The node has as many sessions as it takes.
    TooMany,
    /// Something of ours broke.
    Internal,
}

impl Close {
    /// The code on the wire.
    pub(super) fn code(self) -> u16 {
        self.parts().0
    }

    /// What a `Close` frame carries.
    pub(super) fn payload(self) -> Bytes {
        let (code, reason) = self.parts();
        payload(code, reason)
    }

    fn parts(self) -> (u16, &'static str) {
        match self {
            Close::GoingAway => (1001, "going away"),
            Close::Violation => (1002, "not the WebSocket protocol"),
            Close::NotAnObject => (4400, "a message must be the text of a JSON object"),
            Close::Unauthorized => (4401, "token missing, invalid or expired"),
            Close::UnknownTopic => (4404, "unknown topic"),
            Close::Silent => (4408, "heartbeat missed"),
            Close::NotReading => (4410, "not reading"),
            Close::TooLarge => (4413, "message too large"),
            Close::TooMany => (4429, "too many sessions"),
            Close::Internal => (4500, "internal"),
        }
    }

    /// How a message that could not be read ends the session; none where the connection itself is over.
    pub(super) fn of(error: &Error) -> Option<Self> {
        use tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
        match error {
            Error::Capacity(_) => Some(Close::TooLarge),
            Error::Utf8(_) => Some(Close::NotAnObject),
            Error::Protocol(ResetWithoutClosingHandshake) => None,
            Error::Protocol(_) => Some(Close::Violation),
            _ => None,
        }
    }
}

/// What answers the `Close` frame of a peer: its own code.
pub(super) fn echo(close: Option<&CloseFrame>) -> Bytes {
    close.map_or_else(Bytes::new, |close| payload(close.code.into(), ""))
}

fn payload(code: u16, reason: &str) -> Bytes {
    [&code.to_be_bytes(), reason.as_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_carries_code_and_reason() {
        assert_eq!(Close::GoingAway.payload(), Bytes::from_static(b"\x03\xe9going away"));
        assert_eq!(echo(None), Bytes::new());
        let frame = CloseFrame { code: 4000.into(), reason: "anything".into() };
        assert_eq!(echo(Some(&frame)), Bytes::from_static(b"\x0f\xa0"));
    }

    #[test]
    fn a_close_frame_is_a_control_frame_and_so_at_most_125_bytes() {
        for close in [Close::NotAnObject, Close::Violation, Close::Unauthorized] {
            assert!(close.payload().len() <= 125);
        }
    }
}

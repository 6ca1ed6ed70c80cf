//! A frame with the header that a WebSocket puts before it, as one piece of bytes.

use bytes::Bytes;

/// The kinds of frames a server sends, by their opcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// One of the wire's messages.
    Text = 1,
    /// The last one, with a code.
    Close = 8,
    /// A question whether the peer is there.
    Ping = 9,
    /// The answer to the peer's.
    Pong = 10,
}

/// The header before a payload of so many bytes, and how many of the ten it is.
pub fn header(opcode: Opcode, payload: usize) -> ([u8; 10], usize) {
    let mut header = [0; 10];
    // The frame is whole (FIN), and a server's frames are not masked.
    header[0] = 0x80 | opcode as u8;
    let len = match (u8::try_from(payload), u16::try_from(payload)) {
        (Ok(len), _) if len < 126 => {
            header[1] = len;
            2
        }
        (_, Ok(len)) => {
            header[1] = 126;
            header[2..4].copy_from_slice(&len.to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            let len = u64::try_from(payload).unwrap_or(u64::MAX);
            header[2..].copy_from_slice(&len.to_be_bytes());
            10
        }
    };
    (header, len)
}

/// A text frame ready for any number of WebSockets, which one call writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Header and payload.
    pub bytes: Bytes,
    /// Bytes of the payload alone.
    pub payload: usize,
}

impl Whole {
    /// Copies the payload behind its header.
    pub fn text(payload: &[u8]) -> Self {
        let (header, len) = header(Opcode::Text, payload.len());
        Self { bytes: [&header[..len], payload].concat().into(), payload: payload.len() }
    }
}

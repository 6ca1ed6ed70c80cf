//! What a written frame says of itself, without reading what is in it.

/// The type and the cursor of a frame. Every frame begins with its type, and one that carries a cursor for what
/// went before ends with it. Neither holds anything but letters, digits, `-` and `_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline<'a> {
    /// `commits`, `reset`; empty for what is no frame.
    pub kind: &'a str,
    /// The position after it; none while more parts follow.
    pub cursor: Option<&'a str>,
}

impl<'a> Outline<'a> {
    /// Looks at both ends of a frame.
    pub fn of(frame: &'a [u8]) -> Self {
        let kind =
            frame.strip_prefix(br#"{"type":""#).and_then(|rest| rest.split(|byte| *byte == b'"').next());
        let is_word = |kind: &&str| kind.bytes().all(|byte| byte.is_ascii_lowercase());
        Self { kind: kind.and_then(text).filter(is_word).unwrap_or_default(), cursor: last_cursor(frame) }
    }
}

fn last_cursor(frame: &[u8]) -> Option<&str> {
    let rest = frame.strip_suffix(br#""}"#)?;
    let opening = rest.iter().rposition(|byte| *byte == b'"')?;
    let named = rest[..opening].ends_with(br#","cursor":"#);
    let is_cursor = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text(rest.get(opening + 1..)?).filter(|cursor| named && cursor.bytes().all(is_cursor))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::frame::{CommitsEncoder, ResetReason, reset};
    use crate::words::{Cursor, Origin, Snapshot, Topic};

    #[test]
    fn both_ends_are_read_and_nothing_between() {
        let topic = Topic::parse("orders").unwrap();
        let origin = Origin { installation: 1, generation: 2 };
        let cursor = Cursor { origin, snapshot: Snapshot::new(9, vec![]) };
        let frame = CommitsEncoder::new(&topic, 100).finish(&cursor);
        let text = cursor.to_string();
        assert_eq!(Outline::of(&frame), Outline { kind: "commits", cursor: Some(&text) });
        let reset = reset(&topic, ResetReason::Lost);
        assert_eq!(Outline::of(reset.as_bytes()), Outline { kind: "reset", cursor: None });
        for (frame, cursor) in [
            (r#"{"type":"commits","commits":[{"row":{"a":"x","cursor":"y"}}],"more":true}"#, None),
            (r#"{"type":"commits","note":"\"cursor\":\"y"}"#, None),
            (r#"{"type":"commits","cursor":"y"}"#, Some("y")),
            ("{\"type\":\"commits\",\"cursor\":\"y\ndata: z\"}", None),
        ] {
            assert_eq!(Outline::of(frame.as_bytes()), Outline { kind: "commits", cursor }, "{frame}");
        }
        for no_frame in ["", "\"}", "{\"type\":\"", "7", "{\"type\":\"\u{e9}"] {
            assert_eq!(Outline::of(no_frame.as_bytes()).cursor, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
            let _ = Outline::of(&bytes);
        }
    }
}

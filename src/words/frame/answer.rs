//! The body of a long poll's answer: commits, the cursor after them, and whether there is more.

use std::fmt::Write as _;

use bytes::Bytes;

use super::commits::{push_change, push_head};
use crate::words::{Change, CommitHead, Cursor, Xid};

const OPENING: &str = r#"{"commits":["#;

/// What stands before every change of a frame. In a row it can stand too, but only as a column of type json has it.
const CHANGE: &str = r#"{"seq":"#;

/// Writes one answer, in pieces that are only a body together.
#[derive(Debug)]
pub struct AnswerEncoder {
    /// Bytes after which a piece is handed out.
    piece: usize,
    text: String,
    /// The commit whose changes are being written.
    open: Option<Xid>,
}

impl AnswerEncoder {
    /// An encoder for one answer; `piece` is in bytes.
    pub fn new(piece: usize) -> Self {
        Self { piece, text: OPENING.to_owned(), open: None }
    }

    /// Adds a change; returns what is written so far once it is large enough.
    pub fn push(&mut self, head: &CommitHead, change: &Change) -> Option<Bytes> {
        if self.open == Some(head.xid) {
            self.text.push(',');
        } else {
            if self.open.is_some() {
                self.text.push_str("]},");
            }
            push_head(&mut self.text, head);
            self.open = Some(head.xid);
        }
        push_change(&mut self.text, change.op, change);
        (self.text.len() >= self.piece).then(|| Bytes::from(std::mem::take(&mut self.text)))
    }

    /// The last piece; `more` says that there is more to read right now.
    pub fn finish(mut self, cursor: &Cursor, more: bool) -> Bytes {
        if self.open.is_some() {
            self.text.push_str("]}");
        }
        // Writing to a String cannot fail.
        let _ = write!(self.text, r#"],"cursor":"{cursor}","more":{more}}}"#);
        Bytes::from(self.text)
    }

    /// The answer that says what a whole `commits` frame says; none for a part, and for one of more than `most` changes.
    pub fn of_frame(frame: &[u8], most: usize) -> Option<Bytes> {
        let text = std::str::from_utf8(frame).ok()?;
        let (_, commits) = text.split_once(r#","commits":["#)?;
        let commits = commits.strip_suffix("\"}")?;
        if text.matches(CHANGE).count() > most {
            return None;
        }
        Some(Bytes::from(format!("{OPENING}{commits}\",\"more\":false}}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::frame::CommitsEncoder;
    use crate::words::{Op, Origin, Snapshot, Topic};
    use serde_json::{Value, json};
    use std::time::SystemTime;

    fn head(xid: Xid) -> CommitHead {
        CommitHead { xid, at: SystemTime::UNIX_EPOCH, actor: None, branch: None }
    }

    fn change(seq: i64) -> Change {
        let row = Some(format!(r#"{{"a":{seq}}}"#));
        let (channel, id, old) = ("orders".into(), Some("1".into()), None);
        Change { seq, channel, op: Op::Insert, id, version: Some(seq), row, old }
    }

    fn cursor() -> Cursor {
        Cursor { origin: Origin { installation: 1, generation: 2 }, snapshot: Snapshot::new(9, vec![]) }
    }

    #[test]
    fn the_pieces_are_one_body_that_says_what_a_frame_says() {
        let changes = [(7, 1), (7, 2), (8, 3), (9, 4), (9, 5)];
        let mut frame = CommitsEncoder::new(&Topic::parse("orders").unwrap(), 1 << 20);
        let mut answer = AnswerEncoder::new(200);
        let mut pieces = Vec::new();
        for (xid, seq) in changes {
            assert_eq!(frame.push(&head(xid), &change(seq)), None);
            pieces.extend(answer.push(&head(xid), &change(seq)));
        }
        pieces.push(answer.finish(&cursor(), false));
        assert!(pieces.len() > 2);
        let frame = frame.finish(&cursor());
        assert_eq!(AnswerEncoder::of_frame(&frame, 5).unwrap(), pieces.concat());
        assert_eq!(AnswerEncoder::of_frame(&frame, 4), None);
        let mut expected: Value = serde_json::from_slice(&frame).unwrap();
        let fields = expected.as_object_mut().unwrap();
        fields.retain(|name, _| !["type", "topic"].contains(&name.as_str()));
        fields.insert("more".into(), false.into());
        assert_eq!(serde_json::from_slice::<Value>(&pieces.concat()).unwrap(), expected);
    }

    #[test]
    fn nothing_is_an_answer_too_and_a_part_is_none() {
        let body = AnswerEncoder::new(9).finish(&cursor(), true);
        let expected = json!({"commits": [], "cursor": cursor().to_string(), "more": true});
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
        let part = br#"{"type":"commits","topic":"a","commits":[],"more":true}"#;
        assert_eq!(AnswerEncoder::of_frame(part, 9), None);
    }
}

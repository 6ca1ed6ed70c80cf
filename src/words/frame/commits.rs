//! `commits` frames: written once per topic, shared by everyone on it.
//!
//! Images go through as PostgreSQL wrote them. A frame over the limit is sent in parts; a commit cut in two
//! is named again in the next part, and only the last part carries the cursor.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::words::image::Columns;
use crate::words::{Change, CommitHead, Cursor, Op, Topic, Xid};

/// Writes the parts of one `commits` frame.
#[derive(Debug)]
pub struct CommitsEncoder {
    /// What every part begins with.
    opening: String,
    /// Bytes after which a part is closed before the next change.
    limit: usize,
    text: String,
    /// The commit whose changes are being written.
    open: Option<Xid>,
}

impl CommitsEncoder {
    /// An encoder for one drain of one topic; `limit` is in bytes.
    pub fn new(topic: &Topic, limit: usize) -> Self {
        let opening = format!(r#"{{"type":"commits","topic":{},"commits":["#, quoted(topic.text()));
        Self { text: opening.clone(), opening, limit, open: None }
    }

    /// Adds a change; returns a finished part when this change did not fit into it any more.
    pub fn push(&mut self, head: &CommitHead, change: &Change) -> Option<Bytes> {
        self.push_as(change.op, head, change)
    }

    /// The same of a change that is another thing to those who follow only some rows.
    pub fn push_as(&mut self, op: Op, head: &CommitHead, change: &Change) -> Option<Bytes> {
        let full = self.has_changes() && self.text.len() + change.weight() > self.limit;
        let part = full.then(|| self.cut());
        if self.open == Some(head.xid) {
            self.text.push(',');
        } else {
            self.close_commit();
            if self.has_changes() {
                self.text.push(',');
            }
            push_head(&mut self.text, head);
            self.open = Some(head.xid);
        }
        push_change(&mut self.text, op, change);
        part
    }

    /// The last part, with the cursor after everything in the frame.
    pub fn finish(mut self, cursor: &Cursor) -> Bytes {
        self.close_commit();
        // Writing to a String cannot fail.
        let _ = write!(self.text, r#"],"cursor":"{cursor}"}}"#);
        Bytes::from(self.text)
    }

    fn has_changes(&self) -> bool {
        self.text.len() > self.opening.len()
    }

    fn cut(&mut self) -> Bytes {
        self.close_commit();
        self.text.push_str(r#"],"more":true}"#);
        Bytes::from(std::mem::replace(&mut self.text, self.opening.clone()))
    }

    fn close_commit(&mut self) {
        if self.open.take().is_some() {
            self.text.push_str("]}");
        }
    }
}

/// One change by itself, with what its commit says of all its changes: an object.
pub fn told_alone(head: &CommitHead, change: &Change) -> String {
    let mut text = String::with_capacity(change.weight() + 200);
    text.push('{');
    push_commit(&mut text, head);
    text.push(',');
    push_fields(&mut text, change.op, change);
    text.push('}');
    text
}

pub(super) fn push_head(text: &mut String, head: &CommitHead) {
    text.push('{');
    push_commit(text, head);
    text.push_str(r#","changes":["#);
}

fn push_commit(text: &mut String, head: &CommitHead) {
    let at = humantime::format_rfc3339_micros(head.at);
    let _ = write!(text, r#""xid":"{}","at":"{at}","actor":"#, head.xid);
    text.push_str(&optional(head.actor.as_deref()));
    text.push_str(r#","branch":"#);
    text.push_str(&optional(head.branch.as_deref()));
}

pub(super) fn push_change(text: &mut String, op: Op, change: &Change) {
    text.push('{');
    push_fields(text, op, change);
    text.push('}');
}

fn push_fields(text: &mut String, op: Op, change: &Change) {
    let (seq, word) = (change.seq, op.word());
    let _ = write!(text, r#""seq":{seq},"channel":"{}","op":"{word}""#, change.channel);
    if let Some(id) = &change.id {
        text.push_str(r#","id":"#);
        text.push_str(&quoted(id));
    }
    if let Some(version) = change.version {
        let _ = write!(text, r#","version":{version}"#);
    }
    match op {
        Op::Insert | Op::Update => {
            push_image(text, "row", change.row.as_deref());
            if let (Some(row), Some(old)) = (&change.row, &change.old) {
                text.push_str(r#","old":"#);
                push_difference(text, row, old);
            }
        }
        Op::Delete => push_image(text, "old", change.old.as_deref()),
        Op::Enter => push_image(text, "row", change.row.as_deref()),
        Op::Leave | Op::Truncate | Op::Resync | Op::Unwatch => {}
    }
}

fn push_image(text: &mut String, name: &str, image: Option<&str>) {
    let _ = match image {
        Some(image) => write!(text, r#","{name}":{image}"#),
        None => write!(text, r#","{name}":null,"too_large":true"#),
    };
}

/// Writes those columns of the row before that are gone or have another value now.
fn push_difference(text: &mut String, row: &str, old: &str) {
    let (Ok(row), Ok(old)) = (serde_json::from_str::<Columns>(row), serde_json::from_str::<Columns>(old))
    else {
        // Both are PostgreSQL's own; should one ever not parse, the whole row before is still true.
        text.push_str(old);
        return;
    };
    text.push('{');
    let mut first = true;
    for (place, (name, value)) in old.iter().enumerate() {
        if row.value(place, name).is_some_and(|now| now.get() == value.get()) {
            continue;
        }
        if !std::mem::take(&mut first) {
            text.push(',');
        }
        text.push_str(&quoted(name));
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
}

fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), quoted)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Origin, Snapshot};
    use serde_json::{Value, json};
    use std::time::{Duration, SystemTime};

    fn head(xid: Xid) -> CommitHead {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_000);
        CommitHead { xid, at, actor: Some("an\"na".into()), branch: None }
    }

    fn change(seq: i64, op: Op, row: Option<&str>, old: Option<&str>) -> Change {
        let text = |value: Option<&str>| value.map(str::to_owned);
        Change {
            seq,
            channel: "orders".into(),
            op,
            id: Some("1".into()),
            version: Some(seq),
            row: text(row),
            old: text(old),
        }
    }

    fn cursor() -> Cursor {
        Cursor { origin: Origin { installation: 1, generation: 2 }, snapshot: Snapshot::new(9, vec![]) }
    }

    fn parsed(part: &Bytes) -> Value {
        serde_json::from_slice(part).unwrap()
    }

    #[test]
    fn one_frame_of_two_commits() {
        let mut encoder = CommitsEncoder::new(&Topic::parse("orders").unwrap(), 1 << 20);
        let row = r#"{"a":1,"b":"x","c":1e400000}"#;
        assert_eq!(encoder.push(&head(7), &change(1, Op::Insert, Some(row), None)), None);
        let old = r#"{"a":1,"b":"y","c":1e400000}"#;
        assert_eq!(encoder.push(&head(7), &change(2, Op::Update, Some(row), Some(old))), None);
        assert_eq!(encoder.push(&head(8), &change(3, Op::Delete, None, Some(row))), None);
        let text = encoder.finish(&cursor());
        let text = std::str::from_utf8(&text).unwrap();
        let expected = format!(
            concat!(
                r#"{{"type":"commits","topic":"orders","commits":[{{"xid":"7","at":"1970-01-01T00:00:01.500000Z","#,
                r#""actor":"an\"na","branch":null,"changes":[{{"seq":1,"channel":"orders","op":"insert","id":"1","version":1,"#,
                r#""row":{row}}},{{"seq":2,"channel":"orders","op":"update","id":"1","version":2,"row":{row},"old":{{"b":"y"}}}}]}},"#,
                r#"{{"xid":"8","at":"1970-01-01T00:00:01.500000Z","actor":"an\"na","branch":null,"#,
                r#""changes":[{{"seq":3,"channel":"orders","op":"delete","id":"1","version":3,"old":{row}}}]}}],"cursor":"{cursor}"}}"#
            ),
            row = row,
            cursor = cursor()
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn an_empty_frame_only_moves_the_cursor() {
        let frame = parsed(&CommitsEncoder::new(&Topic::parse("a").unwrap(), 100).finish(&cursor()));
        assert_eq!(
            frame,
            json!({"type": "commits", "topic": "a", "commits": [], "cursor": cursor().to_string()})
        );
    }

    #[test]
    fn a_large_commit_goes_in_parts_that_name_it_again() {
        let mut encoder = CommitsEncoder::new(&Topic::parse("orders").unwrap(), 600);
        let row = format!(r#"{{"a":"{}"}}"#, "x".repeat(150));
        let mut parts: Vec<Bytes> = (1..=7)
            .filter_map(|seq| encoder.push(&head(5), &change(seq, Op::Insert, Some(&row), None)))
            .collect();
        parts.push(encoder.finish(&cursor()));
        assert!(parts.len() > 2);
        let frames: Vec<Value> = parts.iter().map(parsed).collect();
        let (last, before) = frames.split_last().unwrap();
        assert!(before.iter().all(|frame| frame["more"] == true && frame.get("cursor").is_none()));
        assert!(last.get("more").is_none() && last["cursor"].is_string());
        let seqs: Vec<i64> = frames
            .iter()
            .flat_map(|frame| frame["commits"].as_array().unwrap())
            .inspect(|commit| assert_eq!(commit["xid"], "5"))
            .flat_map(|commit| commit["changes"].as_array().unwrap())
            .map(|change| change["seq"].as_i64().unwrap())
            .collect();
        assert_eq!(seqs, (1..=7).collect::<Vec<_>>());
        assert!(parts.iter().all(|part| part.len() <= 600 + 200));
    }

    #[test]
    fn an_image_that_is_missing_is_said_to_be_too_large() {
        let mut text = String::new();
        push_change(&mut text, Op::Update, &change(1, Op::Update, None, Some("{}")));
        let frame: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&frame["row"], &frame["too_large"]), (&Value::Null, &json!(true)));
        assert!(frame.get("old").is_none());
    }

    #[test]
    fn who_follows_some_rows_is_told_whether_one_enters_or_leaves() {
        let told = |op| {
            let mut text = String::new();
            push_change(&mut text, op, &change(5, Op::Update, Some(r#"{"a":1}"#), Some(r#"{"a":2}"#)));
            text
        };
        let named = |op| format!(r#"{{"seq":5,"channel":"orders","op":"{op}","id":"1","version":5"#);
        assert_eq!(told(Op::Enter), named("enter") + r#","row":{"a":1}}"#);
        assert_eq!(told(Op::Leave), named("leave") + "}");
    }

    #[test]
    fn the_difference_does_not_depend_on_order_or_escapes() {
        let mut text = String::new();
        push_difference(
            &mut text,
            r#"{"b\"":1, "a" : "\ud800", "d":2}"#,
            r#"{"a":"\ud800","b\"":2,"gone":[1, 2],"d":2}"#,
        );
        assert_eq!(text, r#"{"b\"":2,"gone":[1, 2]}"#);
    }
}

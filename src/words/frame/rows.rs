//! `rows` frames: a snapshot of a topic's channels, which the `commits` continue.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::words::{Cursor, Topic};

/// Writes the frames of one snapshot.
#[derive(Debug)]
pub struct RowsEncoder {
    /// What every frame begins with.
    opening: String,
    /// Bytes after which a frame is closed before the next row.
    limit: usize,
    /// The frame that is being written, and whether it has rows.
    open: Option<(String, bool)>,
    channel: Option<String>,
}

impl RowsEncoder {
    /// An encoder for one snapshot of one topic; `limit` is in bytes.
    pub fn new(topic: &Topic, limit: usize) -> Self {
        let name = serde_json::Value::from(topic.text());
        let opening = format!(r#"{{"type":"rows","topic":{name},"channel":"#);
        Self { opening, limit, open: None, channel: None }
    }

    /// Adds rows of a channel, each as PostgreSQL wrote it; returns the frames that are finished by that.
    pub fn push(&mut self, channel: &str, rows: &[String]) -> Vec<Bytes> {
        let mut finished = Vec::new();
        if self.channel.as_deref() != Some(channel) {
            finished.extend(self.close());
            self.channel = Some(channel.to_owned());
        }
        for row in rows {
            if self.open.as_ref().is_some_and(|(text, any)| *any && text.len() + row.len() > self.limit) {
                finished.extend(self.close());
            }
            let (text, any) = self.opened();
            if *any {
                text.push(',');
            }
            text.push_str(row);
            *any = true;
        }
        // A channel without rows is told of too.
        self.opened();
        finished
    }

    /// The last frame, with the cursor of the snapshot.
    pub fn finish(mut self, cursor: &Cursor) -> Bytes {
        let (mut text, _) = std::mem::take(self.opened());
        // Writing to a String cannot fail.
        let _ = write!(text, r#"],"more":false,"cursor":"{cursor}"}}"#);
        Bytes::from(text)
    }

    fn opened(&mut self) -> &mut (String, bool) {
        let (opening, channel) = (&self.opening, &self.channel);
        self.open.get_or_insert_with(|| {
            // A topic of all channels may have none.
            let channel =
                channel.as_ref().map_or_else(|| "null".to_owned(), |channel| format!("\"{channel}\""));
            (format!(r#"{opening}{channel},"rows":["#), false)
        })
    }

    fn close(&mut self) -> Option<Bytes> {
        let (mut text, _) = self.open.take()?;
        text.push_str(r#"],"more":true}"#);
        Some(Bytes::from(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Origin, Snapshot};
    use serde_json::{Value, json};

    fn cursor() -> Cursor {
        Cursor { origin: Origin { installation: 1, generation: 2 }, snapshot: Snapshot::new(9, vec![]) }
    }

    fn frames(parts: &[(&str, &[&str])], limit: usize) -> Vec<Value> {
        let mut encoder = RowsEncoder::new(&Topic::parse("a,b").unwrap(), limit);
        let mut frames = Vec::new();
        for (channel, rows) in parts {
            let rows: Vec<_> = rows.iter().map(|row| (*row).to_owned()).collect();
            frames.extend(encoder.push(channel, &rows));
        }
        frames.push(encoder.finish(&cursor()));
        frames.iter().map(|frame| serde_json::from_slice(frame).unwrap()).collect()
    }

    fn frame(channel: Value, rows: Value) -> Value {
        json!({"type": "rows", "topic": "a,b", "channel": channel, "rows": rows, "more": true})
    }

    fn last(mut frame: Value) -> Value {
        frame["more"] = json!(false);
        frame["cursor"] = json!(cursor().to_string());
        frame
    }

    #[test]
    fn every_channel_is_told_and_the_last_frame_has_the_cursor() {
        let told = frames(&[("a", &["{}", "1"]), ("a", &["2"]), ("b", &[])], 1000);
        assert_eq!(told, [frame(json!("a"), json!([{}, 1, 2])), last(frame(json!("b"), json!([])))]);
        assert_eq!(frames(&[("a", &[])], 1000), [last(frame(json!("a"), json!([])))]);
        assert_eq!(frames(&[], 1000), [last(frame(Value::Null, json!([])))]);
    }

    #[test]
    fn large_frames_are_cut_between_rows() {
        let row = format!("\"{}\"", "x".repeat(40));
        let told = frames(&[("a", &[&row, &row, &row, "1", "2"])], 120);
        let counts: Vec<_> = told.iter().map(|frame| frame["rows"].as_array().unwrap().len()).collect();
        assert_eq!(counts, [1, 1, 3]);
        assert!(
            told.iter().rev().skip(1).all(|frame| frame["more"] == true && frame.get("cursor").is_none())
        );
    }
}

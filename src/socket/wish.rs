//! What a `subscribe` frame wants, and why it may not have it.

use crate::feed::Start;
use crate::words::frame::{ErrorFrame, Subscribe};
use crate::words::{Cursor, Topic, parse_time};

/// A subscription that can be asked of the feed.
#[derive(Debug, PartialEq)]
pub(super) struct Wish {
    pub(super) topic: Topic,
    pub(super) start: Start,
}

impl Wish {
    /// Reads the fields of the frame; what is wrong with them is told with its topic and `ref`.
    pub(super) fn read(subscribe: &Subscribe) -> Result<Self, ErrorFrame> {
        let topic = read_topic(subscribe)?;
        let refused = |code, message: &str| {
            let topic = Some(topic.text().to_owned());
            Err(ErrorFrame {
                code,
                message: message.to_owned(),
                topic,
                reference: subscribe.reference.clone(),
            })
        };
        let start = match subscribe.since.as_deref() {
            Some(_) if subscribe.snapshot => {
                return refused(
                    "bad_value",
                    "a snapshot begins with all rows, so it takes no \"since\": leave one of them out",
                );
            }
            None if subscribe.snapshot => Start::Snapshot,
            None => Start::Now,
            // No cursor holds a colon, and every time of day does.
            Some(since) if since.contains(':') => match parse_time(since) {
                Some(time) => Start::At(time),
                None => return refused("bad_value", "not a time: write it as 2026-01-02T03:04:05Z"),
            },
            Some(since) => match Cursor::parse(since) {
                Ok(cursor) => Start::After(cursor),
                Err(error) => return refused("bad_value", &error.to_string()),
            },
        };
        Ok(Self { topic, start })
    }
}

fn read_topic(subscribe: &Subscribe) -> Result<Topic, ErrorFrame> {
    Topic::parse(&subscribe.topic).map_err(|bad| ErrorFrame {
        code: bad.code,
        message: bad.message,
        topic: Some(subscribe.topic.clone()),
        reference: subscribe.reference.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Origin, Snapshot};
    use serde_json::json;
    use std::time::{Duration, UNIX_EPOCH};

    fn frame(topic: &str, since: Option<&str>, snapshot: bool) -> Subscribe {
        Subscribe {
            topic: topic.into(),
            since: since.map(str::to_owned),
            snapshot,
            reference: Some(json!(1)),
        }
    }

    #[test]
    fn a_cursor_is_where_to_continue() {
        let origin = Origin { installation: 1, generation: 2 };
        let cursor = Cursor { origin, snapshot: Snapshot::new(9, vec![4]) };
        let wish = Wish::read(&frame("b,a", Some(&cursor.to_string()), false)).unwrap();
        assert_eq!((wish.topic.text(), wish.start), ("a,b", Start::After(cursor)));
        assert_eq!(Wish::read(&frame("a", None, false)).unwrap().start, Start::Now);
        assert_eq!(Wish::read(&frame("a", None, true)).unwrap().start, Start::Snapshot);
        let moment = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        for time in ["2026-01-01T00:00:00Z", "2026-01-01T02:00:00+02:00"] {
            assert_eq!(
                Wish::read(&frame("a", Some(time), false)).unwrap().start,
                Start::At(moment),
                "{time}"
            );
        }
    }

    #[test]
    fn what_cannot_be_had_is_told_with_topic_and_ref() {
        for (subscribe, code, topic) in [
            (frame("Orders", None, false), "unknown_channel", "Orders"),
            (frame("orders?a=equal.1", None, false), "bad_filter", "orders?a=equal.1"),
            (frame("b,a", Some("x"), true), "bad_value", "a,b"),
            (frame("a", Some("nonsense"), false), "bad_value", "a"),
            (frame("a", Some(""), false), "bad_value", "a"),
            (frame("a", Some("2026-01-01T00:00:00"), false), "bad_value", "a"),
            (frame("a", Some("2026-01-01T00:00:00 02:00"), false), "bad_value", "a"),
        ] {
            let told = Wish::read(&subscribe).unwrap_err();
            let shown = (told.code, told.topic.as_deref(), told.reference);
            assert_eq!(shown, (code, Some(topic), Some(json!(1))), "{subscribe:?}");
        }
    }
}

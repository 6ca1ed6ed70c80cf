//! The small messages a server sends; `commits` has a file of its own.

use serde_json::{Map, Value, json};

use crate::words::{Cursor, Topic};

/// Why a subscription ended and must begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetReason {
    /// The cursor is older than what the log keeps.
    Expired,
    /// The cursor is of another database or installation.
    Foreign,
    /// The database lost commits the cursor covers.
    Lost,
    /// The channel's meaning changed.
    Schema,
}

impl ResetReason {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            ResetReason::Expired => "expired",
            ResetReason::Foreign => "foreign",
            ResetReason::Lost => "lost",
            ResetReason::Schema => "schema",
        }
    }
}

/// What an `error` frame says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ErrorFrame {
    /// The wire's error code.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// The topic it is about.
    pub topic: Option<String>,
    /// Echoed.
    pub reference: Option<Value>,
}

/// `welcome`: the first frame of a session. `heartbeat` is in seconds.
pub fn welcome(session: &str, heartbeat: u64) -> String {
    let server = concat!("rowbell/", env!("CARGO_PKG_VERSION"));
    json!({"type": "welcome", "session": session, "heartbeat": heartbeat, "server": server}).to_string()
}

/// `subscribed`: the position is held, nothing after it is missed.
pub fn subscribed(topic: &Topic, cursor: &Cursor, recovered: bool, reference: Option<Value>) -> String {
    let fields = json!({"type": "subscribed", "topic": topic.text(), "cursor": cursor.to_string(), "recovered": recovered});
    with_reference(fields, reference)
}

/// `unsubscribed`, as the client asked.
pub fn unsubscribed(topic: &Topic, reference: Option<Value>) -> String {
    with_reference(json!({"type": "unsubscribed", "topic": topic.text()}), reference)
}

/// `unsubscribed`, because the channel is watched no longer.
pub fn unwatched(topic: &Topic) -> String {
    json!({"type": "unsubscribed", "topic": topic.text(), "reason": "unwatched"}).to_string()
}

/// `reset`: the subscription has ended and must begin anew.
pub fn reset(topic: &Topic, reason: ResetReason) -> String {
    json!({"type": "reset", "topic": topic.text(), "reason": reason.word()}).to_string()
}

/// `pong`.
pub fn pong(reference: Option<Value>) -> String {
    with_reference(json!({"type": "pong"}), reference)
}

/// `error`; the connection stays open.
pub fn error(error: ErrorFrame) -> String {
    let mut fields = json!({"type": "error", "code": error.code, "message": error.message});
    if let (Some(topic), Some(map)) = (error.topic, fields.as_object_mut()) {
        map.insert("topic".to_owned(), topic.into());
    }
    with_reference(fields, error.reference)
}

fn with_reference(mut fields: Value, reference: Option<Value>) -> String {
    let map: Option<&mut Map<String, Value>> = fields.as_object_mut();
    if let (Some(reference), Some(map)) = (reference, map) {
        map.insert("ref".to_owned(), reference);
    }
    fields.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Origin, Snapshot};

    #[test]
    fn frames_carry_type_topic_and_ref() {
        let topic = Topic::parse("orders").unwrap();
        let origin = Origin { installation: 1, generation: 2 };
        let cursor = Cursor { origin, snapshot: Snapshot::new(9, vec![]) };
        let frame: Value =
            serde_json::from_str(&subscribed(&topic, &cursor, true, Some(json!("r")))).unwrap();
        assert_eq!(frame["type"], "subscribed");
        assert_eq!(frame["ref"], "r");
        assert_eq!(Cursor::parse(frame["cursor"].as_str().unwrap()), Ok(cursor));
        assert_eq!(reset(&topic, ResetReason::Lost), r#"{"type":"reset","topic":"orders","reason":"lost"}"#);
        assert_eq!(pong(None), r#"{"type":"pong"}"#);
        let told =
            ErrorFrame { code: "bad_frame", message: "no".into(), topic: Some("a".into()), reference: None };
        assert_eq!(error(told), r#"{"type":"error","code":"bad_frame","message":"no","topic":"a"}"#);
    }
}

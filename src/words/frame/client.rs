//! What a client may say.

use std::fmt;

use serde_json::{Map, Value};

/// A message from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientFrame {
    /// Begin a subscription.
    Subscribe(Subscribe),
    /// End one.
    Unsubscribe {
        /// The topic as the client spells it.
        topic: String,
        /// Echoed.
        reference: Option<Value>,
    },
    /// A fresh token on a live connection.
    Auth {
        /// The token; none where the frame has none.
        token: Option<Token>,
    },
    /// Asks for a `pong`.
    Ping {
        /// Echoed.
        reference: Option<Value>,
    },
}

/// What a client shows to be let in; whoever writes it out by accident writes nothing.
#[derive(Clone, PartialEq)]
pub struct Token(String);

impl Token {
    /// The secret itself.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// The fields of `subscribe`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Subscribe {
    /// The topic as the client spells it.
    pub topic: String,
    /// Where to continue: a cursor or a time; absent means from now on.
    pub since: Option<String>,
    /// First the rows, then their changes.
    pub snapshot: bool,
    /// Echoed in the answer.
    pub reference: Option<Value>,
}

/// Why a message was not understood.
#[derive(Debug, Clone, PartialEq)]
pub enum BadFrame {
    /// Not JSON, or not an object: the peer speaks another language, and is told so by closing (4400).
    NotAnObject,
    /// An object that is not a frame: answered by an `error` frame, and the connection stays.
    Refused {
        /// The wire's error code.
        code: &'static str,
        /// What is wrong and what to do.
        message: String,
        /// The topic it was about, if it named one.
        topic: Option<String>,
        /// Echoed.
        reference: Option<Value>,
    },
}

impl ClientFrame {
    /// Reads one text message.
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
            return Err(BadFrame::NotAnObject);
        };
        let mut fields = Fields { topic: None, reference: None, fields };
        let frame = fields.read();
        frame.map_err(|(code, message)| BadFrame::Refused {
            code,
            message,
            topic: fields.topic,
            reference: fields.reference,
        })
    }
}

type Complaint = (&'static str, String);

/// The fields of one message, taken out one by one so that what is left over is unknown.
struct Fields {
    fields: Map<String, Value>,
    topic: Option<String>,
    reference: Option<Value>,
}

impl Fields {
    fn read(&mut self) -> Result<ClientFrame, Complaint> {
        let kind = self.text("type")?;
        self.reference = self.reference()?;
        let reference = self.reference.clone();
        let frame = match kind.as_deref() {
            Some("subscribe") => ClientFrame::Subscribe(Subscribe {
                topic: self.topic()?,
                since: self.text("since")?,
                snapshot: self.flag("snapshot")?,
                reference,
            }),
            Some("unsubscribe") => ClientFrame::Unsubscribe { topic: self.topic()?, reference },
            Some("auth") => ClientFrame::Auth { token: self.text("token")?.map(Token) },
            Some("ping") => ClientFrame::Ping { reference },
            Some(other) => {
                let known = "subscribe, unsubscribe, auth, ping";
                return Err(("bad_frame", format!("there is no frame of type {other:?}; there are {known}")));
            }
            None => return Err(("bad_frame", "a frame needs a \"type\"".to_owned())),
        };
        match self.fields.keys().next() {
            Some(field) => Err(("unknown_field", format!("this frame has no field {field:?}"))),
            None => Ok(frame),
        }
    }

    fn topic(&mut self) -> Result<String, Complaint> {
        let topic = self.required("topic")?;
        self.topic = Some(topic.clone());
        Ok(topic)
    }

    fn required(&mut self, name: &str) -> Result<String, Complaint> {
        self.text(name)?.ok_or_else(|| ("bad_frame", format!("this frame needs a {name:?}")))
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Complaint> {
        match self.fields.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(("bad_frame", format!("{name:?} must be a string"))),
        }
    }

    fn flag(&mut self, name: &str) -> Result<bool, Complaint> {
        match self.fields.remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(("bad_frame", format!("{name:?} must be true or false"))),
        }
    }

    fn reference(&mut self) -> Result<Option<Value>, Complaint> {
        match self.fields.remove("ref") {
            None | Some(Value::Null) => Ok(None),
            Some(value @ (Value::String(_) | Value::Number(_))) => Ok(Some(value)),
            Some(_) => Err(("bad_frame", "\"ref\" must be a string or a number".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(text: &str) -> (&'static str, Option<String>, Option<Value>) {
        match ClientFrame::parse(text) {
            Err(BadFrame::Refused { code, topic, reference, .. }) => (code, topic, reference),
            other => panic!("{text} gave {other:?}"),
        }
    }

    #[test]
    fn subscribe_with_everything() {
        let frame = ClientFrame::parse(
            r#"{"type":"subscribe","topic":"orders","since":"x","snapshot":true,"ref":7}"#,
        );
        let expected = Subscribe {
            topic: "orders".into(),
            since: Some("x".into()),
            snapshot: true,
            reference: Some(json!(7)),
        };
        assert_eq!(frame, Ok(ClientFrame::Subscribe(expected)));
    }

    #[test]
    fn what_is_no_object_is_another_language() {
        for text in ["", "hello", "[1]", "7", "null", "{\"type\":", "\u{feff}{}", "{} {}"] {
            assert_eq!(ClientFrame::parse(text), Err(BadFrame::NotAnObject), "{text}");
        }
    }

    #[test]
    fn a_bad_frame_is_answered_with_its_ref_and_topic() {
        assert_eq!(refused("{}"), ("bad_frame", None, None));
        assert_eq!(refused(r#"{"type":"publish","ref":"a"}"#), ("bad_frame", None, Some(json!("a"))));
        assert_eq!(refused(r#"{"type":"subscribe","ref":1}"#), ("bad_frame", None, Some(json!(1))));
        assert_eq!(
            refused(r#"{"type":"subscribe","topic":"a","sinc":"x"}"#),
            ("unknown_field", Some("a".into()), None)
        );
        assert_eq!(
            refused(r#"{"type":"subscribe","topic":"a","snapshot":1}"#),
            ("bad_frame", Some("a".into()), None)
        );
        assert_eq!(refused(r#"{"type":"subscribe","topic":7}"#), ("bad_frame", None, None));
        assert_eq!(refused(r#"{"type":"ping","ref":{}}"#), ("bad_frame", None, None));
        assert_eq!(refused(r#"{"type":7}"#), ("bad_frame", None, None));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = ClientFrame::parse(&text);
        }
    }
}

//! The frames a server sends, as a client reads them: fields nobody knows are passed over, and frames of a type
//! nobody knows too.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::change::Commit;
use super::error::{Error, Refusal, Result};

/// A heartbeat that a server may announce, in seconds; whatever it says is brought in between.
const HEARTBEATS: std::ops::RangeInclusive<u64> = 1..=600;

/// Why a subscription must begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ResetReason {
    /// The cursor is older than what the log keeps.
    Expired,
    /// The cursor is of another database or installation, as before a dump was restored.
    Foreign,
    /// The database lost commits the cursor covers, as at a failover to a standby that lagged.
    Lost,
    /// The channel means something else now: watched anew, resynced.
    Schema,
    /// A reason this version has no word for.
    #[serde(other)]
    Other,
}

/// One frame of the one subscription a connection holds.
#[derive(Debug)]
pub(super) enum Frame {
    Welcome {
        heartbeat: Duration,
    },
    Subscribed {
        cursor: String,
        recovered: bool,
    },
    Rows {
        channel: String,
        rows: Vec<Box<RawValue>>,
        cursor: Option<String>,
    },
    Commits {
        commits: Vec<Commit>,
        cursor: Option<String>,
    },
    Reset(ResetReason),
    Unsubscribed,
    Refused(Error),
    /// Nothing to do about it.
    Other,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Welcome {
    heartbeat: u64,
}

#[derive(Deserialize)]
struct Subscribed {
    cursor: String,
    #[serde(default)]
    recovered: bool,
}

#[derive(Deserialize)]
struct Rows {
    channel: String,
    rows: Vec<Box<RawValue>>,
    #[serde(default)]
    more: bool,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Commits {
    commits: Vec<Commit>,
    #[serde(default)]
    more: bool,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Reset {
    reason: ResetReason,
}

#[derive(Deserialize)]
struct Refused {
    code: String,
    #[serde(default)]
    message: String,
}

impl Frame {
    /// Reads one text message.
    pub(super) fn read(text: &str) -> Result<Self> {
        let Kind { kind } = parse(text, "a frame")?;
        Ok(match &*kind {
            "welcome" => {
                let seconds = parse::<Welcome>(text, &kind)?.heartbeat;
                let heartbeat = seconds.clamp(*HEARTBEATS.start(), *HEARTBEATS.end());
                Frame::Welcome { heartbeat: Duration::from_secs(heartbeat) }
            }
            "subscribed" => {
                let Subscribed { cursor, recovered } = parse(text, &kind)?;
                Frame::Subscribed { cursor, recovered }
            }
            "rows" => {
                let Rows { channel, rows, more, cursor } = parse(text, &kind)?;
                Frame::Rows { channel, rows, cursor: position(&kind, more, cursor)? }
            }
            "commits" => {
                let Commits { commits, more, cursor } = parse(text, &kind)?;
                Frame::Commits { commits, cursor: position(&kind, more, cursor)? }
            }
            "reset" => Frame::Reset(parse::<Reset>(text, &kind)?.reason),
            "unsubscribed" => Frame::Unsubscribed,
            "error" => {
                let Refused { code, message } = parse(text, &kind)?;
                let attempted = format!("the server refused the subscription: {code}: {message}");
                Frame::Refused(Error::refused(Refusal { code: Some(code), ..Refusal::default() }, attempted))
            }
            _ => Frame::Other,
        })
    }
}

/// The cursor of a frame that is whole; a part has none, and one that is neither is no frame.
fn position(kind: &str, more: bool, cursor: Option<String>) -> Result<Option<String>> {
    match (more, cursor) {
        (true, _) => Ok(None),
        (false, Some(cursor)) => Ok(Some(cursor)),
        (false, None) => Err(Error::unexpected(format!("a frame of type {kind} has no cursor and no more"))),
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str, kind: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::unexpected(format!("could not read {kind} from the server")).with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_and_what_is_new_is_passed_over() {
        let read = |text: &str| Frame::read(text).unwrap();
        let welcome = read(r#"{"type":"welcome","session":"a","heartbeat":25,"server":"rowbell/9","x":[1]}"#);
        assert!(matches!(welcome, Frame::Welcome { heartbeat } if heartbeat.as_secs() == 25));
        for seconds in ["0", "18446744073709551615"] {
            let text = format!(r#"{{"type":"welcome","heartbeat":{seconds}}}"#);
            assert!(
                matches!(read(&text), Frame::Welcome { heartbeat } if (1..=600).contains(&heartbeat.as_secs()))
            );
        }
        assert!(matches!(read(r#"{"type":"pong"}"#), Frame::Other));
        assert!(matches!(read(r#"{"type":"novelty","cursor":7,"rows":{}}"#), Frame::Other));
        assert!(matches!(read(r#"{"type":"reset","reason":"lost"}"#), Frame::Reset(ResetReason::Lost)));
        assert!(matches!(read(r#"{"type":"reset","reason":"bored"}"#), Frame::Reset(ResetReason::Other)));
        let Frame::Commits { cursor, .. } = read(r#"{"type":"commits","commits":[],"more":true}"#) else {
            panic!()
        };
        assert_eq!(cursor, None);
        let Frame::Rows { rows, cursor, .. } =
            read(r#"{"type":"rows","topic":"a","channel":"a","rows":[{"id":1}],"more":false,"cursor":"c"}"#)
        else {
            panic!()
        };
        assert_eq!((rows.len(), cursor.as_deref()), (1, Some("c")));
        let Frame::Refused(error) = read(r#"{"type":"error","code":"unknown_channel","message":"no"}"#)
        else {
            panic!()
        };
        assert_eq!(error.code(), Some("unknown_channel"));
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for text in [
            "",
            "[]",
            "{}",
            "<html>",
            r#"{"type":7}"#,
            r#"{"type":"welcome"}"#,
            r#"{"type":"welcome","heartbeat":-1}"#,
            r#"{"type":"subscribed"}"#,
            r#"{"type":"commits","cursor":"c"}"#,
            r#"{"type":"commits","commits":[]}"#,
            r#"{"type":"commits","commits":[{"xid":7}],"cursor":"c"}"#,
            r#"{"type":"commits","commits":[{"xid":"7","at":"","changes":[{"seq":1,"channel":"a","op":"merge"}]}],"cursor":"c"}"#,
            r#"{"type":"rows","channel":"a","rows":7,"cursor":"c"}"#,
            r#"{"type":"rows","channel":"a","rows":[]}"#,
            r#"{"type":"error"}"#,
        ] {
            assert!(Frame::read(text).is_err_and(|error| error.is_unexpected()), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*", cut in 0..200_usize) {
            let _ = Frame::read(&text);
            let whole = r#"{"type":"commits","commits":[{"xid":"7","at":"","changes":[{"seq":1,"channel":"a","op":"insert"}]}],"cursor":"c"}"#;
            let _ = Frame::read(whole.get(..cut).unwrap_or(whole));
        }
    }
}

//! What a WebSocket's URL asks for.

use percent_encoding::percent_decode_str;

use super::close::Close;
use crate::words::frame::{ErrorFrame, Subscribe};

/// What a session begins with.
#[derive(Debug, PartialEq)]
pub(super) enum Visit {
    /// Told why, then closed.
    Refused(ErrorFrame, Close),
    /// It subscribes later, by frames.
    Free,
    /// The URL names a topic.
    Subscribing(Subscribe),
    /// The URL asks for something that is not served; told so, and the session stays.
    Mistaken(ErrorFrame),
}

/// The parameters of a feed's URL.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Query {
    /// The token of a browser, which cannot send it in a header.
    pub(super) token: Option<String>,
    since: Option<String>,
    snapshot: Option<String>,
    /// Every other parameter, as it stands in the URL: the row filters.
    filters: Vec<String>,
    /// A parameter that stands there twice, or belongs to another transport.
    mistake: Option<String>,
}

impl Query {
    /// Reads the part of the URL after the `?`.
    pub(super) fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).next() else { continue };
            let place = match &*name {
                "token" => &mut query.token,
                "since" => &mut query.since,
                "snapshot" => &mut query.snapshot,
                "wait" | "limit" => {
                    query.mistake =
                        Some(format!("{name:?} is a parameter of long polls, not of a WebSocket"));
                    continue;
                }
                _ => {
                    query.filters.push(pair.to_owned());
                    continue;
                }
            };
            if place.replace(value.into_owned()).is_some() {
                query.mistake = Some(format!("the URL has {name:?} twice"));
            }
        }
        query
    }

    /// The visit of `/feed` and `/ws`.
    pub(super) fn without_topic(self) -> Visit {
        let alone = self.since.is_none() && self.snapshot.is_none() && self.filters.is_empty();
        let message = match self.mistake {
            None if alone => return Visit::Free,
            None => "without a topic the URL takes only a token; subscribe by a frame".to_owned(),
            Some(mistake) => mistake,
        };
        Visit::Mistaken(ErrorFrame { code: "bad_value", message, ..ErrorFrame::default() })
    }

    /// The visit of `/feed/{topic}`; the topic comes as it stands in the path.
    pub(super) fn with_topic(self, topic: &str) -> Visit {
        let Ok(mut topic) = percent_decode_str(topic).decode_utf8().map(String::from) else {
            let message = "the topic in the URL is not UTF-8".to_owned();
            let told = ErrorFrame { code: "unknown_channel", message, ..ErrorFrame::default() };
            return Visit::Refused(told, Close::UnknownTopic);
        };
        if !self.filters.is_empty() {
            topic = format!("{topic}?{}", self.filters.join("&"));
        }
        let mistaken = |code, message| {
            Visit::Mistaken(ErrorFrame { code, message, topic: Some(topic.clone()), reference: None })
        };
        if let Some(mistake) = self.mistake {
            return mistaken("bad_value", mistake);
        }
        let snapshot = match self.snapshot.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return mistaken("bad_value", "\"snapshot\" must be true or false".to_owned()),
        };
        Visit::Subscribing(Subscribe { topic, since: self.since, snapshot, reference: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribe(topic: &str, since: Option<&str>, snapshot: bool) -> Visit {
        let since = since.map(str::to_owned);
        Visit::Subscribing(Subscribe { topic: topic.into(), since, snapshot, reference: None })
    }

    #[test]
    fn a_url_reads_like_a_subscribe_frame() {
        for (topic, query, visit) in [
            ("orders", "", subscribe("orders", None, false)),
            ("orders%2Cstock-movements", "token=t", subscribe("orders,stock-movements", None, false)),
            ("orders", "since=AQ%3D&snapshot=true", subscribe("orders", Some("AQ="), true)),
            ("orders", "snapshot=false&&", subscribe("orders", None, false)),
            ("%2A", "", subscribe("*", None, false)),
            (
                "orders",
                "branch_id=eq.3&since=x&a=b%26c",
                subscribe("orders?branch_id=eq.3&a=b%26c", Some("x"), false),
            ),
        ] {
            assert_eq!(Query::parse(query).with_topic(topic), visit, "{topic} {query}");
        }
    }

    #[test]
    fn what_a_url_cannot_mean_is_told() {
        for query in ["snapshot=1", "snapshot=", "since=a&since=b", "wait=30", "limit=1"] {
            let visit = Query::parse(query).with_topic("orders");
            assert!(
                matches!(&visit, Visit::Mistaken(told) if told.code == "bad_value"),
                "{query}: {visit:?}"
            );
        }
        assert!(matches!(Query::parse("").with_topic("%FF"), Visit::Refused(_, Close::UnknownTopic)));
        for (query, free) in
            [("", true), ("token=t", true), ("since=x", false), ("a=b", false), ("wait=1", false)]
        {
            assert_eq!(Query::parse(query).without_topic() == Visit::Free, free, "{query}");
        }
    }

    #[test]
    fn the_token_is_decoded() {
        assert_eq!(Query::parse("token=a%2Bb+c").token.as_deref(), Some("a+b c"));
    }

    proptest::proptest! {
        #[test]
        fn no_url_panics(topic in "\\PC*", query in "\\PC*") {
            let _ = Query::parse(&query).with_topic(&topic);
            let _ = Query::parse(&query).without_topic();
        }
    }
}

//! What the URL of a feed asks for.

use percent_encoding::percent_decode_str;

use super::close::Close;
use crate::words::frame::{ErrorFrame, Subscribe};

/// What a WebSocket session begins with.
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
    /// Of long polls: seconds.
    pub(super) wait: Option<String>,
    /// Of long polls: changes.
    pub(super) limit: Option<String>,
    /// Every other parameter, as it stands in the URL: the row filters.
    filters: Vec<String>,
    /// A parameter that stands there twice.
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
                "wait" => &mut query.wait,
                "limit" => &mut query.limit,
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
    pub(super) fn without_topic(mut self) -> Visit {
        let alone = self.since.is_none() && self.snapshot.is_none() && self.filters.is_empty();
        let message = match self.mistake.take().or_else(|| self.of_polls_only()) {
            None if alone => return Visit::Free,
            None => "without a topic the URL takes only a token; subscribe by a frame".to_owned(),
            Some(mistake) => mistake,
        };
        Visit::Mistaken(ErrorFrame { code: "bad_value", message, ..ErrorFrame::default() })
    }

    /// The visit of `/feed/{topic}`; the topic comes as it stands in the path.
    pub(super) fn with_topic(self, topic: &str) -> Visit {
        match self.subscribe(topic) {
            Ok(subscribe) => Visit::Subscribing(subscribe),
            Err(told) if told.code == "unknown_channel" => Visit::Refused(told, Close::UnknownTopic),
            Err(told) => Visit::Mistaken(told),
        }
    }

    /// The same as a frame that subscribes, for whatever transport sends frames.
    pub(super) fn subscribe(mut self, topic: &str) -> Result<Subscribe, ErrorFrame> {
        let Ok(mut topic) = percent_decode_str(topic).decode_utf8().map(String::from) else {
            let message = "the topic in the URL is not UTF-8".to_owned();
            return Err(ErrorFrame { code: "unknown_channel", message, ..ErrorFrame::default() });
        };
        if !self.filters.is_empty() {
            topic = format!("{topic}?{}", self.filters.join("&"));
        }
        if let Some(message) = self.mistake.take().or_else(|| self.of_polls_only()) {
            return Err(ErrorFrame { code: "bad_value", message, topic: Some(topic), reference: None });
        }
        let snapshot = match self.snapshot.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                let message = "\"snapshot\" must be true or false".to_owned();
                return Err(ErrorFrame { code: "bad_value", message, topic: Some(topic), reference: None });
            }
        };
        Ok(Subscribe { topic, since: self.since, snapshot, reference: None })
    }

    /// Continues after this event, whatever the URL says: a browser comes back with the URL it began with.
    pub(super) fn continue_after(&mut self, last_event_id: String) {
        self.since = Some(last_event_id);
        self.snapshot = None;
    }

    /// What is wrong with a parameter that a poll has not taken out.
    fn of_polls_only(&self) -> Option<String> {
        let name = self.wait.as_ref().map(|_| "wait").or(self.limit.as_ref().map(|_| "limit"))?;
        Some(format!("{name:?} is a parameter of long polls, not of a WebSocket or a stream of events"))
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

//! What a subscription is about: channels, in one canonical spelling.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Longest topic a client may name, in bytes.
const LONGEST: usize = 4096;

/// A canonical topic: the text that names the subscription from then on.
///
/// Channels are sorted and named once; `*` stands for every channel the session may read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    text: Arc<str>,
    channels: Option<Arc<[Arc<str>]>>,
}

/// Why a text is not a topic. `code` is the wire's error code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTopic {
    /// `unknown_channel` or `bad_filter`.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl Topic {
    /// Reads `orders,clients` or `*`.
    pub fn parse(text: &str) -> Result<Self, BadTopic> {
        let unknown = |message: String| Err(BadTopic { code: "unknown_channel", message });
        if text.len() > LONGEST {
            return unknown(format!("a topic is at most {LONGEST} bytes long"));
        }
        let (names, filter) =
            text.split_once('?').map_or((text, None), |(names, filter)| (names, Some(filter)));
        if filter.is_some_and(|filter| !filter.is_empty()) {
            let message =
                "row filters in a topic are not served by this version; subscribe to the channel".to_owned();
            return Err(BadTopic { code: "bad_filter", message });
        }
        if names == "*" {
            return Ok(Self { text: "*".into(), channels: None });
        }
        let mut channels = BTreeSet::new();
        for name in names.split(',') {
            if !is_channel_name(name) {
                return unknown(format!(
                    "{name:?} is not a channel name: channels are a-z, 0-9 and -, joined by commas, or * for all"
                ));
            }
            channels.insert(name);
        }
        let text = channels.iter().copied().collect::<Vec<_>>().join(",");
        let channels = channels.into_iter().map(Arc::from).collect::<Vec<_>>();
        Ok(Self { text: text.into(), channels: Some(channels.into()) })
    }

    /// The canonical text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The channels it names; none when it stands for all of them.
    pub fn channels(&self) -> Option<&[Arc<str>]> {
        self.channels.as_deref()
    }

    /// True when a change of that channel belongs to the topic.
    pub fn holds(&self, channel: &str) -> bool {
        self.channels.as_ref().is_none_or(|channels| channels.iter().any(|name| &**name == channel))
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// True for a name a channel can have.
pub fn is_channel_name(name: &str) -> bool {
    name.len() <= 48
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && name != "batch"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_per_set_of_channels() {
        let topic = Topic::parse("stock-movements,orders,orders").unwrap();
        assert_eq!(topic.text(), "orders,stock-movements");
        assert_eq!(topic, Topic::parse("orders,stock-movements").unwrap());
        assert!(topic.holds("orders") && !topic.holds("order"));
        assert!(Topic::parse("*").unwrap().holds("anything"));
        assert_eq!(Topic::parse("orders?").unwrap().text(), "orders");
    }

    #[test]
    fn what_is_no_topic_is_told_so() {
        for text in ["", ",", "orders,", "Orders", "orders clients", "1st", "batch", "a\r\nb", "*,orders"] {
            assert_eq!(Topic::parse(text).unwrap_err().code, "unknown_channel", "{text:?}");
        }
        assert!(Topic::parse(&format!("a{}", "b".repeat(48))).is_err());
        assert_eq!(Topic::parse("orders?branch_id=eq.3").unwrap_err().code, "bad_filter");
        assert!(Topic::parse(&"a,".repeat(4000)).is_err());
    }
}

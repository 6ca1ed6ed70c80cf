//! What a subscription is about: channels, or some rows of one, in one canonical spelling.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::filter::Filter;

/// Longest topic a client may name, in bytes.
const LONGEST: usize = 4096;

/// What lists take and topics do not.
const OF_LISTS: [&str; 4] = ["select", "order", "limit", "offset"];

/// A canonical topic: the text that names the subscription from then on.
///
/// Channels are sorted and named once, and so are filters; `*` stands for every channel the session may read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    text: Arc<str>,
    channels: Option<Arc<[Arc<str>]>>,
    filter: Option<Arc<Filter>>,
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
    /// Reads `orders,clients`, `orders?branch_id=eq.3` or `*`.
    pub fn parse(text: &str) -> Result<Self, BadTopic> {
        if text.len() > LONGEST {
            return Err(unknown(format!("a topic is at most {LONGEST} bytes long")));
        }
        let (names, filter) = text.split_once('?').unwrap_or((text, ""));
        let filter = read_filter(filter)?;
        let channels = read_channels(names)?;
        let mut text = channels.as_ref().map_or_else(|| "*".to_owned(), |names| names.join(","));
        if let Some(filter) = &filter {
            if channels.as_ref().is_none_or(|names| names.len() > 1) {
                return Err(bad_filter(
                    "a filter is of one channel: subscribe to each with its own".to_owned(),
                ));
            }
            text = format!("{text}?{filter}");
        }
        let channels = channels.map(|names| names.into_iter().map(Arc::from).collect());
        Ok(Self { text: text.into(), channels, filter: filter.map(Arc::new) })
    }

    /// The canonical text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The channels it names; none when it stands for all of them.
    pub fn channels(&self) -> Option<&[Arc<str>]> {
        self.channels.as_deref()
    }

    /// Which rows of its one channel it is about; none for all.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_deref()
    }

    /// True when a change of that channel belongs to the topic.
    pub fn holds(&self, channel: &str) -> bool {
        self.channels.as_ref().is_none_or(|channels| channels.iter().any(|name| &**name == channel))
    }
}

fn unknown(message: String) -> BadTopic {
    BadTopic { code: "unknown_channel", message }
}

fn bad_filter(message: String) -> BadTopic {
    BadTopic { code: "bad_filter", message }
}

/// The channels named, sorted; none for `*`.
fn read_channels(names: &str) -> Result<Option<Vec<&str>>, BadTopic> {
    if names == "*" {
        return Ok(None);
    }
    let channels: BTreeSet<&str> = names.split(',').collect();
    match channels.iter().find(|name| !is_channel_name(name)) {
        Some(name) => Err(unknown(format!(
            "{name:?} is not a channel name: channels are a-z, 0-9 and -, joined by commas, or * for all"
        ))),
        None => Ok(Some(channels.into_iter().collect())),
    }
}

/// The filter of a query; none where every row is wanted.
fn read_filter(query: &str) -> Result<Option<Filter>, BadTopic> {
    if percent_decode_str(query).decode_utf8().is_err() {
        return Err(bad_filter("the filter is not UTF-8 once decoded".to_owned()));
    }
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    if let Some((name, _)) = pairs.iter().find(|(name, _)| OF_LISTS.contains(&&**name)) {
        return Err(bad_filter(format!(
            "{name} is of lists; a topic takes filters alone, and a column of that name stands in double quotes"
        )));
    }
    let filter = Filter::read(pairs.iter().map(|(name, value)| (&**name, &**value)));
    let filter = filter.map_err(|bad| bad_filter(bad.message))?;
    Ok(Some(filter).filter(|filter| !filter.is_empty()))
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
    fn filters_have_one_spelling_too() {
        let topic = Topic::parse("orders?total=gte.100&branch_id=in.(3,2)&total=gte.100").unwrap();
        assert_eq!(topic.text(), "orders?branch_id=in.(2,3)&total=gte.100");
        assert_eq!(topic, Topic::parse("orders?and=(branch_id.in.(2,3),total.gte.100)").unwrap());
        assert_eq!(topic, Topic::parse(topic.text()).unwrap());
        assert!(topic.holds("orders") && topic.filter().is_some());
        assert_eq!(Topic::parse("orders?\"limit\"=eq.1").unwrap().text(), "orders?\"limit\"=eq.1");
    }

    #[test]
    fn what_is_no_topic_is_told_so() {
        for text in ["", ",", "orders,", "Orders", "orders clients", "1st", "batch", "a\r\nb", "*,orders"] {
            assert_eq!(Topic::parse(text).unwrap_err().code, "unknown_channel", "{text:?}");
        }
        assert!(Topic::parse(&format!("a{}", "b".repeat(48))).is_err());
        for text in
            ["orders,clients?a=eq.1", "*?a=eq.1", "orders?a=1", "orders?limit=eq.1", "orders?a=eq.%FF"]
        {
            assert_eq!(Topic::parse(text).unwrap_err().code, "bad_filter", "{text:?}");
        }
        assert!(Topic::parse(&"a,".repeat(4000)).is_err());
    }
}

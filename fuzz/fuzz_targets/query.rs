//! The query of a list, a filter, a topic and a time as a URL has them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rowbell::words::{Filter, ListQuery, Topic, parse_time};

fuzz_target!(|text: &str| {
    let _ = ListQuery::parse(text);
    let (column, filter) = text.split_once('=').unwrap_or(("a", text));
    let _ = Filter::read([(column, filter)]);
    let _ = parse_time(text);
    if let Ok(topic) = Topic::parse(text) {
        // The canonical form names the same topic.
        assert_eq!(Topic::parse(topic.text()), Ok(topic));
    }
});

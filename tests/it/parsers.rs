//! What clients send, changed at random from what they should send: every parser answers, and what it takes is what it
//! would write. `fuzz/` has the same without bounds.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use rowbell::words::frame::{BadFrame, ClientFrame};
use rowbell::words::{Cursor, Filter, ListQuery, Origin, Snapshot, Topic, parse_time};

/// Good texts to begin with.
const FRAMES: [&str; 5] = [
    r#"{"type":"subscribe","topic":"orders,items?a=eq.3","since":"AQ","snapshot":false,"ref":7}"#,
    r#"{"type":"unsubscribe","topic":"orders","ref":"x"}"#,
    r#"{"type":"auth","token":"s3cret"}"#,
    r#"{"type":"ping","ref":1e400}"#,
    r#"[{"type":"ping"}]"#,
];
const QUERIES: [&str; 6] = [
    "a=eq.1&b=not.in.(1,\"x,y\",%22)&order=c.desc.nullslast,d&limit=5&offset=7",
    "note=is.null&note=not.eq.a+b%2Cc",
    "orders,stock-movements?branch_id=eq.3&total=gte.100",
    "in.(a,b,\\\"",
    "2026-01-02T03:04:05.678901+02:00",
    "2024-02-29T23:59:60Z",
];

/// One change to a text: at which place, of which kind, with which byte.
type Edit = (usize, u8, u8);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec((any::<usize>(), 0..5u8, any::<u8>()), 0..6)
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for (at, kind, byte) in edits {
        let at = at % (bytes.len() + 1);
        match kind {
            0 => bytes.insert(at, *byte),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => bytes[at] = *byte,
            3 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes
}

fn sealed(body: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode([body, &crc32fast::hash(body).to_be_bytes()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cursors_are_refused_or_mean_what_they_say(
        xids in prop::collection::vec(1..100_000u64, 0..20), xmax in 1..=u64::MAX, edits in edits()
    ) {
        let origin = Origin { installation: -1, generation: 5 };
        let text = Cursor { origin, snapshot: Snapshot::new(xmax, xids) }.to_string();
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        let body = edited(bytes[..bytes.len() - 4].to_vec(), &edits);
        let wild = String::from_utf8_lossy(&edited(text.into_bytes(), &edits)).into_owned();
        for text in [sealed(&body), wild] {
            let Ok(cursor) = Cursor::parse(&text) else { continue };
            let snapshot = &cursor.snapshot;
            prop_assert!(snapshot.in_progress().is_sorted() && snapshot.xmin() > 0);
            prop_assert!(snapshot.covers_all_of(snapshot) && !snapshot.covers(snapshot.xmin()));
            prop_assert!(cursor.fits() && cursor.to_string().len() <= text.len());
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
        }
    }

    #[test]
    fn frames_are_read_or_told_what_is_wrong(frame in prop::sample::select(&FRAMES[..]), edits in edits()) {
        let text = String::from_utf8_lossy(&edited(frame.into(), &edits)).into_owned();
        match ClientFrame::parse(&text) {
            Ok(frame) => prop_assert!(!format!("{frame:?}").contains("s3cret"), "a token is written out"),
            Err(BadFrame::NotAnObject) => {
                prop_assert!(!serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|value| value.is_object()));
            }
            Err(BadFrame::Refused { code, message, .. }) => prop_assert!(!code.is_empty() && !message.is_empty()),
        }
    }

    #[test]
    fn queries_topics_and_times_are_read_or_refused(
        query in prop::sample::select(&QUERIES[..]), edits in edits()
    ) {
        let text = String::from_utf8_lossy(&edited(query.into(), &edits)).into_owned();
        for refused in [ListQuery::parse(&text).err(), Filter::read([("a", &*text)]).err(), Filter::read([("or", &*text)]).err()].into_iter().flatten() {
            prop_assert!(!refused.code.is_empty() && !refused.message.is_empty());
        }
        let _ = parse_time(&text);
        if let Ok(topic) = Topic::parse(&text) {
            prop_assert_eq!(Topic::parse(topic.text()), Ok(topic));
        }
    }
}

//! Every frame in every state that matters, without a socket.

use super::*;
use crate::client::error::Refusal;

fn course(start: Start, parts: Parts) -> Course {
    Course::new("orders".to_owned(), start, parts)
}

fn subscribed(cursor: &str) -> Frame {
    Frame::Subscribed { cursor: cursor.into(), recovered: false }
}

/// A `commits` frame: each word is `xid:seq`.
fn commits(words: &str, cursor: Option<&str>) -> Frame {
    let commit = |word: &str| {
        let (xid, seq) = word.split_once(':').unwrap();
        let change = format!(r#"{{"seq":{seq},"channel":"orders","op":"insert","id":"{seq}"}}"#);
        serde_json::from_str(&format!(r#"{{"xid":"{xid}","at":"","changes":[{change}]}}"#)).unwrap()
    };
    Frame::Commits {
        commits: words.split_whitespace().map(commit).collect(),
        cursor: cursor.map(str::to_owned),
    }
}

fn rows(cursor: Option<&str>) -> Frame {
    let rows = vec![serde_json::value::to_raw_value(&json!({"id": 1})).unwrap()];
    Frame::Rows { channel: "orders".into(), rows, cursor: cursor.map(str::to_owned) }
}

/// Everything that is told, one word an event.
fn told(course: &mut Course) -> Vec<String> {
    let word = |event: Result<Event>| match event {
        Ok(Event::Subscribed { cursor, .. }) => format!("subscribed@{cursor}"),
        Ok(Event::SnapshotBegins) => "snapshot".to_owned(),
        Ok(Event::Rows(rows)) => format!("rows@{}", rows.cursor.unwrap_or_default()),
        Ok(Event::Commits(frame)) => format!("{}@{}", changes(&frame.commits), frame.cursor),
        Ok(Event::Part(commits)) => format!("part {}", changes(&commits)),
        Ok(Event::Reset(reason)) => format!("reset {reason:?}"),
        Ok(Event::Unwatched) => "unwatched".to_owned(),
        Ok(Event::Disconnected(_)) => "disconnected".to_owned(),
        Err(error) => format!("error {error:?}"),
    };
    std::iter::from_fn(|| course.take()).map(word).collect()
}

/// `7:1,2 8:3`.
fn changes(commits: &[Commit]) -> String {
    let line = |commit: &Commit| {
        let seqs: Vec<_> = commit.changes.iter().map(|change| change.seq.to_string()).collect();
        format!("{}:{}", commit.xid, seqs.join(","))
    };
    commits.iter().map(line).collect::<Vec<_>>().join(" ")
}

fn lost() -> Error {
    Error::unreachable("lost")
}

#[test]
fn a_broken_connection_continues_from_the_last_whole_frame() {
    let mut course = course(Start::Now, Parts::Whole(1 << 20));
    assert_eq!(course.wish(), r#"{"type":"subscribe","topic":"orders"}"#);
    assert_eq!(course.heard(subscribed("a"), 10), Next::Read);
    assert_eq!(course.heard(commits("7:1 8:2", Some("b")), 10), Next::Read);
    assert_eq!(course.heard(commits("9:3", None), 10), Next::Read);
    assert_eq!(told(&mut course), ["subscribed@a", "7:1 8:2@b"]);
    assert_eq!(course.failed(lost()), Next::Reconnect);
    assert_eq!(course.wish(), r#"{"type":"subscribe","topic":"orders","since":"b"}"#);
    course.heard(subscribed("b"), 10);
    // The parts come again from the beginning; what was gathered before is forgotten.
    course.heard(commits("9:3", None), 10);
    course.heard(commits("9:4 10:5", Some("c")), 10);
    assert_eq!(told(&mut course), ["disconnected", "subscribed@b", "9:3,4 10:5@c"]);
}

#[test]
fn a_subscription_that_never_moved_continues_from_where_it_was_held() {
    let mut course = course(Start::Now, Parts::Apart);
    course.failed(lost());
    assert_eq!(course.wish(), r#"{"type":"subscribe","topic":"orders"}"#);
    course.heard(subscribed("a"), 10);
    course.failed(lost());
    assert_eq!(course.wish(), r#"{"type":"subscribe","topic":"orders","since":"a"}"#);
}

#[test]
fn a_time_becomes_a_cursor_and_a_cursor_stays() {
    let mut time = course(Start::Since("2026-01-01T00:00:00Z".into()), Parts::Apart);
    time.heard(subscribed("a"), 10);
    assert!(time.wish().contains(r#""since":"a""#));
    let mut cursor = course(Start::Since("given".into()), Parts::Apart);
    cursor.heard(subscribed("told"), 10);
    assert!(cursor.wish().contains(r#""since":"given""#));
}

#[test]
fn parts_are_handed_out_when_asked_for_and_only_the_last_moves_the_position() {
    let mut course = course(Start::Since("a".into()), Parts::Apart);
    course.heard(subscribed("a"), 10);
    course.heard(commits("7:1", None), 10);
    assert!(course.wish().contains(r#""since":"a""#));
    course.heard(commits("7:2", Some("b")), 10);
    assert_eq!(told(&mut course), ["subscribed@a", "part 7:1", "7:2@b"]);
    assert!(course.wish().contains(r#""since":"b""#));
}

#[test]
fn a_frame_over_the_limit_ends_and_does_not_move() {
    let mut course = course(Start::Since("a".into()), Parts::Whole(25));
    course.heard(subscribed("a"), 10);
    assert_eq!(course.heard(commits("7:1", None), 20), Next::Read);
    assert_eq!(course.heard(commits("7:2", None), 20), Next::End);
    let told = told(&mut course);
    assert!(told.len() == 2 && told[1].starts_with("error TooLarge"), "{told:?}");
    assert!(course.wish().contains(r#""since":"a""#));
}

#[test]
fn a_snapshot_begins_anew_until_it_is_whole() {
    let mut course = course(Start::Snapshot, Parts::Apart);
    let wish = r#"{"type":"subscribe","topic":"orders","snapshot":true}"#;
    assert_eq!(course.wish(), wish);
    course.heard(subscribed("a"), 10);
    course.heard(rows(None), 10);
    course.failed(lost());
    assert_eq!(told(&mut course), ["snapshot", "rows@", "disconnected"]);
    assert_eq!(course.wish(), wish);
    // `subscribed` may as well come last.
    course.heard(rows(None), 10);
    course.heard(rows(Some("b")), 10);
    course.heard(subscribed("b"), 10);
    course.heard(commits("7:1", Some("c")), 10);
    assert_eq!(told(&mut course), ["snapshot", "rows@", "rows@b", "subscribed@b", "7:1@c"]);
    course.failed(lost());
    assert!(course.wish().contains(r#""since":"c""#));
    assert_eq!(told(&mut course), ["disconnected"]);
}

#[test]
fn a_reset_ends_a_stream_and_starts_a_snapshot_over() {
    let mut plain = course(Start::Since("a".into()), Parts::Apart);
    assert_eq!(plain.heard(Frame::Reset(ResetReason::Lost), 10), Next::End);
    assert_eq!(told(&mut plain), ["reset Lost"]);
    let mut snapshot = course(Start::Snapshot, Parts::Apart);
    snapshot.heard(rows(Some("a")), 10);
    assert_eq!(snapshot.heard(Frame::Reset(ResetReason::Schema), 10), Next::Reconnect);
    assert!(snapshot.wish().contains("snapshot"));
    snapshot.heard(rows(Some("b")), 10);
    assert_eq!(told(&mut snapshot), ["snapshot", "rows@a", "reset Schema", "snapshot", "rows@b"]);
}

#[test]
fn what_cannot_be_mended_ends_the_stream() {
    let refused = |code: &str| {
        let refusal = Refusal { code: Some(code.into()), ..Refusal::default() };
        Frame::Refused(Error::refused(refusal, "no"))
    };
    for (frame, next, word) in [
        (refused("unknown_channel"), Next::End, "error"),
        (refused("database_unavailable"), Next::Reconnect, "disconnected"),
        (Frame::Unsubscribed, Next::End, "unwatched"),
        (rows(Some("a")), Next::End, "error"),
        (commits("7:1", Some("b")), Next::End, "error"),
        (Frame::Other, Next::Read, ""),
    ] {
        let mut course = course(Start::Now, Parts::Apart);
        let named = format!("{frame:?}");
        assert_eq!(course.heard(frame, 10), next, "{named}");
        assert!(told(&mut course).iter().all(|told| told.starts_with(word)), "{named}");
    }
}

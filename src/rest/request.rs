//! What a request's line and headers mean.

use percent_encoding::percent_decode_str;
use warp::http::StatusCode;
use warp::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};

use super::refused::bad_value;
use crate::pg::resource::{Strategy, Writer};
use crate::problem::Problem;
use crate::words::address::version_of;

/// Characters of an actor's or a branch's name, or of a key.
const LONGEST_NAME: usize = 200;

/// No channel has this name.
const BATCH: &str = "batch";

/// What stands after an id, where the row's history is wanted.
const HISTORY: &str = "history";

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Several writes at once.
    Batch,
    /// The rows of a channel.
    Rows { channel: String },
    /// One of them.
    Row { channel: String, id: String },
    /// What happened to it.
    History { channel: String, id: String },
}

impl Target {
    /// Reads what stands after `/api/`, each part percent-decoded by itself.
    pub(super) fn read(path: &str) -> Result<Self, Problem> {
        let mut parts = path.split('/');
        let channel = parts.next().filter(|part| !part.is_empty()).ok_or_else(nothing_here)?;
        let channel = decode(channel).ok_or_else(nothing_here)?;
        let Some(id) = parts.next() else {
            return Ok(if channel == BATCH { Self::Batch } else { Self::Rows { channel } });
        };
        let rest = (parts.next(), parts.next());
        if id.is_empty() || !matches!(rest, (None | Some(HISTORY), None)) {
            return Err(nothing_here());
        }
        let id = decode(id).ok_or_else(|| bad_value("the id in the path is not UTF-8"))?;
        Ok(if rest.0.is_some() { Self::History { channel, id } } else { Self::Row { channel, id } })
    }

    pub(super) fn channel(&self) -> &str {
        match self {
            Self::Batch => BATCH,
            Self::Rows { channel } | Self::Row { channel, .. } | Self::History { channel, .. } => channel,
        }
    }

    /// The row's id; of all rows, nothing.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Batch | Self::Rows { .. } => "",
            Self::Row { id, .. } | Self::History { id, .. } => id,
        }
    }

    /// The methods it takes.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Batch => "POST",
            Self::Rows { .. } => "GET, HEAD, POST",
            Self::Row { .. } => "GET, HEAD, PUT, PATCH, DELETE",
            Self::History { .. } => "GET, HEAD",
        }
    }
}

fn decode(part: &str) -> Option<String> {
    percent_decode_str(part).decode_utf8().ok().map(String::from)
}

fn nothing_here() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this path; rows are at /api/CHANNEL/ID, what happened to them at /api/CHANNEL/ID/history",
    )
}

/// In which state a writer wants the row to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// At a version, where the header names it.
    Version(Option<i64>),
    /// Not there yet: `If-None-Match: *`.
    Absent,
}

/// Reads `If-Match` and `If-None-Match` of a write.
pub(super) fn wanted(headers: &HeaderMap) -> Result<Wanted, Problem> {
    match (text(headers, IF_MATCH)?, text(headers, IF_NONE_MATCH)?) {
        (Some(_), Some(_)) => Err(bad_value("If-Match and If-None-Match cannot both be meant")),
        (Some(tag), None) => {
            let told = "If-Match takes one version as it stood in ETag: \"7\"";
            version_of(tag).map(|version| Wanted::Version(Some(version))).ok_or_else(|| bad_value(told))
        }
        (None, Some("*")) => Ok(Wanted::Absent),
        (None, Some(_)) => Err(bad_value("If-None-Match of a write can only be *, to create a row")),
        (None, None) => Ok(Wanted::Version(None)),
    }
}

/// What a reader has already.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct KnownVersions {
    any: bool,
    versions: Vec<i64>,
}

impl KnownVersions {
    pub(super) fn holds(&self, version: i64) -> bool {
        self.any || self.versions.contains(&version)
    }
}

/// Reads `If-None-Match` of a read; what is no tag of ours is simply not known.
pub(super) fn known_versions(headers: &HeaderMap) -> KnownVersions {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let tags: Vec<_> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    KnownVersions { any: tags.contains(&"*"), versions: tags.into_iter().filter_map(version_of).collect() }
}

/// Who writes, from `Rowbell-Actor` and `Rowbell-Branch`: UTF-8, percent-encoded where a header cannot carry it.
pub(super) fn writer(headers: &HeaderMap) -> Result<Writer, Problem> {
    let name = |header: &'static str| -> Result<Option<String>, Problem> {
        let bad = |told: &str| bad_value(format!("{header} {told}"));
        let mut values = headers.get_all(header).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(bad("is there twice"));
        }
        let decoded = percent_encoding::percent_decode(value.as_bytes()).decode_utf8();
        let name = decoded.map_err(|_| bad("is not UTF-8; percent-encode it"))?.trim().to_owned();
        if name.chars().any(char::is_control) || name.chars().count() > LONGEST_NAME {
            return Err(bad("takes up to 200 characters, none of them a control character"));
        }
        Ok(Some(name).filter(|name| !name.is_empty()))
    };
    Ok(Writer { actor: name("rowbell-actor")?, branch: name("rowbell-branch")? })
}

/// What the client calls the request, from `Idempotency-Key`.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).map(str::trim);
    match (text, values.next()) {
        (Ok(text), None) if is_key(text) => Ok(Some(text.to_owned())),
        _ => Err(bad_value(format!("Idempotency-Key {KEY_RULE}"))),
    }
}

/// What a key may be, for people.
pub(super) const KEY_RULE: &str =
    "takes one text of 1 to 200 characters, none of them a control character; a random UUID serves well";

/// Whether a text can be the key of a write.
pub(super) fn is_key(text: &str) -> bool {
    let count = text.chars().count();
    (1..=LONGEST_NAME).contains(&count) && !text.chars().any(char::is_control)
}

/// What is done about a conflict, from `Prefer: conflict=`. A word nobody knows is refused: who relies on it would be
/// mistaken.
pub(super) fn strategy(headers: &HeaderMap) -> Result<Option<Strategy>, Problem> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let preferences = values.flat_map(|value| value.split([',', ';'])).filter_map(|one| one.split_once('='));
    let mut wanted = preferences.filter(|(name, _)| name.trim().eq_ignore_ascii_case("conflict"));
    let Some((_, value)) = wanted.next() else { return Ok(None) };
    let strategy = Strategy::of(&value.trim().trim_matches('"').to_ascii_lowercase());
    match (strategy, wanted.next()) {
        (Some(strategy), None) => Ok(Some(strategy)),
        _ => Err(bad_value(format!("Prefer: conflict= {STRATEGY_RULE}"))),
    }
}

/// What a strategy may be, for people.
pub(super) const STRATEGY_RULE: &str = "is one of reject, merge, force and keep";

/// Refuses what is said of one write where there are several.
pub(super) fn refuse_single(headers: &HeaderMap) -> Result<(), Problem> {
    if strategy(headers)?.is_some() {
        return Err(bad_value(
            "an operation of a batch says by \"conflict\" what Prefer: conflict= says of one write",
        ));
    }
    let names = ["idempotency-key", "if-match", "if-none-match"];
    match names.into_iter().find(|name| headers.contains_key(*name)) {
        Some(name) => Err(bad_value(format!(
            "{name} is about one write; an operation of a batch takes \"key\" and \"version\" of its own"
        ))),
        None => Ok(()),
    }
}

/// Refuses parameters where a path takes none.
pub(super) fn refuse_parameters(query: &str) -> Result<(), Problem> {
    match form_urlencoded::parse(query.as_bytes()).next() {
        None => Ok(()),
        Some((name, _)) => {
            let detail = format!("this path takes no parameter {name:?}");
            Err(Problem::new(StatusCode::BAD_REQUEST, "unknown_field", detail))
        }
    }
}

/// A header that may stand there once.
fn text(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(&name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value.trim())),
        _ => Err(bad_value(format!("{name} is there twice, or is no text"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn paths_are_decoded_part_by_part() {
        let row = |channel: &str, id: &str| Target::Row { channel: channel.into(), id: id.into() };
        assert_eq!(Target::read("orders").unwrap(), Target::Rows { channel: "orders".into() });
        assert_eq!(Target::read("batch").unwrap(), Target::Batch);
        let history = Target::History { channel: "orders".into(), id: "a/b".into() };
        assert_eq!(Target::read("orders/a%2Fb/history").unwrap(), history);
        assert_eq!(Target::read("orders/history").unwrap(), row("orders", "history"));
        assert_eq!(Target::read("orders/7").unwrap(), row("orders", "7"));
        assert_eq!(Target::read("orders/a%2Fb+c%20d").unwrap(), row("orders", "a/b+c d"));
        assert_eq!(Target::read("orders/%5B1%2C%22x%22%5D").unwrap(), row("orders", r#"[1,"x"]"#));
        for path in [
            "",
            "/",
            "orders/",
            "orders/7/",
            "orders/7/past",
            "orders/7/history/",
            "orders//history",
            "orders//7",
            "%FF",
        ] {
            assert!(Target::read(path).is_err(), "{path}");
        }
        assert!(Target::read("orders/%FF").is_err());
    }

    #[test]
    fn versions_are_read_from_tags() {
        let version = |value: &'static [u8]| wanted(&headers(&[("if-match", value)]));
        assert_eq!(version(b"\"7\""), Ok(Wanted::Version(Some(7))));
        assert_eq!(version(b" W/\"7\" "), Ok(Wanted::Version(Some(7))));
        assert_eq!(wanted(&headers(&[])), Ok(Wanted::Version(None)));
        assert_eq!(wanted(&headers(&[("if-none-match", b"*")])), Ok(Wanted::Absent));
        for value in [&b"*"[..], b"7", b"\"7\", \"8\"", b"\"x\"", b"\"\"", b"", b"\"9223372036854775808\""] {
            assert!(wanted(&headers(&[("if-match", value)])).is_err(), "{value:?}");
        }
        assert!(wanted(&headers(&[("if-none-match", b"\"7\"")])).is_err());
        assert!(wanted(&headers(&[("if-match", b"\"7\""), ("if-match", b"\"7\"")])).is_err());
        assert!(wanted(&headers(&[("if-match", b"\"7\""), ("if-none-match", b"*")])).is_err());
    }

    #[test]
    fn a_reader_may_know_several_versions() {
        let known = known_versions(&headers(&[
            ("if-none-match", b"\"1\", W/\"2\""),
            ("if-none-match", b"\"x\", \"3\""),
        ]));
        assert!([1, 2, 3].iter().all(|version| known.holds(*version)) && !known.holds(4));
        assert!(known_versions(&headers(&[("if-none-match", b"*")])).holds(9));
        assert!(!known_versions(&headers(&[])).holds(0));
    }

    #[test]
    fn writers_have_names_in_any_script() {
        let of = |value: &[u8]| writer(&headers(&[("rowbell-actor", value)])).map(|writer| writer.actor);
        assert_eq!(of(b"anna").unwrap().as_deref(), Some("anna"));
        assert_eq!(of("Łódź".as_bytes()).unwrap().as_deref(), Some("Łódź"));
        assert_eq!(of(b"%C5%81%C3%B3d%C5%BA").unwrap().as_deref(), Some("Łódź"));
        assert_eq!(of(b"50%").unwrap().as_deref(), Some("50%"));
        assert_eq!(of(b" ").unwrap(), None);
        for value in [&b"\xff"[..], b"%FF", b"a%00", b"a%0Ab", "x".repeat(201).as_bytes()] {
            assert!(of(value).is_err(), "{value:?}");
        }
        assert!(writer(&headers(&[("rowbell-branch", b"a"), ("rowbell-branch", b"b")])).is_err());
    }

    #[test]
    fn a_key_is_a_text_of_some_length() {
        let of = |value: &[u8]| key(&headers(&[("idempotency-key", value)]));
        assert_eq!(of(b" a b ").unwrap().as_deref(), Some("a b"));
        assert_eq!(of("\u{141}".repeat(200).as_bytes()).unwrap().map(|key| key.chars().count()), Some(200));
        assert_eq!(key(&headers(&[])), Ok(None));
        for value in [&b""[..], b"  ", b"\xff", b"a\tb", "x".repeat(201).as_bytes()] {
            assert!(of(value).is_err(), "{value:?}");
        }
        assert!(key(&headers(&[("idempotency-key", b"a"), ("idempotency-key", b"b")])).is_err());
    }

    #[test]
    fn preferences_and_parameters_are_not_passed_over() {
        let of = |value: &'static [u8]| strategy(&headers(&[("prefer", value)]));
        assert_eq!(of(b"return=minimal, conflict=force"), Ok(Some(Strategy::Force)));
        assert_eq!(of(b"Conflict = \"Merge\""), Ok(Some(Strategy::Merge)));
        assert_eq!(
            (of(b"conflict=keep; return=minimal"), of(b"return=minimal")),
            (Ok(Some(Strategy::Keep)), Ok(None))
        );
        assert!(of(b"conflict=mine").is_err() && of(b"conflict=keep, conflict=keep").is_err());
        assert!(refuse_parameters("version=7").is_err() && refuse_parameters("").is_ok());
    }
}

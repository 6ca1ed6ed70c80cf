//! A module imports from lower floors only.

use crate::imports::{imports, module_of};
use crate::project::{report, rust_files};

/// Modules and their floors.
const FLOORS: [(&str, u8); 13] = [
    ("words", 0),
    ("pg", 1),
    ("feed", 2),
    ("socket", 3),
    ("rest", 3),
    ("operate", 3),
    ("auth", 3),
    ("problem", 3),
    ("body", 3),
    ("server", 4),
    ("client", 4),
    ("cli", 5),
    ("main", 5),
];

/// What the edges have in common, so their neighbours may import it.
const COMMON_AT_THE_EDGE: [&str; 3] = ["auth", "problem", "body"];

/// Imports that floors would allow, and why they are not.
const FORBIDDEN: [(&str, &str, &str); 2] = [
    ("socket", "pg", "a session reads through the feed, which knows what others read already"),
    (
        "rest",
        "feed",
        "a request is answered from the database; what follows from it comes back through the log",
    ),
];

fn problems(path: &str, text: &str) -> Vec<String> {
    let module = module_of(path);
    // The root shows what is below and may name all of it.
    let Some(from) = module.first() else { return Vec::new() };
    let Some(floor) = floor_of(from) else {
        return vec![format!("{path}: module {from} has no floor: give it one in tests/tidy/floors.rs")];
    };
    let mut problems = Vec::new();
    for import in imports(path, text) {
        let to = import.path.first().map_or("the root of the crate", String::as_str);
        if to == from || floor == 5 {
            continue;
        }
        if let Some(why) = objection(from, floor, to) {
            problems.push(format!("{path}:{}: {from} may not import {to}: {why}", import.line));
        }
    }
    problems
}

fn objection(from: &str, floor: u8, to: &str) -> Option<String> {
    let Some(below) = floor_of(to) else {
        return Some("name the module the thing is defined in, so that its floor shows".to_owned());
    };
    if let Some((_, _, why)) = FORBIDDEN.iter().find(|(a, b, _)| (*a, *b) == (from, to)) {
        return Some((*why).to_owned());
    }
    if from == "client" && to != "words" {
        return Some("the client is for other programs, so it imports only words".to_owned());
    }
    if below < floor || (below == floor && COMMON_AT_THE_EDGE.contains(&to)) {
        return None;
    }
    Some(format!("it is on floor {below} and {from} on {floor}; move what both need to a lower floor"))
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

#[test]
fn modules_import_from_lower_floors_only() {
    report(rust_files("src").iter().flat_map(|file| problems(&file.path, &file.text)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str, text: &str) -> String {
        let problems = problems(path, text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.into_iter().next().unwrap_or_default()
    }

    #[test]
    fn what_is_above_is_refused() {
        assert!(one("src/words/topic.rs", "use crate::pg::link::Link;").contains("may not import pg"));
        assert!(one("src/pg/log.rs", "\nuse super::super::feed::Feed;").starts_with("src/pg/log.rs:2: "));
        assert!(one("src/feed/hub.rs", "use crate::{words::Topic, rest::Reply};").contains("import rest"));
    }

    #[test]
    fn neighbours_share_only_what_is_common() {
        assert!(one("src/rest/mod.rs", "use crate::socket::Frame;").contains("floor 3"));
        assert_eq!(
            problems("src/rest/mod.rs", "use crate::{auth::Token, problem::Problem};"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn single_imports_are_forbidden_with_a_reason() {
        assert!(one("src/socket/session.rs", "fn f() { crate::pg::bell::x() }").contains("through the feed"));
        assert!(one("src/rest/write.rs", "use crate::feed::Feed;").contains("through the log"));
        assert!(one("src/client.rs", "use crate::auth::Token;").contains("only words"));
        assert!(one("src/server.rs", "use crate::client::Client;").contains("floor 4"));
    }

    #[test]
    fn roots_and_strangers_are_named() {
        assert!(one("src/feed/mod.rs", "use crate::Feed;").contains("name the module"));
        assert!(one("src/extra.rs", "").contains("no floor"));
    }
}

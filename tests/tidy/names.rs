//! Names say what a thing is for, and one word means one thing.

use crate::project::{files, report, rust_files};
use crate::rust::{Token, scan, tokens};

/// Places where everything ends up that nobody has thought about.
const DRAWERS: [&str; 5] = ["utils", "common", "types", "helpers", "manager"];

/// Ends of an in-process queue. A channel here is a watched table.
const ENDS: [&str; 4] = ["Sender", "Receiver", "UnboundedSender", "UnboundedReceiver"];

fn drawer_file(path: &str) -> Option<String> {
    let drawer = path
        .split('/')
        .map(|part| part.split('.').next().unwrap_or(part))
        .find(|part| DRAWERS.contains(part));
    drawer.map(|name| format!("{path}: {name} says nothing: name it after what it does"))
}

fn drawer_modules(path: &str, tokens: &[Token]) -> Vec<String> {
    let pairs =
        tokens.windows(2).filter(|pair| pair[0].text == "mod" && DRAWERS.contains(&pair[1].text.as_str()));
    pairs
        .map(|pair| {
            format!(
                "{path}:{}: module {} says nothing: name it after what it does",
                pair[1].line, pair[1].text
            )
        })
        .collect()
}

/// Queues called channel: as a name with a type of `mpsc`, or as what `mpsc::channel` is bound to.
fn queues_called_channel(path: &str, tokens: &[Token]) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if !is_channel(&token.text) {
            continue;
        }
        let typed =
            tokens.get(at + 1).is_some_and(|next| next.text == ":") && names_an_end(&tokens[at + 2..]);
        if typed || is_bound_to_a_queue(tokens, at) {
            lines.push(token.line);
        }
    }
    let advice = "a channel is a watched table here: call it queue, tx or rx";
    lines.into_iter().map(|line| format!("{path}:{line}: {advice}")).collect()
}

fn is_channel(name: &str) -> bool {
    name == "channel" || name.ends_with("_channel")
}

/// Whether a type that starts here is `mpsc::Sender` or the like.
fn names_an_end(tokens: &[Token]) -> bool {
    let path = tokens.iter().take_while(|token| !matches!(token.text.as_str(), "<" | "," | ")" | ";" | "="));
    path.last().is_some_and(|token| ENDS.contains(&token.text.as_str()))
}

fn is_bound_to_a_queue(tokens: &[Token], at: usize) -> bool {
    let statement = |token: &&Token| !matches!(token.text.as_str(), ";" | "{" | "}");
    let bound = tokens[..at].iter().rev().take_while(statement).any(|token| token.text == "let");
    let pattern = tokens[..at].iter().rev().take_while(statement).all(|token| token.text != "=");
    let rest: Vec<_> = tokens[at..].iter().take_while(statement).map(|token| token.text.as_str()).collect();
    let makes = ["channel", "unbounded_channel"];
    bound
        && pattern
        && rest.windows(3).any(|call| call[0] == "mpsc" && call[1] == "::" && makes.contains(&call[2]))
}

#[test]
fn no_drawers() {
    let everywhere = ["src", "tests", "benches", "examples", "web", "sql"];
    report(everywhere.iter().flat_map(|below| files(below)).filter_map(|file| drawer_file(&file.path)));
    let rust = ["src", "tests", "benches", "examples"];
    let modules = |file: crate::project::File| drawer_modules(&file.path, &tokens(&scan(&file.text).code));
    report(rust.iter().flat_map(|below| rust_files(below)).flat_map(modules));
}

#[test]
fn queues_are_not_called_channel() {
    let queues =
        |file: crate::project::File| queues_called_channel(&file.path, &tokens(&scan(&file.text).code));
    report(
        ["src", "tests", "benches", "examples"].iter().flat_map(|below| rust_files(below)).flat_map(queues),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawers_are_seen() {
        assert!(drawer_file("src/pg/utils.rs").is_some() && drawer_file("web/helpers/a.js").is_some());
        assert_eq!(drawer_file("src/pg/rows.rs"), None);
        assert_eq!(drawer_modules("src/lib.rs", &tokens("pub mod common;\nmod words;")).len(), 1);
    }

    #[test]
    fn queues_called_channel_are_seen() {
        for code in [
            "struct A { channel: mpsc::Sender<u8> }",
            "fn f(bell_channel: UnboundedReceiver<u8>) {}",
            "let (channel, rx) = tokio::sync::mpsc::channel(8);",
        ] {
            assert_eq!(queues_called_channel("a.rs", &tokens(code)).len(), 1, "{code}");
        }
        for code in [
            "struct A { channel: Arc<str>, tx: mpsc::Sender<u8> }",
            "let (tx, rx) = mpsc::channel(8);",
            "let x = send(channel, mpsc::channel(8));",
            "for channel in channels { let (tx, rx) = mpsc::channel(1); }",
        ] {
            assert!(queues_called_channel("a.rs", &tokens(code)).is_empty(), "{code}");
        }
    }
}

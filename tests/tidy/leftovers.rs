//! Nothing unfinished is kept, and nothing points outside the project.

use crate::project::{files, report};

/// Spelled in halves, so that this file is not what it finds.
const UNFINISHED: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];

/// Directories on the machine somebody worked on.
const OUTSIDE: [&str; 2] = [concat!("/wo", "rk/"), concat!("../sha", "red")];

fn problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = format!("{path}:{}", number + 1);
        if let Some(word) = UNFINISHED.iter().find(|word| has_word(line, word)) {
            problems.push(format!("{at}: {word}: do it now, or write down as a fact what is left out"));
        }
        if let Some(outside) = OUTSIDE.iter().find(|outside| starts_path(line, outside)) {
            problems.push(format!("{at}: {outside} is not part of the project: nobody else has it"));
        }
    }
    problems
}

fn has_word(line: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(inside) && !line[at + word.len()..].starts_with(inside))
}

fn starts_path(line: &str, path: &str) -> bool {
    line.match_indices(path)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/".contains(c)))
}

#[test]
fn nothing_is_unfinished_or_points_outside() {
    report(files("").iter().flat_map(|file| problems(&file.path, &file.text)));
}

#[test]
fn leftovers_are_seen() {
    for word in UNFINISHED.iter().chain(&OUTSIDE) {
        assert_eq!(problems("a.rs", &format!("fine\n// see {word} there")).len(), 1, "{word}");
    }
    let fine = format!("/home/me{} and a table todo, mktemp {}{}", OUTSIDE[0], UNFINISHED[2], UNFINISHED[2]);
    assert_eq!(problems("a.sh", &fine), Vec::<String>::new());
}

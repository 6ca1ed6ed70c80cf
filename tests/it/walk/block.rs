//! The fenced blocks of a document, and whether output is what one of them says.

/// What becomes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Run,
    Terminal,
    Server,
}

/// Lines to type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// What it prints.
    pub(super) expected: String,
    /// Where it begins.
    pub(super) line: usize,
}

/// The blocks of a document in order. Lines that look like something to type, and would not be run, are refused.
pub(super) fn read(document: &str) -> Result<Vec<Block>, String> {
    let mut blocks: Vec<Block> = Vec::new();
    // True while a `text` block would belong to the last of them.
    let mut awaits = false;
    let mut lines = document.lines().enumerate();
    while let Some((number, first)) = lines.next() {
        let line = number + 1;
        let Some(info) = first.strip_prefix("```") else {
            if first.starts_with("    curl") {
                return Err(format!("line {line}: nothing runs {first}"));
            }
            awaits &= !first.starts_with('#');
            continue;
        };
        let body: Vec<_> = lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "```").collect();
        let text = body.join("\n");
        let kind = match info {
            "sh" => Kind::Run,
            "sh terminal" => Kind::Terminal,
            "sh server" => Kind::Server,
            "text" => {
                let last = blocks.last_mut().filter(|last| awaits && last.kind != Kind::Server);
                last.ok_or_else(|| format!("line {line}: this output follows nothing"))?.expected = text;
                awaits = false;
                continue;
            }
            _ if text.contains("curl ") => {
                return Err(format!("line {line}: nothing runs a block of {info:?}"));
            }
            _ => continue,
        };
        blocks.push(Block { kind, text, expected: String::new(), line });
        awaits = true;
    }
    Ok(blocks)
}

/// What was printed instead, where it is not what was expected.
pub(super) fn mismatch(expected: &str, said: &str) -> Option<String> {
    let (wanted, got): (Vec<_>, Vec<_>) = (expected.lines().collect(), said.trim_end().lines().collect());
    (!all_match(&wanted, &got)).then(|| format!("expected\n{expected}\nit said\n{said}"))
}

/// A line that is `…` alone stands for any number of lines.
fn all_match(wanted: &[&str], got: &[&str]) -> bool {
    match (wanted, got) {
        ([], []) => true,
        ([any, rest @ ..], _) if *any == "…" => {
            (0..=got.len()).any(|skipped| all_match(rest, &got[skipped..]))
        }
        ([want, wanted @ ..], [have, got @ ..]) => matches(want, have) && all_match(wanted, got),
        _ => false,
    }
}

/// Within a line `…` stands for any characters.
pub(super) fn matches(want: &str, have: &str) -> bool {
    match want.split_once('…') {
        None => want == have,
        Some((start, rest)) => have.strip_prefix(start).is_some_and(|after| {
            after.char_indices().map(|(at, _)| at).chain([after.len()]).any(|at| matches(rest, &after[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_with_what_they_print() {
        let blocks =
            read("a\n```sh\nx\ny\n```\n```text\nz\n```\n```js\nq\n```\n```sh terminal\nt\n```\n").unwrap();
        let block = |kind, text: &str, expected: &str, line| Block {
            kind,
            text: text.into(),
            expected: expected.into(),
            line,
        };
        assert_eq!(blocks, [block(Kind::Run, "x\ny", "z", 2), block(Kind::Terminal, "t", "", 12)]);
        for bad in [
            "```sh server\nx\n```\n```text\ny\n```",
            "```sh\nx\n```\n# A\n```text\ny\n```",
            "    curl x",
            "```\ncurl x\n```",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_differs_from_run_to_run_is_passed_over() {
        for (expected, said, good) in [
            ("", "\n", true),
            ("", "x", false),
            ("a", "", false),
            ("a…c\nd", "abcc\nd\n", true),
            ("a…c", "abcd", false),
            ("a\n…\nd", "a\nd", true),
            ("a\n…\nd", "a\nb\nc\nd", true),
            ("a\n…\nd", "a\nb\nc", false),
            ("a…\n…", "a", true),
        ] {
            assert_eq!(mismatch(expected, said).is_none(), good, "{expected:?} {said:?}");
        }
    }
}

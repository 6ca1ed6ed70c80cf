//! Enough of Rust's grammar to tell code from comments and strings.

/// A string literal and where it stands.
#[derive(Debug, PartialEq)]
pub struct Literal {
    pub line: usize,
    pub text: String,
    /// The code before it on its way back to the last `;`, `{` or `}`, without blanks.
    pub before: String,
}

/// A Rust file taken apart.
pub struct Source {
    /// The text with comments and the contents of strings as blanks; lines stay where they were.
    pub code: String,
    pub literals: Vec<Literal>,
}

/// An identifier or one character of punctuation, `::` being one.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub line: usize,
    pub text: String,
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    source: Source,
}

/// Takes a file apart.
pub fn scan(text: &str) -> Source {
    let source = Source { code: String::new(), literals: Vec::new() };
    let mut scanner = Scanner { rest: text, line: 1, source };
    while let Some(first) = scanner.rest.chars().next() {
        if scanner.rest.starts_with("//") {
            scanner.blank(scanner.rest.find('\n').unwrap_or(scanner.rest.len()));
        } else if scanner.rest.starts_with("/*") {
            scanner.blank(comment_length(scanner.rest));
        } else if first == '\'' {
            scanner.character();
        } else if let Some((prefix, hashes)) = raw_prefix(scanner.rest) {
            scanner.raw(prefix, hashes);
        } else if first == '"' {
            scanner.string();
        } else if first.is_alphabetic() || first == '_' {
            // As a whole, so that the `r` of `for"` starts no raw string.
            let rest = scanner.rest;
            scanner.keep(rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()));
        } else {
            scanner.keep(first.len_utf8());
        }
    }
    scanner.source
}

impl Scanner<'_> {
    fn keep(&mut self, length: usize) {
        let (kept, rest) = self.rest.split_at(length);
        self.line += kept.matches('\n').count();
        self.source.code.push_str(kept);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (dropped, rest) = self.rest.split_at(length);
        self.line += dropped.matches('\n').count();
        self.source.code.extend(dropped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }

    /// A character such as `'"'`, or just the tick of a lifetime.
    fn character(&mut self) {
        let mut chars = self.rest.char_indices().skip(1);
        let end = match chars.next() {
            Some((_, '\\')) => self.rest[3..].find('\'').map(|end| end + 4),
            Some(_) => chars.next().filter(|(_, c)| *c == '\'').map(|(end, _)| end + 1),
            None => None,
        };
        match end {
            Some(end) => self.blank(end),
            None => self.keep(1),
        }
    }

    fn raw(&mut self, prefix: usize, hashes: usize) {
        let end = format!("\"{}", "#".repeat(hashes));
        self.keep(prefix);
        let length = self.rest.find(&end).unwrap_or(self.rest.len());
        self.literal(length);
        self.keep(end.len().min(self.rest.len()));
    }

    fn string(&mut self) {
        self.keep(1);
        let mut escaped = false;
        let end = self.rest.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        self.literal(end.unwrap_or(self.rest.len()));
        self.keep(1.min(self.rest.len()));
    }

    fn literal(&mut self, length: usize) {
        let code = &self.source.code;
        let start = code.rfind([';', '{', '}']).map_or(0, |at| at + 1);
        let before = code[start..].split_whitespace().collect();
        self.source.literals.push(Literal { line: self.line, text: self.rest[..length].to_owned(), before });
        self.blank(length);
    }
}

/// How long the opening of a raw string is that starts here, and how many `#` it has.
fn raw_prefix(rest: &str) -> Option<(usize, usize)> {
    let after = ["r", "br", "cr"].iter().find_map(|letters| rest.strip_prefix(letters))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let quoted = after[hashes..].strip_prefix('"')?;
    Some((rest.len() - quoted.len(), hashes))
}

/// Block comments nest.
fn comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The tokens of code that `scan` has cleaned.
pub fn tokens(code: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            found.push(Token { line: number + 1, text: text.to_owned() });
            rest = after.trim_start();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_not_code() {
        let text = "let a = \"use crate::x \\\" y\"; // use crate::y\nlet b = '\"'; /* one /* two */ */ let c: &'a str;\n";
        let source = scan(text);
        assert!(!source.code.contains("crate") && !source.code.contains("two"), "{}", source.code);
        assert!(source.code.contains("let c: &'a str;"), "{}", source.code);
        assert_eq!(source.code.lines().count(), 2);
        assert_eq!(source.literals.len(), 1);
        assert_eq!((source.literals[0].line, source.literals[0].before.as_str()), (1, "leta=\""));
    }

    #[test]
    fn raw_strings_end_where_their_hashes_say() {
        let source = scan("f(r#\"a \"quoted\" b\"#, br\"c\\\", '\\'', \"d\")");
        let texts: Vec<_> = source.literals.iter().map(|literal| literal.text.as_str()).collect();
        assert_eq!(texts, ["a \"quoted\" b", "c\\", "d"]);
    }

    #[test]
    fn paths_come_in_tokens() {
        let texts: Vec<_> =
            tokens("use crate::a::{b as c, *};").into_iter().map(|token| token.text).collect();
        assert_eq!(texts, ["use", "crate", "::", "a", "::", "{", "b", "as", "c", ",", "*", "}", ";"]);
    }
}

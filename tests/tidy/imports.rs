//! Which paths of this crate a file names.

use crate::rust::{Token, scan, tokens};

/// A path from the root of the crate, and the line that names it.
#[derive(Debug, PartialEq)]
pub struct Import {
    pub line: usize,
    pub path: Vec<String>,
}

/// The module a file under `src/` is: `src/pg/embedded/mod.rs` is `pg::embedded`, the root is empty.
pub fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// Everything a file names of this crate: in `use`, nested braces and all, and in paths within code.
pub fn imports(path: &str, text: &str) -> Vec<Import> {
    let tokens = tokens(&scan(text).code);
    let mut finder =
        Finder { tokens: &tokens, at: 0, module: module_of(path), inner: Vec::new(), found: Vec::new() };
    finder.run();
    finder.found
}

struct Finder<'a> {
    tokens: &'a [Token],
    at: usize,
    module: Vec<String>,
    /// At which depth of braces each inline module within the file began.
    inner: Vec<usize>,
    found: Vec<Import>,
}

impl Finder<'_> {
    fn run(&mut self) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.text(0) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    if self.inner.last() == Some(&depth) {
                        self.inner.pop();
                        self.module.pop();
                    }
                }
                "mod" if self.text(2) == "{" => {
                    self.inner.push(depth);
                    self.module.push(self.text(1).to_owned());
                    self.at += 1;
                }
                "use" if self.text(1) != "<" => {
                    self.at += 1;
                    self.tree(&[]);
                }
                "crate" | "super" | "self" | "rowbell" if self.text(1) == "::" => {
                    self.path_in_code();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn text(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text.as_str())
    }

    /// One tree of a `use`, up to the `,`, `}` or `;` after it.
    fn tree(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        loop {
            match self.text(0) {
                "" => return,
                "::" => {}
                "{" => {
                    while !matches!(self.text(0), "}" | "") {
                        self.at += 1;
                        if !matches!(self.text(0), "}" | "") {
                            self.tree(&path);
                        }
                    }
                    self.at += 1;
                    return;
                }
                "as" => self.at += 1,
                "," | "}" | ";" => return self.add(line, &path),
                segment => path.push(segment.to_owned()),
            }
            self.at += 1;
        }
    }

    fn path_in_code(&mut self) {
        let line = self.tokens[self.at].line;
        let mut path = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && self.text(1).starts_with(|c: char| c.is_alphabetic() || c == '_') {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        self.add(line, &path);
    }

    /// Keeps a path of this crate; one that starts elsewhere is another crate's, or leads to a child.
    fn add(&mut self, line: usize, path: &[String]) {
        let mut base = match path.first().map(String::as_str) {
            Some("crate" | "rowbell") => Vec::new(),
            Some("super" | "self") => self.module.clone(),
            _ => return,
        };
        for segment in path {
            match segment.as_str() {
                "super" => drop(base.pop()),
                "self" | "crate" | "rowbell" => {}
                _ => base.push(segment.clone()),
            }
        }
        self.found.push(Import { line, path: base });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(path: &str, text: &str) -> Vec<String> {
        imports(path, text).into_iter().map(|import| import.path.join("::")).collect()
    }

    #[test]
    fn nested_braces_are_followed() {
        let text = "use crate::{pg::{log::{self as pg_log, Batch}, link}, words::Result};\nuse std::fmt;\n";
        let expected = ["pg::log", "pg::log::Batch", "pg::link", "words::Result"];
        assert_eq!(paths("src/feed/mod.rs", text), expected);
    }

    #[test]
    fn supers_are_resolved_also_from_inline_modules() {
        let text = "use super::super::words;\nmod tests {\n use super::*;\n fn f() { super::g(); }\n}\nuse super::x;\n";
        assert_eq!(paths("src/pg/link.rs", text), ["words", "pg::link::*", "pg::link::g", "pg::x"]);
    }

    #[test]
    fn paths_within_code_count() {
        let text =
            "pub(crate) fn f(x: crate::feed::Feed<u8>) -> Vec<rowbell::pg::Pool> { other::crate_name() }";
        assert_eq!(paths("src/cli/tail.rs", text), ["feed::Feed", "pg::Pool"]);
    }

    #[test]
    fn files_are_modules() {
        assert_eq!(module_of("src/pg/embedded/mod.rs"), ["pg", "embedded"]);
        assert_eq!(module_of("src/client.rs"), ["client"]);
        assert!(module_of("src/lib.rs").is_empty());
    }
}

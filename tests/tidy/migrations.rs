//! Migrations explain themselves, and their functions are safe to call and say what they promise.

use crate::project::{File, files, report};

/// Functions without `set search_path`, which would keep PostgreSQL from inlining them: they stand in the defaults of
/// every log row and in every trigger. Their bodies are bound when they are created.
const INLINED: [&str; 8] = [
    "rowbell.slot",
    "rowbell.settled",
    "rowbell.ring",
    "rowbell.tells_alike",
    "rowbell.fitting",
    "rowbell.actor",
    "rowbell.branch",
    "rowbell.differs",
];

const REVOKE: &str = "revoke all on all functions in schema rowbell from public";

/// A `create function` at the start of a line, up to its body.
struct Function<'a> {
    line: usize,
    name: &'a str,
    head: String,
}

fn functions(text: &str) -> Vec<Function<'_>> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(rest) = ["create function ", "create or replace function "]
            .iter()
            .find_map(|verb| line.strip_prefix(verb))
        else {
            continue;
        };
        let body = |line: &&&str| {
            ["as $", "begin atomic", "return "].iter().any(|word| line.trim_start().starts_with(word))
        };
        let head = lines[at..].iter().take_while(|line| !body(line)).copied().collect::<Vec<_>>().join("\n");
        found.push(Function { line: at + 1, name: rest.split('(').next().unwrap_or(rest), head });
    }
    found
}

fn headerless(file: &File) -> Option<String> {
    let comments = file.text.lines().take_while(|line| line.starts_with("--"));
    let prose = comments.filter(|line| line.len() > "-- ".len()).count();
    let advice = "say why it exists, what it leaves out, how to get out of trouble";
    (prose < 3).then(|| format!("{}:1: {prose} lines of header, at least 3 wanted: {advice}", file.path))
}

fn loose(file: &File) -> Vec<String> {
    let functions = functions(&file.text).into_iter();
    let loose = functions.filter(|f| !f.head.contains("set search_path") && !INLINED.contains(&f.name));
    let advice = "add `set search_path = pg_catalog, pg_temp`, or whoever calls it chooses what it calls";
    loose.map(|f| format!("{}:{}: {} has no search_path: {advice}", file.path, f.line, f.name)).collect()
}

/// Whether what stands last of all migrations takes the functions from the public.
fn public(files: &[File]) -> Option<String> {
    let last = files.iter().rev().find(|file| !functions(&file.text).is_empty())?;
    let line = functions(&last.text).last()?.line;
    let revoked = last.text.lines().skip(line).any(|line| line.starts_with(REVOKE));
    let advice = format!("end with `{REVOKE};` and grant what is for others");
    (!revoked).then(|| format!("{}:{line}: everybody may call this function: {advice}", last.path))
}

fn uncommented(files: &[File]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        for function in functions(&file.text) {
            let comment = format!("comment on function {}(", function.name);
            if !files.iter().any(|file| file.text.lines().any(|line| line.starts_with(&comment))) {
                let advice = format!("add `{comment}…) is '…'`: what it promises");
                problems.push(format!(
                    "{}:{}: {} has no comment: {advice}",
                    file.path, function.line, function.name
                ));
            }
        }
    }
    problems
}

/// Tables whose names `src/pg/business.rs` does not find, because it looks for lines that begin in one way.
fn hidden(file: &File) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    let made = lines.filter(|(_, line)| {
        let words = line.to_lowercase();
        let is_made = words.contains("create ") && words.contains(" table ") && !words.starts_with("--");
        is_made && !line.starts_with("create table public.")
    });
    let advice =
        "begin the line with `create table public.`, or an installation cannot see that its name is taken";
    made.map(|(at, _)| format!("{}:{}: {advice}", file.path, at + 1)).collect()
}

/// Numbers must be 1, 2, 3 …, each once.
fn misnumbered(directory: &str, paths: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut numbers = Vec::new();
    for path in paths {
        let name = path.rsplit('/').next().unwrap_or(path);
        let parts = name.strip_prefix('V').and_then(|name| name.strip_suffix(".sql")?.split_once("__"));
        match parts.and_then(|(number, _)| number.parse::<usize>().ok()) {
            Some(number) => numbers.push(number),
            None => problems.push(format!("{path}: name it V<number>__<what>.sql")),
        }
    }
    numbers.sort_unstable();
    let wanted: Vec<_> = (1..=numbers.len()).collect();
    if numbers != wanted {
        problems.push(format!("{directory}: numbered {numbers:?}: leave no gap and use no number twice"));
    }
    problems
}

/// Two sets, each with numbers of its own: Rowbell's schema and the business tables.
const DIRECTORIES: [&str; 2] = ["sql/migrations", "sql/business"];

fn migrations_in(directory: &str) -> Vec<File> {
    let mut files = files(directory);
    files.retain(|file| file.extension() == "sql");
    assert!(!files.is_empty(), "{directory} has moved: tell this test where");
    files
}

fn migrations() -> Vec<File> {
    DIRECTORIES.iter().flat_map(|directory| migrations_in(directory)).collect()
}

#[test]
fn migrations_have_prose_headers() {
    report(migrations().iter().filter_map(headerless));
}

#[test]
fn functions_pin_their_search_path() {
    report(migrations().iter().flat_map(loose));
}

#[test]
fn functions_are_not_everybodys() {
    report(DIRECTORIES.iter().filter_map(|directory| public(&migrations_in(directory))));
}

#[test]
fn functions_have_comments() {
    report(uncommented(&migrations()));
}

#[test]
fn business_tables_can_be_found() {
    report(migrations_in("sql/business").iter().flat_map(hidden));
}

#[test]
fn migrations_are_numbered_without_gaps() {
    for directory in DIRECTORIES {
        let migrations = migrations_in(directory);
        let paths: Vec<_> = migrations.iter().map(|file| file.path.as_str()).collect();
        report(misnumbered(directory, &paths));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File { path: "sql/migrations/V1__x.sql".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn short_headers_are_seen() {
        assert!(headerless(&file("-- One.\n--\n-- Two.\nselect 1;\n-- Three.\n")).is_some());
        assert_eq!(headerless(&file("-- One.\n--\n-- Two.\n-- Three.\n")), None);
    }

    #[test]
    fn functions_without_search_path_are_seen() {
        let head = "create or replace function rowbell.f(a text) returns text\n    language sql\n";
        let problems = loose(&file(&format!("{head}    as $$ set search_path = x $$;\n")));
        assert!(problems[0].contains("V1__x.sql:1: rowbell.f has no search_path"), "{problems:?}");
        assert!(loose(&file(&format!("{head}    set search_path = x\n    return a;\n"))).is_empty());
        assert!(loose(&file("create function rowbell.slot() returns int\nreturn 1;\n")).is_empty());
    }

    #[test]
    fn public_functions_are_seen() {
        let make = "create function rowbell.f() returns int\nreturn 1;\n";
        let (first, last) = (file(make), file(&format!("{make}{REVOKE};\n")));
        assert!(public(&[file(&format!("{REVOKE};\n{make}"))]).is_some());
        assert!(public(&[file(&last.text), file(make)]).is_some());
        assert_eq!(public(&[first, last]), None);
    }

    #[test]
    fn functions_without_comment_are_seen() {
        let text = "create function rowbell.f() returns int\nreturn 1;\n-- comment on function rowbell.f() is 'x';\n";
        assert_eq!(uncommented(&[file(text)]).len(), 1);
        assert!(uncommented(&[file(text), file("comment on function rowbell.f() is 'x';")]).is_empty());
    }

    #[test]
    fn tables_no_installation_finds_are_seen() {
        for text in [
            "create table orders (",
            "CREATE TABLE public.orders (",
            "  create table public.orders (",
            "create table if not exists public.orders (",
        ] {
            assert_eq!(hidden(&file(text)).len(), 1, "{text}");
        }
        assert!(hidden(&file("-- we create this table here\ncreate table public.orders (\n")).is_empty());
    }

    #[test]
    fn gaps_and_odd_names_are_seen() {
        assert!(misnumbered("sql/x", &["V1__a.sql", "V2__b.sql"]).is_empty());
        for paths in [["V1__a.sql", "V3__b.sql"], ["V1__a.sql", "V1__b.sql"], ["V1__a.sql", "two.sql"]] {
            assert_eq!(misnumbered("sql/x", &paths).len(), 1, "{paths:?}");
        }
    }
}

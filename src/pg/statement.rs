//! Statements made for one table: a template from `sql/queries` with names from the catalog put in.

use std::collections::HashMap;
use std::error::Error as StdError;

use bytes::BytesMut;
use postgres_types::{Format, IsNull, ToSql, Type, to_sql_checked};

/// A value in its text form. PostgreSQL decides from the statement what type it is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a>(pub(super) &'a str);

impl ToSql for Text<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// The parameters of one statement, numbered as they are added.
#[derive(Debug, Default, Clone)]
pub(super) struct Parameters(Vec<String>);

impl Parameters {
    /// Adds a value; what stands for it in the statement.
    pub(super) fn add(&mut self, value: impl Into<String>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }

    pub(super) fn texts(&self) -> Vec<Text<'_>> {
        self.0.iter().map(|value| Text(value)).collect()
    }
}

/// Values for a statement that was not prepared: PostgreSQL decides what types they are of.
pub(super) fn untyped<'a>(texts: &'a [Text<'a>]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    texts.iter().map(|text| (text as &(dyn ToSql + Sync), Type::UNKNOWN)).collect()
}

/// A statement and its parameters.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) parameters: Parameters,
}

/// Puts values where a template has their `{name}`. What is put in is not looked at again, so a column that is
/// called `{order}` is only a column.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let values: HashMap<&str, &str> = values.iter().copied().collect();
    let mut filled = String::with_capacity(template.len() + 200);
    let mut rest = without_header(template);
    while let Some(start) = rest.find('{') {
        let Some(end) = rest[start..].find('}') else { break };
        let name = &rest[start + 1..start + end];
        match values.get(name) {
            Some(value) => {
                filled.push_str(&rest[..start]);
                filled.push_str(value);
            }
            None => filled.push_str(&rest[..=start + end]),
        }
        rest = &rest[start + end + 1..];
    }
    filled.push_str(rest);
    filled
}

/// The statement below the comment that explains it, which the server need not read.
fn without_header(template: &str) -> &str {
    let mut rest = template;
    while rest.starts_with("--") {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest.trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_not_looked_at_again() {
        let template = "-- Why {table}?\n-- So.\n{columns} in {table} = '{}' {none}\n";
        let filled = fill(template, &[("columns", "\"{table}\", b"), ("table", "\"{columns}\"")]);
        assert_eq!(filled, "\"{table}\", b in \"{columns}\" = '{}' {none}");
    }

    #[test]
    fn parameters_are_numbered() {
        let mut parameters = Parameters::default();
        assert_eq!((parameters.add("a"), parameters.add("b")), ("$1".into(), "$2".into()));
        assert_eq!(parameters.texts().len(), 2);
    }
}

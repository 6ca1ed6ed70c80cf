//! Row filters: which rows a list is about, in PostgREST's spelling: `status=eq.open`, `total=gte.100`.
//!
//! Nothing here knows a type: a value stays the text that came, and PostgreSQL reads it as its column's type.

/// One condition on one column; several of them must all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The column's name as the client wrote it.
    pub column: String,
    /// True after `not.`.
    pub negated: bool,
    /// What is asked of the column.
    pub test: Test,
}

/// What is asked of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `eq.5`: a comparison with one value.
    Compare(Comparison, String),
    /// `in.(a,b)`: one of several values.
    In(Vec<String>),
    /// `is.null`: what no comparison can tell.
    Is(Truth),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Eq,
    /// Not equal.
    Neq,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
}

/// What `is` may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// No value.
    Null,
    /// A boolean that is true.
    True,
    /// A boolean that is false.
    False,
    /// A boolean without value.
    Unknown,
}

/// A parameter of a list that cannot be meant; `code` is the wire's error code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadQuery {
    /// `bad_filter` or `bad_limit`.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl BadQuery {
    /// A filter or an order that cannot be meant.
    pub fn filter(message: impl Into<String>) -> Self {
        Self { code: "bad_filter", message: message.into() }
    }

    /// A limit or an offset that cannot be meant.
    pub fn limit(message: impl Into<String>) -> Self {
        Self { code: "bad_limit", message: message.into() }
    }
}

impl Condition {
    /// Reads a column and what stands behind its `=`.
    pub fn parse(column: &str, text: &str) -> Result<Self, BadQuery> {
        let (negated, rest) = text.strip_prefix("not.").map_or((false, text), |rest| (true, rest));
        let (operator, value) = rest.split_once('.').ok_or_else(|| no_operator(column, text))?;
        let compare = |comparison| Ok(Test::Compare(comparison, value.to_owned()));
        let test = match operator {
            "eq" => compare(Comparison::Eq),
            "neq" => compare(Comparison::Neq),
            "gt" => compare(Comparison::Gt),
            "gte" => compare(Comparison::Gte),
            "lt" => compare(Comparison::Lt),
            "lte" => compare(Comparison::Lte),
            "in" => values(column, value).map(Test::In),
            "is" => truth(column, value).map(Test::Is),
            "like" | "ilike" | "cs" => {
                Err(BadQuery::filter(format!("{column}={text}: this version does not serve {operator}")))
            }
            _ => Err(no_operator(column, text)),
        };
        Ok(Self { column: column.to_owned(), negated, test: test? })
    }
}

fn no_operator(column: &str, text: &str) -> BadQuery {
    BadQuery::filter(format!(
        "{column}={text} has no operator this server knows; write {column}=eq.VALUE, or neq, gt, gte, lt, lte, in.(A,B), \
         is.null, each also after not."
    ))
}

fn truth(column: &str, value: &str) -> Result<Truth, BadQuery> {
    match value {
        "null" => Ok(Truth::Null),
        "true" => Ok(Truth::True),
        "false" => Ok(Truth::False),
        "unknown" => Ok(Truth::Unknown),
        _ => Err(BadQuery::filter(format!(
            "{column}=is.{value}: after is. stands null, true, false or unknown"
        ))),
    }
}

/// The values of `(a,b,"c,d")`; in quotes a backslash takes the next character as it is.
fn values(column: &str, text: &str) -> Result<Vec<String>, BadQuery> {
    let bad = || {
        BadQuery::filter(format!(
            "{column}=in.{text}: write in.(A,B), and a value with , or ) in it in double quotes"
        ))
    };
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(bad)?;
    let mut values = Vec::new();
    if inner.is_empty() {
        return Ok(values);
    }
    let mut rest = inner;
    loop {
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted).ok_or_else(bad)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        values.push(value);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(values),
            None => return Err(bad()),
        }
    }
}

/// What stands before the closing quote, and what after it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(text: &str) -> Test {
        let condition = Condition::parse("a", text).unwrap();
        assert!(!condition.negated);
        condition.test
    }

    #[test]
    fn every_operator_is_read() {
        for (word, comparison) in [
            ("eq", Comparison::Eq),
            ("neq", Comparison::Neq),
            ("gt", Comparison::Gt),
            ("gte", Comparison::Gte),
            ("lt", Comparison::Lt),
            ("lte", Comparison::Lte),
        ] {
            assert_eq!(test(&format!("{word}.x.y")), Test::Compare(comparison, "x.y".into()));
        }
        assert_eq!(test("eq."), Test::Compare(Comparison::Eq, String::new()));
        assert_eq!(test("is.null"), Test::Is(Truth::Null));
        assert!(Condition::parse("a", "not.is.true").unwrap().negated);
    }

    #[test]
    fn lists_of_values_may_be_quoted() {
        for (text, expected) in [
            ("in.()", &[][..]),
            ("in.(a)", &["a"]),
            ("in.(a,b c,)", &["a", "b c", ""]),
            (r#"in.("a,b",c)"#, &["a,b", "c"]),
            (r#"in.("a\"\\)","")"#, &[r#"a"\)"#, ""]),
            ("in.(null)", &["null"]),
        ] {
            assert_eq!(
                test(text),
                Test::In(expected.iter().map(|value| (*value).to_owned()).collect()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for text in [
            "",
            "5",
            "eq",
            "equals.5",
            "not.5",
            "is.",
            "is.nil",
            "in.a",
            "in.(a",
            r#"in.("a)"#,
            r#"in.("a"b)"#,
        ] {
            let bad = Condition::parse("a", text).unwrap_err();
            assert!(bad.code == "bad_filter" && bad.message.contains("a="), "{text}: {bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_filter_panics(text in "(not\\.)?(in|is|eq)?\\.?[(),\"\\\\a-zé.]*") {
            let _ = Condition::parse("a", &text);
        }

        #[test]
        fn any_value_can_be_quoted(values in proptest::collection::vec("\\PC*", 1..5)) {
            let quoted: Vec<_> = values.iter().map(|value| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))).collect();
            proptest::prop_assert_eq!(test(&format!("in.({})", quoted.join(","))), Test::In(values));
        }
    }
}

//! From the text of a filter to its meaning.

use super::quotes::{closing, excerpt, read_name, unquote};
use super::{BadQuery, Comparison, Condition, DEEPEST, Filter, Letters, MOST_VALUES, Test, Truth};

/// What a client is told that uses an operator nobody knows.
const OPERATORS: &str = "eq, neq, gt, gte, lt, lte, like, ilike, in, is, cs, each also after not.";

/// What is left to read of one parameter.
struct Reader<'a> {
    rest: &'a str,
    /// True within `(…)`, where a value ends at `,` or `)`.
    grouped: bool,
}

/// Reads one pair of a query, decoded.
pub(super) fn pair(name: &str, text: &str) -> Result<Filter, BadQuery> {
    let mut reader = Reader { rest: text, grouped: true };
    let filter = match name {
        "and" => reader.group(0).map(Filter::all),
        "or" => reader.group(0).map(Filter::any),
        "not.and" => reader.group(0).map(Filter::all).map(Filter::negated),
        "not.or" => reader.group(0).map(Filter::any).map(Filter::negated),
        _ => {
            reader.grouped = false;
            reader.condition(read_name(name)).map(Filter::One)
        }
    };
    let within = |bad: BadQuery| BadQuery::filter(format!("{}: {}", excerpt(name), bad.message));
    let filter = filter.map_err(within)?;
    if reader.rest.is_empty() {
        return Ok(filter);
    }
    Err(within(reader.wrong("nothing may follow the closing parenthesis")))
}

impl<'a> Reader<'a> {
    /// `(member,member)`.
    fn group(&mut self, depth: usize) -> Result<Vec<Filter>, BadQuery> {
        if depth >= DEEPEST {
            return Err(self.wrong(&format!("groups may stand {DEEPEST} deep in one another")));
        }
        if !self.take("(") {
            return Err(self.wrong("write (COLUMN.OPERATOR.VALUE,…) in parentheses"));
        }
        let mut members = Vec::new();
        loop {
            members.push(self.member(depth)?);
            if self.take(")") {
                return Ok(members);
            }
            if !self.take(",") {
                return Err(self.wrong(
                    "a , or ) must stand here; a value with one of them in it stands in double quotes",
                ));
            }
        }
    }

    /// A condition, or a group with its name.
    fn member(&mut self, depth: usize) -> Result<Filter, BadQuery> {
        for (opening, any, negated) in
            [("and(", false, false), ("or(", true, false), ("not.and(", false, true), ("not.or(", true, true)]
        {
            if self.rest.starts_with(opening) {
                self.rest = &self.rest[opening.len() - 1..];
                let members = self.group(depth + 1)?;
                let group = if any { Filter::any(members) } else { Filter::all(members) };
                return Ok(if negated { group.negated() } else { group });
            }
        }
        let at = self.rest;
        let unnamed = |reader: &Self| Reader { rest: at, ..*reader }.wrong("write COLUMN.OPERATOR.VALUE");
        let column = match self.rest.strip_prefix('"').and_then(unquote) {
            Some((column, after)) => {
                self.rest = after;
                column
            }
            None => {
                let end = self.rest.find(['.', ',', '(', ')']).ok_or_else(|| unnamed(self))?;
                let (column, after) = self.rest.split_at(end);
                self.rest = after;
                column.to_owned()
            }
        };
        if column.is_empty() || !self.take(".") {
            return Err(unnamed(self));
        }
        self.condition(column).map(Filter::One)
    }

    /// `not.eq.VALUE`.
    fn condition(&mut self, column: String) -> Result<Condition, BadQuery> {
        let at = self.rest;
        let negated = self.take("not.");
        let word = self.rest.split(['.', ',', '(', ')']).next().unwrap_or_default();
        let unknown = |reader: &Self| {
            let known = format!(
                "there is no operator {:?}; write COLUMN=eq.VALUE, or one of {OPERATORS}",
                excerpt(word)
            );
            Reader { rest: at, ..*reader }.wrong(&known)
        };
        if !self.rest[word.len()..].starts_with('.') {
            return Err(unknown(self));
        }
        self.rest = &self.rest[word.len() + 1..];
        let test = match word {
            "in" => Test::In(self.values()?),
            "is" => Test::Is(self.truth()?),
            "like" => Test::Like(Letters::AsWritten, self.pattern()?),
            "ilike" => Test::Like(Letters::AnyCase, self.pattern()?),
            _ => match Comparison::of_word(word) {
                Some(comparison) => Test::Compare(comparison, self.value()?),
                None => return Err(unknown(self)),
            },
        };
        Ok(Condition { column, negated, test })
    }

    /// Everything that is left, or within a group up to its `,` or `)`.
    fn value(&mut self) -> Result<String, BadQuery> {
        if !self.grouped {
            return Ok(std::mem::take(&mut self.rest).to_owned());
        }
        if self.rest.starts_with('{') {
            let end = closing(self.rest).ok_or_else(|| self.wrong("the { is not closed"))?;
            let (value, after) = self.rest.split_at(end);
            self.rest = after;
            return Ok(value.to_owned());
        }
        self.element()
    }

    /// A value in double quotes, or what stands before the next `,` or `)`.
    fn element(&mut self) -> Result<String, BadQuery> {
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let (value, after) = unquote(quoted).ok_or_else(|| self.wrong("the quote is not closed"))?;
            self.rest = after;
            return Ok(value);
        }
        let end = self.rest.find([',', ')']).unwrap_or(self.rest.len());
        let (value, after) = self.rest.split_at(end);
        self.rest = after;
        Ok(value.to_owned())
    }

    /// The values of `(a,b,"c,d")`, sorted.
    fn values(&mut self) -> Result<Vec<String>, BadQuery> {
        let at = self.rest;
        let bad = |reader: &Self| {
            let told = "write in.(A,B), and a value with , or ) in it in double quotes";
            Reader { rest: at, ..*reader }.wrong(told)
        };
        if !self.take("(") {
            return Err(bad(self));
        }
        let mut values = Vec::new();
        while !self.take(")") {
            if !values.is_empty() && !self.take(",") {
                return Err(bad(self));
            }
            if values.len() == MOST_VALUES {
                return Err(BadQuery::filter(format!("in takes at most {MOST_VALUES} values")));
            }
            values.push(self.element()?);
            if !self.rest.starts_with([',', ')']) {
                return Err(bad(self));
            }
        }
        if !self.grouped && !self.rest.is_empty() {
            return Err(bad(self));
        }
        values.sort();
        values.dedup();
        Ok(values)
    }

    fn truth(&mut self) -> Result<Truth, BadQuery> {
        let at = self.rest;
        let word = self.value()?;
        let known = Truth::EVERY.into_iter().find(|truth| truth.word().eq_ignore_ascii_case(&word));
        let told = "after is. stands null, true, false or unknown";
        known.ok_or_else(|| Reader { rest: at, grouped: self.grouped }.wrong(told))
    }

    fn pattern(&mut self) -> Result<String, BadQuery> {
        let at = self.rest;
        let pattern = self.value()?;
        let backslashes = pattern.len() - pattern.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            let told =
                "a pattern cannot end with a backslash, which takes the next character as it is; write two";
            return Err(Reader { rest: at, grouped: self.grouped }.wrong(told));
        }
        Ok(pattern)
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// What is wrong at this place.
    fn wrong(&self, told: &str) -> BadQuery {
        BadQuery::filter(match self.rest {
            "" => format!("at its end: {told}"),
            rest => format!("at {}: {told}", excerpt(rest)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::MOST_CONDITIONS;
    use super::*;

    fn read(name: &str, text: &str) -> Result<Filter, BadQuery> {
        Filter::read([(name, text)])
    }

    fn condition(text: &str) -> Condition {
        match read("a", text).unwrap() {
            Filter::One(condition) => condition,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_operator_is_read() {
        for comparison in Comparison::EVERY {
            let read = condition(&format!("{}.x.y", comparison.word())).test;
            assert_eq!(read, Test::Compare(comparison, "x.y".into()));
        }
        assert_eq!(condition("eq.").test, Test::Compare(Comparison::Eq, String::new()));
        assert_eq!(condition("like.*a").test, Test::Like(Letters::AsWritten, "*a".into()));
        assert_eq!(condition("ilike.a\\\\").test, Test::Like(Letters::AnyCase, "a\\\\".into()));
        assert_eq!(condition("is.NULL").test, Test::Is(Truth::Null));
        assert!(condition("not.is.true").negated);
    }

    #[test]
    fn lists_of_values_may_be_quoted() {
        for (text, expected) in [
            ("in.()", &[][..]),
            ("in.(a)", &["a"]),
            ("in.(a,b c,)", &["", "a", "b c"]),
            (r#"in.("a,b",c,c)"#, &["a,b", "c"]),
            (r#"in.("a\"\\)","")"#, &["", r#"a"\)"#]),
            ("in.(null)", &["null"]),
        ] {
            let expected = expected.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(condition(text).test, Test::In(expected), "{text}");
        }
    }

    #[test]
    fn groups_stand_in_groups() {
        for (name, text, same) in [
            ("or", "(a.eq.1,b.eq.2)", "or=(b.eq.2,a.eq.1,a.eq.1)"),
            ("or", "(a.eq.1,or(b.eq.2,c.eq.3))", "or=(a.eq.1,b.eq.2,c.eq.3)"),
            ("and", "(a.eq.1,b.eq.2)", "a=eq.1&b=eq.2"),
            ("not.or", "(a.eq.1,b.not.eq.2)", "a=not.eq.1&b=eq.2"),
            ("not.and", "(a.eq.1,or(b.is.null,c.eq.3))", "or=(and(b.not.is.null,c.not.eq.3),a.not.eq.1)"),
            ("or", "(not.and(a.eq.1,b.eq.2),c.eq.3)", "or=(a.not.eq.1,b.not.eq.2,c.eq.3)"),
            ("or", "(a.eq.1)", "a=eq.1"),
            (
                "or",
                r#"("a.b".eq."x,y",c.cs.{"d":")"},e.in.(1,2))"#,
                r#"or=("a.b".eq."x,y",c.cs."{\"d\":\")\"}",e.in.(2,1))"#,
            ),
            ("or", "(not.eq.1,and.eq.2)", "or=(and.eq.2,not.eq.1)"),
        ] {
            let pairs: Vec<_> = same.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
            assert_eq!(read(name, text), Filter::read(pairs), "{name}={text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_its_place() {
        for (name, text, told) in [
            ("a", "", "a: at its end: there is no operator \"\""),
            ("a", "5", "a: at 5: there is no operator \"5\""),
            ("a", "equals.5", "a: at equals.5: there is no operator \"equals\""),
            ("a", "not.5", "at not.5"),
            ("a", "is.nil", "at nil: after is. stands null"),
            ("a", "in.a", "at a: write in.(A,B)"),
            ("a", "in.(a", "in double quotes"),
            ("a", r#"in.("a"b)"#, "in double quotes"),
            ("a", "in.(a)b", "in double quotes"),
            ("a", r"like.x\", "cannot end with a backslash"),
            ("or", "a.eq.1", "or: at a.eq.1: write (COLUMN.OPERATOR.VALUE"),
            ("or", "()", "or: at ): write COLUMN.OPERATOR.VALUE"),
            ("or", "(a.eq.1", "or: at its end: a , or )"),
            ("or", "(a.eq.1)x", "or: at x: nothing may follow"),
            ("or", "(a.eq.1,b.equals.2)", "or: at equals.2)"),
            ("or", "(a)", "at a): write COLUMN"),
            ("or", "(a.eq.\"x)", "the quote is not closed"),
            ("or", "(a.cs.{\"}\")", "the { is not closed"),
            ("or", "(a.eq.\"x\"y)", "a , or ) must stand here"),
        ] {
            let bad = read(name, text).unwrap_err();
            assert!(bad.code == "bad_filter" && bad.message.contains(told), "{name}={text}: {}", bad.message);
        }
    }

    #[test]
    fn depth_and_size_have_limits() {
        let nested = |depth: usize| {
            let mut text = "(a.eq.1,b.eq.2)".to_owned();
            for level in 1..depth {
                text = format!("(c.eq.{level},{}{text})", if level % 2 == 0 { "or" } else { "and" });
            }
            text
        };
        assert!(read("or", &nested(DEEPEST)).is_ok());
        assert!(read("or", &nested(DEEPEST + 1)).unwrap_err().message.contains("8 deep"));
        assert!(read("or", &"(or".repeat(100_000)).is_err());
        assert!(read("or", &"(a.eq.1,or".repeat(100_000)).is_err());
        let many = |count: usize| (0..count).map(|n| format!("a.eq.{n}")).collect::<Vec<_>>().join(",");
        assert!(read("or", &format!("({})", many(MOST_CONDITIONS))).is_ok());
        assert!(read("or", &format!("({})", many(MOST_CONDITIONS + 1))).is_err());
        let values = |count| vec!["1"; count].join(",");
        assert!(read("a", &format!("in.({})", values(MOST_VALUES))).is_ok());
        assert!(read("a", &format!("in.({})", values(MOST_VALUES + 1))).is_err());
        let long = read("a", &"x".repeat(100_000)).unwrap_err().message;
        assert!(long.len() < 500, "{long}");
    }

    proptest::proptest! {
        #[test]
        fn no_filter_panics(name in "a|or|not.and|\"\\PC*", text in "(not\\.)?(in|is|eq|cs|like)?\\.?[(),\"\\\\a-z{}é.]*") {
            let _ = read(&name, &text);
        }

        #[test]
        fn any_value_can_be_quoted(values in proptest::collection::vec("\\PC*", 1..5)) {
            let quoted: Vec<_> = values.iter().map(|value| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))).collect();
            let mut values = values;
            values.sort();
            values.dedup();
            proptest::prop_assert_eq!(condition(&format!("in.({})", quoted.join(","))).test, Test::In(values));
        }
    }
}

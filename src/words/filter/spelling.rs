//! From the meaning of a filter to its one text, which reads back as the same.

use std::fmt::{self, Write as _};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{Condition, Filter, Test};

/// What a part of a query cannot hold as it is.
const VALUE: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'&').add(b'+').add(b'#');
/// Nor can a name.
const NAME: &AsciiSet = &VALUE.add(b'=');

/// Names that stand for something else than a column, of lists and of feeds.
pub const RESERVED: [&str; 13] = [
    "and", "or", "not.and", "not.or", "select", "order", "limit", "offset", "since", "snapshot", "token",
    "wait", "count",
];

impl fmt::Display for Filter {
    /// As a query: `a=eq.1&or=(b.eq.2,c.is.null)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(members) => {
                for (place, member) in members.iter().enumerate() {
                    if place > 0 {
                        f.write_char('&')?;
                    }
                    write!(f, "{member}")?;
                }
                Ok(())
            }
            Self::One(condition) => {
                let reserved = RESERVED.contains(&condition.column.as_str());
                let name = match reserved || condition.column.starts_with('"') {
                    true => quoted(&condition.column),
                    false => condition.column.clone(),
                };
                let text = asked(condition, false);
                write!(f, "{}={}", utf8_percent_encode(&name, NAME), utf8_percent_encode(&text, VALUE))
            }
            Self::Any(members) => write!(f, "or={}", utf8_percent_encode(&group(members), VALUE)),
        }
    }
}

fn group(members: &[Filter]) -> String {
    let members: Vec<_> = members.iter().map(member).collect();
    format!("({})", members.join(","))
}

fn member(filter: &Filter) -> String {
    match filter {
        Filter::Any(members) => format!("or{}", group(members)),
        Filter::All(members) => format!("and{}", group(members)),
        Filter::One(condition) => {
            let plain = !condition.column.is_empty() && !condition.column.contains(['.', ',', '(', ')', '"']);
            let name = if plain { condition.column.clone() } else { quoted(&condition.column) };
            format!("{name}.{}", asked(condition, true))
        }
    }
}

/// What a condition asks of its column.
fn asked(condition: &Condition, grouped: bool) -> String {
    let value = |value: &str| if grouped { element(value) } else { value.to_owned() };
    let not = if condition.negated { "not." } else { "" };
    match &condition.test {
        Test::Compare(comparison, text) => format!("{not}{}.{}", comparison.word(), value(text)),
        Test::Like(letters, text) => format!("{not}{}.{}", letters.word(), value(text)),
        Test::Is(truth) => format!("{not}is.{}", truth.word()),
        Test::In(values) => {
            let values: Vec<_> = values.iter().map(|value| element(value)).collect();
            format!("{not}in.({})", values.join(","))
        }
    }
}

/// A value where a `,` or `)` ends it.
fn element(value: &str) -> String {
    if value.is_empty() || value.contains([',', '(', ')', '"', '\\', '{', '}']) {
        quoted(value)
    } else {
        value.to_owned()
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::super::{Comparison, Letters, Truth};
    use super::*;
    use proptest::prelude::*;

    fn read(query: &str) -> Filter {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Filter::read(pairs.iter().map(|(name, value)| (&**name, &**value))).unwrap()
    }

    #[test]
    fn one_spelling_for_one_meaning() {
        for (query, spelling) in [
            ("b=eq.2&a=eq.1", "a=eq.1&b=eq.2"),
            ("a=in.(c,b,b)", "a=in.(b,c)"),
            ("or=(b.eq.1,a.eq.%22x,y%22)", "or=(a.eq.\"x,y\",b.eq.1)"),
            ("not.or=(b.eq.1,and(c.is.null,d.gt.5))", "b=not.eq.1&or=(c.not.is.null,d.not.gt.5)"),
            ("or=(a.eq.1,and(b.eq.2,c.eq.3))", "or=(a.eq.1,and(b.eq.2,c.eq.3))"),
            ("a%3Db=eq.x+y%26z%2B%C3%A9", "a%3Db=eq.x%20y%26z%2B%C3%A9"),
            ("%22order%22=eq.1&x.y=eq.2", "\"order\"=eq.1&x.y=eq.2"),
            ("a=in.()", "a=in.()"),
            ("a=cs.{\"b\":1}", "a=cs.{\"b\":1}"),
        ] {
            assert_eq!(read(query).to_string(), spelling);
            assert_eq!(read(spelling), read(query), "{spelling}");
        }
    }

    fn any_filter() -> impl Strategy<Value = Filter> {
        let test = prop_oneof![
            ("\\PC{0,6}").prop_map(|text| Test::Compare(Comparison::Contains, text)),
            ("[^\\\\]{0,6}").prop_map(|text| Test::Like(Letters::AnyCase, text)),
            prop::collection::btree_set("\\PC{0,4}", 0..3)
                .prop_map(|set| Test::In(set.into_iter().collect())),
            Just(Test::Is(Truth::Unknown)),
        ];
        let name =
            prop_oneof![Just("or".to_owned()), Just("not".to_owned()), Just("\"a\"".to_owned()), "\\PC{1,6}"];
        let one = (name, any::<bool>(), test)
            .prop_map(|(column, negated, test)| Filter::One(Condition { column, negated, test }));
        one.prop_recursive(3, 12, 3, |inner| {
            let members = prop::collection::vec(inner, 1..4);
            (members, any::<bool>(), any::<bool>()).prop_map(|(members, any, negated)| {
                let group = if any { Filter::any(members) } else { Filter::all(members) };
                if negated { group.negated() } else { group }
            })
        })
    }

    proptest! {
        #[test]
        fn a_spelling_reads_back_as_the_same(filter in any_filter()) {
            let spelling = filter.to_string();
            prop_assert_eq!(read(&spelling), filter, "{}", spelling);
        }
    }
}

//! Numbers that travel as text: `"12.50"` and `12.50` are the same value of a column that holds numbers.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// PostgreSQL's own limit for the dimensions of an array.
const MOST_DIMENSIONS: usize = 6;

/// The JSON of numbers with those that are spelled as strings as numbers, also within arrays; what is no number, as
/// `"NaN"`, stays.
pub fn as_numbers(json: &str) -> Cow<'_, str> {
    each(json, MOST_DIMENSIONS, &|one| {
        let text = serde_json::from_str::<String>(one).ok().filter(|text| is_number(text))?;
        Some(text)
    })
}

/// The same the other way: every number as a string.
pub fn as_texts(json: &str) -> Cow<'_, str> {
    each(json, MOST_DIMENSIONS, &|one| is_number(one).then(|| format!("\"{one}\"")))
}

fn each<'a>(json: &'a str, deeper: usize, change: &dyn Fn(&str) -> Option<String>) -> Cow<'a, str> {
    let json = json.trim();
    if !json.starts_with('[') {
        return change(json).map_or(Cow::Borrowed(json), Cow::Owned);
    }
    let items = serde_json::from_str::<Vec<&RawValue>>(json).ok();
    let (Some(items), Some(deeper)) = (items, deeper.checked_sub(1)) else { return Cow::Borrowed(json) };
    let items: Vec<_> = items.into_iter().map(|item| each(item.get(), deeper, change)).collect();
    Cow::Owned(format!("[{}]", items.join(",")))
}

/// True for a number as JSON spells it, of any length.
fn is_number(text: &str) -> bool {
    let first = text.as_bytes().first();
    first.is_some_and(|first| *first == b'-' || first.is_ascii_digit())
        && text.bytes().all(|byte| !byte.is_ascii_whitespace())
        && serde_json::from_str::<&RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_turned_into_one() {
        for (text, number) in [
            ("\"9007199254740993\"", "9007199254740993"),
            ("\"-0.10\"", "-0.10"),
            ("\"1e400\"", "1e400"),
            ("\"NaN\"", "\"NaN\""),
            ("\"\"", "\"\""),
            ("null", "null"),
            ("[\"1\",null,[\"-2.0\",\"Infinity\"]]", "[1,null,[-2.0,\"Infinity\"]]"),
            ("[]", "[]"),
        ] {
            assert_eq!(as_numbers(text), number);
            assert_eq!(as_numbers(number), number);
            assert_eq!(as_texts(number), text);
            assert_eq!(as_texts(text), text);
        }
    }

    #[test]
    fn what_json_spells_otherwise_is_left_alone() {
        for text in [
            "\"007\"",
            "\" 1\"",
            "\"1 \"",
            "\"+1\"",
            "\".5\"",
            "\"1,2\"",
            "\"-\"",
            "\"\\ud800\"",
            "true",
            "{\"a\":1}",
        ] {
            assert_eq!((as_numbers(text), as_texts(text)), (text.into(), text.into()));
        }
        let deep = format!("{}\"1\"{}", "[".repeat(9), "]".repeat(9));
        assert_eq!(as_numbers(&deep), deep);
    }
}

//! JSON texts, compared by what they mean and taken apart one level at a time.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Bytes that may be taken apart yet: each level of a value is read once more, so a large and deep one could take long.
pub(super) struct Budget(Cell<usize>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Cell::new(64 << 20))
    }

    /// False where it is used up: then a text is taken as it is.
    fn takes(&self, text: &str) -> bool {
        let left = self.0.get().checked_sub(text.len());
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// The members of an object in their order; none of anything else, and of an object that has a key twice.
pub(super) fn members<'a>(text: &'a str, budget: &Budget) -> Option<Vec<(String, &'a str)>> {
    if !text.trim_start().starts_with('{') || !budget.takes(text) {
        return None;
    }
    let Members(members) = serde_json::from_str(text).ok()?;
    Some(members.into_iter().map(|(name, value)| (name, value.get())).collect())
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let (mut members, mut names) = (Vec::new(), HashSet::new());
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom("a key is there twice"));
                    }
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// An object of members.
pub(super) fn text_of(members: &[(&str, Cow<'_, str>)]) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::Value::from(*name).to_string());
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    text
}

/// Whether two texts mean the same; what is nested deeper than that must be spelled the same.
pub(super) fn alike(one: &str, other: &str, deeper: usize, budget: &Budget) -> bool {
    let (one, other) = (one.trim(), other.trim());
    if one == other {
        return true;
    }
    let Some(deeper) = deeper.checked_sub(1) else { return false };
    match (one.as_bytes().first(), other.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => match (members(one, budget), members(other, budget)) {
            (Some(one), Some(mut other)) if one.len() == other.len() => {
                let mut one = one;
                one.sort_unstable();
                other.sort_unstable();
                one.iter().zip(&other).all(|((name, value), (other_name, other_value))| {
                    name == other_name && alike(value, other_value, deeper, budget)
                })
            }
            _ => false,
        },
        (Some(b'['), Some(b'[')) => {
            let items =
                |text| budget.takes(text).then(|| serde_json::from_str::<Vec<&RawValue>>(text).ok())?;
            match (items(one), items(other)) {
                (Some(one), Some(other)) if one.len() == other.len() => {
                    one.iter().zip(&other).all(|(one, other)| alike(one.get(), other.get(), deeper, budget))
                }
                _ => false,
            }
        }
        (Some(b'"'), Some(b'"')) => {
            let string = |text| serde_json::from_str::<String>(text).ok();
            string(one).is_some_and(|one| string(other) == Some(one))
        }
        _ => decimal(one).is_some_and(|one| decimal(other) == Some(one)),
    }
}

/// A number as its sign, its digits without zeros around them, and the power of ten of the last one.
fn decimal(text: &str) -> Option<(bool, String, i64)> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if !rest.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let exponent: i64 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Some((false, String::new(), 0));
    }
    let zeros = i64::try_from(digits.len() - kept.len()).ok()?;
    let places = i64::try_from(fraction.len()).ok()?;
    let power = exponent.checked_add(zeros)?.checked_sub(places)?;
    Some((negative, kept.to_owned(), power))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        alike(one, other, 64, &Budget::new())
    }

    #[test]
    fn texts_that_mean_the_same() {
        for (one, other) in [
            ("1.10", "1.1"),
            ("1.10", "11e-1"),
            ("100", "1e2"),
            ("0.0", "-0"),
            ("1152921504606846976", "1152921504606846976.0"),
            (r#""\u00e9""#, "\"\u{e9}\""),
            (r#"{"a":1,"b":[1.0,{}]}"#, r#" { "b" : [ 1, { } ], "a" : 1e0 } "#),
            (r#""\ud800""#, r#""\ud800""#),
            (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
        ] {
            assert!(same(one, other) && same(other, one), "{one} {other}");
        }
    }

    #[test]
    fn texts_that_do_not() {
        for (one, other) in [
            ("1152921504606846976", "1152921504606846977"),
            ("0.1000000000000000055", "0.1"),
            ("1e400000", "1e400001"),
            ("-1", "1"),
            ("1", "\"1\""),
            ("null", "false"),
            ("null", "0"),
            ("[1,2]", "[2,1]"),
            ("{\"a\":null}", "{}"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}

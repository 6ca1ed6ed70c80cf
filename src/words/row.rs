//! A row as a client sent it: columns in their order, values unread.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// PostgreSQL's own limit for a table.
const MOST_COLUMNS: usize = 1600;

/// A JSON object with each name once. What its values mean is for PostgreSQL to say.
#[derive(Debug, Clone, Default)]
pub struct RowBody(Vec<(String, Box<RawValue>)>);

impl RowBody {
    /// Reads the bytes of a request; the message says in which way they are no row.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "the body is not UTF-8".to_owned())?;
        if text.trim().is_empty() {
            return Err("the body is empty; send the row as a JSON object".to_owned());
        }
        serde_json::from_str(text).map_err(|error| format!("the body is not a row as a JSON object: {error}"))
    }

    /// The value under a name, as it was sent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.get())
    }

    /// Sets a value; the one that stood there.
    pub fn replace(&mut self, name: &str, value: &serde_json::Value) -> Option<Box<RawValue>> {
        // A value is always JSON, so there is nothing to fail.
        let value = serde_json::value::to_raw_value(value).ok()?;
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some((_, place)) => Some(std::mem::replace(place, value)),
            None => {
                self.0.push((name.to_owned(), value));
                None
            }
        }
    }

    /// Sets a value that is JSON already.
    pub fn set(&mut self, name: &str, json: String) {
        let Ok(value) = RawValue::from_string(json) else { return };
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some((_, place)) => *place = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Every name, in the order it was sent.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Every name and its value, in the order they were sent.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get()))
    }

    /// A JSON object of those columns alone.
    pub fn only<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> String {
        let mut text = String::from("{");
        for name in names {
            let Some(value) = self.get(name) else { continue };
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(name).to_string());
            text.push(':');
            text.push_str(value);
        }
        text.push('}');
        text
    }

    /// All of it, as a JSON object.
    pub fn text(&self) -> String {
        self.only(self.names())
    }
}

impl<'de> Deserialize<'de> for RowBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = RowBody;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of columns")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RowBody, A::Error> {
                let mut row = RowBody::default();
                while let Some(name) = map.next_key::<String>()? {
                    if row.get(&name).is_some() {
                        return Err(A::Error::custom(format!("it has {name:?} twice")));
                    }
                    if row.0.len() == MOST_COLUMNS {
                        return Err(A::Error::custom(format!("it has more than {MOST_COLUMNS} columns")));
                    }
                    row.0.push((name, map.next_value()?));
                }
                Ok(row)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_were_sent() {
        let mut row = RowBody::parse(br#" {"a": 1e400, "b\"": {"x":1, "x":2}, "c":"\ud800"} "#).unwrap();
        assert_eq!(row.get("a"), Some("1e400"));
        assert_eq!(row.only(["c", "b\"", "none"]), r#"{"c":"\ud800","b\"":{"x":1, "x":2}}"#);
        assert_eq!(row.replace("a", &7.into()).unwrap().get(), "1e400");
        assert!(row.replace("d", &"x".into()).is_none());
        assert_eq!(row.text(), r#"{"a":7,"b\"":{"x":1, "x":2},"c":"\ud800","d":"x"}"#);
    }

    #[test]
    fn what_is_no_row_is_told() {
        for (bytes, words) in [
            (&b""[..], "empty"),
            (b"  \n", "empty"),
            (b"\xff", "UTF-8"),
            (b"[]", "expected an object of columns"),
            (b"7", "expected an object"),
            (b"{\"a\":1", "EOF"),
            (b"{\"a\":1} x", "trailing"),
            (b"{\"a\":01}", "invalid number"),
            (b"{\"a\":1,\"\\u0061\":2}", "\"a\" twice"),
            (b"{\"\\ud800\":1}", "hex escape"),
        ] {
            let told = RowBody::parse(bytes).unwrap_err();
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn a_row_has_no_more_columns_than_a_table() {
        let columns: Vec<_> = (0..=MOST_COLUMNS).map(|number| format!("\"c{number}\":0")).collect();
        assert!(RowBody::parse(format!("{{{}}}", columns[1..].join(",")).as_bytes()).is_ok());
        assert!(RowBody::parse(format!("{{{}}}", columns.join(",")).as_bytes()).is_err());
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let _ = RowBody::parse(deep.as_bytes());
    }
}

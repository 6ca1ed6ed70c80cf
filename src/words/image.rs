//! Images of rows, taken apart into columns without reading their values: they stay as PostgreSQL wrote them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Names and values of an image, in their order.
pub struct Columns<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Columns<'a> {
    /// Takes an image apart; none where it is no object.
    pub fn read(image: &'a str) -> Option<Self> {
        serde_json::from_str(image).ok()
    }

    /// Each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    /// True when every one of these columns is there, be it null.
    pub fn holds_all(&self, names: &BTreeSet<&str>) -> bool {
        names.iter().all(|name| self.0.iter().any(|(column, _)| column == name))
    }

    /// The value of a column, which stands at the same place in nearly every other image of its table.
    pub fn value(&self, place: usize, name: &str) -> Option<&RawValue> {
        let same = self.0.get(place).filter(|(other, _)| other == name);
        same.or_else(|| self.0.iter().find(|(other, _)| other == name)).map(|(_, value)| *value)
    }
}

impl<'de> Deserialize<'de> for Columns<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Columns<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut columns = Vec::new();
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    columns.push((name.0, map.next_value()?));
                }
                Ok(Columns(columns))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A column name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

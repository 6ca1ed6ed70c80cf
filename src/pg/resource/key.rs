//! The id of a row, from the text that names it to the values of its key.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::refusal::Refusal;
use super::table::{Column, Table};
use crate::pg::statement::Parameters;
use crate::words::RowBody;

/// The values of a key's columns as text, in key order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key(Vec<String>);

impl Key {
    /// Reads an id: the key's value itself, or of several columns their JSON array.
    pub(super) fn read(table: &Table, id: &str) -> Result<Self, Refusal> {
        let count = table.key.len();
        if count == 1 {
            return Ok(Self(vec![id.to_owned()]));
        }
        let bad = || {
            let names: Vec<_> = table.key_columns().map(|column| column.name.clone()).collect();
            Refusal::BadValue(format!("the id is not a JSON array of {count} values ({})", names.join(", ")))
        };
        let values: Vec<&RawValue> = serde_json::from_str(id).map_err(|_| bad())?;
        let texts: Option<Vec<_>> = values.iter().map(|value| text_of(value.get())).collect();
        let key = texts.filter(|texts| texts.len() == count).map(Self).ok_or_else(bad)?;
        for (column, value) in table.key_columns().zip(values) {
            // Every value has a text form.
            if !value.get().starts_with('"') {
                column.check(value.get())?;
            }
        }
        Ok(key)
    }

    /// The key that a new row brings along; none where the table gives part of it.
    pub(super) fn of_body(table: &Table, row: &RowBody) -> Option<Self> {
        let texts = table.key_columns().map(|column| row.get(&column.name).and_then(text_of));
        texts.collect::<Option<Vec<_>>>().map(Self)
    }

    /// SQL that says row `t` has this key.
    pub(super) fn matches(&self, table: &Table, parameters: &mut Parameters) -> String {
        let pairs = table.key_columns().zip(&self.0);
        let conditions =
            pairs.map(|(column, value)| format!("t.{} = {}", column.quoted, parameters.add(value.as_str())));
        conditions.collect::<Vec<_>>().join(" and ")
    }

    /// SQL for the key alone, as the columns of a row of its own.
    pub(super) fn values(&self, table: &Table, parameters: &mut Parameters) -> String {
        let pairs = table.key_columns().zip(&self.0);
        let values = pairs.map(|(column, value)| {
            format!("{}::{} as {}", parameters.add(value.as_str()), column.bare_type, column.quoted)
        });
        values.collect::<Vec<_>>().join(", ")
    }

    /// Each value with its column.
    pub(super) fn pairs<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = (&'a Column, &'a str)> {
        table.key_columns().zip(self.0.iter().map(String::as_str))
    }
}

/// A string without its quotes, a number or a boolean as it stands; nothing else is part of a key.
fn text_of(text: &str) -> Option<String> {
    match text.as_bytes().first()? {
        b'"' => String::deserialize(&mut serde_json::Deserializer::from_str(text)).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::resource::table::{Holds, Numbers, Role};
    use crate::pg::resource::takes::Takes;

    fn table(key: &[&str]) -> Table {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            quoted: format!("\"{name}\""),
            type_name: "text".to_owned(),
            bare_type: "text".to_owned(),
            base_type: "text".to_owned(),
            collation: None,
            holds: Holds::Other,
            takes: Takes::Any,
            role: Role::Writable,
            numbers: Numbers::None,
        };
        Table {
            channel: "c".into(),
            relation: "s.t".to_owned(),
            image: String::new(),
            id_of_row: String::new(),
            id_of_key: String::new(),
            changes_again: false,
            asks_first: false,
            columns: key.iter().map(column).collect(),
            key: (0..key.len()).collect(),
            mark: String::new(),
        }
    }

    fn texts(key: &[&str], id: &str) -> Result<Vec<String>, Refusal> {
        Key::read(&table(key), id).map(|key| key.0)
    }

    #[test]
    fn one_column_is_its_text_and_several_are_an_array() {
        assert_eq!(texts(&["a"], "[1]").unwrap(), ["[1]"]);
        assert_eq!(texts(&["a", "b"], r#" ["x\"\u00e9", -1.50] "#).unwrap(), ["x\"\u{e9}", "-1.50"]);
        assert_eq!(texts(&["a", "b"], "[true,1e400]").unwrap(), ["true", "1e400"]);
        for id in [
            "",
            "1",
            "[]",
            "[1]",
            "[1,2,3]",
            "[1,null]",
            "[1,[2]]",
            "[1,{}]",
            "[1,2",
            "{}",
            r#"["\ud800",1]"#,
        ] {
            assert!(matches!(texts(&["a", "b"], id), Err(Refusal::BadValue(_))), "{id}");
        }
    }

    #[test]
    fn a_part_is_of_its_columns_kind() {
        let mut table = table(&["a", "b"]);
        (table.columns[0].takes, table.columns[1].takes) = (Takes::Text, Takes::NumberOrText);
        for id in [r#"["7",7]"#, r#"["7","7"]"#, r#"["7","true"]"#] {
            assert!(Key::read(&table, id).is_ok(), "{id}");
        }
        for id in ["[7,7]", r#"["7",true]"#] {
            assert!(matches!(Key::read(&table, id), Err(Refusal::WrongKind(_))), "{id}");
        }
    }

    #[test]
    fn values_are_parameters() {
        let (table, mut parameters) = (table(&["a", "b"]), Parameters::default());
        let key = Key::read(&table, r#"["'; --", 2]"#).unwrap();
        assert_eq!(key.matches(&table, &mut parameters), "t.\"a\" = $1 and t.\"b\" = $2");
        assert_eq!(key.values(&table, &mut parameters), "$3::text as \"a\", $4::text as \"b\"");
    }
}

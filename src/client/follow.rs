//! What a copy of a channel is to be made of: its topic, and how its rows are named.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::Client;
use super::change::read_as;
use super::collection::{Collection, Entry, Update};
use super::error::{Error, Result};
use super::events::Events;
use super::rows::List;

/// Rows that one list read may hold.
const LARGEST_LIST: usize = 10_000;

/// A copy to be made; [`Follow::open`] makes it.
#[derive(Debug, Clone)]
#[must_use = "nothing is read until the copy is opened"]
pub struct Follow {
    client: Client,
    topic: String,
    key: Vec<String>,
    version: String,
}

impl Follow {
    pub(super) fn new(client: Client, topic: String) -> Self {
        Self { client, topic, key: vec!["id".to_owned()], version: "version".to_owned() }
    }

    /// The columns of the primary key, in key order; `id` unless told otherwise.
    pub fn key<T: Into<String>>(mut self, columns: impl IntoIterator<Item = T>) -> Self {
        self.key = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The column that holds the version; `version` unless told otherwise.
    pub fn version_column(mut self, column: impl Into<String>) -> Self {
        self.version = column.into();
        self
    }

    /// Reads the rows.
    ///
    /// # Errors
    /// The topic names several channels (`is_usage`), the server refuses, or cannot be reached at the first try:
    /// whoever starts should know. Later on a lost connection is made anew without end.
    pub async fn open(self) -> Result<Collection> {
        let channel = self.channel();
        if channel == "*" || channel.contains(',') {
            return Err(Error::usage("a collection is of one channel: follow each by itself"));
        }
        let mut collection = Collection::begin(self);
        match collection.next().await? {
            Some(Update::StartedOver(_)) => Ok(collection),
            Some(Update::Disconnected(error)) => Err(error),
            Some(Update::Changed(_)) | None => {
                Err(Error::unexpected("the channel ended before its rows came"))
            }
        }
    }

    pub(super) fn channel(&self) -> &str {
        self.topic.split_once('?').map_or(&*self.topic, |(channel, _)| channel)
    }

    /// All rows, then their changes.
    pub(super) fn snapshot(&self) -> Events {
        self.client.subscribe(&*self.topic).snapshot().in_parts().events()
    }

    /// The changes after a list.
    pub(super) fn changes_since(&self, cursor: &str) -> Events {
        self.client.subscribe(&*self.topic).since(cursor).in_parts().events()
    }

    /// All rows by one request.
    pub(super) async fn list(&self) -> Result<List> {
        let list = self.client.list_by_topic(&self.topic, LARGEST_LIST).await?;
        if list.rows.len() < LARGEST_LIST {
            return Ok(list);
        }
        let channel = self.channel();
        let told =
            format!("{channel} has {LARGEST_LIST} rows or more, and the server gave no snapshot of them");
        Err(Error::too_large(told))
    }

    /// A row of a list or a snapshot with its id.
    pub(super) fn entry(&self, json: Box<RawValue>) -> Result<(String, Entry)> {
        let columns: BTreeMap<String, &RawValue> = read_as(&json, self.channel())?;
        let version = columns.get(&self.version).and_then(|version| version.get().parse().ok());
        let id = id(&self.key, &columns).ok_or_else(|| self.other_key())?;
        Ok((id, Entry { json: Some(json), version }))
    }

    /// Sees that a change names its row as the rows before it are named here.
    pub(super) fn check_id(&self, told: &str, json: &RawValue) -> Result<()> {
        let (id, _) = self.entry(json.to_owned())?;
        if id == told { Ok(()) } else { Err(self.other_key()) }
    }

    fn other_key(&self) -> Error {
        let (channel, key) = (self.channel(), self.key.join(", "));
        Error::usage(format!(
            "the key of {channel} is not ({key}): name the columns of its primary key in their order"
        ))
    }
}

/// The id as the feed spells it: the key's value as text, of several columns their JSON array without blanks.
fn id(key: &[String], columns: &BTreeMap<String, &RawValue>) -> Option<String> {
    let mut values = Vec::with_capacity(key.len());
    for column in key {
        values.push(columns.get(column).map(|value| value.get()).filter(|value| *value != "null")?);
    }
    match values.as_slice() {
        [] => None,
        [value] if value.starts_with('"') => serde_json::from_str(value).ok(),
        [value] => Some((*value).to_owned()),
        _ => Some(format!("[{}]", values.join(","))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_spelled_as_in_the_feed() {
        let of = |key: &[&str], row: &str| {
            let key: Vec<_> = key.iter().map(|name| (*name).to_owned()).collect();
            id(&key, &serde_json::from_str(row).unwrap())
        };
        assert_eq!(of(&["id"], r#"{"id":7}"#).as_deref(), Some("7"));
        assert_eq!(of(&["id"], r#"{"id":1.50}"#).as_deref(), Some("1.50"));
        assert_eq!(of(&["id"], r#"{"id":"a\"\u00e9"}"#).as_deref(), Some("a\"é"));
        assert_eq!(of(&["b", "a"], r#"{"a":"x","b":7}"#).as_deref(), Some(r#"[7,"x"]"#));
        for (key, row) in
            [(&["id"][..], "{}"), (&["id"], r#"{"id":null}"#), (&["a", "b"], r#"{"a":1}"#), (&[], "{}")]
        {
            assert_eq!(of(key, row), None, "{row}");
        }
    }
}

//! Two people changed the same row: what both wanted, where they did not want different things.
//!
//! Three images of a row are compared: as it was (`base`), as it is (`current`), and as somebody wants it who saw the
//! first (`yours`). Columns are merged one by one, and JSON objects in them key by key; arrays are one value. Values are
//! passed on as the text they are, so a number keeps all its digits.

mod alike;
mod numbers;

use std::borrow::Cow;
use std::collections::HashMap;

use alike::{Budget, alike, members, text_of};
pub use numbers::{as_numbers, as_texts};

/// Objects nested deeper than that are one value.
const DEEPEST: usize = 64;

/// What came of a merge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merge {
    /// Columns with their merged value as JSON; where both sides differ, what is there now.
    pub columns: Vec<(String, String)>,
    /// Paths that both sides changed, and not to the same: `city`, `doc.address.city`, `doc."a.b"`.
    pub conflicts: Vec<String>,
}

impl Merge {
    /// Merges one more column; no value in one of the images counts as null.
    pub fn add(&mut self, name: &str, base: Option<&str>, current: Option<&str>, yours: &str) {
        let [base, current] = [base, current].map(|image| image.unwrap_or("null"));
        let budget = Budget::new();
        let mut course =
            Course { path: vec![name.to_owned()], conflicts: &mut self.conflicts, budget: &budget };
        let merged = course.merge(Some(base), Some(current), Some(yours));
        let merged = merged.map_or_else(|| "null".to_owned(), Cow::into_owned);
        self.columns.push((name.to_owned(), merged));
    }

    /// Notes that a column was changed by both sides.
    pub fn add_conflict(&mut self, name: &str) {
        self.conflicts.push(path_text(&[name.to_owned()]));
    }
}

/// Whether two JSON texts mean the same: the order of keys and the spelling of numbers and strings do not matter.
pub fn is_same(one: &str, other: &str) -> bool {
    alike(one, other, DEEPEST, &Budget::new())
}

/// What a JSON merge patch (RFC 7396) makes of a value; none where it is nested too deeply.
pub fn patched(target: Option<&str>, patch: &str) -> Option<String> {
    patched_within(target, patch, DEEPEST, &Budget::new())
}

fn patched_within(target: Option<&str>, patch: &str, deeper: usize, budget: &Budget) -> Option<String> {
    let Some(patch_members) = members(patch, budget) else { return Some(patch.to_owned()) };
    let deeper = deeper.checked_sub(1)?;
    let target_members = target.and_then(|target| members(target, budget)).unwrap_or_default();
    let (before, after) = (by_name(&target_members), by_name(&patch_members));
    let untouched = target_members.iter().filter(|(name, _)| !after.contains_key(name.as_str()));
    let mut made: Vec<_> = untouched.map(|(name, value)| (name.as_str(), Cow::Borrowed(*value))).collect();
    for (name, value) in patch_members.iter().filter(|(_, value)| *value != "null") {
        let patched = patched_within(before.get(name.as_str()).copied(), value, deeper, budget)?;
        made.push((name, Cow::Owned(patched)));
    }
    Some(text_of(&made))
}

struct Course<'c> {
    path: Vec<String>,
    conflicts: &'c mut Vec<String>,
    budget: &'c Budget,
}

impl Course<'_> {
    /// One value; none is a key that is not there.
    fn merge<'a>(
        &mut self,
        base: Option<&'a str>,
        current: Option<&'a str>,
        yours: Option<&'a str>,
    ) -> Option<Cow<'a, str>> {
        let same = |one, other| same(one, other, self.budget);
        let members = |text| members(text, self.budget);
        if same(yours, base) || same(yours, current) {
            return current.map(Cow::Borrowed);
        }
        if same(current, base) {
            return yours.map(Cow::Borrowed);
        }
        if self.path.len() <= DEEPEST
            && let (Some(base), Some(current), Some(yours)) =
                (base.and_then(members), current.and_then(members), yours.and_then(members))
        {
            return Some(Cow::Owned(self.merge_members(&base, &current, &yours)));
        }
        self.conflicts.push(path_text(&self.path));
        current.map(Cow::Borrowed)
    }

    fn merge_members<'a>(
        &mut self,
        base: &[(String, &'a str)],
        current: &[(String, &'a str)],
        yours: &[(String, &'a str)],
    ) -> String {
        let [in_base, in_current, in_yours] = [base, current, yours].map(by_name);
        let added = yours.iter().filter(|(name, _)| !in_current.contains_key(name.as_str()));
        let mut made = Vec::with_capacity(current.len());
        for (name, _) in current.iter().chain(added) {
            let of = |members: &HashMap<&str, &'a str>| members.get(name.as_str()).copied();
            self.path.push(name.clone());
            let merged = self.merge(of(&in_base), of(&in_current), of(&in_yours));
            self.path.pop();
            if let Some(merged) = merged {
                made.push((name.as_str(), merged));
            }
        }
        text_of(&made)
    }
}

fn by_name<'m, 'a>(members: &'m [(String, &'a str)]) -> HashMap<&'m str, &'a str> {
    members.iter().map(|(name, value)| (name.as_str(), *value)).collect()
}

fn same(one: Option<&str>, other: Option<&str>, budget: &Budget) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => alike(one, other, DEEPEST, budget),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Names joined by dots; one that holds more than letters, digits, `_` and `-` stands in quotes.
fn path_text(path: &[String]) -> String {
    let plain = |name: &str| {
        !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'))
    };
    let parts = path.iter().map(|name| if plain(name) { name.clone() } else { format!("{name:?}") });
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests;

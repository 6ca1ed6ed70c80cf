//! What a subscriber was told, kept as its user would keep it: together with the cursor.

use std::collections::{BTreeMap, BTreeSet};

use rowbell::client::{Commits, Rows};
use rowbell::words::Cursor;
use serde::Deserialize;

use super::truth::Told;

/// One subscriber's books.
#[derive(Debug, Default)]
pub struct Books {
    /// In the order it was told.
    pub changes: Vec<Told>,
    /// After all of them.
    pub cursor: String,
    /// It was told that some of what comes next is gone.
    pub expired: bool,
    /// How often it started over from rows.
    pub gaps: Vec<Gap>,
}

/// What a subscriber that started over was not told, and what it was told instead.
#[derive(Debug)]
pub struct Gap {
    from: Cursor,
    to: Cursor,
    /// The rows at the end of it: by channel and id.
    rows: BTreeMap<(String, String), i64>,
}

impl Gap {
    fn holds(&self, xid: u64) -> bool {
        self.to.snapshot.covers(xid) && !self.from.snapshot.covers(xid)
    }

    /// How many rows of some channels were another way in truth.
    fn wrong(&self, truth: &[&Told]) -> usize {
        let mut rows = BTreeMap::new();
        for told in truth.iter().filter(|told| self.to.snapshot.covers(told.xid)) {
            let row = (told.channel.clone(), told.id.clone());
            match told.n {
                Some(n) => rows.insert(row, n),
                None => rows.remove(&row),
            };
        }
        let both: BTreeSet<_> = rows.keys().chain(self.rows.keys()).collect();
        both.into_iter().filter(|row| rows.get(row) != self.rows.get(row)).count()
    }
}

/// What a comparison found; all but the first must be zero.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Compared {
    pub changes: usize,
    pub lost: usize,
    pub doubled: usize,
    pub invented: usize,
    pub out_of_order: usize,
    pub torn: usize,
    /// Rows of a snapshot that were not so.
    pub wrong_rows: usize,
}

#[derive(Deserialize)]
struct Image {
    n: i64,
}

#[derive(Deserialize)]
struct KeyedImage {
    id: i64,
    n: i64,
}

impl Books {
    /// Keeps commits and their cursor, both or neither.
    pub fn keep(&mut self, told: &Commits) {
        for commit in &told.commits {
            for change in &commit.changes {
                let op = format!("{:?}", change.op).to_lowercase();
                let deleted = op == "delete";
                self.changes.push(Told {
                    xid: commit.xid.parse().expect("an xid"),
                    channel: change.channel.clone(),
                    id: change.id.clone().unwrap_or_default(),
                    version: change.version.filter(|_| !deleted),
                    n: change.row_as::<Image>().expect("a row").map(|image| image.n),
                    op,
                });
            }
        }
        self.cursor.clone_from(&told.cursor);
    }

    /// Starts over from all rows of a snapshot and its cursor; true when the last row is among them.
    pub fn start_over(&mut self, told: &[Rows], cursor: String) -> bool {
        let mut rows = BTreeMap::new();
        for part in told {
            for row in &part.rows {
                let KeyedImage { id, n } = serde_json::from_str(row.get()).expect("a row");
                let twice = rows.insert((part.channel.clone(), id.to_string()), n);
                assert_eq!(twice, None, "a snapshot has a row twice");
            }
        }
        let parse = |cursor: &str| Cursor::parse(cursor).expect("a cursor");
        let last = rows.keys().any(|(_, id)| id == super::LAST);
        self.gaps.push(Gap { from: parse(&self.cursor), to: parse(&cursor), rows });
        (self.cursor, self.expired) = (cursor, false);
        last
    }

    /// Compares with the truth of the channels it subscribed to.
    pub fn compare(&self, truth: &[Told], channels: &[&str]) -> Compared {
        let truth: Vec<&Told> =
            truth.iter().filter(|told| channels.contains(&told.channel.as_str())).collect();
        let wrong_rows = self.gaps.iter().map(|gap| gap.wrong(&truth)).sum();
        // What came while it was away too long is accounted for by the rows.
        let truth: Vec<&Told> =
            truth.into_iter().filter(|told| !self.gaps.iter().any(|gap| gap.holds(told.xid))).collect();
        let (real, told) = (counted(truth.iter().copied()), counted(&self.changes));
        let over = |count: &usize, other: Option<&usize>| count.saturating_sub(other.copied().unwrap_or(0));
        let mut compared = Compared { changes: truth.len(), wrong_rows, ..Compared::default() };
        for (change, count) in &real {
            compared.lost += over(count, told.get(change));
        }
        for (change, count) in &told {
            match real.get(change) {
                Some(real) => compared.doubled += over(count, Some(real)),
                None => compared.invented += count,
            }
        }
        let (real, told) = (rows(truth.iter().copied()), rows(&self.changes));
        compared.out_of_order = real.iter().filter(|(row, changes)| told.get(*row) != Some(*changes)).count();
        compared.torn = self.torn();
        compared
    }

    /// Transactions whose changes do not stand together.
    fn torn(&self) -> usize {
        let mut seen = BTreeSet::new();
        let mut torn = BTreeSet::new();
        let mut last = None;
        for change in &self.changes {
            if last != Some(change.xid) && !seen.insert(change.xid) {
                torn.insert(change.xid);
            }
            last = Some(change.xid);
        }
        torn.len()
    }
}

impl Compared {
    /// True when everything was told once, in order and whole.
    pub fn is_exact(&self) -> bool {
        *self == Self { changes: self.changes, ..Self::default() }
    }
}

fn counted<'a>(changes: impl IntoIterator<Item = &'a Told>) -> BTreeMap<&'a Told, usize> {
    let mut counts = BTreeMap::new();
    for change in changes {
        *counts.entry(change).or_default() += 1;
    }
    counts
}

/// What happened to each row, in order.
fn rows<'a>(changes: impl IntoIterator<Item = &'a Told>) -> BTreeMap<(&'a str, &'a str), Vec<&'a Told>> {
    let mut rows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for change in changes {
        rows.entry((change.channel.as_str(), change.id.as_str())).or_default().push(change);
    }
    rows
}

#[test]
fn every_kind_of_fault_is_seen() {
    let told = |xid: u64, id: &str, n: i64| Told {
        xid,
        channel: "one".into(),
        op: "update".into(),
        id: id.into(),
        version: Some(n),
        n: Some(n),
    };
    let truth = [told(1, "a", 1), told(1, "b", 2), told(2, "a", 3), told(3, "b", 4)];
    let compare = |changes: Vec<Told>| Books { changes, ..Books::default() }.compare(&truth, &["one"]);
    let [a, b, c, d] = truth.clone();
    assert!(compare(truth.to_vec()).is_exact());
    assert!(compare(vec![d.clone(), a.clone(), b.clone(), c.clone()]).out_of_order == 1);
    assert_eq!(compare(vec![a.clone(), c.clone(), b.clone(), d.clone()]).torn, 1);
    let missed = compare(vec![a.clone(), b.clone(), d.clone()]);
    assert_eq!((missed.lost, missed.out_of_order), (1, 1));
    assert_eq!(compare(vec![a.clone(), b.clone(), c.clone(), d.clone(), d.clone()]).doubled, 1);
    assert_eq!(compare(vec![a, b, c, d, told(9, "a", 9)]).invented, 1);
}

//! What those who follow some rows of a channel are told of its changes.

use super::judge::{RowFilter, Verdict};
use crate::pg::pool::Pool;
use crate::words::{Change, CommitHead, Error, Op};

/// The images of some changes of one channel.
#[derive(Debug, Default)]
pub struct Images<'a> {
    texts: Vec<&'a str>,
    /// Of each change its op, and where in `texts` its images are: the row after it, and before.
    changes: Vec<(Op, Option<usize>, Option<usize>)>,
}

impl<'a> Images<'a> {
    /// Takes in one more change.
    pub fn add(&mut self, change: &'a Change) {
        let mut place = |image: &'a Option<String>| {
            image.as_ref().map(|image| {
                self.texts.push(image);
                self.texts.len() - 1
            })
        };
        let (row, old) = (place(&change.row), place(&change.old));
        self.changes.push((change.op, row, old));
    }

    /// What a filter is asked of.
    pub fn texts(&self) -> &[&'a str] {
        &self.texts
    }

    /// What each change is to those who follow the rows that pass, nothing where it concerns none of them; none at all
    /// where a filter cannot tell.
    pub fn told(&self, verdict: &Verdict) -> Option<Vec<Option<Op>>> {
        let Verdict::Passes(passes) = verdict else { return None };
        let passes = |place: Option<usize>| place.and_then(|place| passes.get(place).copied());
        Some(self.changes.iter().map(|(op, row, old)| told(*op, passes(*row), passes(*old))).collect())
    }
}

/// What a change is to those who follow the rows that pass. Of an image that is too large for the log nobody knows;
/// it is taken to pass, so that a change may be told too much but none is missed.
fn told(op: Op, row: Option<bool>, old: Option<bool>) -> Option<Op> {
    match (op, row, old) {
        (Op::Insert, Some(false), _) | (Op::Delete, _, Some(false)) => None,
        (Op::Update, Some(false), Some(false)) => None,
        (Op::Update, Some(false), _) => Some(Op::Leave),
        (Op::Update, _, Some(false)) => Some(Op::Enter),
        // What it was before is not known, and the whole row is there.
        (Op::Update, Some(true), None) => Some(Op::Enter),
        (op, ..) => Some(op),
    }
}

impl RowFilter {
    /// The changes as they are told to those who follow the rows that pass; none where the filter cannot tell.
    pub async fn sift(
        &self,
        pool: &Pool,
        changes: Vec<(CommitHead, Change)>,
    ) -> Result<Option<Vec<(CommitHead, Change)>>, Error> {
        let mut images = Images::default();
        changes.iter().for_each(|(_, change)| images.add(change));
        let session = pool.session("could not ask a filter").await?;
        let verdict = self.judge_one(&session, images.texts()).await?;
        let Some(told) = images.told(&verdict) else { return Ok(None) };
        let sifted = changes.into_iter().zip(told).filter_map(|((head, change), op)| {
            let change = Change { op: op?, ..change };
            Some((head, change))
        });
        Ok(Some(sifted.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_enters_stays_and_leaves() {
        let (yes, no, unknown) = (Some(true), Some(false), None);
        for (op, row, old, expected) in [
            (Op::Insert, yes, unknown, Some(Op::Insert)),
            (Op::Insert, no, unknown, None),
            (Op::Insert, unknown, unknown, Some(Op::Insert)),
            (Op::Update, yes, yes, Some(Op::Update)),
            (Op::Update, yes, no, Some(Op::Enter)),
            (Op::Update, no, yes, Some(Op::Leave)),
            (Op::Update, no, no, None),
            (Op::Update, unknown, no, Some(Op::Enter)),
            (Op::Update, unknown, yes, Some(Op::Update)),
            (Op::Update, unknown, unknown, Some(Op::Update)),
            (Op::Update, no, unknown, Some(Op::Leave)),
            (Op::Update, yes, unknown, Some(Op::Enter)),
            (Op::Delete, unknown, yes, Some(Op::Delete)),
            (Op::Delete, unknown, no, None),
            (Op::Delete, unknown, unknown, Some(Op::Delete)),
            (Op::Truncate, unknown, unknown, Some(Op::Truncate)),
            (Op::Resync, unknown, unknown, Some(Op::Resync)),
        ] {
            assert_eq!(told(op, row, old), expected, "{op:?} {row:?} {old:?}");
        }
    }
}

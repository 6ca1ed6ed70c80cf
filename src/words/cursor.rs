//! Where a client is in the feed: a PostgreSQL snapshot with the database it belongs to.
//!
//! A cursor never is a bare number. Sequence values become visible out of order, so "everything up to 17"
//! means nothing; a snapshot says of every transaction whether it is covered. Two things make a snapshot a
//! cursor: it is *cut* to claim nothing above the highest transaction that left a trace in the log, because
//! a crash hands out again the ids that left none, and it names the installation and the generation of the
//! database whose transaction ids it speaks of.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

/// A transaction id with its epoch (`xid8`); never wraps around.
pub type Xid = u64;

/// Longest text a cursor may have; a longer one is not ours, and none is handed out.
const LONGEST_TEXT: usize = 4 * 1024;
/// That many ids in progress always fit: none takes more than ten bytes.
const ALWAYS_FIT: usize = 300;
const FORMAT: u8 = 1;

/// Which transactions are covered: all below `xmax` but those in progress.
///
/// Owned by whoever holds a position. `in_progress` is ascending and below `xmax`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    xmax: Xid,
    in_progress: Vec<Xid>,
}

impl Snapshot {
    /// A snapshot from PostgreSQL's parts; ids in progress are sorted, and those not below `xmax` dropped.
    pub fn new(xmax: Xid, mut in_progress: Vec<Xid>) -> Self {
        in_progress.retain(|xid| *xid < xmax);
        in_progress.sort_unstable();
        in_progress.dedup();
        Self { xmax, in_progress }
    }

    /// The first transaction id that is not covered, nor any after it.
    pub fn xmax(&self) -> Xid {
        self.xmax
    }

    /// The oldest id that is not covered.
    pub fn xmin(&self) -> Xid {
        self.in_progress.first().copied().unwrap_or(self.xmax)
    }

    /// Ids below `xmax` that are not covered.
    pub fn in_progress(&self) -> &[Xid] {
        &self.in_progress
    }

    /// True when the changes of this transaction are part of what the snapshot saw.
    pub fn covers(&self, xid: Xid) -> bool {
        xid < self.xmax && self.in_progress.binary_search(&xid).is_err()
    }

    /// True when every transaction the other snapshot covers is covered here too.
    pub fn covers_all_of(&self, other: &Snapshot) -> bool {
        // Above our end the other may reach only with transactions that it does not cover either.
        let beyond = other.in_progress.iter().rev().take_while(|xid| **xid >= self.xmax);
        Ok(other.xmax.saturating_sub(self.xmax)) == u64::try_from(beyond.count())
            && self.in_progress.iter().take_while(|xid| **xid < other.xmax).all(|xid| !other.covers(*xid))
    }

    /// The part of the way from `since` to here that delivers `taken` and leaves `left` for later.
    ///
    /// Between the two positions, `left` must name every transaction that matters to the reader, is not taken, and
    /// lies below `since`'s end or the highest one taken. What lies above both is not claimed, so the ids in
    /// progress stay as few as the transactions that were open at one time.
    #[must_use]
    pub fn part_way(&self, since: &Snapshot, taken: &[Xid], left: &[Xid]) -> Self {
        let reached = taken.iter().max().map_or(0, |highest| highest.saturating_add(1));
        let not_yet = self.in_progress.iter().chain(left).copied();
        Self::new(reached.max(since.xmax).min(self.xmax), not_yet.collect())
    }

    /// The same position, claiming nothing above `highest`, the highest transaction that left a trace.
    ///
    /// It selects the same log rows, because no transaction above `highest` that is covered has any.
    #[must_use]
    pub fn cut(&self, highest: Xid) -> Self {
        let xmax = self.xmax.min(highest.saturating_add(1));
        let in_progress = self.in_progress.iter().copied().take_while(|xid| *xid < xmax).collect();
        Self { xmax, in_progress }
    }
}

/// Which log of which database a position belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The log: tied to one cluster and database, new after a dump was restored elsewhere.
    pub installation: i64,
    /// The life of that database: new after a crash or a promotion, which may have lost commits.
    pub generation: i64,
}

/// A position in the feed; opaque to clients, valid on every node of the same database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The database the snapshot speaks of.
    pub origin: Origin,
    /// The cut snapshot.
    pub snapshot: Snapshot,
}

/// A text that is not a cursor; the message says in which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCursor(&'static str);

impl fmt::Display for BadCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a cursor: {}", self.0)
    }
}

impl std::error::Error for BadCursor {}

impl Cursor {
    /// Whether its text is short enough to be handed out; with some thousand open writers it is not.
    pub fn fits(&self) -> bool {
        self.snapshot.in_progress.len() <= ALWAYS_FIT || self.to_string().len() <= LONGEST_TEXT
    }

    /// Reads a cursor from the text a client sent back.
    pub fn parse(text: &str) -> Result<Self, BadCursor> {
        if text.len() > LONGEST_TEXT {
            return Err(BadCursor("too long"));
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor("it is not base64url"))?;
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(BadCursor("too short"))?;
        if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
            return Err(BadCursor("its checksum is wrong, so it was cut short or changed"));
        }
        let mut reader = Reader(body);
        if reader.byte()? != FORMAT {
            return Err(BadCursor("it has a format this version does not know"));
        }
        let origin = Origin { installation: reader.i64()?, generation: reader.i64()? };
        // PostgreSQL knows no transaction 0, and refuses a snapshot that names it.
        let xmax = reader.varint().and_then(some_xid)?;
        let mut in_progress = Vec::new();
        let mut above = xmax;
        while !reader.0.is_empty() {
            let step = reader.varint()?;
            above =
                above.checked_sub(step).filter(|_| step > 0).ok_or(BadCursor("its ids are out of order"))?;
            above = some_xid(above)?;
            in_progress.push(above);
        }
        in_progress.reverse();
        Ok(Self { origin, snapshot: Snapshot { xmax, in_progress } })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut body = Vec::with_capacity(40 + 2 * self.snapshot.in_progress.len());
        body.push(FORMAT);
        body.extend_from_slice(&self.origin.installation.to_be_bytes());
        body.extend_from_slice(&self.origin.generation.to_be_bytes());
        push_varint(&mut body, self.snapshot.xmax);
        let mut above = self.snapshot.xmax;
        for xid in self.snapshot.in_progress.iter().rev() {
            push_varint(&mut body, above - xid);
            above = *xid;
        }
        let sum = crc32fast::hash(&body);
        body.extend_from_slice(&sum.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(body))
    }
}

/// What is left to read of a cursor's bytes.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, BadCursor> {
        let (first, rest) = self.0.split_first().ok_or(BadCursor("too short"))?;
        self.0 = rest;
        Ok(*first)
    }

    fn i64(&mut self) -> Result<i64, BadCursor> {
        let (first, rest) = self.0.split_first_chunk::<8>().ok_or(BadCursor("too short"))?;
        self.0 = rest;
        Ok(i64::from_be_bytes(*first))
    }

    fn varint(&mut self) -> Result<u64, BadCursor> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BadCursor("a number in it is too large"))
    }
}

fn some_xid(xid: Xid) -> Result<Xid, BadCursor> {
    if xid == 0 { Err(BadCursor("it names a transaction that cannot be")) } else { Ok(xid) }
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn snapshot(xmax: Xid, in_progress: &[Xid]) -> Snapshot {
        Snapshot::new(xmax, in_progress.to_vec())
    }

    fn any_snapshot() -> impl Strategy<Value = Snapshot> {
        (1..60u64, prop::collection::vec(0..60u64, 0..12)).prop_map(|(xmax, xids)| Snapshot::new(xmax, xids))
    }

    #[test]
    fn covers_what_lies_below_and_was_finished() {
        let s = snapshot(10, &[4, 7]);
        assert!(s.covers(3) && s.covers(9));
        assert!(!s.covers(4) && !s.covers(10) && !s.covers(11));
        assert_eq!((s.xmin(), snapshot(10, &[]).xmin()), (4, 10));
    }

    #[test]
    fn ids_in_progress_at_the_end_cover_nothing_more() {
        assert!(snapshot(53, &[]).covers_all_of(&snapshot(55, &[53, 54])));
        assert!(!snapshot(53, &[]).covers_all_of(&snapshot(55, &[54])));
    }

    #[test]
    fn cut_claims_nothing_above_the_highest_trace() {
        let s = snapshot(100, &[40, 90]);
        let cut = s.cut(50);
        assert_eq!(cut, snapshot(51, &[40]));
        assert_eq!(s.cut(500), s);
    }

    #[test]
    fn a_changed_or_shortened_cursor_is_refused() {
        let cursor =
            Cursor { origin: Origin { installation: -7, generation: 9 }, snapshot: snapshot(300, &[5, 299]) };
        let text = cursor.to_string();
        assert_eq!(Cursor::parse(&text), Ok(cursor));
        assert!(Cursor::parse(&text[..text.len() - 1]).is_err());
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert!(
                Cursor::parse(std::str::from_utf8(&other).unwrap()).is_err(),
                "byte {at} changed unnoticed"
            );
        }
        assert!(Cursor::parse("").is_err());
        assert!(Cursor::parse(&"A".repeat(LONGEST_TEXT + 1)).is_err());
    }

    #[test]
    fn a_transaction_that_cannot_be_is_refused() {
        let origin = Origin { installation: 1, generation: 2 };
        for snapshot in [snapshot(0, &[]), snapshot(7, &[0, 3])] {
            let text = Cursor { origin, snapshot }.to_string();
            assert!(Cursor::parse(&text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(installation: i64, generation: i64, xmax in 1..=u64::MAX, gaps in prop::collection::vec(1..1000u64, 0..50)) {
            let mut in_progress = Vec::new();
            let mut at = xmax;
            for gap in gaps {
                let Some(next) = at.checked_sub(gap).filter(|next| *next > 0) else { break };
                in_progress.push(next);
                at = next;
            }
            let cursor = Cursor { origin: Origin { installation, generation }, snapshot: Snapshot::new(xmax, in_progress) };
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
        }

        #[test]
        fn what_was_changed_or_cut_is_refused(
            s in any_snapshot(), installation: i64, generation: i64, at in 0..1000usize, bit in 0..8u32, keep in 0..1000usize
        ) {
            let text = Cursor { origin: Origin { installation, generation }, snapshot: s }.to_string();
            prop_assert!(Cursor::parse(&text[..keep % text.len()]).is_err());
            let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(Cursor::parse(&URL_SAFE_NO_PAD.encode(&bytes)).is_err());
        }

        #[test]
        fn what_fits_is_read_and_nothing_else(count in 0..4000u64, gap in 1..200u64, first in 1..u64::MAX / 2) {
            let in_progress: Vec<Xid> = (0..count).map(|n| first + n * gap).collect();
            let snapshot = Snapshot::new(first + count * gap + 1, in_progress);
            let cursor = Cursor { origin: Origin { installation: 1, generation: 2 }, snapshot };
            prop_assert_eq!(cursor.fits(), Cursor::parse(&cursor.to_string()).is_ok());
            prop_assert!(cursor.fits() || count > 1000);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut sealed = bytes.clone();
            sealed.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
            let _ = Cursor::parse(&URL_SAFE_NO_PAD.encode(&sealed));
            let _ = Cursor::parse(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn covering_all_is_covering_each(a in any_snapshot(), b in any_snapshot()) {
            let each = (0..70).all(|xid| !b.covers(xid) || a.covers(xid));
            prop_assert_eq!(a.covers_all_of(&b), each);
        }

        #[test]
        fn part_of_the_way_covers_what_was_taken_and_nothing_else_that_matters(
            since in any_snapshot(),
            more in any_snapshot(),
            matters in prop::collection::btree_set(0..60u64, 0..40),
            share in 0.0..1.0f64,
        ) {
            // Any position that covers `since`.
            let in_progress = (0..70).filter(|xid| !since.covers(*xid) && !more.covers(*xid)).collect();
            let until = Snapshot::new(since.xmax().max(more.xmax()), in_progress);
            prop_assert!(until.covers_all_of(&since));
            let fresh: Vec<Xid> =
                matters.into_iter().filter(|xid| until.covers(*xid) && !since.covers(*xid)).collect();
            let (taken, left): (Vec<Xid>, Vec<Xid>) =
                fresh.iter().partition(|xid| (**xid * 7 % 10) as f64 / 10.0 < share);
            let below = taken.iter().max().map_or(0, |xid| xid + 1).max(since.xmax());
            let told: Vec<Xid> = left.iter().copied().filter(|xid| *xid < below).collect();
            let part = until.part_way(&since, &taken, &told);
            prop_assert!(part.covers_all_of(&since) && until.covers_all_of(&part));
            prop_assert!(taken.iter().all(|xid| part.covers(*xid)));
            prop_assert!(left.iter().all(|xid| !part.covers(*xid)));
        }

        #[test]
        fn a_cut_covers_the_same_up_to_the_trace(s in any_snapshot(), highest in 0..70u64) {
            let cut = s.cut(highest);
            for xid in 0..=highest {
                prop_assert_eq!(cut.covers(xid), s.covers(xid));
            }
            prop_assert!(!cut.covers(highest + 1));
        }
    }
}

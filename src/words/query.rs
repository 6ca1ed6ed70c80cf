//! What a list read asks for: filters, order, and which part of the rows.

use percent_encoding::percent_decode_str;

use super::filter::{BadQuery, Filter, read_name, split_names};

/// Rows of a list that does not say how many.
pub const DEFAULT_LIMIT: u32 = 100;
/// The most rows a list may ask for.
pub const LARGEST_LIMIT: u32 = 10_000;
/// The most changes of one row that are told at once.
pub const LARGEST_HISTORY: u32 = 1_000;

/// Columns of one order.
const MOST_ORDERINGS: usize = 32;

/// One list read, as its URL asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Which rows.
    pub filter: Filter,
    /// The columns to return, in this order; none for all.
    pub select: Option<Vec<String>>,
    /// The first column counts most; after all of them the key decides.
    pub order: Vec<Ordering>,
    /// The most rows to return.
    pub limit: u32,
    /// Rows to leave out before the first.
    pub offset: u64,
    /// Whether to count all rows the filter wants.
    pub count: Count,
}

/// Whether a list says how many rows there are beyond those it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Count {
    /// It does not.
    #[default]
    None,
    /// All rows that pass are counted, in the same snapshot.
    Exact,
}

/// One column of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordering {
    /// The column's name as the client wrote it.
    pub column: String,
    /// Greatest first.
    pub descending: bool,
    /// Whether rows without a value come first; none leaves it to PostgreSQL (they count as greatest).
    pub nulls_first: Option<bool>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            select: None,
            order: Vec::new(),
            limit: DEFAULT_LIMIT,
            offset: 0,
            count: Count::None,
        }
    }
}

impl ListQuery {
    /// Reads the part of the URL after the `?`: `select`, `order`, `limit` and `offset` are themselves, all else is a
    /// filter.
    pub fn parse(text: &str) -> Result<Self, BadQuery> {
        if percent_decode_str(text).decode_utf8().is_err() {
            return Err(BadQuery::filter("the query is not UTF-8 once decoded"));
        }
        let mut query = Self::default();
        let (mut select, mut order, mut limit, mut offset) = (None, None, None, None);
        let mut filters = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let place = match &*name {
                "select" => &mut select,
                "order" => &mut order,
                "limit" => &mut limit,
                "offset" => &mut offset,
                _ => {
                    filters.push((name, value));
                    continue;
                }
            };
            if place.replace(value.into_owned()).is_some() {
                let told = format!("the URL has {name} twice");
                let of_rows = matches!(&*name, "limit" | "offset");
                return Err(if of_rows { BadQuery::limit(told) } else { BadQuery::filter(told) });
            }
        }
        query.filter = Filter::read(filters.iter().map(|(name, value)| (&**name, &**value)))?;
        query.select = select.as_deref().map(selection).transpose()?.flatten();
        query.order = order.as_deref().map(orderings).transpose()?.unwrap_or_default();
        if let Some(limit) = limit {
            query.limit = read_limit(&limit)?;
        }
        if let Some(offset) = offset {
            let read = number::<u64>(&offset).filter(|offset| i64::try_from(*offset).is_ok());
            query.offset =
                read.ok_or_else(|| BadQuery::limit(format!("offset={offset} is no number of rows")))?;
        }
        Ok(query)
    }
}

/// The columns of `a,b`; none of `*`, which is all of them.
fn selection(text: &str) -> Result<Option<Vec<String>>, BadQuery> {
    if matches!(text, "" | "*") {
        return Ok(None);
    }
    let mut names = Vec::new();
    for part in split_names(text) {
        let name = read_name(part);
        if name.is_empty() {
            return Err(BadQuery::filter(format!(
                "select={text}: write select=COLUMN,COLUMN, or * alone for all"
            )));
        }
        if names.contains(&name) {
            return Err(BadQuery::filter(format!("select names {part} twice")));
        }
        names.push(name);
    }
    Ok(Some(names))
}

fn orderings(text: &str) -> Result<Vec<Ordering>, BadQuery> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let parts = split_names(text);
    if parts.len() > MOST_ORDERINGS {
        return Err(BadQuery::filter(format!("order takes at most {MOST_ORDERINGS} columns")));
    }
    parts.into_iter().map(Ordering::parse).collect()
}

fn read_limit(text: &str) -> Result<u32, BadQuery> {
    let bad = || BadQuery::limit(format!("limit={text} is no number of rows from 0 to {LARGEST_LIMIT}"));
    number(text).filter(|limit| *limit <= LARGEST_LIMIT).ok_or_else(bad)
}

/// A number in digits alone: a sign is none, though Rust reads one.
pub fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl Ordering {
    /// Reads `total`, `total.desc`, `total.desc.nullslast`.
    fn parse(text: &str) -> Result<Self, BadQuery> {
        let mut rest = text;
        let nulls_first = strip(&mut rest, ".nullsfirst", ".nullslast");
        let ascending = strip(&mut rest, ".asc", ".desc");
        if rest.is_empty() {
            return Err(BadQuery::filter(format!(
                "order={text}: write order=COLUMN, with .asc or .desc, then .nullsfirst or .nullslast"
            )));
        }
        Ok(Self { column: read_name(rest), descending: ascending == Some(false), nulls_first })
    }
}

/// Takes one of two endings off; true for the first.
fn strip(text: &mut &str, yes: &str, no: &str) -> Option<bool> {
    let (found, rest) = match (text.strip_suffix(yes), text.strip_suffix(no)) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return None,
    };
    *text = rest;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(column: &str, descending: bool, nulls_first: Option<bool>) -> Ordering {
        Ordering { column: column.into(), descending, nulls_first }
    }

    #[test]
    fn a_url_is_read() {
        let query = ListQuery::parse(
            "date=gte.2026-01-01&date=lt.2026-02-01&order=date.desc,total.nullslast&limit=7&offset=20",
        );
        let query = query.unwrap();
        assert_eq!(query.filter.to_string(), "date=gte.2026-01-01&date=lt.2026-02-01");
        assert_eq!(query.order, [order("date", true, None), order("total", false, Some(false))]);
        assert_eq!((query.limit, query.offset), (7, 20));
        assert_eq!(ListQuery::parse("").unwrap(), ListQuery::default());
        assert_eq!(ListQuery::parse("order=").unwrap(), ListQuery::default());
    }

    #[test]
    fn names_and_values_are_decoded() {
        let query = ListQuery::parse("na%26me=eq.a%2Bb+c%3D").unwrap();
        assert_eq!(query.filter, Filter::read([("na&me", "eq.a+b c=")]).unwrap());
    }

    #[test]
    fn orders_take_directions_in_order() {
        for (text, expected) in [
            ("a", order("a", false, None)),
            ("a.asc", order("a", false, None)),
            ("a.desc.nullsfirst", order("a", true, Some(true))),
            ("a.b.desc", order("a.b", true, None)),
            ("\"a.desc\"", order("a.desc", false, None)),
            ("\"a.desc\".desc", order("a.desc", true, None)),
        ] {
            assert_eq!(Ordering::parse(text), Ok(expected), "{text}");
        }
        for text in ["", ".desc", ".asc.nullslast"] {
            assert!(Ordering::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_have_limits() {
        for text in [
            "limit=10001",
            "limit=-1",
            "limit=",
            "limit=x",
            "offset=-1",
            "offset=1.5",
            "offset=9223372036854775808",
            "limit=1&limit=2",
        ] {
            assert_eq!(ListQuery::parse(text).unwrap_err().code, "bad_limit", "{text}");
        }
        assert_eq!(ListQuery::parse("limit=10000&offset=9223372036854775807").unwrap().limit, LARGEST_LIMIT);
        for text in [
            "order=a&order=b",
            "select=a&select=b",
            "select=a,a",
            "select=a,,b",
            "or=(a.eq.1",
            "a=%FF",
            "a",
            "order=a,,b",
        ] {
            assert_eq!(ListQuery::parse(text).unwrap_err().code, "bad_filter", "{text}");
        }
    }

    #[test]
    fn columns_are_selected_in_their_order() {
        let select = |text: &str| ListQuery::parse(text).unwrap().select;
        assert_eq!(select("select=b,a,%22c,d%22").unwrap(), ["b", "a", "c,d"]);
        assert_eq!((select("select=*"), select("select="), select("")), (None, None, None));
        let many = vec!["a"; MOST_ORDERINGS + 1].join(",");
        assert!(ListQuery::parse(&format!("order={many}")).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_query_panics(text in "\\PC*") {
            let _ = ListQuery::parse(&text);
        }
    }
}

//! What a list read asks for: filters, order, and which part of the rows.

use percent_encoding::percent_decode_str;

use super::filter::{BadQuery, Condition};

/// Rows of a list that does not say how many.
pub const DEFAULT_LIMIT: u32 = 100;
/// The most rows a list may ask for.
pub const LARGEST_LIMIT: u32 = 10_000;

/// One list read, as its URL asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// All of them must hold.
    pub filters: Vec<Condition>,
    /// The first column counts most; after all of them the key decides.
    pub order: Vec<Ordering>,
    /// The most rows to return.
    pub limit: u32,
    /// Rows to leave out before the first.
    pub offset: u64,
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
        Self { filters: Vec::new(), order: Vec::new(), limit: DEFAULT_LIMIT, offset: 0 }
    }
}

impl ListQuery {
    /// Reads the part of the URL after the `?`: `order`, `limit` and `offset` are themselves, all else is a filter.
    ///
    /// Words that mean more to PostgREST are refused, rather than taken for columns.
    pub fn parse(text: &str) -> Result<Self, BadQuery> {
        if percent_decode_str(text).decode_utf8().is_err() {
            return Err(BadQuery::filter("the query is not UTF-8 once decoded"));
        }
        let mut query = Self::default();
        let (mut order, mut limit, mut offset) = (None, None, None);
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let place = match &*name {
                "order" => &mut order,
                "limit" => &mut limit,
                "offset" => &mut offset,
                "select" | "or" | "and" | "not.or" | "not.and" => {
                    return Err(BadQuery::filter(format!("this version serves no {name}=")));
                }
                _ => {
                    query.filters.push(Condition::parse(&name, &value)?);
                    continue;
                }
            };
            if place.replace(value.into_owned()).is_some() {
                let told = format!("the URL has {name} twice");
                return Err(if name == "order" { BadQuery::filter(told) } else { BadQuery::limit(told) });
            }
        }
        if let Some(order) = order.filter(|order| !order.is_empty()) {
            query.order = order.split(',').map(Ordering::parse).collect::<Result<_, _>>()?;
        }
        if let Some(limit) = limit {
            query.limit = read_limit(&limit)?;
        }
        if let Some(offset) = offset {
            let read = offset.parse::<u64>().ok().filter(|offset| i64::try_from(*offset).is_ok());
            query.offset =
                read.ok_or_else(|| BadQuery::limit(format!("offset={offset} is no number of rows")))?;
        }
        Ok(query)
    }
}

fn read_limit(text: &str) -> Result<u32, BadQuery> {
    let bad = || BadQuery::limit(format!("limit={text} is no number of rows from 0 to {LARGEST_LIMIT}"));
    text.parse().ok().filter(|limit| *limit <= LARGEST_LIMIT).ok_or_else(bad)
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
        Ok(Self { column: rest.to_owned(), descending: ascending == Some(false), nulls_first })
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
        assert_eq!(query.filters.len(), 2);
        assert_eq!(query.order, [order("date", true, None), order("total", false, Some(false))]);
        assert_eq!((query.limit, query.offset), (7, 20));
        assert_eq!(ListQuery::parse("").unwrap(), ListQuery::default());
        assert_eq!(ListQuery::parse("order=").unwrap(), ListQuery::default());
    }

    #[test]
    fn names_and_values_are_decoded() {
        let query = ListQuery::parse("na%26me=eq.a%2Bb+c%3D").unwrap();
        assert_eq!(query.filters[0], Condition::parse("na&me", "eq.a+b c=").unwrap());
    }

    #[test]
    fn orders_take_directions_in_order() {
        for (text, expected) in [
            ("a", order("a", false, None)),
            ("a.asc", order("a", false, None)),
            ("a.desc.nullsfirst", order("a", true, Some(true))),
            ("a.b.desc", order("a.b", true, None)),
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
        for text in ["order=a&order=b", "select=a", "or=(a.eq.1)", "a=%FF", "a", "order=a,,b"] {
            assert_eq!(ListQuery::parse(text).unwrap_err().code, "bad_filter", "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_query_panics(text in "\\PC*") {
            let _ = ListQuery::parse(&text);
        }
    }
}

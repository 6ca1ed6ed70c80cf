//! How many rows there are in all: asked for by `Prefer: count=exact`, told by `Content-Range`.

use warp::http::StatusCode;
use warp::http::header::{CONTENT_RANGE, HeaderMap, HeaderName};

use crate::words::Count;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What the request wants; a preference nobody knows is none.
pub(super) fn wanted(headers: &HeaderMap) -> Count {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    // The first of a name counts (RFC 7240).
    let first = values.flat_map(|value| value.split([',', ';'])).find_map(|one| {
        let (name, value) = one.split_once('=')?;
        name.trim().eq_ignore_ascii_case("count").then(|| value.trim().trim_matches('"'))
    });
    if first.is_some_and(|value| value.eq_ignore_ascii_case("exact")) { Count::Exact } else { Count::None }
}

/// 206 where there are more rows than these, 200 for all of them and for a page beyond the last, which has no range.
pub(super) fn status(count: u64, total: i64) -> StatusCode {
    let all = i64::try_from(count).is_ok_and(|count| count >= total);
    if count == 0 || all { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT }
}

/// Which rows these are of how many: `0-99/3573`, or `*/3573` where there are none.
pub(super) fn headers(offset: u64, count: u64, total: i64) -> [(HeaderName, String); 2] {
    let range = match count {
        0 => format!("*/{total}"),
        _ => format!("{offset}-{}/{total}", offset + (count - 1)),
    };
    [(CONTENT_RANGE, range), (PREFERENCE_APPLIED, "count=exact".to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    #[test]
    fn a_count_is_asked_for_by_a_preference() {
        for (value, count) in [
            ("count=exact", Count::Exact),
            ("return=minimal, Count = \"exact\"", Count::Exact),
            ("return=minimal;count=exact", Count::Exact),
            ("count=planned, count=exact", Count::None),
            ("count", Count::None),
            ("", Count::None),
        ] {
            let mut headers = HeaderMap::new();
            headers.append("prefer", HeaderValue::from_str(value).unwrap());
            assert_eq!(wanted(&headers), count, "{value}");
        }
    }

    #[test]
    fn a_range_is_told_where_there_is_one() {
        let told = |offset, count, total| {
            let [(_, range), _] = headers(offset, count, total);
            (status(count, total).as_u16(), range)
        };
        assert_eq!(told(0, 3, 3), (200, "0-2/3".into()));
        assert_eq!(told(2, 2, 5), (206, "2-3/5".into()));
        assert_eq!(told(9, 0, 5), (200, "*/5".into()));
        assert_eq!(told(0, 0, 0), (200, "*/0".into()));
    }
}

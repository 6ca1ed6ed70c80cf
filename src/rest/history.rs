//! What became of a row: its changes, and the row as it was.

use std::borrow::Cow;

use warp::http::StatusCode;
use warp::reply::Response;

use super::refused::{bad_query, bad_value, missing};
use super::{Request, Rest, answer, request};
use crate::pg::resource::{AsOf, Failure, Moment, Page};
use crate::problem::Problem;
use crate::words::BadQuery;
use crate::words::frame::told_alone;
use crate::words::parse_time;
use crate::words::query::{DEFAULT_LIMIT, LARGEST_HISTORY, number};

impl Rest {
    /// The changes of a row, newest first.
    pub(super) async fn history(&self, request: Request) -> Result<Response, Problem> {
        let page = page(&request.query)?;
        let (resources, channel) = (self.0.resources.clone(), request.target.channel().to_owned());
        let id = request.target.id().to_owned();
        let history = self
            .while_wanted(Failure::Broken, self.patience(), async move {
                resources.history(&channel, &id, page).await
            })
            .await?;
        let history = history.ok_or_else(unknown)?;
        let changes: Vec<_> = history.iter().map(|(head, change)| told_alone(head, change)).collect();
        answer::results(format!("[{}]", changes.join(",")))
    }

    /// A row as it was.
    pub(super) async fn row_as_of(&self, request: Request, moment: Moment) -> Result<Response, Problem> {
        let (resources, channel) = (self.0.resources.clone(), request.target.channel().to_owned());
        let id = request.target.id().to_owned();
        let found = self
            .while_wanted(Failure::Broken, self.patience(), async move {
                resources.row_as_of(&channel, &id, moment).await
            })
            .await?;
        match found {
            AsOf::Row(row) => answer::row(row, &request::known_versions(&request.headers)),
            AsOf::Missing => Err(match moment {
                Moment::Version(_) => Problem::new(
                    StatusCode::NOT_FOUND,
                    "not_found",
                    "no row under this id had that version; its history lists those it had",
                ),
                Moment::Time(_) => missing(),
            }),
            AsOf::Expired => Err(Problem::new(
                StatusCode::GONE,
                "expired",
                "the log does not reach back so far: it is kept for a retention, and begins when a table is watched",
            )),
            AsOf::NoImage => Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "the row was too large then for the log to keep it",
            )),
            AsOf::Future => Err(bad_value("at is a time still to come")),
        }
    }
}

fn unknown() -> Problem {
    let detail = "there is no row under this id, and the log knows of none";
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
}

/// Reads `limit` and `before`.
fn page(query: &str) -> Result<Page, Problem> {
    let mut page = Page { before: None, limit: DEFAULT_LIMIT };
    for (name, value) in parameters(query, &["limit", "before"])? {
        if name == "limit" {
            let limit = number(&value).filter(|limit| *limit <= LARGEST_HISTORY);
            let told = || format!("limit={value} is no number of changes from 0 to {LARGEST_HISTORY}");
            page.limit = limit.ok_or_else(|| bad_query(BadQuery::limit(told())))?;
        } else {
            let told =
                || bad_value(format!("before={value} is no version: it takes that of a change before"));
            page.before = Some(number(&value).ok_or_else(told)?);
        }
    }
    Ok(page)
}

/// Reads `version` or `at`; none where the row is wanted as it is.
pub(super) fn moment(query: &str) -> Result<Option<Moment>, Problem> {
    let parameters = parameters(query, &["version", "at"])?;
    let [(name, value)] = parameters.as_slice() else {
        return match parameters.as_slice() {
            [] => Ok(None),
            _ => Err(bad_value("version and at cannot both be meant")),
        };
    };
    if name == "version" {
        let version = number(value).ok_or_else(|| bad_value(format!("version={value} is no version")))?;
        return Ok(Some(Moment::Version(version)));
    }
    let bad = || {
        let mut told = format!("at={value} is no time: write it as 2026-01-02T03:04:05Z");
        if value.contains(' ') {
            told.push_str("; a + stands for a blank in a URL, write %2B");
        }
        bad_value(told)
    };
    Ok(Some(Moment::Time(parse_time(value).ok_or_else(bad)?)))
}

/// A parameter's name and value.
type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The parameters of a query, each of them one of `names`, and there once.
fn parameters<'a>(query: &'a str, names: &[&str]) -> Result<Vec<Parameter<'a>>, Problem> {
    let mut found: Vec<Parameter<'a>> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !names.contains(&&*name) {
            let detail = format!("this path takes no parameter {name:?}; it takes {}", names.join(" and "));
            return Err(Problem::new(StatusCode::BAD_REQUEST, "unknown_field", detail));
        }
        if found.iter().any(|(other, _)| *other == name) {
            return Err(bad_value(format!("the URL has {name} twice")));
        }
        found.push((name, value));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_whole_or_refused() {
        assert_eq!(page(""), Ok(Page { before: None, limit: 100 }));
        assert_eq!(page("before=7&limit=1000"), Ok(Page { before: Some(7), limit: 1000 }));
        for bad in [
            "limit=1001",
            "limit=-1",
            "limit=",
            "before=x",
            "before=-1",
            "before=%2B1",
            "limit=%2B1",
            "limit=1&limit=1",
            "offset=1",
        ] {
            assert!(page(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_a_version_or_a_time() {
        let time = Moment::Time(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1));
        assert_eq!(moment(""), Ok(None));
        assert_eq!(moment("version=991"), Ok(Some(Moment::Version(991))));
        assert_eq!(moment("at=1970-01-01T00:00:01Z"), Ok(Some(time)));
        assert_eq!(moment("at=1970-01-01T02:00:01%2B02:00"), Ok(Some(time)));
        for bad in [
            "version=",
            "version=1.5",
            "version=-1",
            "version=%2B1",
            "at=",
            "at=yesterday",
            "version=1&at=x",
            "x=1",
        ] {
            assert!(moment(bad).is_err(), "{bad}");
        }
        let detail = moment("at=1970-01-01T02:00:01+02:00").unwrap_err();
        assert!(format!("{detail:?}").contains("%2B"), "{detail:?}");
    }
}

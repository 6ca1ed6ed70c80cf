//! Requests for rows, `/api/{channel}` and `/api/{channel}/{id}`.

use std::time::Duration;

use reqwest::header::{ETAG, HeaderMap, IF_MATCH, IF_NONE_MATCH, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Client;
use super::error::{Error, Refusal, Result};
use super::rows::{Conflict, Created, List, Outcome, Row, Written};
use crate::words::address::{path_part, tag_of, version_of};

/// Bytes of an answer that is still read; a server sends lists of up to 64 MiB.
const LARGEST_ANSWER: usize = 80 << 20;

/// What a request was answered.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// The parts of a problem that are acted on.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
}

impl Client {
    /// Makes a row from an object of columns; the id may be yours or the table's.
    ///
    /// # Errors
    /// The server refuses or is away. Nothing is tried twice: after `is_unreachable` nobody knows whether it was done.
    pub async fn create<T: Serialize + ?Sized>(&self, channel: &str, row: &T) -> Result<Created> {
        let request = self.writing(Method::POST, self.rows_url(channel)?).json(row);
        created(channel, self.answer("create a row of", channel, request).await?)
    }

    /// Makes a row under an id, unless there is one.
    ///
    /// # Errors
    /// As [`Client::create`].
    pub async fn create_as<T: Serialize + ?Sized>(
        &self,
        channel: &str,
        id: &str,
        row: &T,
    ) -> Result<Created> {
        let request =
            self.writing(Method::PUT, self.row_url(channel, id)?).header(IF_NONE_MATCH, "*").json(row);
        created(channel, self.answer("create a row of", channel, request).await?)
    }

    /// One row; none where there is none.
    ///
    /// # Errors
    /// The server refuses or is away.
    pub async fn read(&self, channel: &str, id: &str) -> Result<Option<Row>> {
        let request = self.shared.http.get(self.row_url(channel, id)?);
        let answer = self.answer("read a row of", channel, request).await?;
        match (answer.status, answer.problem().code.as_deref()) {
            (200, _) => Ok(Some(Row { json: answer.json()?, version: answer.version() })),
            (404, Some("not_found")) => Ok(None),
            _ => Err(answer.refusal("read a row of", channel)),
        }
    }

    /// Rows by filters and order: `[("branch_id", "eq.3"), ("order", "total.desc"), ("limit", "50")]`. At most 100
    /// unless `limit` says more, up to 10,000.
    ///
    /// # Errors
    /// The server refuses or is away.
    pub async fn list(&self, channel: &str, query: &[(&str, &str)]) -> Result<List> {
        let mut url = self.rows_url(channel)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.list_at(channel, url).await
    }

    /// Rows by the filter of a topic, which is written as in a URL.
    pub(super) async fn list_by_topic(&self, topic: &str, limit: usize) -> Result<List> {
        let (channel, filter) = topic.split_once('?').unwrap_or((topic, ""));
        let mut url = self.rows_url(channel)?;
        url.set_query(Some(filter).filter(|filter| !filter.is_empty()));
        url.query_pairs_mut().append_pair("limit", &limit.to_string());
        self.list_at(channel, url).await
    }

    async fn list_at(&self, channel: &str, url: Url) -> Result<List> {
        let answer = self.answer("list", channel, self.shared.http.get(url)).await?;
        if answer.status != 200 {
            return Err(answer.refusal("list", channel));
        }
        let cursor = answer.header("rowbell-cursor");
        let cursor = cursor.ok_or_else(|| strange("a list without a cursor"))?.to_owned();
        Ok(List { rows: answer.json()?, cursor })
    }

    /// Sets all writable columns of a row; those the object does not name get their defaults.
    ///
    /// # Errors
    /// The server refuses or is away. Trying again is safe: a write that was done answers [`Outcome::Conflict`] then.
    pub async fn replace<T: Serialize + ?Sized>(
        &self,
        channel: &str,
        id: &str,
        version: i64,
        row: &T,
    ) -> Result<Outcome> {
        let request = self.at_version(Method::PUT, channel, id, version)?.json(row);
        outcome(channel, version, self.answer("replace a row of", channel, request).await?)
    }

    /// Sets the given columns of a row; objects in json columns are merged.
    ///
    /// # Errors
    /// As [`Client::replace`].
    pub async fn patch<T: Serialize + ?Sized>(
        &self,
        channel: &str,
        id: &str,
        version: i64,
        columns: &T,
    ) -> Result<Outcome> {
        let request = self.at_version(Method::PATCH, channel, id, version)?.json(columns);
        outcome(channel, version, self.answer("patch a row of", channel, request).await?)
    }

    /// Removes a row.
    ///
    /// # Errors
    /// As [`Client::replace`].
    pub async fn delete(&self, channel: &str, id: &str, version: i64) -> Result<Outcome> {
        let request = self.at_version(Method::DELETE, channel, id, version)?;
        outcome(channel, version, self.answer("delete a row of", channel, request).await?)
    }

    fn at_version(&self, method: Method, channel: &str, id: &str, version: i64) -> Result<RequestBuilder> {
        let request = self.writing(method, self.row_url(channel, id)?);
        Ok(request.header(IF_MATCH, tag_of(version)))
    }

    fn writing(&self, method: Method, url: Url) -> RequestBuilder {
        let mut request = self.shared.http.request(method, url);
        for (name, value) in [("rowbell-actor", &self.writer.actor), ("rowbell-branch", &self.writer.branch)]
        {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request
    }

    fn rows_url(&self, channel: &str) -> Result<Url> {
        self.join(&format!("api/{}", part(channel)?))
    }

    fn row_url(&self, channel: &str, id: &str) -> Result<Url> {
        self.join(&format!("api/{}/{}", part(channel)?, part(id)?))
    }

    fn join(&self, path: &str) -> Result<Url> {
        let bad = "could not make a URL of the channel and the id";
        self.shared.api.join(path).map_err(|error| Error::usage(bad).with_source(error))
    }

    async fn answer(&self, verb: &str, channel: &str, request: RequestBuilder) -> Result<Answer> {
        let answered = async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Ok((status, headers, read(response).await?))
        };
        let (status, headers, body) = answered.await.map_err(|error: reqwest::Error| {
            let attempted = format!("could not {verb} {channel}");
            // The URL names rows, which an error must not.
            let error = error.without_url();
            // A body that is no JSON, as a map with keys that are no text, is found out here.
            let kind = if error.is_builder() { Error::usage } else { Error::unreachable };
            kind(attempted).with_source(error)
        })?;
        let body = body.ok_or_else(|| {
            Error::too_large(format!(
                "the server's answer is over {LARGEST_ANSWER} bytes: ask for fewer rows"
            ))
        })?;
        Ok(Answer { status, headers, body })
    }
}

/// The body; none where it is too large.
async fn read(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// One part of a path, which may hold anything but nothing, and not what URLs take for a way up.
fn part(text: &str) -> Result<String> {
    match text {
        "" | "." | ".." => Err(Error::usage(format!("{text:?} cannot be named in a URL"))),
        _ => Ok(path_part(text)),
    }
}

fn created(channel: &str, answer: Answer) -> Result<Created> {
    match (answer.status, answer.problem().code.as_deref()) {
        (200 | 201, _) => Ok(Created::Done(written(&answer, None)?)),
        (409, Some("exists")) => Ok(Created::Exists),
        _ => Err(answer.refusal("create a row of", channel)),
    }
}

fn outcome(channel: &str, version: i64, answer: Answer) -> Result<Outcome> {
    match (answer.status, answer.problem().code.as_deref()) {
        (200 | 201, _) => Ok(Outcome::Done(written(&answer, Some(version))?)),
        (409, Some("conflict")) => {
            let mut conflict: Conflict = answer.json()?;
            conflict.version = answer.version();
            Ok(Outcome::Conflict(Box::new(conflict)))
        }
        (404, Some("not_found")) => Ok(Outcome::Missing),
        _ => Err(answer.refusal("write a row of", channel)),
    }
}

/// A write that was done; `removed` is the version it named, which a delete has no later one than.
fn written(answer: &Answer, removed: Option<i64>) -> Result<Written> {
    let row: Box<RawValue> = answer.json()?;
    let version = answer.version().or(removed).ok_or_else(|| strange("a row without a version"))?;
    Ok(Written { row, version, xid: answer.header("rowbell-xid").map(str::to_owned) })
}

fn strange(what: &str) -> Error {
    Error::unexpected(format!("the server answered {what}"))
}

impl Answer {
    fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|error| strange("what is not the JSON of this request").with_source(error))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `"7"`, and `W/"7"`, which proxies make of it.
    fn version(&self) -> Option<i64> {
        version_of(self.header(ETAG.as_str())?)
    }

    /// What a refusal says; nothing where the answer is of another kind.
    fn problem(&self) -> Problem {
        let is_problem =
            self.header("content-type").is_some_and(|kind| kind.starts_with("application/problem+json"));
        if is_problem { self.json().unwrap_or_default() } else { Problem::default() }
    }

    fn refusal(&self, verb: &str, channel: &str) -> Error {
        let problem = self.problem();
        let seconds = self.header(RETRY_AFTER.as_str()).and_then(|text| text.trim().parse().ok());
        let told = match (&problem.code, &problem.detail) {
            (Some(code), Some(detail)) => format!("{code}: {detail}"),
            (Some(code), None) => code.clone(),
            (None, _) => format!("status {}", self.status),
        };
        let refusal = Refusal {
            status: Some(self.status),
            code: problem.code,
            retry_after: seconds.map(Duration::from_secs),
        };
        Error::refused(refusal, format!("could not {verb} {channel}: {told}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Answer { status, headers: map, body: body.as_bytes().to_vec() }
    }

    const PROBLEM: (&str, &str) = ("content-type", "application/problem+json");

    #[test]
    fn ids_of_any_text_stay_within_their_part() {
        let client = Client::new("http://127.0.0.1:8080/base").unwrap();
        let url = |id: &str| client.row_url("orders", id).map(|url| url.to_string());
        for (id, end) in [
            ("7", "7"),
            (r#"["a/b",7]"#, "%5B%22a%2Fb%22%2C7%5D"),
            ("../x?y#z", "..%2Fx%3Fy%23z"),
            ("Ł", "%C5%81"),
        ] {
            assert_eq!(url(id).unwrap(), format!("http://127.0.0.1:8080/base/api/orders/{end}"));
        }
        for id in ["", ".", ".."] {
            assert!(url(id).is_err_and(|error| error.is_usage()), "{id}");
        }
    }

    #[test]
    fn refusals_keep_what_was_said() {
        let body = r#"{"status":503,"code":"timeout","detail":"try again"}"#;
        let error = created("orders", answer(503, &[PROBLEM, ("retry-after", "3")], body)).unwrap_err();
        assert_eq!(
            (error.code(), error.status(), error.retry_after()),
            (Some("timeout"), Some(503), Some(Duration::from_secs(3)))
        );
        assert_eq!(error.to_string(), "could not create a row of orders: timeout: try again");
        assert!(error.is_temporary());
    }

    #[test]
    fn strange_answers_are_errors() {
        for (status, headers, body) in [
            (200, &[][..], ""),
            (201, &[("etag", "\"7\"")], "<html>"),
            (201, &[("etag", "7")], "{}"),
            (201, &[("etag", "\"99999999999999999999\"")], "{}"),
            (204, &[], ""),
            (302, &[], ""),
            (409, &[PROBLEM], "[]"),
            (409, &[PROBLEM], r#"{"code":"conflict","current":"#),
            (500, &[PROBLEM], "\u{0}"),
        ] {
            assert!(created("orders", answer(status, headers, body)).is_err(), "{status} {body}");
            let changed = outcome("orders", 7, answer(status, headers, body));
            assert!(changed.is_err() || status == 201, "{status} {body}");
        }
        let bare = outcome("orders", 7, answer(409, &[PROBLEM], r#"{"code":"conflict"}"#)).unwrap();
        assert!(
            matches!(bare, Outcome::Conflict(conflict) if conflict.current.is_none() && conflict.version.is_none())
        );
    }

    #[test]
    fn conflicts_bring_everything_there_is() {
        let body = json!({"code": "conflict", "current": {"a": 1}, "base": null, "yours": {"a": 2}, "merged": null, "conflicts": ["a"]});
        let told =
            outcome("orders", 7, answer(409, &[PROBLEM, ("etag", "W/\"9\"")], &body.to_string())).unwrap();
        let Outcome::Conflict(conflict) = &told else { panic!("{told:?}") };
        assert_eq!(
            (conflict.version, conflict.current.as_deref().map(RawValue::get)),
            (Some(9), Some(r#"{"a":1}"#))
        );
        assert!(conflict.base.is_none() && conflict.conflicts == ["a"]);
        assert!(told.done().unwrap_err().is_conflict());
    }
}

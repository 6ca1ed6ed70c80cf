//! What an HTTP request is told that cannot be answered: RFC 9457 `application/problem+json`.

use std::convert::Infallible;

use serde_json::json;
use warp::filters::body::BodyDeserializeError;
use warp::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use warp::http::{Response as Plain, StatusCode};
use warp::reject::{
    InvalidHeader, InvalidQuery, LengthRequired, MethodNotAllowed, MissingHeader, PayloadTooLarge, Reject,
    UnsupportedMediaType,
};
use warp::reply::Response;
use warp::{Rejection, Reply};

/// One refusal; as good as a reply, and may be thrown as a rejection too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What else the body says: a name, and its value as JSON.
    members: Vec<(&'static str, String)>,
}

impl Problem {
    /// A problem of a code of the protocol; `detail` is for people, and says what to do.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), headers: Vec::new(), members: Vec::new() }
    }

    /// The same problem with a header on its reply.
    #[must_use]
    pub fn with_header(self, name: HeaderName, value: &'static str) -> Self {
        self.with_header_value(name, HeaderValue::from_static(value))
    }

    /// The same for a value that was made for it.
    #[must_use]
    pub fn with_header_value(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same problem with one more member in its body; `json` goes in as it is.
    #[must_use]
    pub fn with_member(mut self, name: &'static str, json: String) -> Self {
        self.members.push((name, json));
        self
    }

    /// What is said to a request without the token.
    pub fn unauthorized() -> Self {
        let detail = "send Authorization: Bearer with the token";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).with_header(WWW_AUTHENTICATE, "Bearer")
    }

    /// What is said to a method that a path does not take, with those it does.
    pub fn other_method(allowed: &'static str) -> Self {
        let detail = format!("this path takes {allowed}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).with_header(ALLOW, allowed)
    }

    /// What is said where something of ours broke; the log knows more, the client does not.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on the server")
    }

    fn of(rejection: &Rejection) -> Self {
        if let Some(problem) = rejection.find::<Problem>() {
            return problem.clone();
        }
        if rejection.is_not_found() {
            return Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path");
        }
        if rejection.find::<MethodNotAllowed>().is_some() {
            let detail = "this path does not take this method";
            return Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
        }
        if rejection.find::<PayloadTooLarge>().is_some() {
            return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large");
        }
        if rejection.find::<LengthRequired>().is_some() {
            return Self::new(
                StatusCode::LENGTH_REQUIRED,
                "length_required",
                "the body needs a Content-Length",
            );
        }
        if rejection.find::<UnsupportedMediaType>().is_some() {
            let detail = "the body must be application/json";
            return Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail);
        }
        if rejection.find::<BodyDeserializeError>().is_some() {
            return Self::new(
                StatusCode::BAD_REQUEST,
                "bad_json",
                "the body is not the JSON this path takes",
            );
        }
        if rejection.find::<MissingHeader>().is_some()
            || rejection.find::<InvalidHeader>().is_some()
            || rejection.find::<InvalidQuery>().is_some()
        {
            return Self::new(StatusCode::BAD_REQUEST, "bad_value", "a header or the query cannot be read");
        }
        log::error!("a request was refused for a reason that has no answer: {rejection:?}");
        Self::internal()
    }
}

impl Reject for Problem {}

impl Problem {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The value of one of its headers.
    pub fn header(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The same problem with something said before its detail.
    #[must_use]
    pub fn with_preface(mut self, preface: &str) -> Self {
        self.detail.insert_str(0, preface);
        self
    }

    /// Its body.
    pub fn json(&self) -> String {
        let body = json!({
            "type": format!("/errors/{}", self.code),
            "title": title(self.code),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        let mut body = body.to_string();
        body.pop();
        for (name, json) in &self.members {
            body.push_str(&format!(",\"{name}\":{json}"));
        }
        body.push('}');
        body
    }
}

impl Reply for Problem {
    fn into_response(self) -> Response {
        let mut reply = Plain::new(self.json());
        *reply.status_mut() = self.status;
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers);
        reply.into_response()
    }
}

/// Answers whatever no route took; the last thing in the chain of routes.
pub async fn recover(rejection: Rejection) -> Result<Response, Infallible> {
    Ok(Problem::of(&rejection).into_response())
}

/// `unknown_channel` is titled "Unknown channel".
fn title(code: &str) -> String {
    let mut title = code.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn a_problem_says_what_it_is() {
        let problem = Problem::new(StatusCode::NOT_FOUND, "unknown_channel", "no")
            .with_header(HeaderName::from_static("retry-after"), "1");
        let reply = problem.into_response();
        assert_eq!(reply.status(), 404);
        assert_eq!(reply.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(reply.headers()["retry-after"], "1");
        assert_eq!(title("unknown_channel"), "Unknown channel");
        assert_eq!(title(""), "");
    }

    #[tokio::test]
    async fn a_problem_may_say_more() {
        let problem = Problem::new(StatusCode::CONFLICT, "conflict", "no \"way\"");
        let problem = problem
            .with_member("current", r#"{"a": 1e400}"#.to_owned())
            .with_member("base", "null".to_owned());
        let body = problem.into_response().into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.into()).unwrap();
        assert!(body.ends_with(r#","code":"conflict","current":{"a": 1e400},"base":null}"#), "{body}");
    }

    #[test]
    fn a_thrown_problem_is_told_as_it_is() {
        let problem = Problem::new(StatusCode::CONFLICT, "conflict", "no");
        assert_eq!(Problem::of(&warp::reject::custom(problem.clone())), problem);
        assert_eq!(Problem::of(&warp::reject::not_found()).code, "not_found");
    }

    #[test]
    fn what_nobody_foresaw_is_internal_and_says_nothing() {
        #[derive(Debug)]
        struct Secret;
        impl Reject for Secret {}
        assert_eq!(Problem::of(&warp::reject::custom(Secret)), Problem::internal());
    }
}

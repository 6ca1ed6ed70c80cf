//! What a client is told before its first request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;

use super::error::{Error, Result};
use super::{Client, Shared, Writer, tls};

const USER_AGENT: &str = concat!("rowbell-client/", env!("CARGO_PKG_VERSION"));

/// What a header cannot carry as it is, and `%`, which the server decodes.
const IN_HEADERS: &AsciiSet = &CONTROLS.add(b'%');

/// Settings of a [`Client`]; `Client::builder(url)` begins one.
///
/// ```no_run
/// # fn main() -> Result<(), rowbell::client::Error> {
/// use std::time::Duration;
///
/// let client = rowbell::Client::builder("https://feed.example")
///     .token("s3cret")
///     .actor("billing")
///     .request_timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientBuilder {
    url: String,
    token: Option<String>,
    actor: Option<String>,
    branch: Option<String>,
    roots: Vec<Vec<u8>>,
    connect_timeout: Duration,
    request_timeout: Duration,
}

impl ClientBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            token: None,
            actor: None,
            branch: None,
            roots: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            // The server's own limits, a busy pool and a slow statement together, come first.
            request_timeout: Duration::from_secs(60),
        }
    }

    /// The bearer token of every request and connection.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Who writes, where the token does not say: up to 200 characters.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// From which branch office, where the token does not say: up to 200 characters.
    #[must_use]
    pub fn branch(mut self, branch: impl Into<String>) -> Self {
        self.branch = Some(branch.into());
        self
    }

    /// One more authority to trust besides the machine's own, as PEM.
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// How long a connection may take to be made, TLS and upgrade included; 10 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a request may take up to the last byte of its answer; 60 s.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// The client. Nothing is connected yet.
    ///
    /// # Errors
    /// The URL is none, or the token, the actor or the branch cannot stand in a header (`is_usage`).
    pub fn build(self) -> Result<Client> {
        let api = base(&self.url)?;
        let secure = api.scheme() == "https";
        let token = self.token.as_deref().map(bearer).transpose()?;
        let tls = if secure { Some(tls::config(&self.roots)?) } else { None };
        let mut headers = HeaderMap::new();
        headers.extend(token.clone().map(|token| (AUTHORIZATION, token)));
        let mut http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            .connect_timeout(self.connect_timeout)
            .timeout(self.request_timeout)
            .tcp_nodelay(true)
            // Both transports must reach the same place, and a token must not follow a redirect elsewhere.
            .no_proxy()
            .redirect(Policy::none());
        if let Some(tls) = &tls {
            http = http.use_preconfigured_tls(tls.clone());
        }
        let http = http.build().map_err(|error| Error::usage("could not set up HTTP").with_source(error))?;
        let shared =
            Shared { api, token, http, tls: tls.map(Arc::new), connect_timeout: self.connect_timeout };
        let writer = Writer {
            actor: self.actor.as_deref().map(name).transpose()?,
            branch: self.branch.as_deref().map(name).transpose()?,
        };
        Ok(Client { shared: Arc::new(shared), writer })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The base of all URLs, with a `/` at its end.
fn base(text: &str) -> Result<Url> {
    let bad = |why: &str| Error::usage(format!("the server's URL {why}: give one like https://feed.example"));
    let mut text = text.trim().to_owned();
    for (other, scheme) in [("ws://", "http://"), ("wss://", "https://")] {
        if let Some(rest) = text.strip_prefix(other) {
            text = format!("{scheme}{rest}");
        }
    }
    let mut url = Url::parse(&text).map_err(|error| bad("cannot be read").with_source(error))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("begins with none of http, https, ws, wss"));
    }
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(bad("has more than a host, a port and a path"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn bearer(token: &str) -> Result<HeaderValue> {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| Error::usage("the token cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A name as the server reads it: percent-encoded where a header cannot carry it.
pub(super) fn name(name: &str) -> Result<HeaderValue> {
    let encoded = utf8_percent_encode(name, IN_HEADERS).to_string();
    HeaderValue::from_str(&encoded).map_err(|_| Error::usage("a name cannot stand in a header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_both_transports_are_read() {
        for (text, expected) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            (" ws://[::1]:8080/ ", "http://[::1]:8080/"),
            ("wss://feed.example/rowbell", "https://feed.example/rowbell/"),
            ("https://feed.example", "https://feed.example/"),
        ] {
            assert_eq!(base(text).unwrap().as_str(), expected);
        }
        for text in [
            "",
            "feed.example",
            "ftp://feed.example",
            "http://",
            "http://a@b",
            "http://a/?x=1",
            "http://a/#x",
        ] {
            assert!(base(text).is_err_and(|error| error.is_usage()), "{text}");
        }
    }

    #[test]
    fn names_in_any_script_fit_a_header() {
        assert_eq!(name("Łódź").unwrap(), "%C5%81%C3%B3d%C5%BA");
        assert_eq!(name("50% off").unwrap(), "50%25 off");
        assert!(bearer("a\nb").is_err_and(|error| error.is_usage()));
    }

    #[test]
    fn a_token_is_not_shown() {
        let builder = ClientBuilder::new("http://127.0.0.1").token("s3cret");
        assert!(!format!("{builder:?}").contains("s3cret"));
        let client = builder.build().unwrap();
        assert!(!format!("{client:?}").contains("s3cret"));
    }
}

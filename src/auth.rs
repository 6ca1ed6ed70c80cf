//! Who may come in: the static token, and which pages of which browsers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use subtle::ConstantTimeEq;
use warp::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use crate::problem::Problem;
use crate::words::{Error, Result, ServeConfig};

/// The rules of one address: its token, its own names, the pages that may talk to it.
#[derive(Clone)]
pub struct Door {
    /// What every request for the feed must carry; none leaves it open.
    token: Option<String>,
    /// Origins besides the server's own, as a browser spells them.
    allow_origin: Vec<String>,
    /// True when only this machine can connect, so that a `Host` of another name was made up by a page.
    loopback: bool,
}

impl Door {
    /// The door of a server that is bound to that address.
    pub fn new(config: &ServeConfig, bound: SocketAddr) -> Self {
        let allow_origin = config.allow_origin.clone();
        Self { token: config.token.clone(), allow_origin, loopback: is_loopback(bound.ip()) }
    }

    /// True when requests need the token.
    pub fn is_guarded(&self) -> bool {
        self.token.is_some()
    }

    /// True when the request carries the token: `Authorization: Bearer …`, or the one from the URL, because a
    /// browser cannot set a header on a WebSocket.
    pub fn admits(&self, headers: &HeaderMap, from_url: Option<&str>) -> bool {
        self.takes(if headers.contains_key(AUTHORIZATION) { bearer(headers) } else { from_url })
    }

    /// True when this is the token, or none is asked for.
    pub fn takes(&self, shown: Option<&str>) -> bool {
        let Some(token) = &self.token else { return true };
        !token.is_empty() && shown.is_some_and(|shown| shown.as_bytes().ct_eq(token.as_bytes()).into())
    }

    /// The same for a request that can only show it in the header.
    pub fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.admits(headers, None) { Ok(()) } else { Err(Problem::unauthorized()) }
    }

    /// True where who passed the token check may also change what is watched. Without a token that is everyone, so
    /// then only where nobody but this machine can connect.
    pub fn admits_operators(&self) -> bool {
        self.token.is_some() || self.loopback
    }

    /// The origin of a page of another site that may talk to this server; none for our own and for who is no page.
    pub fn allowed_origin<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.allow_origin.iter().any(|allowed| origin == allowed.as_str()).then_some(origin)
    }

    /// True when answers differ by the origin of the page that asks.
    pub fn answers_by_origin(&self) -> bool {
        !self.allow_origin.is_empty()
    }

    /// True unless a page of another site sends the request (no `Origin` means that no page does).
    ///
    /// The server's own origin is its `Host` under either scheme, because whoever ends TLS for it may stand
    /// in front.
    pub fn knows_origin(&self, headers: &HeaderMap) -> bool {
        let Ok(origin) = only(headers, ORIGIN) else { return false };
        let Some(origin) = origin else { return true };
        let host = only(headers, HOST).ok().flatten();
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        self.allow_origin.iter().any(|allowed| allowed == origin)
            || host.zip(authority).is_some_and(|(host, authority)| host.eq_ignore_ascii_case(authority))
    }

    /// True unless a name was pointed at this machine's loopback address (DNS rebinding).
    ///
    /// The host of an allowed origin is known too: a proxy on this machine passes it on.
    pub fn knows_host(&self, headers: &HeaderMap) -> bool {
        if !self.loopback {
            return true;
        }
        let Ok(Some(host)) = only(headers, HOST) else { return false };
        let allowed = |origin: &String| {
            origin.split_once("://").is_some_and(|(_, authority)| host.eq_ignore_ascii_case(authority))
        };
        without_port(host).is_some_and(is_loopback_name) || self.allow_origin.iter().any(allowed)
    }
}

/// Refuses to serve without a token where others than this machine can connect.
///
/// `insecure` is the user's word that something else guards the address.
pub fn check_exposure(config: &ServeConfig, insecure: bool) -> Result<()> {
    if config.token.as_ref().is_some_and(String::is_empty) {
        return Err(Error::usage("the token is empty").with_hint("give ROWBELL_TOKEN a value, or unset it"));
    }
    if config.token.is_some() || insecure || is_loopback(config.address.ip()) {
        return Ok(());
    }
    let attempted = format!("without a token, {} would be open to everyone who can reach it", config.address);
    let hint = "set ROWBELL_TOKEN, or serve on 127.0.0.1, or say --insecure if something else guards it";
    Err(Error::usage(attempted).with_hint(hint))
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The value of a header that may stand there once; twice, it could mean two things to two readers.
fn only(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = only(headers, AUTHORIZATION).ok()??.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn without_port(host: &str) -> Option<&str> {
    let after_name = host.rfind(']').map_or(0, |end| end + 1);
    let (name, port) = match host.get(after_name..)?.find(':') {
        Some(colon) => (host.get(..after_name + colon)?, host.get(after_name + colon + 1..)?),
        None => (host, ""),
    };
    port.bytes().all(|digit| digit.is_ascii_digit()).then_some(name)
}

/// Names that no DNS answer can point elsewhere.
fn is_loopback_name(name: &str) -> bool {
    let v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || v6.and_then(|text| text.parse::<Ipv6Addr>().ok()).is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{FeedConfig, KeeperConfig, RestConfig};

    fn config(address: &str, token: Option<&str>) -> ServeConfig {
        ServeConfig {
            database_url: String::new(),
            listen_url: None,
            address: address.parse().unwrap(),
            token: token.map(str::to_owned),
            allow_origin: vec!["https://app.example.com".into(), "null".into()],
            feed: FeedConfig::default(),
            rest: RestConfig::default(),
            keeper: KeeperConfig::default(),
        }
    }

    fn door(address: &str, token: Option<&str>) -> Door {
        let config = config(address, token);
        Door::new(&config, config.address)
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_token_is_shown_in_the_header_or_in_the_url() {
        let guarded = door("127.0.0.1:0", Some("s3cret"));
        let with = |value| headers(&[("authorization", value)]);
        assert!(guarded.admits(&with("Bearer s3cret"), None) && guarded.admits(&with("bearer s3cret"), None));
        assert!(guarded.admits(&headers(&[]), Some("s3cret")));
        for (headers, from_url) in [
            (headers(&[]), None),
            (headers(&[]), Some("")),
            (headers(&[]), Some("s3cre")),
            (headers(&[]), Some("s3crets")),
            (with("Bearer wrong"), None),
            (with("Basic s3cret"), None),
            (with("s3cret"), None),
            // Who shows a wrong token in the header is not saved by the URL.
            (with("Bearer wrong"), Some("s3cret")),
        ] {
            assert!(!guarded.admits(&headers, from_url), "{headers:?} {from_url:?}");
        }
        assert!(door("127.0.0.1:0", None).admits(&HeaderMap::new(), None));
        assert!(!door("127.0.0.1:0", Some("")).admits(&HeaderMap::new(), Some("")));
    }

    #[test]
    fn a_page_may_connect_from_here_or_from_an_allowed_origin() {
        let door = door("127.0.0.1:0", None);
        let from = |origin, host| headers(&[("origin", origin), ("host", host)]);
        assert!(door.knows_origin(&headers(&[("host", "localhost:8080")])));
        for (origin, host) in [
            ("http://localhost:8080", "localhost:8080"),
            ("https://Feed.example.com", "feed.example.com"),
            ("https://app.example.com", "feed.example.com"),
            ("null", "localhost"),
        ] {
            assert!(door.knows_origin(&from(origin, host)), "{origin} at {host}");
        }
        for (origin, host) in [
            ("http://localhost:8081", "localhost:8080"),
            ("http://evil.example", "localhost:8080"),
            ("https://app.example.com.evil.example", "localhost"),
            ("https://app.example.com:444", "localhost"),
            ("http://app.example.com", "localhost"),
            ("localhost:8080", "localhost:8080"),
            ("", "localhost"),
            ("ftp://localhost", "localhost"),
        ] {
            assert!(!door.knows_origin(&from(origin, host)), "{origin} at {host}");
        }
        let twice = headers(&[("origin", "http://a"), ("origin", "http://a"), ("host", "a")]);
        assert!(!door.knows_origin(&twice));
    }

    #[test]
    fn on_loopback_the_host_is_a_name_of_this_machine() {
        let bound = door("[::1]:0", None);
        let at = |host| headers(&[("host", host)]);
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:8080",
            "127.0.0.2",
            "[::1]",
            "[::1]:80",
            "app.example.com",
        ] {
            assert!(bound.knows_host(&at(host)), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost:x",
            "10.0.0.1",
            "[::2]",
            "::1",
            "",
            ":80",
            "[",
            "]",
            "[::1]x",
        ] {
            assert!(!bound.knows_host(&at(host)), "{host}");
            assert!(door("0.0.0.0:0", None).knows_host(&at(host)), "{host}");
        }
        assert!(!bound.knows_host(&headers(&[])));
        assert!(!bound.knows_host(&headers(&[("host", "localhost"), ("host", "localhost")])));
    }

    #[test]
    fn operators_need_a_token_where_others_can_connect() {
        assert!(
            door("127.0.0.1:0", None).admits_operators() && door("0.0.0.0:0", Some("t")).admits_operators()
        );
        assert!(!door("0.0.0.0:0", None).admits_operators());
    }

    #[test]
    fn an_open_door_stays_on_this_machine() {
        for (address, token, insecure, good) in [
            ("127.0.0.1:8080", None, false, true),
            ("[::1]:8080", None, false, true),
            ("[::ffff:127.0.0.1]:8080", None, false, true),
            ("0.0.0.0:8080", None, false, false),
            ("[::]:8080", None, false, false),
            ("192.168.0.1:8080", None, false, false),
            ("0.0.0.0:8080", None, true, true),
            ("0.0.0.0:8080", Some("t"), false, true),
            ("127.0.0.1:8080", Some(""), false, false),
        ] {
            let checked = check_exposure(&config(address, token), insecure);
            assert_eq!(checked.is_ok(), good, "{address} {token:?} {insecure}");
        }
        let error = check_exposure(&config("0.0.0.0:1", None), false).unwrap_err();
        assert!(error.is_usage());
        assert!(error.report().contains("ROWBELL_TOKEN") && error.report().contains("--insecure"));
    }
}

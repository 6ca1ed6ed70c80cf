//! What can go wrong between this program and a server, and whether trying again may help.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::words::error::with_causes;

/// What the client's fallible functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something a client attempted that did not work.
///
/// `Display` is a lower-case fragment that says what was attempted; the cause is its `source`. Neither holds
/// rows or tokens. What to do is asked by questions:
///
/// ```
/// # fn settle(error: rowbell::client::Error) {
/// match error.code() {
///     Some("constraint") => println!("the row breaks a rule of its table: {error}"),
///     _ if error.is_temporary() => println!("try again in {:?}", error.retry_after()),
///     _ => println!("{}", error.report()),
/// }
/// # }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    attempted: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The call itself cannot be right: a URL, a header, an id.
    Usage,
    /// The server could not be reached, or the connection broke off.
    Unreachable,
    /// The server refuses, by an HTTP problem or an `error` frame.
    Refused(Refusal),
    /// The server closed the WebSocket with this code.
    Closed(u16),
    /// More came than this program said it would hold.
    TooLarge,
    /// What came is not what the protocol says.
    Unexpected,
}

/// What the server said; each part where it said so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Refusal {
    pub(super) status: Option<u16>,
    pub(super) code: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

/// Close codes after which the same request would end the same way.
const FINAL_CLOSES: [u16; 5] = [4400, 4401, 4403, 4404, 4413];

/// Codes of the protocol that pass by themselves.
const PASSING_CODES: [&str; 3] = ["database_unavailable", "timeout", "too_many_requests"];

/// Statuses in the four hundreds that pass by themselves.
const PASSING_STATUSES: [u16; 3] = [408, 425, 429];

impl Error {
    pub(super) fn usage(attempted: impl Into<String>) -> Self {
        Self::new(Kind::Usage, attempted)
    }

    pub(super) fn unreachable(attempted: impl Into<String>) -> Self {
        Self::new(Kind::Unreachable, attempted)
    }

    pub(super) fn refused(refusal: Refusal, attempted: impl Into<String>) -> Self {
        Self::new(Kind::Refused(refusal), attempted)
    }

    pub(super) fn closed(code: u16, reason: &str) -> Self {
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        Self::new(Kind::Closed(code), format!("the server closed the connection with {code}{reason}"))
    }

    pub(super) fn too_large(attempted: impl Into<String>) -> Self {
        Self::new(Kind::TooLarge, attempted)
    }

    pub(super) fn unexpected(attempted: impl Into<String>) -> Self {
        Self::new(Kind::Unexpected, attempted)
    }

    fn new(kind: Kind, attempted: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, attempted: attempted.into(), source: None }))
    }

    #[must_use]
    pub(super) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The protocol's code, as `unknown_channel`, where the server gave one.
    pub fn code(&self) -> Option<&str> {
        self.refusal()?.code.as_deref()
    }

    /// The HTTP status of a refusal, where there was one.
    pub fn status(&self) -> Option<u16> {
        self.refusal()?.status
    }

    /// The code a WebSocket was closed with, as 4404.
    pub fn close_code(&self) -> Option<u16> {
        if let Kind::Closed(code) = self.0.kind { Some(code) } else { None }
    }

    /// How long the server asked to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }

    /// True when the row is not what the writer thought: another version, or there already (409).
    pub fn is_conflict(&self) -> bool {
        self.status() == Some(409)
    }

    /// True when the call itself was wrong: a URL, an id, a header that cannot be.
    pub fn is_usage(&self) -> bool {
        self.0.kind == Kind::Usage
    }

    /// True when the server could not be reached or the connection broke off: of a write, nobody knows whether it
    /// was done.
    pub fn is_unreachable(&self) -> bool {
        self.0.kind == Kind::Unreachable
    }

    /// True when the token is missing, wrong or not enough.
    pub fn is_unauthorized(&self) -> bool {
        matches!(self.status(), Some(401 | 403))
            || matches!(self.close_code(), Some(4401 | 4403))
            || matches!(self.code(), Some("unauthorized" | "forbidden"))
    }

    /// True when more came than this program said it would hold.
    pub fn is_too_large(&self) -> bool {
        self.0.kind == Kind::TooLarge
    }

    /// True when the other side did not speak the protocol.
    pub fn is_unexpected(&self) -> bool {
        self.0.kind == Kind::Unexpected
    }

    /// True when the same call may succeed later. A subscription tries again by itself exactly then.
    pub fn is_temporary(&self) -> bool {
        match &self.0.kind {
            Kind::Unreachable => true,
            Kind::Closed(code) => !FINAL_CLOSES.contains(code),
            Kind::Refused(refusal) => refusal.is_temporary(),
            Kind::Usage | Kind::TooLarge | Kind::Unexpected => false,
        }
    }

    /// One line for a person: what was attempted, and everything that caused it.
    pub fn report(&self) -> String {
        with_causes(self).replace('\n', " ")
    }

    fn refusal(&self) -> Option<&Refusal> {
        if let Kind::Refused(refusal) = &self.0.kind { Some(refusal) } else { None }
    }
}

impl Refusal {
    fn is_temporary(&self) -> bool {
        match (&self.code, self.status) {
            (Some(code), _) if PASSING_CODES.contains(&code.as_str()) => true,
            (_, Some(status)) => !(400..500).contains(&status) || PASSING_STATUSES.contains(&status),
            (_, None) => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.attempted)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.report())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: Option<u16>, code: Option<&str>) -> Error {
        Error::refused(Refusal { status, code: code.map(str::to_owned), retry_after: None }, "no")
    }

    #[test]
    fn what_passes_by_itself_is_temporary() {
        for code in [1001, 1006, 1011, 4408, 4410, 4429, 4500] {
            assert!(Error::closed(code, "").is_temporary(), "{code}");
        }
        for code in FINAL_CLOSES {
            assert!(!Error::closed(code, "").is_temporary(), "{code}");
        }
        for (status, code, temporary) in [
            (Some(503), Some("database_unavailable"), true),
            (None, Some("database_unavailable"), true),
            (None, Some("too_many_requests"), true),
            (Some(429), None, true),
            (Some(502), None, true),
            (Some(200), None, true),
            (Some(401), Some("unauthorized"), false),
            (Some(404), None, false),
            (None, Some("unknown_channel"), false),
        ] {
            assert_eq!(refused(status, code).is_temporary(), temporary, "{status:?} {code:?}");
        }
        assert!(Error::unreachable("x").is_temporary());
        assert!(!Error::unexpected("x").is_temporary() && !Error::too_large("x").is_temporary());
    }

    #[test]
    fn questions_are_answered_by_what_was_said() {
        assert!(refused(Some(409), Some("exists")).is_conflict());
        assert!(
            refused(None, Some("unauthorized")).is_unauthorized()
                && Error::closed(4401, "").is_unauthorized()
        );
        assert_eq!(Error::closed(4404, "unknown topic").close_code(), Some(4404));
        let error = Error::unreachable("could not connect").with_source(std::io::Error::other("no\nroute"));
        assert_eq!(error.report(), "could not connect: no route");
        assert_eq!(error.to_string(), "could not connect");
    }
}

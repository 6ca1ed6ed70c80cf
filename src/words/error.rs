//! The one error type. Its kind is private; callers ask questions of it.
//!
//! Outcomes that are normal (a reset, an unknown channel) are result enums of the functions that
//! have them, not errors.

use std::error::Error as StdError;
use std::fmt;

/// What Rowbell's fallible functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something that was attempted and did not work.
///
/// `Display` says what was attempted, as a lower-case fragment, and never repeats its source; `hint`
/// says what to do about it. Neither holds row contents or passwords.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    attempted: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The caller asked for something that cannot be right: a flag, a URL, a name.
    Usage,
    /// The database could not be reached or went away; trying again later may help.
    Unavailable,
    /// The database is there and refuses: a missing privilege, an old schema, a table of the wrong kind.
    Refused,
    /// The machine said no: a port in use, a directory that cannot be made, a program that is missing.
    Machine,
    /// The database answered something this code did not expect.
    Unexpected,
}

impl Error {
    /// The caller asked for something that cannot be right.
    pub fn usage(attempted: impl Into<String>) -> Self {
        Self::new(Kind::Usage, attempted)
    }

    /// The database could not be reached or went away.
    pub fn unavailable(attempted: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, attempted)
    }

    /// The database refuses, and only a person can change that.
    pub fn refused(attempted: impl Into<String>) -> Self {
        Self::new(Kind::Refused, attempted)
    }

    /// The machine Rowbell runs on said no.
    pub fn machine(attempted: impl Into<String>) -> Self {
        Self::new(Kind::Machine, attempted)
    }

    /// The database answered something this code did not expect.
    pub fn unexpected(attempted: impl Into<String>) -> Self {
        Self::new(Kind::Unexpected, attempted)
    }

    fn new(kind: Kind, attempted: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, attempted: attempted.into(), hint: None, source: None }))
    }

    /// The same error with what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same error with the error that caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// True when the call itself was wrong (exit status 2 on the command line).
    pub fn is_usage(&self) -> bool {
        self.0.kind == Kind::Usage
    }

    /// True when the database was away, so that the same call may succeed later.
    pub fn is_unavailable(&self) -> bool {
        self.0.kind == Kind::Unavailable
    }

    /// True when the database refused for a reason that waiting does not change.
    pub fn is_refused(&self) -> bool {
        self.0.kind == Kind::Refused
    }

    /// One line for a person: what was attempted, why it failed, what to do.
    pub fn report(&self) -> String {
        let mut line = with_causes(self);
        if let Some(hint) = self.hint() {
            line.push_str("; ");
            line.push_str(hint);
        }
        line.replace('\n', " ")
    }
}

/// An error and everything that caused it, each cause once.
pub fn with_causes(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
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

    #[test]
    fn report_is_one_line_with_cause_and_hint() {
        let cause = std::io::Error::other("no such\nfile");
        let error = Error::machine("could not read the key").with_source(cause).with_hint("check the path");
        assert_eq!(error.report(), "could not read the key: no such file; check the path");
        assert_eq!(error.to_string(), "could not read the key");
        assert!(!error.is_usage());
    }
}

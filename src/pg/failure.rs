//! Why no connection came about, and what to try after that.

use super::fault::{connect_error, is_tls, offers_no_tls};
use crate::words::Error;

/// How one attempt on one host failed; `place` is the host.
pub(super) enum Failure {
    Postgres { place: String, error: tokio_postgres::Error },
    TimedOut { place: String },
}

impl Failure {
    fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Postgres { error, .. } => error.code().map(|code| code.code()),
            Self::TimedOut { .. } => None,
        }
    }

    /// True when the server answered for good, so that libpq would not go on to the next host.
    pub(super) fn is_final(&self) -> bool {
        self.sqlstate().is_some_and(|code| !code.starts_with("57P0") && code != "53300")
    }

    /// True when what failed was TLS, or a rule of `pg_hba.conf` that may differ for the other way.
    pub(super) fn may_pass_the_other_way(&self) -> bool {
        match self {
            Self::Postgres { error, .. } => {
                is_tls(error) || self.sqlstate().is_some_and(|code| code.starts_with("28"))
            }
            Self::TimedOut { .. } => false,
        }
    }

    /// Of two failures on one host, the one that says more: "no pg_hba.conf entry" and "no TLS here" often only
    /// mean that the other way was the right one.
    pub(super) fn or(self, last: Self) -> Self {
        let offers_none =
            |failure: &Self| matches!(failure, Self::Postgres { error, .. } if offers_no_tls(error));
        if !offers_none(&self) && (offers_none(&last) || last.sqlstate() == Some("28000")) {
            self
        } else {
            last
        }
    }

    pub(super) fn into_error(self, database: &str) -> Error {
        match self {
            Self::Postgres { place, error } => {
                connect_error(&format!("could not connect to {database} on {place}"), error)
            }
            Self::TimedOut { place } => {
                Error::unavailable(format!("could not connect to {database} on {place}: no answer in time"))
                    .with_hint("is the host right, and does a firewall let this through?")
            }
        }
    }
}

//! What PostgreSQL's errors mean: one `Error` with the right kind and what to do.

use std::fmt;
use std::io;

use deadpool_postgres::{PoolError, TimeoutType};
use rustls::CertificateError;
use tokio_postgres::error::DbError;

use crate::words::Error;

/// The server's own words about an error, kept as the source of ours.
///
/// DETAIL is left behind here, because it quotes rows.
#[derive(Debug)]
pub struct ServerSaid {
    code: String,
    message: String,
}

impl ServerSaid {
    /// The five characters of the SQLSTATE.
    pub fn sqlstate(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for ServerSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Our own errors already are the text of the error that holds this one.
        if self.code.starts_with("RB") {
            f.write_str(&self.message)
        } else {
            write!(f, "{} ({})", self.message, self.code)
        }
    }
}

impl std::error::Error for ServerSaid {}

/// The SQLSTATE behind an error, where PostgreSQL gave one.
pub fn sqlstate(error: &Error) -> Option<&str> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<ServerSaid>().map(ServerSaid::sqlstate)
}

/// Tells what a `tokio_postgres` error means; `attempted` is a lower-case fragment, `could not read the log`.
pub fn database_error(attempted: &str, error: tokio_postgres::Error) -> Error {
    if let Some(said) = error.as_db_error() {
        return server_error(attempted, said);
    }
    if error.is_closed() {
        return Error::unavailable(format!("{attempted}: the connection to PostgreSQL is closed"));
    }
    match error.into_source().map(|source| source.downcast::<io::Error>()) {
        Some(Ok(lost)) => Error::unavailable(format!("{attempted}: the connection to PostgreSQL was lost"))
            .with_source(lost),
        Some(Err(source)) => Error::unexpected(attempted).with_source(source),
        None => Error::unexpected(attempted),
    }
}

/// Tells what an error of the pool means.
pub fn pool_error(attempted: &str, error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => connect_error(attempted, error),
        PoolError::Timeout(TimeoutType::Wait) => {
            Error::unavailable(format!("{attempted}: every connection of the pool is busy"))
                .with_hint("make the pool larger, or look for slow statements in pg_stat_activity")
        }
        PoolError::Timeout(_) => {
            Error::unavailable(format!("{attempted}: PostgreSQL did not answer in time"))
                .with_hint("look at the server's load and the network")
        }
        PoolError::Closed => Error::unavailable(format!("{attempted}: the pool is closed")),
        other => Error::unexpected(attempted).with_source(other),
    }
}

/// Tells why a connection could not be made.
pub(super) fn connect_error(attempted: &str, error: tokio_postgres::Error) -> Error {
    if is_tls(&error) {
        return tls_error(attempted, error);
    }
    if error.as_db_error().is_some() || error.is_closed() {
        return database_error(attempted, error);
    }
    let text = error.to_string();
    let Some(source) = error.into_source() else {
        return Error::unexpected(attempted).with_source(text);
    };
    match source.downcast::<io::Error>() {
        Ok(source) => unreachable_error(attempted, *source),
        Err(source) if source.to_string() == "password missing" => {
            Error::refused(attempted).with_source("the server asks for a password").with_hint(PASSWORD_HINT)
        }
        Err(source) if text == "authentication error" => Error::refused(attempted).with_source(source),
        Err(source) => Error::unexpected(attempted).with_source(source),
    }
}

const PASSWORD_HINT: &str = "give the right one in the URL, PGPASSWORD or ~/.pgpass";
const LATER_HINT: &str = "try again in a moment";

pub(super) fn server_error(attempted: &str, said: &DbError) -> Error {
    let code = said.code().code();
    let source = ServerSaid { code: code.to_owned(), message: said.message().to_owned() };
    let refused = |hint: &str| Error::refused(attempted).with_hint(hint);
    let unavailable = |hint: &str| Error::unavailable(attempted).with_hint(hint);
    let error = match code {
        "28P01" => refused(PASSWORD_HINT),
        "28000" if source.message.contains("pg_hba.conf") => refused(
            "add a line for this host, user and database to the server's pg_hba.conf, or change sslmode",
        ),
        "28000" => refused("check the user in the URL, and the method in the server's pg_hba.conf"),
        "3D000" => refused("create the database, or correct its name in the URL"),
        "42501" => refused("grant the privilege to the user in the URL, or use the owner's"),
        "53300" => unavailable("raise the server's max_connections, or make the pools smaller"),
        "25006" => {
            unavailable("the database takes no writes now: a standby, or default_transaction_read_only")
        }
        "53100" => unavailable("the database's disk is full: free some of it"),
        "53200" | "53400" => {
            unavailable("the database is out of memory or of another resource: look at its log")
        }
        "57P01" | "57P02" | "57P03" => unavailable(LATER_HINT),
        _ if code.starts_with("08") || code == "57P05" => unavailable(LATER_HINT),
        _ if code.starts_with("RB") => {
            let error = Error::refused(&source.message);
            match said.hint() {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        }
        _ => Error::unexpected(attempted),
    };
    error.with_source(source)
}

fn unreachable_error(attempted: &str, source: io::Error) -> Error {
    let hint = match source.kind() {
        io::ErrorKind::ConnectionRefused => "is PostgreSQL running there, and on that port?",
        io::ErrorKind::NotFound => "is PostgreSQL running? its socket may be in another directory",
        io::ErrorKind::PermissionDenied => {
            "this user may not enter the socket's directory, or the server is of the wrong kind"
        }
        io::ErrorKind::TimedOut => "is the host right, and does a firewall let this through?",
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "is it PostgreSQL that listens there?"
        }
        // The resolver's errors have no kind of their own.
        _ if source.to_string().contains("lookup address") => "check the host's name in the URL",
        _ => LATER_HINT,
    };
    Error::unavailable(attempted).with_source(source).with_hint(hint)
}

/// True when it was TLS that failed, not what came after. Only the text tells: the kind is private.
pub(super) fn is_tls(error: &tokio_postgres::Error) -> bool {
    error.to_string() == "error performing TLS handshake"
}

/// True when the server answered that it speaks no TLS.
pub(super) fn offers_no_tls(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    is_tls(error) && source.is_some_and(|source| source.to_string() == "server does not support TLS")
}

fn tls_error(attempted: &str, error: tokio_postgres::Error) -> Error {
    if offers_no_tls(&error) {
        return Error::refused(attempted).with_source("the server does not speak TLS").with_hint(
            "turn ssl on in postgresql.conf, or use sslmode=disable where the network is trusted",
        );
    }
    let Some(source) = error.into_source() else { return Error::refused(attempted) };
    let source = match source.downcast::<io::Error>() {
        Ok(source) => *source,
        Err(source) => return Error::refused(attempted).with_source(source),
    };
    match source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(fault) => {
            let (said, hint) = tls_fault(fault);
            Error::refused(attempted).with_source(said).with_hint(hint)
        }
        None => Error::unavailable(format!("{attempted}: the TLS handshake broke off"))
            .with_source(source)
            .with_hint("look at the server's log"),
    }
}

fn tls_fault(fault: &rustls::Error) -> (String, &'static str) {
    let rustls::Error::InvalidCertificate(why) = fault else {
        return (
            fault.to_string(),
            "look at the server's log, and at sslcert and sslkey if it asks for them",
        );
    };
    let (said, hint) = match why {
        CertificateError::UnknownIssuer => (
            "the server's certificate is not signed by a trusted root",
            "give the certificate of the CA that signed it with sslrootcert=FILE",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "the server's certificate is for another host name",
            "connect by the name in the certificate, or use sslmode=verify-ca",
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("the server's certificate has expired", "renew it on the server")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("the server's certificate is not valid yet", "check the clocks of both machines")
        }
        _ => return (fault.to_string(), "check the server's certificate and sslrootcert"),
    };
    (said.to_owned(), hint)
}

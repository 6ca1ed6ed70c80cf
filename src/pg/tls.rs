//! libpq's `sslmode` and its certificate files, as a `rustls` configuration.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::conninfo::{Conninfo, wrong};
use super::tls_verify::{Chain, Unverified};
use crate::words::{Error, Result};

/// How much a connection asks of TLS, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// Plain first; TLS if the server refuses that.
    Allow,
    /// TLS first, unverified; plain if that does not work.
    Prefer,
    /// TLS, unverified unless there is a root certificate file.
    Require,
    /// TLS with a certificate that chains to a root, whatever name it bears.
    VerifyCa,
    /// TLS with a certificate that chains to a root and bears the host's name.
    VerifyFull,
}

impl SslMode {
    fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                let error = Error::usage("could not read the database URL: sslmode is unknown");
                return Err(error.with_hint("use disable, allow, prefer, require, verify-ca or verify-full"));
            }
        })
    }
}

/// What one connection string says about TLS, before any file is read.
pub(super) struct TlsWords {
    pub(super) mode: SslMode,
    direct: bool,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl TlsWords {
    /// Takes the keys about TLS out of the connection string.
    pub(super) fn take(words: &mut Conninfo) -> Result<Self> {
        let mode = words.take("sslmode").as_deref().map(SslMode::named).transpose()?;
        let root = words.take("sslrootcert");
        let system = root.as_deref() == Some("system");
        let mode = mode.unwrap_or(if system { SslMode::VerifyFull } else { SslMode::Prefer });
        if system && mode != SslMode::VerifyFull {
            // Anybody can get a certificate of some public CA, so without the name it proves nothing.
            let error =
                Error::usage("could not read the database URL: sslrootcert=system needs sslmode=verify-full");
            return Err(error.with_hint("remove sslmode, or set it to verify-full"));
        }
        let direct = words.take("sslnegotiation");
        let direct = match direct.as_deref() {
            None | Some("postgres") => false,
            Some("direct") if mode >= SslMode::Require => true,
            Some("direct") => return Err(wrong("sslnegotiation=direct needs sslmode=require or more")),
            Some(_) => return Err(wrong("sslnegotiation is neither postgres nor direct")),
        };
        Ok(Self { mode, direct, root, certificate: words.take("sslcert"), key: words.take("sslkey") })
    }

    /// True when the handshake starts at once, without asking the server whether it speaks TLS.
    pub(super) fn is_direct(&self) -> bool {
        self.direct
    }

    /// Reads the files and makes the handshake's configuration.
    pub(super) fn load(&self, home: Option<&Path>) -> Result<MakeRustlsConnect> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::machine("could not set up TLS").with_source(error))?;
        let builder = match self.roots(home)? {
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider))),
            Some(roots) => {
                let chain = Chain::new(provider, roots, self.mode == SslMode::VerifyFull)?;
                builder.dangerous().with_custom_certificate_verifier(Arc::new(chain))
            }
        };
        let mut config = match self.identity(home)? {
            None => builder.with_no_client_auth(),
            Some((certificates, key)) => {
                builder.with_client_auth_cert(certificates, key).map_err(|error| {
                    Error::usage("could not use the client certificate with its key").with_source(error)
                })?
            }
        };
        if self.direct {
            // PostgreSQL 17 closes a direct handshake that does not name its protocol.
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(MakeRustlsConnect::new(config))
    }

    /// The certificates to trust; none means that nothing is verified.
    ///
    /// libpq verifies `prefer` and `allow` too when the root file exists, and then goes on in plain text when
    /// that fails, which is worse than not verifying; so here these two never do. And a root file that is named
    /// but missing is an error for `require` as well, where libpq goes on unverified.
    fn roots(&self, home: Option<&Path>) -> Result<Option<Vec<CertificateDer<'static>>>> {
        if self.mode < SslMode::Require {
            return Ok(None);
        }
        if self.root.as_deref() == Some("system") {
            return system_roots().map(Some);
        }
        let file = match &self.root {
            Some(named) => Some(PathBuf::from(named)),
            None => home.map(|home| home.join(".postgresql/root.crt")),
        };
        match file {
            Some(file) if file.exists() => certificates_in(&file).map(Some),
            _ if self.mode == SslMode::Require && self.root.is_none() => Ok(None),
            file => {
                let file = file.unwrap_or_else(|| "~/.postgresql/root.crt".into());
                let error =
                    Error::usage(format!("could not find the root certificate file {}", file.display()));
                Err(error.with_hint(
                    "give the CA's certificate with sslrootcert=FILE, or use sslrootcert=system for a public CA",
                ))
            }
        }
    }

    fn identity(
        &self,
        home: Option<&Path>,
    ) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>> {
        let default = |name| home.map(|home| home.join(".postgresql").join(name));
        let certificate = match &self.certificate {
            Some(named) => PathBuf::from(named),
            None => match default("postgresql.crt").filter(|file| file.exists()) {
                Some(file) => file,
                None => return Ok(None),
            },
        };
        let key = self.key.as_ref().map(PathBuf::from).or_else(|| default("postgresql.key"));
        let key = key.ok_or_else(|| {
            Error::usage("could not find the client certificate's key").with_hint("give sslkey=FILE")
        })?;
        refuse_readable_key(&key)?;
        let secret = PrivateKeyDer::from_pem_file(&key)
            .map_err(|error| unreadable("the key", &key).with_source(error))?;
        Ok(Some((certificates_in(&certificate)?, secret)))
    }
}

fn system_roots() -> Result<Vec<CertificateDer<'static>>> {
    let mut found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let error = Error::machine("could not find the system's root certificates");
        let error =
            error.with_hint("install ca-certificates, or give the CA's certificate with sslrootcert=FILE");
        return Err(match found.errors.pop() {
            Some(source) => error.with_source(source),
            None => error,
        });
    }
    Ok(found.certs)
}

fn certificates_in(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unreadable("the certificates", file).with_source(error))?;
    if certificates.is_empty() {
        return Err(unreadable("the certificates", file).with_hint("it holds no PEM certificate"));
    }
    Ok(certificates)
}

/// A key that others may read is no secret: libpq's rule, with root's keys readable by their group.
fn refuse_readable_key(key: &Path) -> Result<()> {
    let meta = std::fs::metadata(key).map_err(|error| unreadable("the key", key).with_source(error))?;
    let allowed = if meta.uid() == 0 { 0o640 } else { 0o600 };
    if meta.permissions().mode() & 0o777 & !allowed != 0 {
        return Err(unreadable("the key", key).with_hint("others may read it: chmod 600 it"));
    }
    Ok(())
}

fn unreadable(what: &str, file: &Path) -> Error {
    Error::usage(format!("could not use {what} in {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::conninfo::Surroundings;

    fn take(text: &str) -> Result<TlsWords> {
        Conninfo::read(text, &Surroundings::default()).and_then(|mut words| TlsWords::take(&mut words))
    }

    #[test]
    fn modes_have_libpqs_defaults_and_refusals() {
        assert_eq!(take("host=x").expect("good").mode, SslMode::Prefer);
        assert_eq!(take("host=x sslrootcert=system").expect("good").mode, SslMode::VerifyFull);
        assert!(take("sslrootcert=system sslmode=verify-ca").is_err());
        assert!(take("sslmode=sometimes").is_err());
        assert!(take("sslnegotiation=direct").is_err());
        assert!(take("sslnegotiation=direct sslmode=require").expect("good").is_direct());
    }

    #[test]
    fn a_missing_root_file_is_told() {
        for text in ["sslmode=verify-full", "sslmode=verify-ca", "sslmode=require sslrootcert=/nowhere"] {
            let error = take(text).and_then(|words| words.load(None)).err().expect(text);
            assert!(
                error.is_usage() && error.hint().is_some_and(|hint| hint.contains("sslrootcert")),
                "{error:?}"
            );
        }
        for text in ["sslmode=require", "sslmode=prefer sslrootcert=/nowhere"] {
            assert!(take(text).and_then(|words| words.load(None)).is_ok(), "{text}");
        }
    }
}

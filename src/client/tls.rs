//! Which certificates a client trusts, for HTTPS and for WebSockets alike.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::error::{Error, Result};

/// Trusts the machine's own authorities, and those in `pem` besides.
pub(super) fn config(pem: &[Vec<u8>]) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    for text in pem {
        for certificate in CertificateDer::pem_slice_iter(text) {
            let bad = "could not read a root certificate: it is not PEM";
            let certificate = certificate.map_err(|error| Error::usage(bad).with_source(error))?;
            roots.add(certificate).map_err(|error| Error::usage(bad).with_source(error))?;
        }
    }
    if roots.is_empty() {
        return Err(Error::usage("found no root certificates on this machine: give one, or install them"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::usage("could not set up TLS").with_source(error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_told() {
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
        assert!(config(&[broken]).is_err_and(|error| error.is_usage()));
    }
}

//! What a server's certificate must prove under each `sslmode`.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc4519::CN;

use crate::words::{Error, Result};

type TlsResult<T> = std::result::Result<T, rustls::Error>;

/// Believes every certificate: `require` without a root file encrypts and no more.
#[derive(Debug)]
pub(super) struct Unverified(pub(super) Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> TlsResult<ServerCertVerified> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Checks the chain, and the name too when asked to.
///
/// Beyond `webpki` it accepts two things OpenSSL, and so libpq, accepts and PostgreSQL's manual tells people to
/// make: a self-signed certificate that is itself the root file, and a host name in the subject's CN only.
#[derive(Debug)]
pub(super) struct Chain {
    signatures: Unverified,
    store: RootCertStore,
    roots: Vec<CertificateDer<'static>>,
    checks_name: bool,
}

impl Chain {
    pub(super) fn new(
        provider: Arc<CryptoProvider>,
        roots: Vec<CertificateDer<'static>>,
        checks_name: bool,
    ) -> Result<Self> {
        Ok(Self { signatures: Unverified(provider), store: store_of(&roots)?, roots, checks_name })
    }

    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> TlsResult<()> {
        if self.roots.iter().any(|root| root.as_ref() == leaf.as_ref()) {
            return verify_dates(leaf, now);
        }
        let algorithms = self.signatures.0.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(leaf)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.store, between, now, algorithms)
    }
}

impl ServerCertVerifier for Chain {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> TlsResult<ServerCertVerified> {
        self.verify_chain(end_entity, intermediates, now)?;
        if self.checks_name {
            verify_name(end_entity, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        self.signatures.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        self.signatures.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_verify_schemes()
    }
}

fn verify_dates(leaf: &CertificateDer<'_>, now: UnixTime) -> TlsResult<()> {
    let validity = parsed(leaf)?.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

fn verify_name(leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> TlsResult<()> {
    let Err(error) = verify_server_name(&ParsedCertificate::try_from(leaf)?, name) else {
        return Ok(());
    };
    // Only a certificate without any alternative name is looked at further, or a CN could widen one.
    let has_no_names = matches!(
        &error,
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. })
            if presented.is_empty()
    );
    let common = common_name(&parsed(leaf)?).filter(|_| has_no_names);
    if common.is_some_and(|common| bears(&common, &name.to_str())) { Ok(()) } else { Err(error) }
}

fn parsed(leaf: &CertificateDer<'_>) -> TlsResult<Certificate> {
    Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding.into())
}

fn common_name(certificate: &Certificate) -> Option<String> {
    let sets = certificate.tbs_certificate.subject.0.iter();
    let mut names = sets.flat_map(|set| set.0.iter()).filter(|attribute| attribute.oid == CN);
    let value = names.next()?.value.value();
    std::str::from_utf8(value).ok().map(str::to_owned)
}

/// Whether a CN is the host's name, with `*` for exactly the first label.
fn bears(common: &str, host: &str) -> bool {
    let same = |left: &str, right: &str| left.eq_ignore_ascii_case(right);
    match (common.strip_prefix("*."), host.split_once('.')) {
        (Some(domain), Some((_, host_domain))) => domain.contains('.') && same(domain, host_domain),
        _ => same(common, host),
    }
}

/// Puts certificates into a store, leaving out those `webpki` cannot read.
pub(super) fn store_of(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        return Err(Error::usage("could not use any of the root certificates"));
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

    use super::*;

    const YEAR: u64 = 365 * 24 * 60 * 60;

    /// As `openssl req -new -x509 -subj /CN=db.example` makes it: its own CA, with no alternative name.
    fn self_signed() -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, "db.example");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate").into()
    }

    fn verify(
        root: CertificateDer<'static>,
        leaf: &CertificateDer<'_>,
        host: &str,
        year: u64,
    ) -> TlsResult<()> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = Chain::new(provider, vec![root], true).expect("a root");
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * YEAR + YEAR / 2));
        chain.verify_server_cert(leaf, &[], &name, &[], now).map(|_| ())
    }

    #[test]
    fn a_self_signed_certificate_is_its_own_root() {
        let leaf = self_signed();
        assert_eq!(verify(leaf.clone(), &leaf, "db.example", 2025), Ok(()));
        let refused = |result: TlsResult<()>| matches!(result, Err(rustls::Error::InvalidCertificate(_)));
        assert!(refused(verify(leaf.clone(), &leaf, "other.example", 2025)));
        assert!(refused(verify(leaf.clone(), &leaf, "db.example", 2035)));
        assert!(refused(verify(leaf.clone(), &leaf, "db.example", 2015)));
        assert!(refused(verify(self_signed(), &leaf, "db.example", 2025)));
    }

    #[test]
    fn a_common_name_bears_one_host_or_one_label_of_a_domain() {
        assert!(bears("DB.example.org", "db.example.org"));
        assert!(bears("*.example.org", "db.example.org"));
        for (common, host) in
            [("*.example.org", "a.b.example.org"), ("*.org", "example.org"), ("*", "db"), ("db", "d")]
        {
            assert!(!bears(common, host), "{common} {host}");
        }
    }
}

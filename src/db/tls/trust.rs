//! The certificates that are trusted, and what webpki verifies with them.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// The trusted authorities.
#[derive(Debug)]
pub struct Trust {
    /// Self-issued certificates: where a chain may end. As in OpenSSL, only while they are valid themselves.
    pub anchors: Vec<(CertificateDer<'static>, Certificate)>,
    /// The others, which help to build chains and end none.
    helpers: Vec<CertificateDer<'static>>,
    /// What authorities have taken back.
    revocations: Vec<CertificateRevocationListDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    /// Sorts the trusted certificates. An entry that is no certificate (stores of operating systems are old) is
    /// skipped.
    pub fn new(
        certificates: Vec<CertificateDer<'static>>,
        revocations: Vec<CertificateRevocationListDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        let (mut anchors, mut helpers) = (Vec::new(), Vec::new());
        for der in certificates {
            match Certificate::from_der(&der) {
                Ok(parsed) if parsed.tbs_certificate.issuer == parsed.tbs_certificate.subject => {
                    anchors.push((der, parsed));
                }
                Ok(_) => helpers.push(der),
                Err(_) => {}
            }
        }
        Self { anchors, helpers, revocations, provider }
    }

    /// Whether revocation matters.
    pub fn checks_revocation(&self) -> bool {
        !self.revocations.is_empty()
    }

    /// Verifies chain, dates, revocation, and a name by webpki's rules.
    pub fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut store = RootCertStore::empty();
        let valid = self.anchors.iter().filter(|(_, anchor)| check_validity(anchor, now).is_ok());
        store.add_parsable_certificates(valid.map(|(der, _)| der.clone()));
        if store.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let mut chain = intermediates.to_vec();
        chain.extend(self.helpers.iter().cloned());
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&self.provider))
            .with_crls(self.revocations.iter().cloned())
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(end_entity, &chain, server_name, &[], now)
    }
}

/// Whether `now` is between the dates of the certificate.
pub fn check_validity(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = &certificate.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

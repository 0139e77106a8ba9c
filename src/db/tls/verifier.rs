//! Decides whether the server is who it should be.
//!
//! The chain is webpki's to verify. Three things that OpenSSL, and so libpq, accepts and webpki does not are settled
//! here, because the certificates of PostgreSQL's own documentation need them: a self-signed certificate that is
//! itself the trusted one, a certificate of X.509 version 1 (see [`version1`]), and a name that is only
//! in the subject (see [`peer_name`]).

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::{peer_name, version1};

/// The verifier of a connection.
#[derive(Debug)]
pub struct Verifier {
    /// The trusted authorities; `None`: every certificate is accepted.
    pub trust: Option<Trust>,
    /// Whether the certificate has to bear the host's name.
    pub check_name: bool,
    /// How handshakes are signed.
    pub algorithms: WebPkiSupportedAlgorithms,
}

/// Whom to trust.
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
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut store = RootCertStore::empty();
        let valid = self.anchors.iter().filter(|(_, anchor)| version1::check_validity(anchor, now).is_ok());
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

/// Everything about the certificate but the name that it bears.
fn verify_chain(
    trust: &Trust,
    algorithms: &WebPkiSupportedAlgorithms,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), Error> {
    if let Some((_, itself)) = trust.anchors.iter().find(|(anchor, _)| anchor == end_entity) {
        return version1::check_validity(itself, now);
    }
    match Certificate::from_der(end_entity) {
        Ok(certificate) if version1::is(&certificate) => {
            return version1::verify(end_entity, &certificate, trust, algorithms, now);
        }
        _ => {}
    }
    match trust.verify(end_entity, intermediates, server_name, now) {
        // The name comes last; libpq's rules for it are others.
        Err(Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Ok(()),
        verified => verified.map(drop),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trust) = &self.trust {
            verify_chain(trust, &self.algorithms, end_entity, intermediates, server_name, now)?;
        }
        if self.check_name {
            peer_name::verify(end_entity, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match Certificate::from_der(cert) {
            Ok(certificate) if version1::is(&certificate) => {
                version1::verify_tls12_signature(message, &certificate, dss, &self.algorithms)
            }
            _ => rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match Certificate::from_der(cert) {
            Ok(certificate) if version1::is(&certificate) => {
                version1::verify_tls13_signature(message, &certificate, dss, &self.algorithms)
            }
            _ => rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

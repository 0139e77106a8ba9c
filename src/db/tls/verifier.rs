//! Decides whether the server is who it should be.
//!
//! The chain is webpki's to verify. Three things that OpenSSL, and so libpq, accepts and webpki does not are settled
//! here, because the certificates of PostgreSQL's own documentation need them: a self-signed certificate that is
//! itself the trusted one, a certificate of X.509 version 1 (see [`version1`]), and a name that is only
//! in the subject (see [`peer_name`]).

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use super::trust::{Trust, check_validity};
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
        return check_validity(itself, now);
    }
    if let Some(certificate) = version1::read(end_entity) {
        return version1::verify(end_entity, &certificate, trust, algorithms, now);
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
        match version1::read(cert) {
            Some(certificate) => {
                version1::verify_tls12_signature(message, &certificate, dss, &self.algorithms)
            }
            None => rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match version1::read(cert) {
            Some(certificate) => {
                version1::verify_tls13_signature(message, &certificate, dss, &self.algorithms)
            }
            None => rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

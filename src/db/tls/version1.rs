//! Certificates of X.509 version 1, which webpki refuses to read and OpenSSL accepts.
//!
//! `openssl x509 -req` made them without being asked until OpenSSL 3.2, and PostgreSQL's documentation tells how to
//! make a server certificate with just that command, so they are common. Such a certificate has no extensions:
//! all there is to verify is that a trusted certificate signed it, itself and not over intermediates, and the dates.
//! The signatures are verified by rustls' provider.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error};
use x509_cert::certificate::{Certificate, Version};
use x509_cert::der::{AnyRef, Decode, Encode, Header, Reader, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, NameConstraints};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::trust::{Trust, check_validity};

/// The certificate; `None`: it is of another version.
pub fn read(der: &CertificateDer<'_>) -> Option<Certificate> {
    let is_version_1 = |certificate: &Certificate| certificate.tbs_certificate.version == Version::V1;
    Certificate::from_der(der).ok().filter(is_version_1)
}

/// The public key of such a certificate, as DER; `None`: it is of another version.
pub fn public_key(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    read(der)?.tbs_certificate.subject_public_key_info.to_der().ok()
}

/// Whether one of the trusted certificates signed this one.
pub fn verify(
    der: &CertificateDer<'_>,
    certificate: &Certificate,
    trust: &Trust,
    algorithms: &WebPkiSupportedAlgorithms,
    now: UnixTime,
) -> Result<(), Error> {
    if trust.checks_revocation() {
        return Err(Error::General("a version 1 certificate cannot be checked for revocation".to_owned()));
    }
    check_validity(certificate, now)?;
    let valid =
        trust.anchors.iter().map(|(_, anchor)| anchor).filter(|anchor| check_validity(anchor, now).is_ok());
    let mut issuers = valid.filter(|issuer| may_issue(issuer, certificate));
    let message = signed_part(der).map_err(|_| CertificateError::BadEncoding)?;
    if issuers.any(|issuer| signed_by(issuer, certificate, message, algorithms)) {
        return Ok(());
    }
    Err(CertificateError::UnknownIssuer.into())
}

/// The name fits, and nothing in the issuer limits what it may sign.
fn may_issue(issuer: &Certificate, certificate: &Certificate) -> bool {
    let tbs = &issuer.tbs_certificate;
    let constrained = !matches!(tbs.get::<NameConstraints>(), Ok(None));
    let authority = match tbs.get::<BasicConstraints>() {
        Ok(Some((_, constraints))) => constraints.ca,
        // Version 1 again: trusted because it is in the file.
        Ok(None) => true,
        Err(_) => false,
    };
    tbs.subject == certificate.tbs_certificate.issuer && authority && !constrained
}

fn signed_by(
    issuer: &Certificate,
    certificate: &Certificate,
    message: &[u8],
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let key = &issuer.tbs_certificate.subject_public_key_info;
    let (Some(key_algorithm), Some(algorithm)) =
        (contents(&key.algorithm), contents(&certificate.signature_algorithm))
    else {
        return false;
    };
    let (Some(key), Some(signature)) = (key.subject_public_key.as_bytes(), certificate.signature.as_bytes())
    else {
        return false;
    };
    algorithms.all.iter().any(|candidate| {
        candidate.public_key_alg_id().as_ref() == key_algorithm
            && candidate.signature_alg_id().as_ref() == algorithm
            && candidate.verify_signature(key, message, signature).is_ok()
    })
}

/// TLS 1.2 does not tie a signature scheme to a curve: every algorithm of the scheme may be the one.
pub fn verify_tls12_signature(
    message: &[u8],
    certificate: &Certificate,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key: &SubjectPublicKeyInfoOwned = &certificate.tbs_certificate.subject_public_key_info;
    let (Some(key_algorithm), Some(key)) = (contents(&key.algorithm), key.subject_public_key.as_bytes())
    else {
        return Err(CertificateError::BadEncoding.into());
    };
    let of_the_scheme = algorithms.mapping.iter().filter(|(scheme, _)| *scheme == dss.scheme);
    let mut candidates = of_the_scheme.flat_map(|(_, candidates)| candidates.iter());
    let valid = candidates.any(|candidate| {
        candidate.public_key_alg_id().as_ref() == key_algorithm
            && candidate.verify_signature(key, message, dss.signature()).is_ok()
    });
    if valid { Ok(HandshakeSignatureValid::assertion()) } else { Err(CertificateError::BadSignature.into()) }
}

/// TLS 1.3 does: rustls verifies with the bare key.
pub fn verify_tls13_signature(
    message: &[u8],
    certificate: &Certificate,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = certificate.tbs_certificate.subject_public_key_info.to_der();
    let key = SubjectPublicKeyInfoDer::from(key.map_err(|_| CertificateError::BadEncoding)?);
    rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
}

/// The bytes that the issuer signed: the first element of the outer sequence, as they came.
fn signed_part<'a>(der: &'a CertificateDer<'_>) -> x509_cert::der::Result<&'a [u8]> {
    let mut reader = SliceReader::new(der)?;
    Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

/// What is inside of the sequence, which is how rustls writes an algorithm.
fn contents(algorithm: &impl Encode) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    AnyRef::from_der(&der).ok().map(|any| any.value().to_vec())
}

//! What `sslmode` means, on rustls: the rules of libpq's `fe-secure-openssl.c`.
//!
//! | `sslmode` | encrypted | chain verified | name verified |
//! |---|---|---|---|
//! | `disable` | no | | |
//! | `allow`, `prefer` | if the server insists / offers | if there is a root certificate | no |
//! | `require` | yes | if there is a root certificate | no |
//! | `verify-ca` | yes | yes | no |
//! | `verify-full` | yes | yes | yes |
//!
//! [`connect`](super::connect) decides when to try again with or without TLS. The cryptography is ring's,
//! passed explicitly: the process has no default provider.

mod peer_name;
mod trust;
mod verifier;
mod version1;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, RootCertStore, SupportedProtocolVersion};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::conninfo::{Revocations, Root, SslMode, Tls, TlsVersion};
use trust::Trust;
use verifier::Verifier;

/// The files that TLS needs are missing or broken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// `verify-ca` and `verify-full` need a trusted authority.
    #[error("{mode} needs a root certificate, and {} does not exist", file.display())]
    NoRoot {
        mode: &'static str,
        /// Where it was looked for.
        file: PathBuf,
    },
    /// The same, without a home directory to look in.
    #[error("{mode} needs a root certificate, and neither sslrootcert nor a home directory says where it is")]
    NoRootFile { mode: &'static str },
    /// The operating system's store is empty or unreadable.
    #[error("the operating system has no certificate authorities (sslrootcert=system): {what}")]
    NoSystemRoots {
        /// What was wrong.
        what: String,
    },
    /// A file that exists or was asked for is of no use.
    #[error("cannot use the {role} {}: {what}", file.display())]
    File {
        /// What it is for.
        role: &'static str,
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The library accepts no such combination.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

/// A TLS connector for these settings. Reads the files; with [`SslMode::Disable`] it reads none and is of no use.
pub fn connector(tls: &Tls) -> Result<MakeRustlsConnect, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trust = if tls.mode == SslMode::Disable { None } else { trust(tls, &provider)? };
    let verifier = Verifier {
        trust,
        check_name: tls.mode == SslMode::VerifyFull,
        algorithms: provider.signature_verification_algorithms,
    };
    let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(tls))
        .map_err(setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match client_certificate(tls)? {
        Some((file, chain, key)) => {
            let identity = client_identity(&builder.crypto_provider().clone(), chain, key)
                .map_err(|error| broken("client certificate", &file, identity_text(&error)))?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
        None => builder.with_no_client_auth(),
    };
    config.enable_sni = tls.sni;
    if tls.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

fn versions(tls: &Tls) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(TlsVersion::V1_3, &rustls::version::TLS13), (TlsVersion::V1_2, &rustls::version::TLS12)];
    all.into_iter()
        .filter(|(version, _)| (tls.min_version..=tls.max_version).contains(version))
        .map(|(_, version)| version)
        .collect()
}

/// Whom to trust; `None`: encrypt without asking who it is.
fn trust(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Option<Trust>, TlsError> {
    let certificates = match &tls.root {
        Some(Root::System) => system_roots()?,
        Some(Root::File(file)) => {
            let Some(text) = read_if_exists("root certificate", file)? else {
                let missing = |mode| Err(TlsError::NoRoot { mode, file: file.clone() });
                return demand(tls.mode).map_or(Ok(None), missing);
            };
            certificates("root certificate", file, &text)?
        }
        None => return demand(tls.mode).map_or(Ok(None), |mode| Err(TlsError::NoRootFile { mode })),
    };
    if let Some(Root::File(file)) = &tls.root {
        for certificate in &certificates {
            let usable = RootCertStore::empty().add(certificate.clone());
            usable.map_err(|error| broken("root certificate", file, error))?;
        }
    }
    let revocations = match &tls.revocations {
        Some(revocations) => revocation_lists(revocations)?,
        None => Vec::new(),
    };
    Ok(Some(Trust::new(certificates, revocations, Arc::clone(provider))))
}

/// The modes that need a trusted authority, by name.
const fn demand(mode: SslMode) -> Option<&'static str> {
    match mode {
        SslMode::VerifyCa => Some("sslmode=verify-ca"),
        SslMode::VerifyFull => Some("sslmode=verify-full"),
        _ => None,
    }
}

fn system_roots() -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let what = found.errors.first().map_or_else(|| "the store is empty".to_owned(), ToString::to_string);
        return Err(TlsError::NoSystemRoots { what });
    }
    Ok(found.certs)
}

fn revocation_lists(
    revocations: &Revocations,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    const ROLE: &str = "certificate revocation list";
    let Revocations { file, required } = revocations;
    match read_if_exists(ROLE, file)? {
        None if *required => Err(broken(ROLE, file, "it does not exist")),
        None => Ok(Vec::new()),
        Some(text) => pem_items(ROLE, file, &text),
    }
}

/// The client's certificate with its file and key. As in libpq, a certificate that does not exist is none.
fn client_certificate(
    tls: &Tls,
) -> Result<Option<(PathBuf, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, TlsError> {
    if tls.mode == SslMode::Disable {
        return Ok(None);
    }
    let Some(file) = &tls.certificate else { return Ok(None) };
    let Some(text) = read_if_exists("client certificate", file)? else { return Ok(None) };
    let chain = certificates("client certificate", file, &text)?;
    let Some(key) = &tls.key else {
        return Err(broken("client certificate", file, "there is no private key beside it (sslkey)"));
    };
    Ok(Some((file.clone(), chain, private_key(key)?)))
}

/// The certificate with its key, which have to belong together. rustls reads no certificate of X.509 version 1, so
/// there the keys are compared here.
fn client_identity(
    provider: &CryptoProvider,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, rustls::Error> {
    let identity = CertifiedKey::new(chain, provider.key_provider.load_private_key(key)?);
    let certificate = identity.end_entity_cert()?;
    let matching = match version1::public_key(certificate) {
        Some(public) => identity.key.public_key().is_none_or(|key| key.as_ref() == public),
        None => match identity.keys_match() {
            // As in rustls: keys that cannot be compared are no error.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => true,
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => false,
            Err(other) => return Err(other),
        },
    };
    if matching { Ok(identity) } else { Err(InconsistentKeys::KeyMismatch.into()) }
}

fn identity_text(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => "the private key is not that of the certificate".to_owned(),
        other => other.to_string(),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    const ROLE: &str = "private key";
    let Some(text) = read_if_exists(ROLE, file)? else { return Err(broken(ROLE, file, "it does not exist")) };
    check_private(file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        if text.windows(9).any(|window| window == b"ENCRYPTED") {
            return broken(ROLE, file, "it is encrypted, and only keys without a password can be read");
        }
        broken(ROLE, file, pem_error(&error))
    })
}

/// libpq's rule: only the owner may read it; the group too if the owner is root.
#[cfg(unix)]
fn check_private(file: &Path) -> Result<(), TlsError> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(file).map_err(|error| broken("private key", file, error.kind()))?;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden == 0 {
        return Ok(());
    }
    let mode = metadata.mode() & 0o777;
    let what =
        format!("others may read it (mode {mode:04o}; 0600 or less is needed, or 0640 where root owns it)");
    Err(broken("private key", file, what))
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), TlsError> {
    Ok(())
}

fn certificates(
    role: &'static str,
    file: &Path,
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = pem_items(role, file, text)?;
    if certificates.is_empty() {
        return Err(broken(role, file, "it holds no certificate in PEM format"));
    }
    Ok(certificates)
}

fn pem_items<T: PemObject>(role: &'static str, file: &Path, text: &[u8]) -> Result<Vec<T>, TlsError> {
    T::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|error| broken(role, file, pem_error(&error)))
}

fn pem_error(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => "it holds none in PEM format".to_owned(),
        other => format!("it is not in PEM format ({other})"),
    }
}

fn read_if_exists(role: &'static str, file: &Path) -> Result<Option<Vec<u8>>, TlsError> {
    match std::fs::read(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(broken(role, file, error.kind())),
    }
}

fn broken(role: &'static str, file: &Path, what: impl std::fmt::Display) -> TlsError {
    TlsError::File { role, file: file.to_owned(), what: what.to_string() }
}

//! Why there is no connection: what was tried, and what each attempt ended with.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::db::error::tidy;
use crate::db::tls::TlsError;

/// There is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The files that TLS needs are missing or broken.
    #[error("cannot connect to {target}: {source}")]
    Tls {
        /// The address without the password.
        target: String,
        /// What is wrong.
        source: TlsError,
    },
    /// Nothing answered, or nothing that one can talk to.
    #[error("cannot connect to {target}{}", listed(failures))]
    Unreachable {
        /// The address without the password.
        target: String,
        /// In the order of the attempts; never empty.
        failures: Vec<Failure>,
    },
    /// A server refused user, password or database.
    #[error("the server refused the login to {target}{}", listed(failures))]
    LoginRefused {
        /// The address without the password.
        target: String,
        /// In the order of the attempts; the last one is the refusal.
        failures: Vec<Failure>,
    },
    /// The pool cannot be made.
    #[error("cannot set up the connections: {0}")]
    Setup(String),
}

/// An attempt that failed.
#[derive(Debug)]
pub struct Failure {
    /// Host and port, or the socket.
    pub host: String,
    /// The IP addresses that were tried with the same result.
    pub addresses: Vec<String>,
    pub cause: Cause,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The host's name has no address.
    #[error("the host is unknown: {0}")]
    Lookup(String),
    /// There is no TCP connection, or it broke.
    #[error("{0}")]
    Io(String),
    /// The time was over.
    #[error("no answer in {} s", .0.as_secs())]
    TimedOut(Duration),
    /// No trustworthy TLS.
    #[error("{0}")]
    Tls(String),
    /// The server answered with an error.
    #[error("{message}{}", password_origin(password_file.as_deref()))]
    Server {
        sqlstate: String,
        message: String,
        /// The file that the refused password came from.
        password_file: Option<PathBuf>,
    },
    /// The server asks for a password, and there is none.
    #[error("it asks for a password, and none was given")]
    NoPassword,
    /// The login cannot be completed safely or at all.
    #[error("{0}")]
    Authentication(String),
    /// `target_session_attrs` asks for another kind of server.
    #[error("{0}")]
    WrongServer(&'static str),
    #[error("{0}")]
    Other(String),
}

fn password_origin(file: Option<&Path>) -> String {
    file.map_or_else(String::new, |file| format!(" (the password came from {})", file.display()))
}

impl ConnectError {
    /// Whether it was the login and not the way to the server.
    #[must_use]
    pub const fn is_login_refused(&self) -> bool {
        matches!(self, Self::LoginRefused { .. })
    }

    /// Whether it may work a moment later: nothing to do with settings, certificates and passwords.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { failures, .. } => failures.iter().any(|failure| failure.cause.is_transient()),
            Self::Tls { .. } | Self::LoginRefused { .. } | Self::Setup(_) => false,
        }
    }

    /// The server's code, where a server had the last word.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self.failures().last().map(|failure| &failure.cause) {
            Some(Cause::Server { sqlstate, .. }) => Some(sqlstate),
            _ => None,
        }
    }

    /// The attempts that failed, in their order.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        match self {
            Self::Unreachable { failures, .. } | Self::LoginRefused { failures, .. } => failures,
            Self::Tls { .. } | Self::Setup(_) => &[],
        }
    }

    /// Sums the attempts up.
    pub(super) fn from_failures(target: String, failures: Vec<Failure>) -> Self {
        let refused = failures.last().is_some_and(|failure| failure.cause.is_refusal());
        let failures = merged(failures);
        if refused { Self::LoginRefused { target, failures } } else { Self::Unreachable { target, failures } }
    }
}

/// The same result on the other addresses of a host is not worth another line.
fn merged(failures: Vec<Failure>) -> Vec<Failure> {
    let mut merged: Vec<Failure> = Vec::new();
    for failure in failures {
        match merged.iter_mut().find(|known| known.host == failure.host && known.cause == failure.cause) {
            Some(known) => {
                let new = failure.addresses.into_iter().filter(|address| !known.addresses.contains(address));
                let new: Vec<String> = new.collect();
                known.addresses.extend(new);
            }
            None => merged.push(failure),
        }
    }
    merged
}

impl Cause {
    /// What the driver said, in a form without its nesting.
    pub(super) fn of(error: &tokio_postgres::Error, password_file: Option<PathBuf>) -> Self {
        if let Some(server) = error.as_db_error() {
            let sqlstate = server.code();
            let password_file = password_file.filter(|_| *sqlstate == SqlState::INVALID_PASSWORD);
            let (sqlstate, message) = (sqlstate.code().to_owned(), server.message().to_owned());
            return Self::Server { sqlstate, message, password_file };
        }
        let kind = error.to_string();
        let source = std::error::Error::source(error);
        if let Some(tls) = source.and_then(rustls_error) {
            return Self::Tls(tls_text(tls));
        }
        let text = source.map_or_else(|| kind.clone(), |source| tidy(&source.to_string()));
        match kind.as_str() {
            "error performing TLS handshake" if text == "tls handshake eof" => {
                Self::Tls("the server closed the connection during the TLS handshake".to_owned())
            }
            "error performing TLS handshake" if text == "server does not support TLS" => {
                Self::Tls("the server does not support TLS".to_owned())
            }
            "error performing TLS handshake" => Self::Tls(text),
            "invalid configuration" if text == "password missing" => Self::NoPassword,
            "authentication error" => Self::Authentication(text),
            "connection closed" => Self::Io("the server closed the connection".to_owned()),
            "error connecting to server" | "error communicating with the server" => Self::Io(text),
            _ => Self::Other(text),
        }
    }

    /// The same of a handshake that began without asking: servers before PostgreSQL 17 take it for nonsense.
    pub(super) fn of_direct_handshake(self) -> Self {
        match self {
            Self::Tls(text) | Self::Io(text) if text.contains("closed") || text.contains("reset") => {
                Self::Tls(format!("{text}; sslnegotiation=direct needs PostgreSQL 17 or later"))
            }
            other => other,
        }
    }

    /// Whether other addresses and hosts are tried. As in libpq, the first server that answers decides, unless it is
    /// still starting or another kind of server is wanted.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Lookup(_) | Self::Io(_) | Self::TimedOut(_) | Self::WrongServer(_) => false,
            Self::Server { sqlstate, .. } => sqlstate != SqlState::CANNOT_CONNECT_NOW.code(),
            Self::Tls(_) | Self::NoPassword | Self::Authentication(_) | Self::Other(_) => true,
        }
    }

    /// Whether the same attempt with or without TLS could end otherwise. A wrong password or a missing database are
    /// what they are; asking again would only count as another failed login.
    pub(super) fn depends_on_encryption(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            Self::Server { sqlstate, .. } => {
                let fixed = [
                    SqlState::INVALID_PASSWORD,
                    SqlState::INVALID_CATALOG_NAME,
                    SqlState::TOO_MANY_CONNECTIONS,
                    SqlState::CANNOT_CONNECT_NOW,
                ];
                !fixed.iter().any(|state| state.code() == sqlstate)
            }
            _ => false,
        }
    }

    /// Whether it is the login that failed.
    fn is_refusal(&self) -> bool {
        match self {
            Self::NoPassword | Self::Authentication(_) => true,
            Self::Server { .. } => !self.is_transient(),
            _ => false,
        }
    }

    fn is_transient(&self) -> bool {
        match self {
            Self::Lookup(_) | Self::Io(_) | Self::TimedOut(_) | Self::WrongServer(_) => true,
            // Starting, stopping, or full.
            Self::Server { sqlstate, .. } => sqlstate.starts_with("57P") || sqlstate.starts_with("53"),
            Self::Tls(_) | Self::NoPassword | Self::Authentication(_) | Self::Other(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if !self.addresses.is_empty() {
            write!(f, " ({})", self.addresses.join(", "))?;
        }
        write!(f, ": {}", self.cause)
    }
}

/// One failure ends the sentence; several are lines of their own.
fn listed(failures: &[Failure]) -> String {
    match failures {
        [only] if only.addresses.is_empty() => format!(": {}", only.cause),
        [only] => format!(" ({}): {}", only.addresses.join(", "), only.cause),
        several => {
            let lines: Vec<String> = several.iter().map(|failure| format!("\n  {failure}")).collect();
            format!(":{}", lines.concat())
        }
    }
}

/// What rustls said, out of the `io::Error`s around it.
fn rustls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let inner = error.downcast_ref::<std::io::Error>()?.get_ref()?;
    rustls_error(inner)
}

/// How a certificate is signed that is not accepted. The identifiers are DER, of RFC 3279 and RFC 8017.
fn signature(algorithm: &[u8]) -> &'static str {
    const SHA1: [&[u8]; 2] = [
        &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
        &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
    ];
    const MD5: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04];
    if SHA1.iter().any(|sha1| algorithm.starts_with(sha1)) {
        "with SHA-1, which can be forged"
    } else if algorithm.starts_with(MD5) {
        "with MD5, which can be forged"
    } else {
        "in a way that is not supported"
    }
}

fn tls_text(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer => "no trusted authority signed the server's certificate".to_owned(),
            Bad::Expired | Bad::ExpiredContext { .. } => "the server's certificate has expired".to_owned(),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet".to_owned()
            }
            Bad::Revoked => "the server's certificate has been revoked".to_owned(),
            Bad::UnknownRevocationStatus => "no revocation list covers the server's certificate".to_owned(),
            Bad::NotValidForNameContext { expected, presented } => {
                let names = if presented.is_empty() { "no name".to_owned() } else { presented.join(", ") };
                format!("the server's certificate is for {names}, not for {}", expected.to_str())
            }
            Bad::UnsupportedSignatureAlgorithmContext { signature_algorithm_id, .. }
            | Bad::UnsupportedSignatureAlgorithmForPublicKeyContext { signature_algorithm_id, .. } => {
                let how = signature(signature_algorithm_id);
                format!(
                    "the server's certificate, or one above it, is signed {how}: it has to be issued anew"
                )
            }
            other => format!("the server's certificate is not valid: {other}"),
        },
        rustls::Error::AlertReceived(alert) => format!("the server ended the TLS handshake: {alert:?}"),
        other => tidy(&other.to_string()),
    }
}

#[cfg(test)]
mod tests;

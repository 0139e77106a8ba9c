//! Everything there is to know before the first packet is sent: where, as whom, and how safely.
//!
//! Complete and checked: code that has a [`Settings`] needs no environment any more. Its `Display` is the address
//! without the password, and is what messages show.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use strum::{IntoStaticStr, VariantArray};

use super::error::Place;
use crate::secret::Secret;

/// How to reach the database.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The servers to try, in order. Never empty.
    pub hosts: Vec<Host>,
    /// The user to log in as.
    pub user: String,
    pub dbname: String,
    /// Command-line options for the server's session (`PGOPTIONS`).
    pub options: Option<String>,
    /// The name that the user gave to the session, instead of the program's own.
    pub application_name: Option<String>,
    /// The time that one address has to let us in, TLS and login included; `None`: for ever.
    pub connect_timeout: Option<Duration>,
    /// Of TCP connections.
    pub keepalive: Keepalive,
    /// Which servers will do.
    pub target_session_attrs: TargetSessionAttrs,
    /// The order in which hosts and addresses are tried.
    pub load_balance_hosts: LoadBalanceHosts,
    /// Whether the login is tied to the TLS session.
    pub channel_binding: ChannelBinding,
    /// Encryption and who is trusted.
    pub tls: Tls,
    /// The uppermost layer that names the database; [`Place::Default`] where nothing does.
    pub origin: Place,
    /// What was ignored and should be put right, as whole sentences without the final period.
    pub warnings: Vec<String>,
}

/// A server to try.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where it listens.
    pub address: Address,
    /// The TCP port, or the number in the socket's name.
    pub port: u16,
    /// What to answer when it asks for a password.
    pub password: Option<Arc<Password>>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The directory of a Unix socket.
    Socket(PathBuf),
    /// A host name or the text of an IP address, to be looked up.
    Name(String),
    /// An address that needs no look-up (`hostaddr`), and the name that its certificate should bear.
    Ip {
        /// Where to connect.
        address: IpAddr,
        /// The name to verify.
        name: Option<String>,
    },
}

/// A password and where it came from.
#[derive(Debug)]
pub struct Password {
    pub secret: Secret,
    /// Where it came from, for the message that the server does not accept it.
    pub origin: PasswordOrigin,
}

/// Where a password came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordOrigin {
    /// A connection string, a service file or `PGPASSWORD`.
    Given(Place),
    /// A line of the password file.
    File(PathBuf),
}

/// TCP keepalive and the patience with unacknowledged data; `None` leaves it to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Whether to probe at all.
    pub enabled: bool,
    /// Idle time before the first probe.
    pub idle: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
    /// Probes that may be lost.
    pub count: Option<u32>,
    /// How long sent data may stay unacknowledged (`TCP_USER_TIMEOUT`).
    pub user_timeout: Option<Duration>,
}

/// libpq's `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum TargetSessionAttrs {
    Any,
    /// Transactions are read-write by default and it is not a standby.
    ReadWrite,
    /// Transactions are read-only by default or it is a standby.
    ReadOnly,
    /// Not a standby.
    Primary,
    Standby,
    /// A standby if there is one, otherwise any server.
    PreferStandby,
}

/// libpq's `load_balance_hosts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum LoadBalanceHosts {
    Disable,
    /// In random order.
    Random,
}

/// libpq's `channel_binding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum ChannelBinding {
    Disable,
    /// If the server offers it.
    Prefer,
    /// Or no login.
    Require,
}

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum SslMode {
    /// Plain text only.
    Disable,
    /// Plain text; TLS if the server refuses the login without.
    Allow,
    /// TLS if the server has it, otherwise plain text.
    Prefer,
    /// TLS; the certificate is verified only if there is a root certificate.
    Require,
    /// TLS with a certificate that a trusted authority has signed.
    VerifyCa,
    /// As `VerifyCa`, and the certificate bears the host's name.
    VerifyFull,
}

/// Encryption and who is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// What is demanded.
    pub mode: SslMode,
    /// The trusted authorities. A file may be missing: then none is trusted, which matters only in the `verify` modes.
    pub root: Option<Root>,
    /// The client's certificate. A missing file counts as none.
    pub certificate: Option<PathBuf>,
    /// Its key. A missing file is an error where there is a certificate.
    pub key: Option<PathBuf>,
    pub revocations: Option<Revocations>,
    /// Whether to send the host's name in clear (SNI).
    pub sni: bool,
    /// The oldest version that will do.
    pub min_version: TlsVersion,
    /// The newest version that will do.
    pub max_version: TlsVersion,
    /// Start with the TLS handshake instead of asking for it (PostgreSQL 17 and later).
    pub direct: bool,
}

/// Whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The operating system's certificate store.
    System,
    /// The certificates in a PEM file.
    File(PathBuf),
}

/// A certificate revocation list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocations {
    /// The PEM file.
    pub file: PathBuf,
    /// It was named, so it must be there. libpq would go on without.
    pub required: bool,
}

/// The versions of TLS that are still in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

impl Settings {
    /// The address without the password, as a URI that `psql` takes too.
    #[must_use]
    pub fn target(&self) -> String {
        let sockets = self.hosts.iter().any(|host| matches!(host.address, Address::Socket(_)));
        let mut uri = format!("postgres://{}@", escaped(&self.user));
        if !sockets {
            let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
            uri.push_str(&hosts.join(","));
        }
        uri.push('/');
        uri.push_str(&escaped(&self.dbname));
        if sockets {
            let list = |part: fn(&Host) -> String| self.hosts.iter().map(part).collect::<Vec<_>>().join(",");
            uri.push_str("?host=");
            uri.push_str(&list(|host| host.address.to_string()));
            if self.hosts.iter().any(|host| host.port != 5432) {
                uri.push_str("&port=");
                uri.push_str(&list(|host| host.port.to_string()));
            }
        }
        uri
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Socket(directory) => write!(f, "{}/.s.PGSQL.{}", directory.display(), self.port),
            address => write!(f, "{address}:{}", self.port),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(directory) => write!(f, "{}", directory.display()),
            Self::Name(name) | Self::Ip { name: Some(name), .. } if name.contains(':') => {
                write!(f, "[{name}]")
            }
            Self::Name(name) | Self::Ip { name: Some(name), .. } => f.write_str(&escaped(name)),
            Self::Ip { address: IpAddr::V6(address), name: None } => write!(f, "[{address}]"),
            Self::Ip { address, name: None } => write!(f, "{address}"),
        }
    }
}

/// Percent-encodes what would end a part of a URI, and what would disturb a terminal.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || c.is_whitespace() || "%/?#@:,&=[]".contains(c) {
            let mut buffer = [0; 4];
            out.extend(c.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02X}")));
        } else {
            out.push(c);
        }
    }
    out
}

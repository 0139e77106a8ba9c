//! Where the database is: connection strings, libpq's environment and libpq's files, resolved to [`Settings`].
//!
//! The rules are libpq's (PostgreSQL documentation, chapter "libpq", sections on connection strings, the environment,
//! the password file and the service file): a connection string wins over the service file, that over `PG*`, that
//! over the defaults. Everything is pure: environment, files and the user's name come through [`Surroundings`].
//! A password exists only inside a [`Secret`](crate::secret::Secret); no error and no `Debug` repeats text that a
//! password could be part of. Knows no socket and no TLS library.

mod error;
mod interpret;
mod keywords;
mod layers;
mod pairs;
mod passfile;
mod service;
mod settings;
mod surroundings;
mod uri;

#[cfg(test)]
mod leak_tests;

pub use error::{ConninfoError, Place};
pub use interpret::DEFAULT_CONNECT_TIMEOUT;
pub use settings::{
    Address, ChannelBinding, Host, Keepalive, LoadBalanceHosts, Password, PasswordOrigin, Revocations, Root,
    Settings, SslMode, TargetSessionAttrs, Tls, TlsVersion,
};
pub use surroundings::{Machine, Stat, Surroundings};

/// A connection string (URI or `key=value` pairs) and what to call the place where it was written.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// Such as the name of an option or of a key in a file; used in messages.
    pub label: &'a str,
    /// The string itself. It may contain a password.
    pub text: &'a str,
}

/// The connection strings that were written down, apart from the environment's `DATABASE_URL`.
#[derive(Clone, Copy, Default)]
pub struct Sources<'a> {
    /// From the command line: wins over `DATABASE_URL`.
    pub command_line: Option<Given<'a>>,
    /// From a configuration file: used when there is no `DATABASE_URL`.
    pub file: Option<Given<'a>>,
}

/// Finds out where the database is and how to log in.
///
/// The first of command line, `DATABASE_URL` and file that is there (and not blank) is the connection string; what it
/// leaves open is filled from the service file, the `PG*` variables and the defaults.
pub fn resolve(sources: &Sources<'_>, around: &dyn Surroundings) -> Result<Settings, ConninfoError> {
    let layers = layers::collect(sources, around)?;
    interpret::settings(&layers, around)
}

//! libpq's connection options: their names, their environment variables, and which of them mean something here.
//!
//! The list is that of PostgreSQL 18's `PQconninfoOptions[]`. An option that only changes comfort is accepted and
//! ignored; one whose silent loss would be less safe, or another database, is refused by name.

use super::error::{ConninfoError, Place};

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    Used,
    /// Accepted without effect.
    Ignored,
    /// An error, unless the value is empty or one of those that ask for nothing; with the reason.
    Refused {
        /// Values that ask for nothing beyond what happens anyway.
        harmless: &'static [&'static str],
        reason: &'static str,
    },
}

/// A connection option.
#[derive(Debug, PartialEq, Eq)]
pub struct Keyword {
    /// Its name in a connection string.
    pub name: &'static str,
    /// The environment variable that sets it too.
    pub variable: Option<&'static str>,
    /// What becomes of it.
    pub support: Support,
}

const fn used(name: &'static str, variable: &'static str) -> Keyword {
    Keyword { name, variable: Some(variable), support: Support::Used }
}

const fn in_text_only(name: &'static str) -> Keyword {
    Keyword { name, variable: None, support: Support::Used }
}

const fn ignored(name: &'static str, variable: &'static str) -> Keyword {
    Keyword { name, variable: Some(variable), support: Support::Ignored }
}

const fn refused(
    name: &'static str,
    variable: Option<&'static str>,
    harmless: &'static [&'static str],
    reason: &'static str,
) -> Keyword {
    Keyword { name, variable, support: Support::Refused { harmless, reason } }
}

const NO_OAUTH: &str = "logging in to PostgreSQL with OAuth is not implemented";
const NO_SCRAM_KEYS: &str = "logging in with SCRAM keys is not implemented; give the password";

/// Every option that libpq knows.
pub const KEYWORDS: &[Keyword] = &[
    used("service", "PGSERVICE"),
    used("servicefile", "PGSERVICEFILE"),
    used("user", "PGUSER"),
    used("password", "PGPASSWORD"),
    used("passfile", "PGPASSFILE"),
    used("channel_binding", "PGCHANNELBINDING"),
    used("connect_timeout", "PGCONNECT_TIMEOUT"),
    used("dbname", "PGDATABASE"),
    used("host", "PGHOST"),
    used("hostaddr", "PGHOSTADDR"),
    used("port", "PGPORT"),
    // The driver always speaks UTF-8.
    ignored("client_encoding", "PGCLIENTENCODING"),
    used("options", "PGOPTIONS"),
    used("application_name", "PGAPPNAME"),
    // The program names itself, as psql does.
    Keyword { name: "fallback_application_name", variable: None, support: Support::Ignored },
    in_text_only("keepalives"),
    in_text_only("keepalives_idle"),
    in_text_only("keepalives_interval"),
    in_text_only("keepalives_count"),
    in_text_only("tcp_user_timeout"),
    used("sslmode", "PGSSLMODE"),
    used("sslnegotiation", "PGSSLNEGOTIATION"),
    // No library compresses TLS any more.
    ignored("sslcompression", "PGSSLCOMPRESSION"),
    used("sslcert", "PGSSLCERT"),
    used("sslkey", "PGSSLKEY"),
    refused(
        "sslcertmode",
        Some("PGSSLCERTMODE"),
        &["allow", "disable"],
        "whether the server asked for the certificate is not known; let the server demand it (clientcert in pg_hba.conf)",
    ),
    refused(
        "sslpassword",
        None,
        &[],
        "encrypted client keys cannot be read; use a key without a password, mode 0600",
    ),
    used("sslrootcert", "PGSSLROOTCERT"),
    used("sslcrl", "PGSSLCRL"),
    refused(
        "sslcrldir",
        Some("PGSSLCRLDIR"),
        &[],
        "put the revocation lists into one file and name it in sslcrl",
    ),
    used("sslsni", "PGSSLSNI"),
    refused("requirepeer", Some("PGREQUIREPEER"), &[], "the owner of the server's process cannot be checked"),
    refused("require_auth", Some("PGREQUIREAUTH"), &[], "use channel_binding=require or sslmode=verify-full"),
    refused("min_protocol_version", Some("PGMINPROTOCOLVERSION"), &["3.0"], "the driver speaks version 3.0"),
    ignored("max_protocol_version", "PGMAXPROTOCOLVERSION"),
    used("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    used("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    refused(
        "gssencmode",
        Some("PGGSSENCMODE"),
        &["prefer", "disable"],
        "GSSAPI encryption is not implemented",
    ),
    ignored("krbsrvname", "PGKRBSRVNAME"),
    ignored("gsslib", "PGGSSLIB"),
    ignored("gssdelegation", "PGGSSDELEGATION"),
    refused(
        "replication",
        None,
        &["0", "false", "off", "no"],
        "a replication connection cannot run these statements",
    ),
    used("target_session_attrs", "PGTARGETSESSIONATTRS"),
    used("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    refused("scram_client_key", None, &[], NO_SCRAM_KEYS),
    refused("scram_server_key", None, &[], NO_SCRAM_KEYS),
    refused("sslkeylogfile", None, &[], "session keys are never written to a file"),
    refused("oauth_issuer", None, &[], NO_OAUTH),
    refused("oauth_client_id", None, &[], NO_OAUTH),
    refused("oauth_client_secret", None, &[], NO_OAUTH),
    refused("oauth_scope", None, &[], NO_OAUTH),
];

/// What other tools call an option.
const ALIASES: &[(&str, &str)] = &[
    ("database", "dbname"),
    ("db", "dbname"),
    ("hostname", "host"),
    ("username", "user"),
    ("pass", "password"),
    ("timeout", "connect_timeout"),
    ("ssl", "sslmode"),
    ("sslca", "sslrootcert"),
    ("keepalives_retries", "keepalives_count"),
];

/// The option of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

impl Keyword {
    /// An error where the value asks for something that cannot be had.
    pub fn check(&self, value: &str, place: &Place) -> Result<(), ConninfoError> {
        match self.support {
            Support::Refused { harmless, reason } if !value.is_empty() && !harmless.contains(&value) => {
                Err(ConninfoError::Unsupported { name: self.name, place: place.clone(), reason })
            }
            _ => Ok(()),
        }
    }
}

/// The error for a name that is no option. `blurred` says that the name could be a piece of a password (it follows
/// one that was not quoted); it is then not repeated.
#[must_use]
pub fn unknown(name: &str, place: &Place, blurred: bool) -> ConninfoError {
    let suggestion = if blurred { None } else { suggestion(name) };
    let printable =
        name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let name = (printable && !blurred).then(|| name.to_owned());
    ConninfoError::Unknown { name, suggestion, place: place.clone() }
}

fn suggestion(name: &str) -> Option<&'static str> {
    let alias = ALIASES.iter().find(|(alias, _)| name.eq_ignore_ascii_case(alias));
    alias.map(|(_, option)| *option).or_else(|| closest(name, KEYWORDS.iter().map(|keyword| keyword.name)))
}

/// The candidate that was probably meant.
#[must_use]
pub fn closest(given: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let given = given.to_ascii_lowercase();
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&given, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_variables_are_unique() {
        for (at, keyword) in KEYWORDS.iter().enumerate() {
            for other in &KEYWORDS[at + 1..] {
                assert_ne!(keyword.name, other.name);
                assert!(keyword.variable.is_none() || keyword.variable != other.variable, "{}", keyword.name);
            }
        }
    }

    #[test]
    fn the_documentation_has_every_option_and_variable() {
        let document = include_str!("../../docs/connection.md");
        let table = document.split("## Every option").nth(1).unwrap();
        for keyword in KEYWORDS {
            for name in [Some(keyword.name), keyword.variable].into_iter().flatten() {
                assert!(table.contains(&format!("`{name}`")), "{name}");
            }
        }
    }

    #[test]
    fn a_misspelt_option_gets_a_suggestion() {
        let place = Place::Text("DATABASE_URL".to_owned());
        let said = |name| unknown(name, &place, false).to_string();
        assert_eq!(
            said("sslmod"),
            "unknown connection option \"sslmod\" in DATABASE_URL; did you mean sslmode?"
        );
        assert_eq!(
            said("database"),
            "unknown connection option \"database\" in DATABASE_URL; did you mean dbname?"
        );
        assert_eq!(said("conn_max_age"), "unknown connection option \"conn_max_age\" in DATABASE_URL");
        assert_eq!(said("a b"), "unknown connection option in DATABASE_URL");
    }

    #[test]
    fn a_name_behind_an_open_password_is_not_repeated() {
        let place = Place::Text("DATABASE_URL".to_owned());
        assert_eq!(unknown("hunter2", &place, true).to_string(), "unknown connection option in DATABASE_URL");
    }
}

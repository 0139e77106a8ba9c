//! How a secret is stored, in words: for people who look at an application. Never what is stored.

use std::fmt;

use strum::IntoStaticStr;

use super::algorithm::Algorithm;
use super::cipher::Cipher;
use super::reading::{Hash, Reading, read};
use super::stored::StoredSecret;
use crate::model::words::plural;

/// How the `client_secret` column holds its secret.
#[derive(Clone, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub enum Storage {
    /// There is none.
    Empty,
    Plain,
    Hashed {
        /// With which hasher of Django's.
        algorithm: Algorithm,
        /// Its costs, as far as the text says them.
        parameters: Option<String>,
    },
    /// It looks like the hash of a hasher that Django does not ship.
    Unknown,
    /// The project has encrypted it.
    Foreign(Cipher),
}

impl Storage {
    /// One word for scripts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.into_str()
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::Plain => f.write_str("stored in clear"),
            Self::Hashed { algorithm, parameters: Some(parameters) } => {
                write!(f, "hashed with {}, {parameters}", algorithm.name())
            }
            Self::Hashed { algorithm, parameters: None } => write!(f, "hashed with {}", algorithm.name()),
            Self::Unknown => {
                f.write_str("hashed with a hasher that Django does not ship, or stored in clear")
            }
            Self::Foreign(cipher) => {
                write!(
                    f,
                    "foreign: the project has encrypted it ({}); never compared or overwritten",
                    cipher.name()
                )
            }
        }
    }
}

impl StoredSecret {
    /// How it is stored.
    #[must_use]
    pub fn storage(&self) -> Storage {
        let text = self.expose();
        if text.is_empty() {
            return Storage::Empty;
        }
        match read(text) {
            Reading::Unknown(_) => Storage::Unknown,
            Reading::Encrypted(cipher) => Storage::Foreign(cipher),
            Reading::Hash(hash) if self.is_hashed() => {
                let parameters = match &hash {
                    Hash::Pbkdf2 { iterations, .. } => Some(plural(u64::from(*iterations), "iteration")),
                    Hash::Argon2(hash) => {
                        Some(format!("{} KiB, {} passes, {} lanes", hash.memory, hash.passes, hash.lanes))
                    }
                    Hash::Bcrypt { cost, .. } => Some(format!("cost {cost}")),
                    Hash::Scrypt { log_n, r, p, .. } => Some(format!("N = 2^{log_n}, r = {r}, p = {p}")),
                    Hash::Salted { .. } | Hash::Unsalted { .. } | Hash::Crypt => None,
                };
                Storage::Hashed { algorithm: hash.algorithm(), parameters }
            }
            Reading::Never(algorithm) | Reading::Absurd(algorithm) if self.is_hashed() => {
                Storage::Hashed { algorithm, parameters: None }
            }
            Reading::Plain | Reading::Hash(_) | Reading::Never(_) | Reading::Absurd(_) => Storage::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_never_holds_what_is_stored() {
        for (stored, said) in [
            ("", "empty"),
            ("hunter2", "stored in clear"),
            ("argon2", "stored in clear"),
            ("0123456789abcdef0123456789abcdef", "stored in clear"),
            (
                "pbkdf2_sha256$600000$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=",
                "hashed with pbkdf2_sha256, 600,000 iterations",
            ),
            (
                "bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuuSRxkm6nWJzFzbmr2kgsY8eIYVVBTBEq",
                "hashed with bcrypt_sha256, cost 12",
            ),
            ("md5$salt$0123456789abcdef0123456789abcdef", "hashed with md5"),
            (
                "hasher_of_ours$1$aGFzaGhhc2hoYXNoaGFzaA==",
                "hashed with a hasher that Django does not ship, or stored in clear",
            ),
            (
                "$encrypted$UTF8$AESCBC$Z0FBQUFBQm9xbTNw",
                "foreign: the project has encrypted it (`$encrypted$`, as AWX writes it); never compared or overwritten",
            ),
        ] {
            assert_eq!(StoredSecret::new(stored.to_owned()).storage().to_string(), said);
        }
    }
}

//! Django's encoded form of a secret, as a file may hold it.

use std::fmt;

use super::algorithm::{Algorithm, identify};
use super::reading::{Reading, read};

/// An encoded hash: safe to commit, compared as text, written to the column as it is.
///
/// Made by [`Hasher::encode`](super::Hasher::encode), or parsed from `{ hash = "…" }`.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedHash {
    algorithm: Algorithm,
    text: String,
}

impl EncodedHash {
    /// The width of DOT's column, in characters.
    const MAX_LENGTH: usize = 255;

    /// Reads an encoded hash and checks that some secret could lead to it.
    ///
    /// # Errors
    /// [`EncodedHashError`], which never shows the text: it may be a plain secret in the wrong place.
    pub fn parse(text: &str) -> Result<Self, EncodedHashError> {
        let algorithm = match read(text) {
            Reading::Hash(hash) if hash.is_complete() => hash.algorithm(),
            _ => {
                let named = identify(text).filter(|_| text.contains('$'));
                let malformed = named.map(|algorithm| EncodedHashError::Malformed { algorithm });
                return Err(malformed.unwrap_or(EncodedHashError::NotAHash));
            }
        };
        if matches!(algorithm, Algorithm::UnsaltedMd5 | Algorithm::UnsaltedSha1 | Algorithm::Crypt) {
            return Err(EncodedHashError::Obsolete { algorithm });
        }
        let length = text.chars().count();
        if length > Self::MAX_LENGTH {
            return Err(EncodedHashError::TooLong { length });
        }
        Ok(Self { algorithm, text: text.to_owned() })
    }

    /// Wraps what [`Hasher::encode`](super::Hasher::encode) made.
    pub(super) fn made(algorithm: Algorithm, text: String) -> Self {
        Self { algorithm, text }
    }

    /// The text for the column.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its algorithm; [`Algorithm::availability`] tells which servers can verify it.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// Shows the algorithm only: a hash is no secret, but no one needs it in a log.
impl fmt::Debug for EncodedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedHash({}$…)", self.algorithm)
    }
}

/// Why a text is not a hash for the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodedHashError {
    /// It does not begin with the name of a hasher; perhaps it is the secret itself.
    #[error("not one of Django's encoded hashes: those begin like `pbkdf2_sha256$…`")]
    NotAHash,
    /// It begins like a hash, but parts are missing, cut short or not in their alphabet.
    #[error("not a complete `{algorithm}` hash: {}", form(*algorithm))]
    Malformed {
        /// What it begins with.
        algorithm: Algorithm,
    },
    /// Servers on a newer Django would take the text for a plain secret.
    #[error("`{algorithm}` hashes are not verified by Django {} and newer", algorithm.removed_in())]
    Obsolete { algorithm: Algorithm },
    /// It does not fit the column.
    #[error("the hash has {length} characters; the column holds {}", EncodedHash::MAX_LENGTH)]
    TooLong {
        /// Counted in characters.
        length: usize,
    },
}

fn form(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Pbkdf2Sha256 => "it must be `pbkdf2_sha256$<iterations>$<salt>$<44 characters of base64>`",
        Algorithm::Pbkdf2Sha1 => "it must be `pbkdf2_sha1$<iterations>$<salt>$<28 characters of base64>`",
        Algorithm::Argon2 => "it must be `argon2$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<hash>`",
        Algorithm::BcryptSha256 => "it must be `bcrypt_sha256$$2b$<cost>$<53 characters>`",
        Algorithm::Bcrypt => "it must be `bcrypt$$2b$<cost>$<53 characters>`",
        Algorithm::Scrypt => "it must be `scrypt$<N>$<salt>$<r>$<p>$<88 characters of base64>`",
        Algorithm::Md5 | Algorithm::UnsaltedMd5 => "it must be `md5$<salt>$<32 hexadecimal digits>`",
        Algorithm::Sha1 | Algorithm::UnsaltedSha1 => "it must be `sha1$<salt>$<40 hexadecimal digits>`",
        Algorithm::Crypt => "it must be `crypt$$<hash>`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "pbkdf2_sha256$1000000$bmSd1G7Umut1CxwyomteEt$CdOfZWCzO2reYG2T3XpboqZn+ZGyRxQKF3SmNDgSOzI=";

    #[test]
    fn a_real_hash_is_kept_as_it_is() {
        let hash = EncodedHash::parse(GOOD).unwrap();
        assert_eq!((hash.as_str(), hash.algorithm()), (GOOD, Algorithm::Pbkdf2Sha256));
        assert_eq!(format!("{hash:?}"), "EncodedHash(pbkdf2_sha256$…)");
    }

    #[test]
    fn what_no_secret_leads_to_is_refused() {
        let malformed = |algorithm| EncodedHashError::Malformed { algorithm };
        let long =
            format!("pbkdf2_sha256$1${}${}", "s".repeat(300), "CdOfZWCzO2reYG2T3XpboqZn+ZGyRxQKF3SmNDgSOzI=");
        for (text, expected) in [
            ("", EncodedHashError::NotAHash),
            ("hunter2", EncodedHashError::NotAHash),
            ("hunter2$x", EncodedHashError::NotAHash),
            (
                "9cc2ae8a1ba7a93da39b46fc1019c481",
                EncodedHashError::Obsolete { algorithm: Algorithm::UnsaltedMd5 },
            ),
            ("crypt$$ab1Hv2Lg7ltQo", EncodedHashError::Obsolete { algorithm: Algorithm::Crypt }),
            ("argon2", EncodedHashError::NotAHash),
            (&GOOD[..GOOD.len() - 4], malformed(Algorithm::Pbkdf2Sha256)),
            ("pbkdf2_sha256$1$a$b", malformed(Algorithm::Pbkdf2Sha256)),
            (
                "pbkdf2_sha256$0$a$CdOfZWCzO2reYG2T3XpboqZn+ZGyRxQKF3SmNDgSOzI=",
                malformed(Algorithm::Pbkdf2Sha256),
            ),
            (
                "pbkdf2_sha256$1$$CdOfZWCzO2reYG2T3XpboqZn+ZGyRxQKF3SmNDgSOzI=",
                malformed(Algorithm::Pbkdf2Sha256),
            ),
            ("bcrypt$$2b$12$tooshort", malformed(Algorithm::Bcrypt)),
            ("argon2$argon2id$v=19$m=1,t=2$c2FsdA$aGFzaA", malformed(Algorithm::Argon2)),
            ("md5$salt$XYZ", malformed(Algorithm::Md5)),
            (&long, EncodedHashError::TooLong { length: 361 }),
        ] {
            assert_eq!(EncodedHash::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn errors_do_not_repeat_the_text() {
        let secret = "pbkdf2_sha256$hunter2";
        assert!(!EncodedHash::parse(secret).unwrap_err().to_string().contains("hunter2"));
    }
}

//! Django's password hashes: recognised, verified and made.
//!
//! DOT keeps client secrets the way Django keeps passwords, so this is `django.contrib.auth.hashers` for the server's
//! side of the contract: what is written here verifies there, and what verifies there verifies here. Knows nothing of
//! the file or the database. Randomness, the number of threads and the progress display are arguments.

mod algorithm;
mod batch;
mod cipher;
mod encoded;
mod not_encoded;
mod pbkdf2;
mod reading;
mod storage;
mod stored;
mod task;
mod unverifiable;
mod verify;

pub use self::pbkdf2::MAX_ITERATIONS;
pub use algorithm::{Algorithm, Availability, LooksHashed, identify, looks_hashed};
pub use batch::{OnHash, Stopped, encode_all, verify_all};
pub use cipher::Cipher;
pub use encoded::{EncodedHash, EncodedHashError};
pub use not_encoded::NotEncoded;
pub use storage::Storage;
pub use stored::{StoredSecret, Verdict};
pub use unverifiable::Unverifiable;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use self::task::Task;
use crate::secret::{Entropy, EntropyError, Secret, random_text};

/// The iteration count of PBKDF2 in Django 6.1, the newest when this was released (`PBKDF2PasswordHasher.iterations` in
/// `django/contrib/auth/hashers.py`: 5.2 has 1,000,000, 6.0 has 1,200,000, 6.1.3 has 1,500,000). Every Django verifies
/// any count, and a stored hash with another one is no drift.
pub const DJANGO_ITERATIONS: u32 = 1_500_000;

/// How new secrets are encoded: an algorithm with its parameters.
///
/// Only algorithms that a stock Django has without another library. A server that lacks the algorithm of a row
/// rejects the real secret and accepts the text of the hash in its place (DOT's `_check_secret` falls back to a
/// plain comparison), so argon2 and bcrypt are verified but never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hasher {
    /// `pbkdf2_sha256`, Django's default.
    Pbkdf2Sha256 {
        /// At most [`MAX_ITERATIONS`], at least 1.
        iterations: u32,
    },
    Pbkdf2Sha1 {
        /// At most [`MAX_ITERATIONS`], at least 1.
        iterations: u32,
    },
    /// `scrypt` with the parameters of Django 5.1 and newer: N = 2¹⁴, r = 8, p = 5.
    Scrypt,
}

impl Default for Hasher {
    fn default() -> Self {
        Self::Pbkdf2Sha256 { iterations: DJANGO_ITERATIONS }
    }
}

impl Hasher {
    /// Reads the `[provider]` settings: an algorithm's name as Django spells it, and an iteration count.
    ///
    /// # Errors
    /// When the name is not one that may be written, or the count is out of range.
    pub fn from_settings(algorithm: &str, iterations: Option<u32>) -> Result<Self, HasherError> {
        let count = iterations.unwrap_or(DJANGO_ITERATIONS);
        if !(1..=MAX_ITERATIONS).contains(&count) {
            return Err(HasherError::Iterations { given: count });
        }
        match (algorithm.parse().ok(), iterations) {
            (Some(Algorithm::Pbkdf2Sha256), _) => Ok(Self::Pbkdf2Sha256 { iterations: count }),
            (Some(Algorithm::Pbkdf2Sha1), _) => Ok(Self::Pbkdf2Sha1 { iterations: count }),
            (Some(Algorithm::Scrypt), None) => Ok(Self::Scrypt),
            (Some(Algorithm::Scrypt), Some(_)) => {
                Err(HasherError::NoIterations { algorithm: Algorithm::Scrypt })
            }
            (Some(algorithm), _) => Err(HasherError::NotWritten { algorithm }),
            (None, _) => Err(HasherError::Unknown { name: algorithm.to_owned() }),
        }
    }

    /// The algorithm without its parameters.
    #[must_use]
    pub const fn algorithm(self) -> Algorithm {
        match self {
            Self::Pbkdf2Sha256 { .. } => Algorithm::Pbkdf2Sha256,
            Self::Pbkdf2Sha1 { .. } => Algorithm::Pbkdf2Sha1,
            Self::Scrypt => Algorithm::Scrypt,
        }
    }

    /// Encodes a secret as Django's `make_password` does. Slow by design: about 160 ms on a core with SHA extensions.
    ///
    /// # Errors
    /// [`NotEncoded`], if scrypt refuses Django's parameters.
    pub fn encode(self, secret: &Secret, salt: &Salt) -> Result<EncodedHash, NotEncoded> {
        self.encoding(secret, salt).run()
    }

    /// What [`encode`](Self::encode) has to compute.
    fn encoding<'a>(self, secret: &'a Secret, salt: &'a Salt) -> Task<'a, Result<EncodedHash, NotEncoded>> {
        let salt = salt.as_str();
        let name = self.algorithm().name();
        let made = move |text| Ok(EncodedHash::made(self.algorithm(), text));
        match self {
            Self::Pbkdf2Sha256 { iterations } => {
                let finish =
                    move |digest| made(format!("{name}${iterations}${salt}${}", BASE64.encode(digest)));
                Task::Rounds { secret, salt, iterations, finish: Box::new(finish) }
            }
            Self::Pbkdf2Sha1 { iterations } => Task::whole(u64::from(iterations), move || {
                let digest = BASE64.encode(verify::pbkdf2_sha1(secret, salt, iterations));
                made(format!("{name}${iterations}${salt}${digest}"))
            }),
            Self::Scrypt => Task::whole(0, move || {
                let digest = BASE64.encode(verify::scrypt_of_django(secret, salt)?);
                made(format!("{name}$16384${salt}$8$5${digest}"))
            }),
        }
    }
}

/// Why a `client_secret_hasher` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HasherError {
    /// A hasher of Django's that is verified but not written.
    #[error("`{algorithm}` hashes are verified but not written: a server without {} would accept the text of the \
        hash as the secret; use `pbkdf2_sha256`, which every Django reads", algorithm.availability().needs())]
    NotWritten { algorithm: Algorithm },
    /// Not a hasher of Django's.
    #[error("`{name}` is not one of Django's password hashers; use `pbkdf2_sha256`")]
    Unknown {
        /// What was written.
        name: String,
    },
    /// An iteration count for a hasher that has none.
    #[error("`{algorithm}` has no iteration count; leave it out, or use `pbkdf2_sha256`")]
    NoIterations { algorithm: Algorithm },
    /// Zero, or a number with which the server would not answer in time.
    #[error("{given} iterations are out of range: at least 1, at most {MAX_ITERATIONS}")]
    Iterations {
        /// What was written.
        given: u32,
    },
}

/// The salt of one hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salt(String);

impl Salt {
    /// The characters of a salt that Django makes: 128 bits of `[A-Za-z0-9]`.
    const LENGTH: usize = 22;

    /// Makes one as Django does.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        random_text(Self::LENGTH, entropy).map(Self)
    }

    /// Takes a given salt.
    ///
    /// # Errors
    /// [`SaltError`], on what Django's `_check_encode_args` refuses.
    pub fn parse(text: &str) -> Result<Self, SaltError> {
        if text.is_empty() || text.contains('$') { Err(SaltError) } else { Ok(Self(text.to_owned())) }
    }

    /// The salt as it stands in the hash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Not a salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a salt must not be empty and must not contain `$`")]
pub struct SaltError;

#[cfg(test)]
mod tests;

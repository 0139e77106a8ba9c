//! What the `client_secret` column holds, and whether a declared secret is the one behind it.

use std::fmt;

use super::algorithm::Algorithm;
use super::cipher::Cipher;
use super::encoded::EncodedHash;
use super::reading::{Hash, Reading, read};
use super::task::Task;
use super::unverifiable::Unverifiable;
use super::verify;
use crate::secret::{Secret, same_text};

/// The content of the `client_secret` column: a hash, or the secret itself. Handled as a secret either way.
pub struct StoredSecret(Secret);

impl StoredSecret {
    /// Wraps the column's text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// The column's text. Every call site is a place where the secret could leak: keep them few.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The algorithm, where the text is a well-formed hash; `None` where it is (or counts as) the secret itself.
    ///
    /// Unlike [`identify`](super::identify) this looks at the whole text: 32 characters without a dollar are a hash only if they
    /// are hexadecimal digits, `argon2` alone is none.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        match read(self.expose()) {
            Reading::Hash(hash) => Some(hash.algorithm()),
            Reading::Never(algorithm) | Reading::Absurd(algorithm) => Some(algorithm),
            Reading::Plain | Reading::Unknown(_) | Reading::Encrypted(_) => None,
        }
    }

    /// How the project has encrypted it; `None`: it has not. Such a value is foreign: only the project can read or write
    /// it, so it is neither compared nor overwritten.
    #[must_use]
    pub fn foreign(&self) -> Option<Cipher> {
        Cipher::of(self.expose())
    }

    /// Whether servers take the text for a hash. Those of 32 hexadecimal digits nearly all servers take for a secret:
    /// the unsalted MD5 hasher was never in the stock setting that DOT's Django versions have.
    #[must_use]
    pub fn is_hashed(&self) -> bool {
        self.algorithm()
            .is_some_and(|algorithm| algorithm != Algorithm::UnsaltedMd5 || self.expose().contains('$'))
    }

    /// Whether the column holds exactly this text; in constant time for texts of equal length.
    #[must_use]
    pub fn is_text(&self, text: &str) -> bool {
        same_text(self.expose(), text)
    }

    /// Whether a server accepts `secret` for this row: DOT 3.4.1's `_check_secret` on a server that has the hasher.
    ///
    /// Slow by design (0.1 to 0.5 s for the usual hashes), but bounded: hashes with absurd costs are not computed.
    #[must_use]
    pub fn verify(&self, secret: &Secret) -> Verdict {
        self.verification(secret).run()
    }

    /// What [`verify`](Self::verify) has to compute.
    pub(super) fn verification<'a>(&'a self, secret: &'a Secret) -> Task<'a, Verdict> {
        let text = self.expose();
        let hash = match read(text) {
            Reading::Plain => return Task::known(move || Verdict::from(same_text(text, secret.expose()))),
            Reading::Never(_) => return Task::known(|| Verdict::Differs),
            Reading::Absurd(algorithm) => {
                let reason = Unverifiable::TooExpensive { parameters: "numbers beyond 32 bits".to_owned() };
                return Task::known(move || Verdict::cannot(algorithm.name(), reason));
            }
            Reading::Encrypted(cipher) => {
                return Task::known(move || Verdict::cannot(cipher.name(), Unverifiable::Encrypted));
            }
            Reading::Unknown(name) => return Task::known(move || self.unknown(name, secret)),
            Reading::Hash(hash) => hash,
        };
        let (algorithm, is_unsalted) = (hash.algorithm(), matches!(hash, Hash::Unsalted { .. }));
        verify::matches(hash, secret).then(move |matches| match matches {
            Ok(true) => Verdict::Matches,
            // Nearly every server lacks the unsalted hashers, and takes the text itself for the secret.
            Ok(false) if is_unsalted => Verdict::from(same_text(text, secret.expose())),
            Ok(false) => Verdict::Differs,
            Err(reason) => Verdict::cannot(algorithm.name(), reason),
        })
    }

    /// The hash of a hasher that Django does not ship.
    fn unknown(&self, name: &str, secret: &Secret) -> Verdict {
        if self.is_text(secret.expose()) {
            Verdict::Matches
        } else {
            Verdict::cannot(name, Unverifiable::UnknownAlgorithm)
        }
    }
}

impl From<&EncodedHash> for StoredSecret {
    fn from(hash: &EncodedHash) -> Self {
        Self::new(hash.as_str().to_owned())
    }
}

/// Says whether it is hashed, and no more.
impl fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.algorithm() {
            Some(algorithm) => write!(f, "StoredSecret({algorithm}$…)"),
            None => f.write_str("StoredSecret(…)"),
        }
    }
}

/// Whether a declared secret is the stored one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Matches,
    /// It is not.
    Differs,
    /// It is not known here; a server may still know.
    CannotVerify {
        /// The hasher's name as the row gives it.
        algorithm: String,
        reason: Unverifiable,
    },
}

impl Verdict {
    fn cannot(algorithm: &str, reason: Unverifiable) -> Self {
        Self::CannotVerify { algorithm: algorithm.to_owned(), reason }
    }
}

impl From<bool> for Verdict {
    fn from(matches: bool) -> Self {
        if matches { Self::Matches } else { Self::Differs }
    }
}

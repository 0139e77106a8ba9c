//! A secret that cannot be printed, serialised or copied by accident, and is zeroed when dropped.
//!
//! It must never gain `Display`, `Serialize`, `Clone` or a `Debug` that shows its bytes. Comparing two takes the
//! same time wherever they differ. Randomness is an argument: nothing here knows where it comes from.

mod flaw;

use std::fmt;

pub use flaw::{Flaw, Flaws};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// A plain-text secret: a client secret or a password.
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text; the caller's buffer is zeroed.
    #[must_use]
    pub fn new(mut text: String) -> Self {
        // Copied to its exact size first: shrinking a String in place may move it and leave the old bytes behind.
        let exact: Box<str> = Box::from(text.as_str());
        text.zeroize();
        Self(SecretString::from(exact))
    }

    /// Takes bytes that were read from a file or a pipe; the caller's buffer is zeroed, also on error.
    ///
    /// # Errors
    /// [`NotUtf8`]: DOT's secrets are text.
    pub fn from_utf8(mut bytes: Vec<u8>) -> Result<Self, NotUtf8> {
        let secret = std::str::from_utf8(&bytes)
            .map(|text| Self(SecretString::from(Box::<str>::from(text))))
            .map_err(|error| NotUtf8 { valid_up_to: error.valid_up_to() });
        bytes.zeroize();
        secret
    }

    /// Makes a secret of `length` characters from `[A-Za-z0-9]`, each equally likely, as DOT's
    /// `ClientSecretGenerator` does (its `CLIENT_SECRET_GENERATOR_LENGTH` is 128).
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(length: usize, entropy: &mut dyn Entropy) -> Result<Self, EntropyError> {
        random_text(length, entropy).map(Self::new)
    }

    /// The text itself. Every call site is a place where the secret could leak: keep them few.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// In constant time for texts of equal length.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        same_text(self.expose(), other.expose())
    }
}

impl Eq for Secret {}

/// Compares two texts in a time that depends on their lengths only.
pub(crate) fn same_text(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// The bytes given as a secret are not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not UTF-8 from byte {valid_up_to} on")]
pub struct NotUtf8 {
    /// How many bytes are valid.
    pub valid_up_to: usize,
}

/// Where unpredictable bytes come from. Only `command` knows the operating system's; tests pass a closure.
pub trait Entropy {
    /// Overwrites all of `bytes`.
    ///
    /// # Errors
    /// When there is none; the bytes must not be used then.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

impl<F: FnMut(&mut [u8])> Entropy for F {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        self(bytes);
        Ok(())
    }
}

/// The source of randomness failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot get random bytes: {reason}")]
pub struct EntropyError {
    /// What the operating system said.
    pub reason: String,
}

/// The characters of DOT's client ids and secrets and of Django's salts.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// `length` characters of `[A-Za-z0-9]`, each equally likely: a client id, a salt, the text of a secret.
///
/// # Errors
/// When the source of randomness fails.
pub fn random_text(length: usize, entropy: &mut dyn Entropy) -> Result<String, EntropyError> {
    let mut text = String::with_capacity(length);
    let mut pool = Zeroizing::new([0u8; 64]);
    while text.len() < length {
        entropy.fill(pool.as_mut_slice())?;
        // 248 = 4 × 62: the bytes above it would make the first eight characters likelier than the others.
        let fair =
            pool.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        text.extend(fair.take(length - text.len()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that count upwards and wrap around.
    fn counting() -> impl FnMut(&mut [u8]) {
        let mut next = 0u8;
        move |bytes: &mut [u8]| {
            for byte in bytes {
                *byte = next;
                next = next.wrapping_add(1);
            }
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(…) Secret(…)");
    }

    #[test]
    fn equality_is_that_of_the_text() {
        let secret = |text: &str| Secret::new(text.to_owned());
        assert_eq!(secret("abc"), secret("abc"));
        assert_ne!(secret("abc"), secret("abd"));
        assert_ne!(secret("abc"), secret("ab"));
        assert_eq!(secret(""), secret(""));
    }

    #[test]
    fn bytes_that_are_not_text_are_refused_without_showing_them() {
        let error = Secret::from_utf8(b"abc\xffdef".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "not UTF-8 from byte 3 on");
        assert_eq!(Secret::from_utf8("日本".into()).unwrap().expose(), "日本");
    }

    #[test]
    fn every_character_is_equally_likely() {
        // 256 consecutive bytes hold each fair value once: four of every character.
        let text = random_text(248, &mut counting()).unwrap();
        for character in ALPHABET {
            assert_eq!(text.bytes().filter(|byte| byte == character).count(), 4, "{character}");
        }
    }

    #[test]
    fn a_failing_source_fails_the_generation() {
        struct Broken;
        impl Entropy for Broken {
            fn fill(&mut self, _: &mut [u8]) -> Result<(), EntropyError> {
                Err(EntropyError { reason: "getrandom: not implemented".to_owned() })
            }
        }
        let error = Secret::generate(128, &mut Broken).unwrap_err();
        assert_eq!(error.to_string(), "cannot get random bytes: getrandom: not implemented");
    }

    proptest! {
        #[test]
        fn generated_secrets_have_the_length_asked_for(length in 0usize..600) {
            let secret = Secret::generate(length, &mut counting()).unwrap();
            prop_assert_eq!(secret.expose().len(), length);
            prop_assert!(secret.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }
}

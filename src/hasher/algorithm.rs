//! Which algorithm a text names: Django's `identify_hasher`, and the secrets that it mistakes for hashes.

use std::fmt;

use strum::{EnumString, IntoStaticStr, VariantArray};

/// A password hasher that some Django release ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, VariantArray, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub enum Algorithm {
    /// PBKDF2-HMAC-SHA256, the default since Django 1.4.
    Pbkdf2Sha256,
    Pbkdf2Sha1,
    /// Argon2 (RFC 9106), with the library argon2-cffi.
    Argon2,
    /// bcrypt over the hexadecimal SHA-256, with the library bcrypt.
    BcryptSha256,
    /// bcrypt over the first 72 bytes, with the library bcrypt.
    Bcrypt,
    /// scrypt (RFC 7914), from Django 4.0.
    Scrypt,
    /// MD5 of salt and secret.
    Md5,
    /// SHA-1 of salt and secret, until Django 5.0.
    Sha1,
    /// MD5 of the secret, until Django 5.0.
    UnsaltedMd5,
    /// SHA-1 of the secret, until Django 5.0.
    UnsaltedSha1,
    /// The C library's `crypt()`, until Django 4.2.
    Crypt,
}

/// Which servers can verify an algorithm. The stock `PASSWORD_HASHERS` of Django 4.0 and newer decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Every one that keeps the stock setting.
    Stock,
    /// Those that have another library installed.
    NeedsLibrary(&'static str),
    /// Those that have it in `PASSWORD_HASHERS`.
    NeedsSetting,
    /// Those on an old Django.
    RemovedIn(&'static str),
}

impl Availability {
    /// What a server must have, to follow "without".
    #[must_use]
    pub fn needs(self) -> String {
        match self {
            Self::Stock => "the stock `PASSWORD_HASHERS`".to_owned(),
            Self::NeedsLibrary(library) => format!("the library `{library}`"),
            Self::NeedsSetting => "it in `PASSWORD_HASHERS`".to_owned(),
            Self::RemovedIn(release) => format!("a Django older than {release}"),
        }
    }
}

impl Algorithm {
    /// All of them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name as Django writes it in front of a hash.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    /// Which servers can verify it.
    #[must_use]
    pub const fn availability(self) -> Availability {
        match self {
            Self::Pbkdf2Sha256 | Self::Pbkdf2Sha1 | Self::Scrypt => Availability::Stock,
            Self::Argon2 => Availability::NeedsLibrary("argon2-cffi"),
            Self::BcryptSha256 => Availability::NeedsLibrary("bcrypt"),
            Self::Bcrypt | Self::Md5 => Availability::NeedsSetting,
            Self::Sha1 | Self::UnsaltedMd5 | Self::UnsaltedSha1 => Availability::RemovedIn("5.1"),
            Self::Crypt => Availability::RemovedIn("5.0"),
        }
    }

    /// The first Django without it, or one that is still to come.
    pub(super) const fn removed_in(self) -> &'static str {
        if let Availability::RemovedIn(release) = self.availability() { release } else { "6.0" }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Django's `identify_hasher` on a server that has every hasher: only the name counts, not the form. `None` where it
/// raises `ValueError`. The pseudo-name `default` counts as what it stands for, `pbkdf2_sha256`.
#[must_use]
pub fn identify(text: &str) -> Option<Algorithm> {
    let length = text.chars().count();
    if (length == 32 && !text.contains('$')) || (length == 37 && text.starts_with("md5$$")) {
        return Some(Algorithm::UnsaltedMd5);
    }
    if length == 46 && text.starts_with("sha1$$") {
        return Some(Algorithm::UnsaltedSha1);
    }
    match before_dollar(text) {
        // `get_hasher("default")`: the first of `PASSWORD_HASHERS`.
        "default" => Some(Algorithm::Pbkdf2Sha256),
        name => name.parse().ok(),
    }
}

/// A plain secret that a server would take for a hash, and so store in clear and never match, or match as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secret begins with the name of a password hasher: a server that has that hasher takes the secret for a hash \
    and stores it in clear"
)]
pub struct LooksHashed {
    /// The name that it begins with. Not for messages: it may be the whole secret.
    pub prefix: &'static str,
}

/// Whether a plain secret must be refused because DOT takes it for a hash: `argon2`, `scrypt$x`, `default`, ….
///
/// Texts of 32 characters are not refused: only a server on Django 5.0 or older that lists the unsalted MD5 hasher
/// mistakes those, and random secrets of 32 hexadecimal digits are common.
///
/// # Errors
/// [`LooksHashed`], whose message shows nothing of the secret.
pub fn looks_hashed(secret: &str) -> Result<(), LooksHashed> {
    let prefix = before_dollar(secret);
    let names = Algorithm::ALL.iter().copied().map(Algorithm::name).chain(["default"]);
    names.into_iter().find(|name| *name == prefix).map_or(Ok(()), |prefix| Err(LooksHashed { prefix }))
}

fn before_dollar(text: &str) -> &str {
    text.split('$').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_whatever_follows() {
        for (text, expected) in [
            ("argon2", Some(Algorithm::Argon2)),
            ("scrypt$x", Some(Algorithm::Scrypt)),
            ("default", Some(Algorithm::Pbkdf2Sha256)),
            ("pbkdf2_sha256$1$a$b", Some(Algorithm::Pbkdf2Sha256)),
            ("$argon2id$v=19", None),
            ("Argon2", None),
            ("argon2 ", None),
            ("", None),
            ("s3cret", None),
            ("md5$$0123456789abcdef0123456789abcdef", Some(Algorithm::UnsaltedMd5)),
            ("md5$$0123456789abcdef0123456789abcde", Some(Algorithm::Md5)),
            ("sha1$$0123456789abcdef0123456789abcdef01234567", Some(Algorithm::UnsaltedSha1)),
            ("sha1$$0123", Some(Algorithm::Sha1)),
            ("0123456789abcdef0123456789abcdef", Some(Algorithm::UnsaltedMd5)),
            ("éééééééééééééééééééééééééééééééé", Some(Algorithm::UnsaltedMd5)),
            ("0123456789abcdef$123456789abcdef", None),
        ] {
            assert_eq!(identify(text), expected, "{text}");
        }
    }

    #[test]
    fn look_alikes_are_refused_by_name() {
        for secret in
            ["argon2", "scrypt$x", "default", "default$1$a$b", "bcrypt$", "unsalted_md5", "md5$$x", "crypt"]
        {
            let error = looks_hashed(secret).unwrap_err();
            assert_eq!(Some(error.prefix), secret.split('$').next(), "{secret}");
        }
        for secret in ["", "s3cret", "argon22", "$argon2", "0123456789abcdef0123456789abcdef"] {
            assert_eq!(looks_hashed(secret), Ok(()), "{secret}");
        }
    }

    #[test]
    fn every_name_leads_back_to_its_algorithm() {
        for algorithm in Algorithm::ALL.iter().copied() {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
    }
}

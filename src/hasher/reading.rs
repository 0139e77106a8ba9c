//! How Django reads a stored text: as a hash with its parameters, or as no hash at all.
//!
//! The outcome of each hasher's `decode()` in Django 4.2 to 6.0. Nothing is computed here.

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{
    GeneralPurpose, NO_PAD, STANDARD as BASE64, STANDARD_NO_PAD as BASE64_NO_PAD,
};

use super::algorithm::{Algorithm, identify};
use super::cipher::Cipher;

/// bcrypt's own alphabet.
const BASE64_BCRYPT: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);

/// What a stored text is to a server that has its hasher.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading<'a> {
    /// Not a hash: Django raises `ValueError`, and DOT compares the text itself.
    Plain,
    Hash(Hash<'a>),
    /// Recognised as a hash, but of a form that no secret leads to.
    Never(Algorithm),
    /// Looks like the hash of a hasher that Django does not ship.
    Unknown(&'a str),
    /// The project has encrypted it.
    Encrypted(Cipher),
    /// Numbers that do not fit in a machine word.
    Absurd(Algorithm),
}

/// A well-formed hash, in parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hash<'a> {
    Pbkdf2 { algorithm: Algorithm, iterations: u32, salt: &'a str, digest: &'a str },
    Argon2(Argon2Hash),
    Bcrypt { algorithm: Algorithm, cost: u32, hash: &'a str },
    Scrypt { log_n: u8, r: u32, p: u32, salt: &'a str, digest: &'a str },
    Salted { algorithm: Algorithm, salt: &'a str, digest: &'a str },
    Unsalted { algorithm: Algorithm, digest: &'a str },
    Crypt,
}

/// The parts of `$argon2id$v=19$m=102400,t=2,p=8$salt$hash`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Argon2Hash {
    pub(super) variant: argon2::Algorithm,
    pub(super) version: argon2::Version,
    /// Memory, in KiB.
    pub(super) memory: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
    pub(super) salt: Vec<u8>,
    pub(super) digest: Vec<u8>,
}

impl Hash<'_> {
    pub(super) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Pbkdf2 { algorithm, .. }
            | Self::Bcrypt { algorithm, .. }
            | Self::Salted { algorithm, .. }
            | Self::Unsalted { algorithm, .. } => *algorithm,
            Self::Argon2(_) => Algorithm::Argon2,
            Self::Scrypt { .. } => Algorithm::Scrypt,
            Self::Crypt => Algorithm::Crypt,
        }
    }

    /// Whether the digest has the length that the algorithm gives. Django does not ask; a truncated paste never
    /// verifies.
    pub(super) fn is_complete(&self) -> bool {
        let decodes_to =
            |digest: &str, bytes| BASE64.decode(digest).is_ok_and(|digest| digest.len() == bytes);
        match self {
            Self::Pbkdf2 { algorithm: Algorithm::Pbkdf2Sha1, digest, .. } => decodes_to(digest, 20),
            Self::Pbkdf2 { digest, .. } => decodes_to(digest, 32),
            Self::Scrypt { digest, .. } => decodes_to(digest, 64),
            Self::Salted { algorithm: Algorithm::Md5, digest, .. } => is_lower_hex(digest, 32),
            Self::Salted { digest, .. } => is_lower_hex(digest, 40),
            Self::Argon2(_) | Self::Bcrypt { .. } | Self::Unsalted { .. } | Self::Crypt => true,
        }
    }
}

/// Reads a stored text.
pub(super) fn read(text: &str) -> Reading<'_> {
    if let Some(cipher) = Cipher::of(text) {
        return Reading::Encrypted(cipher);
    }
    let Some(algorithm) = identify(text) else {
        return unknown(text).map_or(Reading::Plain, Reading::Unknown);
    };
    if algorithm == Algorithm::UnsaltedMd5 || algorithm == Algorithm::UnsaltedSha1 {
        return unsalted(algorithm, text);
    }
    // A bare name has nothing after a `$`: each `decode()` fails to unpack it.
    let Some((name, rest)) = text.split_once('$') else { return Reading::Plain };
    if name != algorithm.name() {
        // `default$1$salt$digest`: found by name, unpacked, and refused by the hasher's own assertion.
        let is_unpacked = rest.split('$').count() >= 3;
        return if is_unpacked { Reading::Never(algorithm) } else { Reading::Plain };
    }
    let reading = match algorithm {
        Algorithm::Pbkdf2Sha256 | Algorithm::Pbkdf2Sha1 => pbkdf2(algorithm, rest),
        Algorithm::Argon2 => argon2(rest),
        Algorithm::BcryptSha256 | Algorithm::Bcrypt => bcrypt(algorithm, rest),
        Algorithm::Scrypt => scrypt(rest),
        Algorithm::Md5 | Algorithm::Sha1 => salted(algorithm, rest),
        Algorithm::Crypt => Some(Reading::Hash(Hash::Crypt)),
        Algorithm::UnsaltedMd5 | Algorithm::UnsaltedSha1 => None,
    };
    reading.unwrap_or(Reading::Plain)
}

/// `name$…$digest` with a name that could be a hasher's and a digest that could be one: 20 characters or more.
fn unknown(text: &str) -> Option<&str> {
    let (name, rest) = text.split_once('$')?;
    let (_, digest) = rest.rsplit_once('$')?;
    let is_name = name.len() > 2
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    let is_digest = digest.len() >= 20
        && digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=.-_".contains(&byte));
    (is_name && is_digest).then_some(name)
}

fn unsalted(algorithm: Algorithm, text: &str) -> Reading<'_> {
    let (digest, length) = match algorithm {
        Algorithm::UnsaltedMd5 => (text.strip_prefix("md5$$").unwrap_or(text), 32),
        _ => (text.strip_prefix("sha1$$").unwrap_or(text), 40),
    };
    if is_lower_hex(digest, length) {
        Reading::Hash(Hash::Unsalted { algorithm, digest })
    } else {
        Reading::Plain
    }
}

/// `iterations$salt$digest`
fn pbkdf2(algorithm: Algorithm, rest: &str) -> Option<Reading<'_>> {
    let mut fields = rest.splitn(3, '$');
    let (iterations, salt, digest) = (fields.next()?, fields.next()?, fields.next()?);
    if salt.is_empty() {
        return None;
    }
    Some(match number(iterations)? {
        // `iterations or self.iterations`: zero is hashed with the default count.
        Number::Word(0) | Number::Respelled => Reading::Never(algorithm),
        Number::Word(iterations) => Reading::Hash(Hash::Pbkdf2 { algorithm, iterations, salt, digest }),
        Number::Beyond => Reading::Absurd(algorithm),
    })
}

/// `N$salt$r$p$digest`
fn scrypt(rest: &str) -> Option<Reading<'_>> {
    let fields: Vec<&str> = rest.split('$').collect();
    let [n, salt, r, p, digest] = fields.as_slice() else { return None };
    if salt.is_empty() {
        return None;
    }
    let (n, r, p) = match (number(n)?, number(r)?, number(p)?) {
        (Number::Word(n), Number::Word(r), Number::Word(p)) if n > 0 && r > 0 && p > 0 => (n, r, p),
        (Number::Beyond, _, _) | (_, Number::Beyond, _) | (_, _, Number::Beyond) => {
            return Some(Reading::Absurd(Algorithm::Scrypt));
        }
        _ => return Some(Reading::Never(Algorithm::Scrypt)),
    };
    // OpenSSL refuses what is not a power of two above one.
    if n == 1 || !n.is_power_of_two() {
        return None;
    }
    let log_n = u8::try_from(n.ilog2()).ok()?;
    Some(Reading::Hash(Hash::Scrypt { log_n, r, p, salt, digest }))
}

/// `salt$digest`
fn salted(algorithm: Algorithm, rest: &str) -> Option<Reading<'_>> {
    let (salt, digest) = rest.split_once('$')?;
    (!salt.is_empty()).then_some(Reading::Hash(Hash::Salted { algorithm, salt, digest }))
}

/// `$2b$12$` and 53 characters. Two dollars follow the name: the second one is bcrypt's own.
///
/// The library wants three fields wherever the dollars are, and of the last the 22 characters of the salt; what it
/// makes of another spelling is never the same text.
fn bcrypt(algorithm: Algorithm, hash: &str) -> Option<Reading<'_>> {
    let fields: Vec<&str> = hash.split('$').filter(|field| !field.is_empty()).collect();
    let &[version, cost, data] = fields.as_slice() else { return None };
    let salt = data.get(..22)?;
    let costs = cost.parse().ok().filter(|cost| (4..=31).contains(cost))?;
    if !matches!(version, "2a" | "2b" | "2x" | "2y")
        || !hash.is_ascii()
        || BASE64_BCRYPT.decode(salt).is_err()
    {
        return None;
    }
    Some(if hash == format!("${version}${costs:02}${data}") && data.len() == 53 {
        Reading::Hash(Hash::Bcrypt { algorithm, cost: costs, hash })
    } else {
        Reading::Never(algorithm)
    })
}

/// `argon2id$v=19$m=102400,t=2,p=8$salt$digest`. A known variant with a malformed rest is a mismatch to argon2-cffi;
/// an unknown one, and what is not ASCII, is a `ValueError`.
fn argon2(rest: &str) -> Option<Reading<'_>> {
    let (name, parameters) = rest.split_once('$')?;
    let variant = match name {
        "argon2id" => argon2::Algorithm::Argon2id,
        "argon2i" => argon2::Algorithm::Argon2i,
        "argon2d" => argon2::Algorithm::Argon2d,
        _ => return None,
    };
    if !rest.is_ascii() {
        return None;
    }
    Some(
        argon2_parameters(variant, parameters)
            .map_or(Reading::Never(Algorithm::Argon2), |hash| Reading::Hash(Hash::Argon2(hash))),
    )
}

fn argon2_parameters(variant: argon2::Algorithm, text: &str) -> Option<Argon2Hash> {
    // Without a version it is 1.0, which hashed differently.
    let (version, text) = match text.strip_prefix("v=") {
        Some(rest) => rest.split_once('$')?,
        None => ("16", text),
    };
    let version = match version {
        "19" => argon2::Version::V0x13,
        "16" => argon2::Version::V0x10,
        _ => return None,
    };
    let fields: Vec<&str> = text.split('$').collect();
    let [costs, salt, digest] = fields.as_slice() else { return None };
    let mut costs = costs.split(',');
    let memory = costs.next()?.strip_prefix("m=")?.parse().ok()?;
    let passes = costs.next()?.strip_prefix("t=")?.parse().ok()?;
    let lanes = costs.next()?.strip_prefix("p=")?.parse().ok()?;
    let salt = BASE64_NO_PAD.decode(salt).ok()?;
    let digest = BASE64_NO_PAD.decode(digest).ok()?;
    let is_over = costs.next().is_none();
    is_over.then_some(Argon2Hash { variant, version, memory, passes, lanes, salt, digest })
}

enum Number {
    Word(u32),
    Beyond,
    /// A number, but not as Python prints it: ` 1_000 ` becomes 1000, so the text that Django makes is never the same.
    Respelled,
}

/// Python's `int()`, where it does not raise `ValueError` and the number is not negative.
fn number(text: &str) -> Option<Number> {
    let digits = text.trim_ascii();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let is_number =
        digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_number {
        return None;
    }
    let is_as_printed = digits.len() == text.len()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    Some(if is_as_printed { text.parse().map_or(Number::Beyond, Number::Word) } else { Number::Respelled })
}

fn is_lower_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

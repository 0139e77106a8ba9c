//! The computations: one function per algorithm, each bounded in time and memory.
//!
//! The parameters come from a database that others can write to, so each has a generous ceiling; beyond it nothing is
//! computed.

use argon2::Argon2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::not_encoded::NotEncoded;
use super::pbkdf2::{self, MAX_ITERATIONS};
use super::reading::{Argon2Hash, Hash};
use super::task::Task;
use super::unverifiable::Unverifiable;
use crate::secret::{Secret, same_text};

/// The most memory for one verification, in KiB: five times what Django's argon2 takes.
const MAX_MEMORY_KIB: u64 = 512 * 1024;
/// The most memory that argon2 may fill in all its passes, in KiB; about ten seconds.
const MAX_ARGON2_WORK_KIB: u64 = 16 * 1024 * 1024;
/// The largest N·r·p of scrypt: fifty times Django's, about ten seconds.
const MAX_SCRYPT_WORK: u64 = 1 << 25;
/// The largest cost of bcrypt: sixteen times Django's work, about four seconds.
const MAX_BCRYPT_COST: u32 = 16;
/// bcrypt looks at no more bytes of a password.
const BCRYPT_BYTES: usize = 72;

/// Whether the secret leads to the hash: what there is to compute.
pub(super) fn matches<'a>(hash: Hash<'a>, secret: &'a Secret) -> Task<'a, Result<bool, Unverifiable>> {
    match hash {
        Hash::Pbkdf2 { algorithm: Algorithm::Pbkdf2Sha256, iterations, salt, digest }
            if iterations <= MAX_ITERATIONS =>
        {
            let finish = Box::new(move |made| Ok(same_text(&BASE64.encode(made), digest)));
            Task::Rounds { secret, salt, iterations, finish }
        }
        hash => Task::whole(cost(&hash), move || matches_alone(&hash, secret)),
    }
}

/// About how long the hash takes, in rounds of PBKDF2-SHA256. By the times of Django's parameters on one core:
/// PBKDF2 160 ms, argon2 130 ms, bcrypt 250 ms, scrypt 200 ms.
fn cost(hash: &Hash<'_>) -> u64 {
    match hash {
        Hash::Pbkdf2 { iterations, .. } => u64::from(*iterations),
        Hash::Argon2(Argon2Hash { memory, passes, .. }) => {
            u64::from(*memory).saturating_mul(u64::from(*passes)).saturating_mul(6)
        }
        Hash::Bcrypt { cost, .. } => 1u64.checked_shl(*cost).unwrap_or(u64::MAX).saturating_mul(600),
        Hash::Scrypt { log_n, r, p, .. } => {
            let n = 1u64.checked_shl(u32::from(*log_n)).unwrap_or(u64::MAX);
            n.saturating_mul(u64::from(*r)).saturating_mul(u64::from(*p)).saturating_mul(3)
        }
        Hash::Salted { .. } | Hash::Unsalted { .. } | Hash::Crypt => 0,
    }
}

fn matches_alone(hash: &Hash<'_>, secret: &Secret) -> Result<bool, Unverifiable> {
    match hash {
        Hash::Pbkdf2 { iterations, .. } if *iterations > MAX_ITERATIONS => {
            Err(Unverifiable::TooExpensive { parameters: format!("{iterations} iterations") })
        }
        // That with SHA-256 is no task of this kind.
        Hash::Pbkdf2 { algorithm: _, iterations, salt, digest } => {
            Ok(same_text(&BASE64.encode(pbkdf2_sha1(secret, salt, *iterations)), digest))
        }
        Hash::Argon2(hash) => argon2(hash, secret),
        Hash::Bcrypt { algorithm, cost, hash } => bcrypt(*algorithm, *cost, hash, secret),
        Hash::Scrypt { log_n, r, p, salt, digest } => {
            let made = scrypt(secret, salt, *log_n, *r, *p)?;
            Ok(made.is_some_and(|made| same_text(&BASE64.encode(made), digest)))
        }
        Hash::Salted { algorithm, salt, digest } => {
            Ok(same_text(&hexdigest(*algorithm, salt, secret), digest))
        }
        Hash::Unsalted { algorithm, digest } => Ok(same_text(&hexdigest(*algorithm, "", secret), digest)),
        Hash::Crypt => Err(Unverifiable::Unsupported),
    }
}

pub(super) fn pbkdf2_sha1(secret: &Secret, salt: &str, iterations: u32) -> [u8; 20] {
    pbkdf2::sha1(secret.expose().as_bytes(), salt.as_bytes(), iterations)
}

/// N = 2¹⁴, r = 8, p = 5: `ScryptPasswordHasher` of Django 5.1 and newer.
pub(super) fn scrypt_of_django(secret: &Secret, salt: &str) -> Result<[u8; 64], NotEncoded> {
    scrypt(secret, salt, 14, 8, 5).ok().flatten().ok_or(NotEncoded)
}

/// `None` where scrypt itself refuses the parameters.
fn scrypt(secret: &Secret, salt: &str, log_n: u8, r: u32, p: u32) -> Result<Option<[u8; 64]>, Unverifiable> {
    let (n, wide_r, wide_p) = (1u64 << log_n, u64::from(r), u64::from(p));
    let blocks = n.saturating_mul(wide_r).saturating_add(wide_r.saturating_mul(wide_p));
    let work = n.saturating_mul(wide_r).saturating_mul(wide_p);
    if blocks / 8 > MAX_MEMORY_KIB || work > MAX_SCRYPT_WORK {
        return Err(Unverifiable::TooExpensive { parameters: format!("N={n}, r={r}, p={p}") });
    }
    let Ok(parameters) = scrypt::Params::new(log_n, r, p) else { return Ok(None) };
    let mut digest = [0; 64];
    let made = scrypt::scrypt(secret.expose().as_bytes(), salt.as_bytes(), &parameters, &mut digest);
    Ok(made.is_ok().then_some(digest))
}

fn argon2(hash: &Argon2Hash, secret: &Secret) -> Result<bool, Unverifiable> {
    let &Argon2Hash { variant, version, memory, passes, lanes, ref salt, ref digest } = hash;
    let work = u64::from(memory).saturating_mul(u64::from(passes));
    if u64::from(memory) > MAX_MEMORY_KIB || work > MAX_ARGON2_WORK_KIB {
        return Err(Unverifiable::TooExpensive { parameters: format!("m={memory}, t={passes}, p={lanes}") });
    }
    // What argon2 refuses, argon2-cffi calls a mismatch.
    let Ok(parameters) = argon2::Params::new(memory, passes, lanes, Some(digest.len())) else {
        return Ok(false);
    };
    let mut made = vec![0; digest.len()];
    let argon2 = Argon2::new(variant, version, parameters);
    if argon2.hash_password_into(secret.expose().as_bytes(), salt, &mut made).is_err() {
        return Ok(false);
    }
    Ok(subtle::ConstantTimeEq::ct_eq(made.as_slice(), digest.as_slice()).into())
}

/// `hash` is `$2b$12$` and 53 characters.
fn bcrypt(algorithm: Algorithm, cost: u32, hash: &str, secret: &Secret) -> Result<bool, Unverifiable> {
    if cost > MAX_BCRYPT_COST {
        return Err(Unverifiable::TooExpensive { parameters: format!("cost {cost}") });
    }
    let same = |password: &[u8]| bcrypt::verify(password, hash).unwrap_or(false);
    let password = secret.expose().as_bytes();
    if algorithm == Algorithm::BcryptSha256 {
        return Ok(same(Zeroizing::new(hex(&Sha256::digest(password))).as_bytes()));
    }
    match same(password) {
        true if password.len() > BCRYPT_BYTES => Err(Unverifiable::TooLong),
        verdict => Ok(verdict),
    }
}

fn hexdigest(algorithm: Algorithm, salt: &str, secret: &Secret) -> String {
    match algorithm {
        Algorithm::Md5 | Algorithm::UnsaltedMd5 => {
            hex(&Md5::new().chain_update(salt).chain_update(secret.expose()).finalize())
        }
        _ => hex(&Sha1::new().chain_update(salt).chain_update(secret.expose()).finalize()),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

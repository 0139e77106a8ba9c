//! PBKDF2 with HMAC (RFC 8018 section 5.2), one block of output: what Django stores.
//!
//! The `pbkdf2` crate makes the first round. The million that follow hash two blocks of one shape each, so they run
//! here on the compression functions with the keyed states computed once: a fifth faster, and bearable in
//! unoptimised builds, where the crate's generic code takes seconds. A property test compares both.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// The block size of SHA-1 and SHA-256, in bytes.
const BLOCK: usize = 64;

/// The most iterations that are verified or made: half a minute on a slow core, thirty times Django's number.
pub const MAX_ITERATIONS: u32 = 40_000_000;

/// PBKDF2 with HMAC-SHA256 as its function.
pub(super) fn sha256(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    // FIPS 180-4 section 5.3.3.
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    let first = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, 1);
    let digest = |long: &[u8]| Sha256::digest(long).to_vec();
    let words =
        repeat(sha2::block_api::compress256, INITIAL, &key(password, digest), words(&first), iterations);
    bytes(words)
}

/// PBKDF2 with HMAC-SHA1 as its function.
pub(super) fn sha1(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 20] {
    // FIPS 180-4 section 5.3.1.
    const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let first = pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password, salt, 1);
    let digest = |long: &[u8]| Sha1::digest(long).to_vec();
    let words = repeat(sha1::block_api::compress, INITIAL, &key(password, digest), words(&first), iterations);
    bytes(words)
}

/// HMAC's key (RFC 2104): the password, or its digest where it is longer than a block, padded with zeros.
fn key(password: &[u8], digest: impl Fn(&[u8]) -> Vec<u8>) -> Zeroizing<[u8; BLOCK]> {
    let mut key = Zeroizing::new([0; BLOCK]);
    if password.len() <= BLOCK {
        key[..password.len()].copy_from_slice(password);
    } else {
        let digest = Zeroizing::new(digest(password));
        key[..digest.len()].copy_from_slice(&digest);
    }
    key
}

/// The rounds after the first: `first ^ HMAC(first) ^ HMAC(HMAC(first)) ^ …`.
fn repeat<const WORDS: usize>(
    compress: fn(&mut [u32; WORDS], &[[u8; BLOCK]]),
    initial: [u32; WORDS],
    key: &[u8; BLOCK],
    first: [u32; WORDS],
    iterations: u32,
) -> [u32; WORDS] {
    let keyed = |pad: u8| {
        let mut state = initial;
        compress(&mut state, &[*Zeroizing::new(key.map(|byte| byte ^ pad))]);
        state
    };
    let (mut inner, mut outer) = (keyed(0x36), keyed(0x5c));

    // One block: a digest, then the padding of a message that began with the block of the key.
    let mut block = [[0; BLOCK]];
    block[0][WORDS * 4] = 0x80;
    block[0][BLOCK - 8..].copy_from_slice(&((BLOCK + WORDS * 4) as u64 * 8).to_be_bytes());

    let (mut last, mut result) = (first, first);
    for _ in 1..iterations {
        for start in [inner, outer] {
            block[0][..WORDS * 4].copy_from_slice(last.map(u32::to_be_bytes).as_flattened());
            last = start;
            compress(&mut last, &block);
        }
        for (sum, word) in result.iter_mut().zip(last) {
            *sum ^= word;
        }
    }
    inner.zeroize();
    outer.zeroize();
    result
}

fn words<const BYTES: usize, const WORDS: usize>(digest: &[u8; BYTES]) -> [u32; WORDS] {
    let (chunks, _) = digest.as_chunks::<4>();
    std::array::from_fn(|index| u32::from_be_bytes(chunks[index]))
}

fn bytes<const BYTES: usize, const WORDS: usize>(words: [u32; WORDS]) -> [u8; BYTES] {
    std::array::from_fn(|index| words[index / 4].to_be_bytes()[index % 4])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_same_as_the_crate(
            password in prop::collection::vec(any::<u8>(), 0..200),
            salt in prop::collection::vec(any::<u8>(), 0..200),
            iterations in 1u32..30,
        ) {
            let crates = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(&password, &salt, iterations);
            prop_assert_eq!(sha256(&password, &salt, iterations), crates);
            let crates = pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(&password, &salt, iterations);
            prop_assert_eq!(sha1(&password, &salt, iterations), crates);
        }
    }
}

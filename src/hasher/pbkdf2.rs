//! PBKDF2 with HMAC (RFC 8018 section 5.2), one block of output: what Django stores.
//!
//! The `pbkdf2` crate makes the first round. The million that follow hash two blocks of one shape each, so they run
//! here on the compression functions with the keyed states computed once: a fifth faster, and bearable in
//! unoptimised builds, where the crate's generic code takes seconds. A property test compares both.
//!
//! Each round needs the result of the one before, so one hash leaves most of a core's units idle. The rounds of several
//! hashes therefore take turns: the core begins with the next hash's block while it waits for the last one's.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// The block size of SHA-1 and SHA-256, in bytes.
const BLOCK: usize = 64;

/// The most iterations that are verified or made: half a minute on a slow core, thirty times Django's number.
pub const MAX_ITERATIONS: u32 = 40_000_000;

/// The most streams that [`advance`] interleaves. A fourth one gains nothing (measured with SHA extensions).
pub(super) const INTERLEAVED: usize = 3;

/// A compression function: the state, and one block.
type Compress<const WORDS: usize> = fn(&mut [u32; WORDS], &[[u8; BLOCK]]);

/// PBKDF2 with HMAC-SHA256 as its function, at most [`MAX_ITERATIONS`] times.
pub(super) fn sha256(password: &[u8], salt: &[u8], iterations: u32) -> Stream<8> {
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
    let key = key(password, |long| Sha256::digest(long).to_vec());
    Stream::new(sha2::block_api::compress256, INITIAL, &key, words(&first), iterations)
}

/// PBKDF2 with HMAC-SHA1 as its function.
pub(super) fn sha1(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 20] {
    // FIPS 180-4 section 5.3.1.
    const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let first = pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password, salt, 1);
    let key = key(password, |long| Sha1::digest(long).to_vec());
    let compress = sha1::block_api::compress;
    let mut stream = Stream::new(compress, INITIAL, &key, words(&first), iterations);
    take_turns(compress, [&mut stream], u32::MAX);
    bytes(stream.sum)
}

/// Runs all rounds of the shortest of the streams, or `most` of them, and as many of the others. Takes [`INTERLEAVED`]
/// streams at most; what is beyond waits.
pub(super) fn advance(streams: &mut [&mut Stream<8>], most: u32) {
    let compress = sha2::block_api::compress256;
    match streams {
        [] => {}
        [one] => take_turns(compress, [one], most),
        [one, two] => take_turns(compress, [one, two], most),
        [one, two, three, ..] => take_turns(compress, [one, two, three], most),
    }
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
pub(super) struct Stream<const WORDS: usize> {
    /// The states after the block of HMAC's inner and of its outer key.
    keyed: [[u32; WORDS]; 2],
    last: [u32; WORDS],
    sum: [u32; WORDS],
    /// The rounds that are left.
    left: u32,
}

impl<const WORDS: usize> Stream<WORDS> {
    fn new(
        compress: Compress<WORDS>,
        initial: [u32; WORDS],
        key: &[u8; BLOCK],
        first: [u32; WORDS],
        iterations: u32,
    ) -> Self {
        let keyed = [0x36, 0x5c].map(|pad| {
            let mut state = initial;
            compress(&mut state, &[*Zeroizing::new(key.map(|byte| byte ^ pad))]);
            state
        });
        Self { keyed, last: first, sum: first, left: iterations.saturating_sub(1) }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.left == 0
    }
}

impl Stream<8> {
    /// The digest, when all rounds are done.
    pub(super) fn digest(&self) -> [u8; 32] {
        bytes(self.sum)
    }
}

impl<const WORDS: usize> Drop for Stream<WORDS> {
    fn drop(&mut self) {
        self.keyed.zeroize();
        self.last.zeroize();
        self.sum.zeroize();
    }
}

/// Runs the rounds of the streams in turns until one is done, or `most` of each.
fn take_turns<const WORDS: usize, const STREAMS: usize>(
    compress: Compress<WORDS>,
    streams: [&mut Stream<WORDS>; STREAMS],
    most: u32,
) {
    let rounds = streams.iter().map(|stream| stream.left.min(most)).min().unwrap_or_default();
    // Copies, because the compiler keeps them nearer to the core than what is behind references.
    let mut last = streams.each_ref().map(|stream| stream.last);
    let mut sum = streams.each_ref().map(|stream| stream.sum);
    let mut blocks = last.map(|last| block(&last));
    for _ in 0..rounds {
        for half in 0..2 {
            for index in 0..STREAMS {
                last[index] = streams[index].keyed[half];
                compress(&mut last[index], &blocks[index]);
                // One turn late: by now its digest is computed, so nothing waits for it.
                let before = (index + STREAMS - 1) % STREAMS;
                feed(&mut blocks[before], &last[before]);
            }
        }
        for (sum, last) in sum.iter_mut().zip(&last) {
            for (sum, word) in sum.iter_mut().zip(last) {
                *sum ^= word;
            }
        }
    }
    for (stream, (last, sum)) in streams.into_iter().zip(last.into_iter().zip(sum)) {
        (stream.last, stream.sum, stream.left) = (last, sum, stream.left - rounds);
    }
}

/// One block: a digest, then the padding of a message that began with the block of the key.
fn block<const WORDS: usize>(digest: &[u32; WORDS]) -> [[u8; BLOCK]; 1] {
    let mut block = [[0; BLOCK]];
    feed(&mut block, digest);
    block[0][WORDS * 4] = 0x80;
    block[0][BLOCK - 8..].copy_from_slice(&((BLOCK + WORDS * 4) as u64 * 8).to_be_bytes());
    block
}

fn feed<const WORDS: usize>(block: &mut [[u8; BLOCK]; 1], digest: &[u32; WORDS]) {
    block[0][..WORDS * 4].copy_from_slice(digest.map(u32::to_be_bytes).as_flattened());
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

    fn digest(mut stream: Stream<8>) -> [u8; 32] {
        advance(&mut [&mut stream], u32::MAX);
        assert!(stream.is_done());
        stream.digest()
    }

    proptest! {
        #[test]
        fn the_same_as_the_crate(
            password in prop::collection::vec(any::<u8>(), 0..200),
            salt in prop::collection::vec(any::<u8>(), 0..200),
            iterations in 1u32..30,
        ) {
            let crates = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(&password, &salt, iterations);
            prop_assert_eq!(digest(sha256(&password, &salt, iterations)), crates);
            let crates = pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(&password, &salt, iterations);
            prop_assert_eq!(sha1(&password, &salt, iterations), crates);
        }

        #[test]
        fn streams_that_take_turns_do_not_mix(
            lengths in prop::collection::vec(1u32..30, 1..=INTERLEAVED + 1),
            salt in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let password = |index: usize| index.to_be_bytes();
            let begin = |(index, length)| sha256(&password(index), &salt, length);
            let mut streams: Vec<Stream<8>> = lengths.iter().copied().enumerate().map(begin).collect();
            while !streams.iter().all(Stream::is_done) {
                let mut left: Vec<_> = streams.iter_mut().filter(|stream| !stream.is_done()).collect();
                advance(&mut left, 7);
            }
            for (index, (stream, length)) in streams.iter().zip(lengths).enumerate() {
                let alone = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(&password(index), &salt, length);
                prop_assert_eq!(stream.digest(), alone, "{}", index);
            }
        }
    }
}

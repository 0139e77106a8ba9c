//! Many hashes at once: each takes a tenth of a second and more, and they do not depend on one another.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::encoded::EncodedHash;
use super::stored::{StoredSecret, Verdict};
use super::{Hasher, Salt};
use crate::secret::Secret;

/// Verifies each declared secret against its stored one on `threads` threads; the verdicts are in the order of the items.
///
/// `progress` is called with (done, total) on the calling thread after each item. Memory is bounded by `threads` times
/// half a gigabyte (argon2 with the largest parameters that are computed; Django's take 100 MiB).
pub fn verify_all(
    items: &[(&StoredSecret, &Secret)],
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(usize, usize),
) -> Vec<Verdict> {
    on_threads(items, threads, |(stored, secret)| stored.verify(secret), progress)
}

/// Encodes each secret with its salt on `threads` threads; the hashes are in the order of the items. See [`verify_all`].
pub fn encode_all(
    hasher: Hasher,
    items: &[(&Secret, &Salt)],
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(usize, usize),
) -> Vec<EncodedHash> {
    on_threads(items, threads, |(secret, salt)| hasher.encode(secret, salt), progress)
}

/// The threads take the next item when they are done with one, so that one slow hash holds up no others.
fn on_threads<I: Sync, O: Send>(
    items: &[I],
    threads: NonZeroUsize,
    work: impl Fn(&I) -> O + Sync,
    progress: &mut dyn FnMut(usize, usize),
) -> Vec<O> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut results = Vec::with_capacity(items.len());
    thread::scope(|scope| {
        for _ in 0..threads.get().min(items.len()) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                while let Some((index, item)) = take(items, next) {
                    if sender.send((index, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        // The loop ends when the last thread drops its sender.
        drop(sender);
        for result in receiver {
            results.push(result);
            progress(results.len(), items.len());
        }
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, I>(items: &'a [I], next: &AtomicUsize) -> Option<(usize, &'a I)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}

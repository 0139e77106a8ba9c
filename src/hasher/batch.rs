//! Many hashes at once: each takes a tenth of a second and more, and they do not depend on one another.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::encoded::EncodedHash;
use super::not_encoded::NotEncoded;
use super::stored::{StoredSecret, Verdict};
use super::{Hasher, Salt};
use crate::secret::Secret;

/// The user asked to stop before all was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped before all secrets were hashed")]
pub struct Stopped;

/// What is called with (done, total) after each item, on the calling thread; a break ends the work when the hashes that
/// are under way are done.
pub type OnHash<'a> = &'a mut dyn FnMut(usize, usize) -> ControlFlow<()>;

/// Verifies each declared secret against its stored one on `threads` threads; the verdicts are in the order of the
/// items.
///
/// Memory is bounded by `threads` times
/// half a gigabyte (argon2 with the largest parameters that are computed; Django's take 100 MiB).
///
/// # Errors
/// [`Stopped`], where `progress` asked for it.
pub fn verify_all(
    items: &[(&StoredSecret, &Secret)],
    threads: NonZeroUsize,
    progress: OnHash<'_>,
) -> Result<Vec<Verdict>, Stopped> {
    on_threads(items, threads, |(stored, secret)| stored.verify(secret), progress)
}

/// Encodes each secret with its salt on `threads` threads; the hashes are in the order of the items. See
/// [`verify_all`].
///
/// # Errors
/// [`Stopped`], where `progress` asked for it. Inside: a secret that could not be hashed.
pub fn encode_all(
    hasher: Hasher,
    items: &[(&Secret, &Salt)],
    threads: NonZeroUsize,
    progress: OnHash<'_>,
) -> Result<Result<Vec<EncodedHash>, NotEncoded>, Stopped> {
    let hashes = on_threads(items, threads, |(secret, salt)| hasher.encode(secret, salt), progress)?;
    Ok(hashes.into_iter().collect())
}

/// The threads take the next item when they are done with one, so that one slow hash holds up no others.
fn on_threads<I: Sync, O: Send>(
    items: &[I],
    threads: NonZeroUsize,
    work: impl Fn(&I) -> O + Sync,
    progress: OnHash<'_>,
) -> Result<Vec<O>, Stopped> {
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
            if progress(results.len(), items.len()).is_break() {
                next.store(items.len(), Ordering::Relaxed);
            }
        }
    });
    if results.len() < items.len() {
        return Err(Stopped);
    }
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

fn take<'a, I>(items: &'a [I], next: &AtomicUsize) -> Option<(usize, &'a I)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}

//! Many hashes at once: each takes a tenth of a second and more, and they do not depend on one another.
//!
//! The longest begin first, so that the threads end at about the same time. On each thread some of PBKDF2's run in turns
//! ([`pbkdf2::advance`]); a thread takes a second one only when every thread has a first.

use std::cmp::Reverse;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use super::encoded::EncodedHash;
use super::not_encoded::NotEncoded;
use super::pbkdf2;
use super::stored::{StoredSecret, Verdict};
use super::task::{Running, Task};
use super::{Hasher, Salt};
use crate::secret::Secret;

/// The user asked to stop before all was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped before all secrets were hashed")]
pub struct Stopped;

/// What is called with (done, total) after each item, on the calling thread; a break ends the work at once, but for a hash
/// that is not PBKDF2-SHA256's.
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
    let tasks = items.iter().map(|(stored, secret)| stored.verification(secret)).collect();
    on_threads(tasks, threads, progress)
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
    let tasks = items.iter().map(|(secret, salt)| hasher.encoding(secret, salt)).collect();
    let hashes = on_threads(tasks, threads, progress)?;
    Ok(hashes.into_iter().collect())
}

/// Rounds of PBKDF2 between two looks at whether the work has been stopped: some milliseconds.
const ROUNDS: u32 = 1 << 16;

/// Tasks with their places in the list, the longest last.
type Waiting<'a, O> = Mutex<Vec<(usize, Task<'a, O>)>>;

fn on_threads<O: Send>(
    tasks: Vec<Task<'_, O>>,
    threads: NonZeroUsize,
    progress: OnHash<'_>,
) -> Result<Vec<O>, Stopped> {
    let total = tasks.len();
    let mut waiting: Vec<_> = tasks.into_iter().enumerate().collect();
    waiting.sort_by_key(|(index, task)| (task.cost(), Reverse(*index)));
    let (waiting, is_stopped) = (Mutex::new(waiting), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    let mut results = Vec::with_capacity(total);
    thread::scope(|scope| {
        for _ in 0..threads.get().min(total) {
            let (sender, waiting, is_stopped) = (sender.clone(), &waiting, &is_stopped);
            scope.spawn(move || {
                // The receiver is there until the last sender is gone.
                work(waiting, threads, is_stopped, |index, made| drop(sender.send((index, made))));
            });
        }
        // The loop ends when the last thread drops its sender.
        drop(sender);
        for result in receiver {
            results.push(result);
            if progress(results.len(), total).is_break() {
                is_stopped.store(true, Ordering::Relaxed);
            }
        }
    });
    if results.len() < total {
        return Err(Stopped);
    }
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// What one thread does: whatever waits, and PBKDF2's rounds in turns.
fn work<'a, O>(
    waiting: &Waiting<'a, O>,
    threads: NonZeroUsize,
    is_stopped: &AtomicBool,
    done: impl Fn(usize, O),
) {
    let mut running: Vec<(usize, Running<'a, O>)> = Vec::with_capacity(pbkdf2::INTERLEAVED);
    loop {
        let more = take(waiting, pbkdf2::INTERLEAVED - running.len(), threads);
        if more.is_empty() && running.is_empty() {
            return;
        }
        for (index, task) in more {
            if is_stopped.load(Ordering::Relaxed) {
                return;
            }
            match task {
                Task::Rounds { secret, salt, iterations, finish } => {
                    running.push((index, Running::begin(secret, salt, iterations, finish)));
                }
                Task::Whole { cost: _, work } => done(index, work()),
            }
        }
        let mut streams: Vec<_> = running.iter_mut().map(|(_, running)| &mut running.stream).collect();
        while !streams.is_empty() && !streams.iter().any(|stream| stream.is_done()) {
            if is_stopped.load(Ordering::Relaxed) {
                return;
            }
            pbkdf2::advance(&mut streams, ROUNDS);
        }
        for (index, ended) in running.extract_if(.., |(_, running)| running.stream.is_done()) {
            done(index, ended.finish());
        }
    }
}

/// The longest tasks: as many as this thread may have of them, and no more than its share.
fn take<'a, O>(waiting: &Waiting<'a, O>, most: usize, threads: NonZeroUsize) -> Vec<(usize, Task<'a, O>)> {
    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let count = waiting.len().div_ceil(threads.get()).min(most);
    let rest = waiting.len() - count;
    waiting.drain(rest..).rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

    #[test]
    fn the_longest_begin_first() {
        let begun = Mutex::new(Vec::new());
        let task = |cost| {
            let begun = &begun;
            Task::whole(cost, move || begun.lock().unwrap().push(cost))
        };
        let tasks = [3, 1, 7, 7, 0, 9].into_iter().map(task).collect();
        on_threads(tasks, NonZeroUsize::MIN, &mut |_, _| ControlFlow::Continue(())).unwrap();
        assert_eq!(*begun.lock().unwrap(), [9, 7, 7, 3, 1, 0]);
    }

    #[test]
    fn no_thread_takes_what_another_one_could_begin() {
        let waiting = |count| Mutex::new((0..count).map(|index| (index, Task::known(|| ()))).collect());
        for (count, expected) in
            [(1, &[1][..]), (2, &[1, 1]), (3, &[2, 1]), (4, &[2, 1, 1]), (8, &[3, 3, 1, 1]), (0, &[])]
        {
            let waiting = waiting(count);
            let mut taken = Vec::new();
            loop {
                let now = take(&waiting, pbkdf2::INTERLEAVED, TWO);
                if now.is_empty() {
                    break;
                }
                taken.push(now.len());
            }
            assert_eq!(taken, expected, "{count}");
        }
    }
}

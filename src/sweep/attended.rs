//! A long statement: the run tells that it goes on, and has it cancelled when the run must end.

use std::pin::pin;
use std::time::{Duration, Instant};

use super::account::Account;
use super::cancel::Canceller;

/// How often it is told again while it lasts.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// A cancel request that comes between two statements is lost: it is sent again this often.
const CANCEL_EVERY: Duration = Duration::from_millis(500);

/// Waits for the end of the work. `tell`: what is said at its beginning and meanwhile, with how long it has taken by now.
pub(super) async fn attended<T>(
    account: &Account<'_>,
    canceller: &Canceller,
    tell: impl Fn(Duration),
    work: impl Future<Output = T>,
) -> T {
    let started = Instant::now();
    tell(Duration::ZERO);
    let (mut work, mut ended) = (pin!(work), pin!(account.ended()));
    loop {
        tokio::select! {
            result = &mut work => return result,
            () = &mut ended => break,
            () = tokio::time::sleep(TELL_EVERY) => tell(started.elapsed()),
        }
    }
    loop {
        // The request and the work go on side by side: the answer may come first.
        let mut request = pin!(async {
            canceller().await;
            tokio::time::sleep(CANCEL_EVERY).await;
        });
        tokio::select! {
            result = &mut work => return result,
            () = &mut request => {}
        }
    }
}

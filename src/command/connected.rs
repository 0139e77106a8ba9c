//! A database with its tables, and what is done with the connections to it.

use deadpool_postgres::{Object, Transaction};
use time::OffsetDateTime;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::interrupted::Interrupted;
use crate::db::connect::Database;
use crate::db::error::DbError;
use crate::db::layout::Layout;
use crate::db::patience::{Patience, Readables, Reading};
use crate::embedded::Cluster;

/// A database with its tables.
pub struct Connected {
    pub database: Database,
    pub layout: Layout,
    /// How long locks are waited for.
    pub patience: Patience,
    /// The tables that this role may read.
    pub tables: Readables,
    /// Keeps the embedded server running.
    pub embedded: Option<Cluster>,
}

impl Connected {
    /// A snapshot in which nothing can be written. Waits for its tables first, and says so.
    ///
    /// # Errors
    /// When a lock is not free in time.
    pub async fn snapshot<'c>(
        &self,
        client: &'c mut Object,
        reading: Reading,
    ) -> Result<Transaction<'c>, DbError> {
        self.patience.snapshot(client, &self.tables, reading).await
    }

    /// Asks the server to cancel what `client` is doing when a signal comes; dropped, it no longer does. A request may
    /// then still be on its way: see [`give_back`].
    #[must_use]
    pub fn cancel_on_signal(&self, client: &tokio_postgres::Client, interrupted: &Interrupted) -> DropGuard {
        let canceller = self.database.canceller(client);
        let (signalled, done) = (interrupted.token.clone(), CancellationToken::new());
        let guard = done.clone().drop_guard();
        interrupted.requests.spawn(async move {
            tokio::select! {
                biased;
                () = done.cancelled() => {}
                () = signalled.cancelled() => canceller.cancel_or_warn().await,
            }
        });
        guard
    }
}

/// Gives a session back after [`Connected::cancel_on_signal`] was dropped, or closes it if a signal came: a late cancel
/// request would meet the next statement on it, such as the one that notes the end of the run.
pub fn give_back(client: Object, interrupted: &Interrupted) {
    if interrupted.token.is_cancelled() {
        drop(Object::take(client));
    }
}

/// The instant of the database's clock.
///
/// # Errors
/// The server's.
pub async fn database_now(client: &Object) -> Result<OffsetDateTime, DbError> {
    crate::db::session::now(&***client).await.map_err(DbError::during("reading the database's clock"))
}

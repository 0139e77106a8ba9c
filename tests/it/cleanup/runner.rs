//! Runs sweeps on a test database, as the verbs do.

use std::time::Duration;

use deadpool_postgres::{Manager, Pool};
use oauthctl::db::layout::Layout;
use oauthctl::db::tokens;
use oauthctl::model::{CleanupPolicy, Pace, Sweep, TableRole, Tally};
use oauthctl::plan::retention;
use oauthctl::sweep::{self, Control, Event, Failure, Outcome, Place};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;

use super::graph::names;
use crate::support::{Database, Template};

/// A database, its pool and its tables.
pub struct Runner {
    pub pool: Pool,
    pub layout: Layout,
    pub stop: CancellationToken,
    /// A wait during which nothing changes ends the run after this time.
    pub patience: Duration,
    /// Where an earlier run stopped.
    pub from: Option<Place>,
}

impl Runner {
    pub async fn new(database: &Database, template: Template) -> Self {
        Self::through(database.config(), template).await
    }

    /// By a way of its own to the server.
    pub async fn through(config: tokio_postgres::Config, template: Template) -> Self {
        let pool = Pool::builder(Manager::new(config, NoTls)).max_size(3).build().unwrap();
        let client = pool.get().await.unwrap();
        let layout = Layout::probe(&**client, &names(template)).await.unwrap();
        Self { pool, layout, stop: CancellationToken::new(), patience: sweep::PATIENCE, from: None }
    }

    pub fn sweeps(&self, policy: &CleanupPolicy, now: OffsetDateTime) -> Vec<Sweep> {
        let available =
            TableRole::ALL.iter().copied().filter(|role| self.layout.table(*role).is_some()).collect();
        retention::sweeps(policy, now, &available)
    }

    /// Runs to the end, whatever happens.
    pub async fn run(&self, policy: &CleanupPolicy, now: OffsetDateTime) -> Result<Outcome, Box<Failure>> {
        self.watched(policy, now, |_| {}).await
    }

    /// Runs with an observer.
    pub async fn watched(
        &self,
        policy: &CleanupPolicy,
        now: OffsetDateTime,
        mut on: impl FnMut(Event<'_>) + Send,
    ) -> Result<Outcome, Box<Failure>> {
        let sweeps = self.sweeps(policy, now);
        let control = Control {
            stop: &self.stop,
            cancel: &cancelling,
            patience: self.patience,
            from: self.from.as_ref(),
        };
        let result = sweep::run(&self.pool, &self.layout, &sweeps, &policy.pace, control, &mut on).await;
        // The last transaction may have been dropped: its ROLLBACK goes out before the test blocks its only thread.
        tokio::task::yield_now().await;
        result
    }

    /// Counts what a run would delete.
    pub async fn count(&self, policy: &CleanupPolicy, now: OffsetDateTime) -> Tally {
        let sweeps = self.sweeps(policy, now);
        let mut client = self.pool.get().await.unwrap();
        let transaction = client.build_transaction().read_only(true).start().await.unwrap();
        tokens::count(&*transaction, &self.layout, &sweeps).await.unwrap()
    }
}

/// The same policy at another pace.
pub fn with_pace(mut policy: CleanupPolicy, change: impl FnOnce(&mut Pace)) -> CleanupPolicy {
    change(&mut policy.pace);
    policy
}

/// Cancels what runs on a connection.
pub fn cancelling(client: &Client) -> sweep::Canceller {
    let token = client.cancel_token();
    Box::new(move || {
        let token = token.clone();
        Box::pin(async move { token.cancel_query(NoTls).await.unwrap() })
    })
}

/// The instant of the cases, and of most tests.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::parse("2026-01-02T03:04:05.600000Z", &Rfc3339).unwrap()
}

//! The way to the database: a pool, single connections, and the cancelling of what runs on them.
//!
//! Hosts are tried in order as libpq tries them (`attempt`); no session has settings of its own. The
//! first connection is made at once, so that a wrong address or password is found before any work is done. Knows no
//! table and no environment: [`Settings`] are complete.

mod attempt;
mod cancel;
mod failure;
mod order;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool};
use futures_util::future::{Ready, ready};
use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{NoTlsStream, TlsConnect};
use tokio_postgres::{Client, Config};

use super::error::{DbError, Meaning, tidy};
use crate::conninfo::Settings;
use attempt::Connector;
pub use cancel::Canceller;
pub use failure::{Cause, ConnectError, Failure};

/// How long a cancel request may take where connecting has no limit either.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// How often, and at what interval, [`Database::get_when_free`] tries again: for up to 2 s.
const FREE_ATTEMPTS: u32 = 20;
const FREE_INTERVAL: Duration = Duration::from_millis(100);

/// A pool of sessions with one database.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    connector: Arc<Connector>,
}

impl Database {
    /// Connects once and keeps that connection; `size` is how many may be open at a time, apart from
    /// [`dedicated`](Self::dedicated) ones. `application_name` is for settings that have none (libpq's
    /// `fallback_application_name`).
    pub async fn connect(
        settings: &Settings,
        application_name: &str,
        size: usize,
    ) -> Result<Self, ConnectError> {
        let connector = Arc::new(Connector::new(settings, application_name)?);
        // The manager's own settings are not used: the connector has them.
        let manager = Manager::from_connect(
            Config::new(),
            ThroughConnector(Arc::clone(&connector)),
            ManagerConfig::default(),
        );
        let pool = Pool::builder(manager)
            .max_size(size.max(1))
            .build()
            .map_err(|error| ConnectError::Setup(error.to_string()))?;
        let database = Self { pool, connector };
        match database.pool.get().await {
            Ok(_) => Ok(database),
            Err(deadpool_postgres::PoolError::Backend(error)) => Err(carried_back(error)),
            Err(other) => Err(ConnectError::Setup(other.to_string())),
        }
    }

    /// A session out of the pool; it goes back when it is dropped. Waits while all are in use.
    pub async fn get(&self) -> Result<Object, DbError> {
        Ok(self.pool.get().await?)
    }

    /// The same after sessions were closed instead of being given back. Where the role may have only a few, there is room
    /// once the server has seen that they ended, which takes a moment.
    pub async fn get_when_free(&self) -> Result<Object, DbError> {
        for _ in 0..FREE_ATTEMPTS {
            match self.get().await {
                Err(error) if *error.meaning() == Meaning::Unreachable => {
                    tokio::time::sleep(FREE_INTERVAL).await;
                }
                got => return got,
            }
        }
        self.get().await
    }

    /// The pool itself, for work that takes sessions by itself.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A session outside of the pool. It ends when the client is dropped.
    pub async fn dedicated(&self) -> Result<Client, ConnectError> {
        self.connector.open().await.map(|(client, _)| client)
    }

    /// The means to cancel what runs on that connection of this database, over TLS if the connection has it.
    #[must_use]
    pub fn canceller(&self, client: &Client) -> Canceller {
        Canceller {
            token: client.cancel_token(),
            tls: self.connector.tls.clone(),
            timeout: self.connector.timeout.unwrap_or(CANCEL_TIMEOUT),
            places: self.connector.places(),
        }
    }
}

/// Lets the pool open its connections our way.
struct ThroughConnector(Arc<Connector>);

type Opening<'a> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + 'a>>;

impl deadpool_postgres::Connect for ThroughConnector {
    fn connect(&self, _: &Config) -> Opening<'_> {
        Box::pin(async {
            match self.0.open().await {
                Ok(opened) => Ok(opened),
                Err(error) => carried(error).await,
            }
        })
    }
}

/// The pool passes errors on as the driver's, which only the driver can make. The driver wraps every error of a
/// TLS connector, so that is how ours travels. [`carried_back`] and [`DbError::new`] unwrap it.
async fn carried(error: ConnectError) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
    let mut config = Config::new();
    config.user("").ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
    // The connector always fails; a connection over it would be one that is closed.
    let (client, connection) = config.connect_raw(tokio::io::empty(), Carrier(error)).await?;
    Ok((client, tokio::spawn(async { drop(connection.await) })))
}

fn carried_back(error: tokio_postgres::Error) -> ConnectError {
    let Some(source) = error.into_source() else {
        return ConnectError::Setup("the connection was closed".to_owned());
    };
    match source.downcast::<ConnectError>() {
        Ok(error) => *error,
        Err(other) => ConnectError::Setup(tidy(&other.to_string())),
    }
}

/// A TLS connector that fails with what it was made of.
struct Carrier(ConnectError);

impl TlsConnect<tokio::io::Empty> for Carrier {
    type Stream = NoTlsStream;
    type Error = ConnectError;
    type Future = Ready<Result<NoTlsStream, ConnectError>>;

    fn connect(self, _: tokio::io::Empty) -> Self::Future {
        ready(Err(self.0))
    }
}

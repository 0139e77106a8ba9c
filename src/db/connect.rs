//! Connects. (Skeleton; see the `conn` branch.)

use crate::conninfo::Settings;
use crate::db::error::DbError;

/// A pool.
pub struct Database {
    pool: deadpool_postgres::Pool,
}

impl Database {
    /// Connects.
    pub async fn connect(_settings: &Settings, application_name: &str, size: usize) -> Result<Self, DbError> {
        let mut config = tokio_postgres::Config::new();
        config.host(std::env::var("PGHOST").unwrap_or_default());
        config.port(std::env::var("PGPORT").ok().and_then(|p| p.parse().ok()).unwrap_or(5432));
        config.user(std::env::var("PGUSER").unwrap_or("postgres".into()));
        config.dbname(std::env::var("PGDATABASE").unwrap_or("postgres".into()));
        config.application_name(application_name);
        let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
        let pool =
            deadpool_postgres::Pool::builder(manager).max_size(size).build().map_err(|_| ()).expect("x");
        Ok(Self { pool })
    }

    /// A connection.
    pub async fn get(&self) -> Result<deadpool_postgres::Object, DbError> {
        Ok(self.pool.get().await.expect("x"))
    }

    /// The pool.
    pub fn pool(&self) -> &deadpool_postgres::Pool {
        &self.pool
    }
}

//! The tables that oauthctl makes itself: the provider schema of a database that no Django owns, and the ledger.
//!
//! The statements are in `migrations/*/*.sql`, embedded when this file is compiled (a new file alone does not make
//! cargo compile it again). refinery runs them and keeps the history in schema `oauthctl`. Around it is what refinery
//! lacks: a lock, so that several runners at once do the work once, and the rule that a table of Django's is never
//! touched. Must not know what the tables are for.
//!
//! The lock, the search path, the looking and the statements are in one transaction: a pooler that shares sessions
//! between transactions may be in front of the server.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use refinery::Runner;
use refinery::error::Kind;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient, IsolationLevel, Transaction};

use super::error::DbError;
use super::{patience, query, timeouts};
use within::Within;

mod within;

mod provider {
    refinery::embed_migrations!("migrations/provider");
}

mod ledger {
    refinery::embed_migrations!("migrations/ledger");
}

/// The key of the advisory lock that runners of migrations exclude each other with: `oauthctl` in ASCII.
const LOCK: i64 = 0x6f61_7574_6863_746c;

/// How often it tries. It must not block in the server: a waiting statement has a snapshot, and those stop
/// `CREATE INDEX CONCURRENTLY`.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// What `migrations/provider` makes.
const PROVIDER_TABLES: &[&str] = &[
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "auth_user",
    "auth_user_groups",
    "auth_user_user_permissions",
    "django_content_type",
    "oauth2_provider_accesstoken",
    "oauth2_provider_application",
    "oauth2_provider_devicegrant",
    "oauth2_provider_grant",
    "oauth2_provider_idtoken",
    "oauth2_provider_refreshtoken",
];

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the user wants to know whether there was anything to do"]
pub struct Migrated {
    /// The migrations that were applied, as `V1__name`, in order. Empty: everything was there.
    pub applied: Vec<String>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Tables with these names exist already.
    #[error("schema {schema} has tables that oauthctl did not make: {}", tables.join(", "))]
    Occupied {
        /// The schema that the tables were to go to.
        schema: String,
        tables: Vec<String>,
    },
    /// The history says that the tables were made, and they are not there.
    #[error("{history} says that the provider tables were made, but schema {schema} lacks {}", tables.join(", "))]
    Vanished {
        /// The table with the history.
        history: String,
        /// The schema that the tables were made in.
        schema: String,
        /// Those that are not there.
        tables: Vec<String>,
    },
    /// A later version of oauthctl has been here.
    #[error("{history} is at {applied}, and this version of oauthctl knows nothing after V{newest}")]
    Newer {
        /// The table with the history.
        history: String,
        /// The migration that is unknown here.
        applied: String,
        /// The last version that is known here.
        newest: i64,
    },
    /// What was applied is not what this version would have applied.
    #[error("{history} has another {migration} than this version of oauthctl: it was edited, there or here")]
    Edited {
        /// The table with the history.
        history: String,
        /// The migration that differs, or that was left out.
        migration: String,
    },
    /// Another runner did not get ready in time.
    #[error("the lock of this database's migrations was not free in {waited:?}: {holder}")]
    Busy {
        /// Who holds it: pid, application name, and since when it has been connected.
        holder: String,
        /// How long was waited.
        waited: Duration,
    },
    /// A lock on a table was not free in time. The transaction was rolled back.
    #[error("another session holds a lock that the migrations of {history} need; nothing was changed")]
    Locked {
        /// The table with the history.
        history: String,
    },
    /// A statement failed. The transaction was rolled back.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The migration library failed by itself.
    #[error("cannot run the migrations of {history}")]
    Library {
        /// The table with the history.
        history: String,
        /// Why it failed.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Runs the statements of a seed file.
pub async fn seed(client: &Client, sql: &str) -> Result<(), DbError> {
    client.batch_execute(sql).await.map_err(DbError::during("running the seed file"))
}

/// Makes the tables of DOT 3.4.1 and of Django's `auth` in this schema, which is created where it is missing.
/// Refuses a schema where Django migrates, or where tables of those names exist that this did not make. Waits up to
/// `lock_timeout` for other runners.
pub async fn migrate_provider(
    client: &mut Client,
    schema: &str,
    lock_timeout: Duration,
) -> Result<Migrated, MigrateError> {
    let transaction = begin(client, lock_timeout).await?;
    take_lock(&transaction, lock_timeout).await?;
    create_schema(&transaction, schema).await?;
    // The statements of the provider schema name no schema.
    let search_path = "SELECT set_config('search_path', quote_ident($1), true)";
    text(&transaction, search_path, schema, "set the search path").await?;
    run(transaction, Target::Provider { schema }).await
}

/// Makes the ledger, in schema `oauthctl`, or brings it to what this version needs. Waits up to `lock_timeout` for
/// other runners.
pub async fn migrate_ledger(client: &mut Client, lock_timeout: Duration) -> Result<Migrated, MigrateError> {
    let transaction = begin(client, lock_timeout).await?;
    take_lock(&transaction, lock_timeout).await?;
    run(transaction, Target::Ledger).await
}

/// `READ COMMITTED`: what another runner has made is seen once the lock is free.
async fn begin(client: &mut Client, limit: Duration) -> Result<Transaction<'_>, MigrateError> {
    let attempted = "beginning the migrations";
    let began = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await;
    let transaction = began.map_err(database(attempted))?;
    // Waiting for the lock must not look like an abandoned session.
    let settings = format!("{}; {}", timeouts::OF_AN_APPLY, patience::lock_timeout(limit));
    transaction.batch_execute(&settings).await.map_err(database(attempted))?;
    Ok(transaction)
}

/// Whether there is a ledger in this database. Needs no privilege on it.
pub async fn ledger_installed(client: &impl GenericClient) -> Result<bool, MigrateError> {
    Ok(tables(client, "oauthctl").await?.iter().any(|table| table == "managed_application"))
}

/// What is to be migrated.
#[derive(Clone, Copy)]
enum Target<'a> {
    Provider { schema: &'a str },
    Ledger,
}

impl Target<'_> {
    fn runner(self) -> Runner {
        match self {
            Self::Provider { .. } => provider::migrations::runner(),
            Self::Ledger => ledger::migrations::runner(),
        }
    }

    /// The table with the history, quoted. Each schema with provider tables has one of its own.
    async fn history(self, client: &impl GenericClient) -> Result<String, MigrateError> {
        let name = match self {
            Self::Ledger => return Ok("oauthctl.ledger_migrations".into()),
            Self::Provider { schema: "public" } => return Ok("oauthctl.provider_migrations".into()),
            Self::Provider { schema } => schema,
        };
        // A name has at most 63 bytes.
        let quoted = "SELECT format('oauthctl.%I', 'provider_migrations_' \
                      || CASE WHEN octet_length($1) > 40 THEN md5($1) ELSE $1 END)";
        text(client, quoted, name, "name the history").await
    }
}

/// Excludes other runners until the end of the transaction.
async fn take_lock(transaction: &Transaction<'_>, limit: Duration) -> Result<(), MigrateError> {
    let start = Instant::now();
    loop {
        let sql = "SELECT pg_try_advisory_xact_lock($1)";
        let taken = query::value(transaction, sql, &[(&LOCK, Type::INT8)]).await;
        if taken.map_err(database("locking the migrations"))? {
            return Ok(());
        }
        if start.elapsed() >= limit {
            return Err(MigrateError::Busy { holder: holder(transaction).await?, waited: limit });
        }
        tokio::time::sleep(LOCK_POLL).await;
    }
}

/// The session that holds the lock, in words.
async fn holder(client: &impl GenericClient) -> Result<String, MigrateError> {
    let sql = "SELECT format('held by pid %s, %s, connected since %s', a.pid, coalesce(nullif(a.application_name, ''), \
               'without a name'), to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS +00')) \
               FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
               WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
               AND l.classid::bigint << 32 | l.objid::bigint = $1";
    let holder = query::value_if_any(client, sql, &[(&LOCK, Type::INT8)]).await;
    let holder: Option<String> = holder.map_err(database("looking who locks the migrations"))?;
    Ok(holder.unwrap_or_else(|| "its holder has just gone".to_owned()))
}

async fn run(transaction: Transaction<'_>, target: Target<'_>) -> Result<Migrated, MigrateError> {
    create_schema(&transaction, "oauthctl").await?;
    let history = target.history(&transaction).await?;
    if let Target::Provider { schema } = target {
        check_ownership(&transaction, schema, &history).await?;
    }
    let mut runner = target.runner().set_grouped(true).set_abort_divergent(true).set_abort_missing(true);
    let newest = runner.get_migrations().iter().map(|migration| i64::from(migration.version())).max();
    let report = runner
        .set_migration_table_name(&history)
        .run_async(&mut Within(&transaction))
        .await
        .map_err(|error| explain(error, history, newest.unwrap_or_default()))?;
    transaction.commit().await.map_err(database("committing the migrations"))?;
    Ok(Migrated { applied: report.applied_migrations().iter().map(ToString::to_string).collect() })
}

/// Refuses if Django migrates here, if tables exist that we would create, and if ours are missing.
async fn check_ownership(
    client: &impl GenericClient,
    schema: &str,
    history: &str,
) -> Result<(), MigrateError> {
    let ours = has_history(client, history).await?;
    let found = tables(client, schema).await?;
    let of_django = |name: &str| name == "django_migrations";
    let of_provider = |name: &str| PROVIDER_TABLES.contains(&name) || name.starts_with("oauth2_provider_");
    let occupied = |name: &&String| of_django(name) || (!ours && of_provider(name));
    let in_the_way: Vec<String> = found.iter().filter(occupied).cloned().collect();
    if !in_the_way.is_empty() {
        return Err(MigrateError::Occupied { schema: schema.to_owned(), tables: in_the_way });
    }
    let absent = |name: &&&str| !found.iter().any(|table| table == *name);
    let vanished: Vec<String> =
        PROVIDER_TABLES.iter().filter(absent).map(|name| (*name).to_owned()).collect();
    if ours && !vanished.is_empty() {
        let (history, schema) = (history.to_owned(), schema.to_owned());
        return Err(MigrateError::Vanished { history, schema, tables: vanished });
    }
    Ok(())
}

/// Whether a migration has ever been recorded there.
async fn has_history(client: &impl GenericClient, history: &str) -> Result<bool, MigrateError> {
    let attempted = "reading the history of the migrations";
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    let known = query::value(client, sql, &[(&history, Type::TEXT)]).await;
    if !known.map_err(database(attempted))? {
        return Ok(false);
    }
    // The name comes quoted from the server.
    query::value(client, &format!("SELECT EXISTS (SELECT FROM {history})"), &[])
        .await
        .map_err(database(attempted))
}

/// The names of the tables and views of a schema, sorted. Read from the catalog, which needs no privilege on them.
async fn tables(client: &impl GenericClient, schema: &str) -> Result<Vec<String>, MigrateError> {
    let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.relname";
    let names = query::rows(client, sql, &[(&schema, Type::TEXT)], |row| row.get(0)).await;
    names.map_err(database("listing the tables of the schema"))
}

/// `CREATE SCHEMA IF NOT EXISTS` needs the privilege to create one even if it exists.
async fn create_schema(client: &impl GenericClient, schema: &str) -> Result<(), MigrateError> {
    let attempted = "creating a schema";
    let exists = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    if query::value(client, exists, &[(&schema, Type::TEXT)]).await.map_err(database(attempted))? {
        return Ok(());
    }
    let statement = text(client, "SELECT format('CREATE SCHEMA %I', $1)", schema, attempted).await?;
    client.batch_execute(&statement).await.map_err(database(attempted))
}

/// Asks the server for one text, given another.
async fn text(
    client: &impl GenericClient,
    sql: &str,
    argument: &str,
    attempted: &str,
) -> Result<String, MigrateError> {
    query::value(client, sql, &[(&argument, Type::TEXT)]).await.map_err(database(attempted))
}

fn database(attempted: &str) -> impl FnOnce(tokio_postgres::Error) -> MigrateError + use<> {
    let attempted = attempted.to_owned();
    move |source| DbError::new(attempted, source).into()
}

/// refinery's errors in terms of what has happened here.
fn explain(error: refinery::Error, history: String, newest: i64) -> MigrateError {
    if is_locked(&error) {
        return MigrateError::Locked { history };
    }
    match error.kind() {
        Kind::MissingVersion(applied) if i64::from(applied.version()) > newest => {
            return MigrateError::Newer { history, applied: applied.to_string(), newest };
        }
        Kind::MissingVersion(migration) | Kind::DivergentVersion(migration, _) => {
            return MigrateError::Edited { history, migration: migration.to_string() };
        }
        _ => {}
    }
    MigrateError::Library { history, source: Box::new(Refused(error)) }
}

/// Whether `lock_timeout` ran out, somewhere below.
fn is_locked(error: &(dyn Error + 'static)) -> bool {
    let code =
        error.downcast_ref::<tokio_postgres::error::DbError>().map(tokio_postgres::error::DbError::code);
    code == Some(&SqlState::LOCK_NOT_AVAILABLE) || error.source().is_some_and(is_locked)
}

/// refinery's error, saying what was being done and leaving the cause to the cause.
#[derive(Debug)]
struct Refused(refinery::Error);

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            Kind::Connection(attempted, _) => out.write_str(attempted),
            other => other.fmt(out),
        }
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

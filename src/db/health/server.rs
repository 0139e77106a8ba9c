//! The server, the connection, the role's privileges, and what Django has written down.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use crate::db::engine;
use crate::db::layout::Layout;
use crate::db::ledger::{Ledger, Use};
use crate::db::query;
use crate::db::rights::{Task, lacking, may_read_secrets};
use crate::db::writable;
use crate::model::health::{DjangoHint, Encryption, LedgerRights, Privileges, Purpose, Server};
use crate::model::printable::quote;

/// `has_parameter_privilege()` exists since.
const PARAMETER_PRIVILEGES: i32 = 150_000;

/// Reads which server answered, and as which role it sees us.
pub async fn server(client: &impl GenericClient, layout: Option<&Layout>) -> Result<Server, Error> {
    let sql = "SELECT current_setting('server_version'), current_setting('server_version_num')::int, version(), \
                      current_database()::text, current_user::text, current_setting('server_encoding'), host(inet_server_addr()), \
                      ARRAY(SELECT extname::text FROM pg_extension ORDER BY 1), \
                      coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false)";
    let row = client.query_typed_one(sql, &[]).await?;
    Ok(Server {
        version: row.get(0),
        version_number: row.get(1),
        database: row.get(3),
        role: row.get(4),
        read_only: writable::read_only(client).await?,
        encoding: row.get(5),
        address: row.get(6),
        repackers: row.get::<_, Vec<&str>>(7).iter().filter_map(|name| name.parse().ok()).collect(),
        superuser: row.get(8),
        engine: engine::recognise(client, layout).await?,
        banner: row.get(2),
    })
}

/// TLS of this session; `None`: there is none.
pub async fn encryption(client: &impl GenericClient) -> Result<Option<Encryption>, Error> {
    let sql = "SELECT version, cipher, bits FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
    let row = client.query_typed_opt(sql, &[]).await?;
    Ok(row.map(|row| Encryption { version: row.get(0), cipher: row.get(1), bits: row.get(2) }))
}

/// What the verbs are going to do, for [`privileges`].
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// What each verb does.
    pub tasks: BTreeMap<Purpose, Task<'a>>,
    /// What `status` does.
    pub status: Task<'a>,
    /// What `strategy = "rewrite"` does.
    pub rewrite: Task<'a>,
    /// Whether the file needs the ledger.
    pub ledger: bool,
}

/// What a role lacks: `role`, or the one that asks.
pub async fn privileges(
    client: &impl GenericClient,
    layout: &Layout,
    server: &Server,
    role: Option<&str>,
    wanted: &Wanted<'_>,
) -> Result<Privileges, Error> {
    let mut lacks = BTreeMap::new();
    for (purpose, task) in &wanted.tasks {
        lacks.insert(*purpose, lacking(client, layout, role, task).await?);
    }
    let users = lacking(client, layout, role, &Task { users: true, ..Task::default() }).await?;
    let name = role.unwrap_or(&server.role);
    let sql = "SELECT coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = $1), false)";
    Ok(Privileges {
        role: users.role.clone(),
        superuser: query::value(client, sql, &[(&name, Type::TEXT)]).await?,
        lacks,
        status: lacking(client, layout, role, &wanted.status).await?,
        rewrite: lacking(client, layout, role, &wanted.rewrite).await?,
        reads_secrets: may_read_secrets(client, layout, role).await?,
        users,
        replication_role: replication_role(client, server, name).await?,
        ledger: match Ledger::find(client).await? {
            None => LedgerRights::Absent,
            Some(ledger) => LedgerRights::There {
                outdated: ledger.is_outdated(),
                reading: ledger.lacks(client, role, Use::Ownership).await?,
                writing: ledger.lacks(client, role, Use::Manage).await?,
                steps: ledger.lacks(client, role, Use::NoteSteps).await?,
            },
        },
        ledger_needed: wanted.ledger,
    })
}

async fn replication_role(
    client: &impl GenericClient,
    server: &Server,
    role: &str,
) -> Result<Option<bool>, Error> {
    if server.version_number < PARAMETER_PRIVILEGES {
        return Ok(None);
    }
    let sql = "SELECT has_parameter_privilege($1::text::name, 'session_replication_role', 'SET')";
    query::value(client, sql, &[(&role, Type::TEXT)]).await.map(Some)
}

/// Whether there is such a role.
pub async fn role_exists(client: &impl GenericClient, role: &str) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1::text)";
    query::value(client, sql, &[(&role, Type::TEXT)]).await
}

/// The last migration that Django has run, if it says so beside the application table or in the search path.
pub async fn django_hint(client: &impl GenericClient, layout: &Layout) -> Result<DjangoHint, Error> {
    let schema = &layout.application().schema;
    let sql = "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1 AND c.relname = 'django_migrations' AND has_table_privilege(c.oid, 'SELECT')";
    let readable = client.query_typed_opt(sql, &[(schema, Type::TEXT)]).await?;
    if readable.is_none() {
        return Ok(DjangoHint { last: None });
    }
    let sql = format!(
        "SELECT max(name COLLATE \"C\")::text FROM {}.django_migrations WHERE app = 'oauth2_provider'",
        quote(schema)
    );
    Ok(DjangoHint { last: query::value(client, &sql, &[]).await? })
}

//! The server, the connection, the role's privileges, and what Django has written down.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use super::oids;
use crate::db::engine;
use crate::db::layout::{Layout, quote};
use crate::db::writable;
use crate::model::health::{
    DjangoHint, Encryption, LedgerRights, Privilege, Privileges, Server, TableRights,
};

/// `has_parameter_privilege()` exists since.
const PARAMETER_PRIVILEGES: i32 = 150_000;

/// Who answered.
pub async fn server(client: &impl GenericClient, layout: Option<&Layout>) -> Result<Server, Error> {
    let row = client
        .query_typed_one(
            "SELECT current_setting('server_version'), current_setting('server_version_num')::int, version(), \
                    current_database()::text, current_user::text, current_setting('server_encoding'), host(inet_server_addr()), \
                    coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false)",
            &[],
        )
        .await?;
    Ok(Server {
        version: row.get(0),
        version_number: row.get(1),
        database: row.get(3),
        role: row.get(4),
        read_only: writable::read_only(client).await?,
        encoding: row.get(5),
        address: row.get(6),
        superuser: row.get(7),
        engine: engine::recognise(client, layout).await?,
        banner: row.get(2),
    })
}

/// TLS of this session; `None`: there is none.
pub async fn encryption(client: &impl GenericClient) -> Result<Option<Encryption>, Error> {
    let row = client
        .query_typed_opt(
            "SELECT version, cipher, bits FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl",
            &[],
        )
        .await?;
    Ok(row.map(|row| Encryption { version: row.get(0), cipher: row.get(1), bits: row.get(2) }))
}

/// What a role may do: `role`, or the one that asks.
pub async fn privileges(
    client: &impl GenericClient,
    layout: &Layout,
    server: &Server,
    role: Option<&str>,
) -> Result<Privileges, Error> {
    let role = role.unwrap_or(&server.role);
    let rows = client
        .query_typed(
            "SELECT c.oid, format('%I.%I', n.nspname, c.relname), quote_ident(n.nspname), \
                    has_schema_privilege($2::text::name, n.oid, 'USAGE'), \
                    ARRAY(SELECT has_table_privilege($2::text::name, c.oid, p) \
                          FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) WITH ORDINALITY AS w(p, n) ORDER BY n), \
                    (SELECT s.oid::regclass::text FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
                     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid AND a.attidentity = '' \
                     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid \
                       AND d.deptype = 'a' \
                       AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege($2::text::name, s.oid, 'USAGE') END LIMIT 1) \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1)",
            &[(&oids(layout), Type::OID_ARRAY), (&role, Type::TEXT)],
        )
        .await?;
    let mut locked_schemas = BTreeSet::new();
    let mut tables = Vec::new();
    for row in rows {
        let Some(table) = layout.role_of(row.get(0)) else { continue };
        if !row.get::<_, bool>(3) {
            locked_schemas.insert(row.get::<_, String>(2));
        }
        let granted = Privilege::ALL
            .into_iter()
            .zip(row.get::<_, Vec<bool>>(4))
            .filter_map(|(privilege, granted)| granted.then_some(privilege))
            .collect();
        tables.push(TableRights { role: table, table: row.get(1), granted, locked_sequence: row.get(5) });
    }
    tables.sort_by_key(|rights| rights.role);
    let users = layout.users.as_ref().map_or(0, |users| users.oid);
    let row = client
        .query_typed_one(
            "SELECT quote_ident($1::text), has_database_privilege($1::text::name, current_database(), 'TEMPORARY'), \
                    (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE c.oid = $2 AND NOT has_table_privilege($1::text::name, c.oid, 'SELECT')), \
                    (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = 'oauthctl' AND c.relname IN ('run', 'managed_application', 'table_measurement')), \
                    (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = 'oauthctl' AND c.relname IN ('run', 'managed_application', 'table_measurement') \
                       AND has_schema_privilege($1::text::name, n.oid, 'USAGE') \
                       AND has_table_privilege($1::text::name, c.oid, 'SELECT') \
                       AND has_table_privilege($1::text::name, c.oid, 'INSERT') \
                       AND has_table_privilege($1::text::name, c.oid, 'UPDATE')), \
                    coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = $1::text), false)",
            &[(&role, Type::TEXT), (&users, Type::OID)],
        )
        .await?;
    let (ledger, writable): (i64, i64) = (row.get(3), row.get(4));
    Ok(Privileges {
        role: row.get(0),
        superuser: row.get(5),
        locked_schemas: locked_schemas.into_iter().collect(),
        tables,
        unreadable_users: row.get(2),
        replication_role: replication_role(client, server, role).await?,
        temporary: row.get(1),
        ledger: match (ledger, writable) {
            (0, _) => LedgerRights::Absent,
            (2, 2) => LedgerRights::Outdated,
            (there, writable) if there == writable => LedgerRights::Writable,
            _ => LedgerRights::Locked,
        },
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
    Ok(Some(client.query_typed_one(sql, &[(&role, Type::TEXT)]).await?.get(0)))
}

/// Whether there is such a role.
pub async fn role_exists(client: &impl GenericClient, role: &str) -> Result<bool, Error> {
    let row = client
        .query_typed_one(
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1::text)",
            &[(&role, Type::TEXT)],
        )
        .await?;
    Ok(row.get(0))
}

/// The last migration that Django has run, if it says so beside the application table or in the search path.
pub async fn django_hint(client: &impl GenericClient, layout: &Layout) -> Result<DjangoHint, Error> {
    let schema = &layout.application().schema;
    let readable = client
        .query_typed_opt(
            "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1 AND c.relname = 'django_migrations' AND has_table_privilege(c.oid, 'SELECT')",
            &[(schema, Type::TEXT)],
        )
        .await?;
    if readable.is_none() {
        return Ok(DjangoHint { last: None });
    }
    let sql = format!(
        "SELECT max(name COLLATE \"C\")::text FROM {}.django_migrations WHERE app = 'oauth2_provider'",
        quote(schema)
    );
    Ok(DjangoHint { last: client.query_typed_one(&sql, &[]).await?.get(0) })
}

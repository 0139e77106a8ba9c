//! Rows that should not be as they are. Never selects a token or a secret.

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use crate::db::layout::Layout;
use crate::db::query::{self, unsigned};
use crate::model::TableRole;
use crate::model::health::{Duplicates, PlainSecrets};
use crate::model::printable::quote;

/// Refresh tokens that share one token. `None`: the database lets no two have the same. DOT's migration 0023 keeps the
/// one that is not revoked, then the newest, then the one with the highest key.
pub async fn duplicates(client: &impl GenericClient, layout: &Layout) -> Result<Option<Duplicates>, Error> {
    let Some(table) = layout.table(TableRole::RefreshToken) else { return Ok(None) };
    let token = if table.has("token_checksum") { "token_checksum" } else { "token" };
    let sql = "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
               WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL \
                 AND a.attname = $2)";
    if query::value(client, sql, &[(&table.oid, Type::OID), (&token, Type::TEXT)]).await? {
        return Ok(None);
    }
    let (key, sql) = (table.key_sql(), table.sql());
    let has = |column: &'static str| table.has(column).then_some(column);
    let newest = has("created").map_or(String::new(), |column| format!("{column} DESC, "));
    let rest = format!(
        "FROM (SELECT *, row_number() OVER (PARTITION BY {token} ORDER BY (revoked IS NULL) DESC, {newest}{key} DESC) AS place \
         FROM {sql} WHERE {token} IN (SELECT {token} FROM {sql} GROUP BY {token} HAVING count(*) > 1)) t WHERE place > 1"
    );
    let counts = format!("SELECT count(*), count(*) FILTER (WHERE revoked IS NULL) {rest}");
    let row = client.query_typed_one(&counts, &[]).await?;
    let shown: Vec<String> = std::iter::once(key.clone())
        .chain(["user_id", "application_id", "created", "revoked"].into_iter().filter_map(has).map(quote))
        .collect();
    Ok(Some(Duplicates {
        swapped: table.name != TableRole::RefreshToken.default_table(),
        rows: unsigned(row.get(0)),
        live: unsigned(row.get(1)),
        select: format!("SELECT {} {rest} ORDER BY {key};", shown.join(", ")),
        table: table.qualified_name(),
    }))
}

/// Secrets in clear in rows with `hash_client_secret`: what `loaddata`, `update()` and `bulk_update()` leave. A secret that
/// begins like a hash or like an encrypted text does not count, so the number may be too low.
pub async fn plain_secrets(
    client: &impl GenericClient,
    layout: &Layout,
) -> Result<Option<PlainSecrets>, Error> {
    let table = layout.application();
    if !table.has("hash_client_secret") {
        return Ok(None);
    }
    let sql = table.sql();
    let rest = format!(
        "FROM {sql} WHERE hash_client_secret AND client_secret <> '' AND client_secret !~ '^[A-Za-z0-9_-]*[$]|^gAAAA|^vault:v'"
    );
    let rows = query::value(client, &format!("SELECT count(*) {rest}"), &[]).await?;
    let select = format!("SELECT client_id, name {rest} ORDER BY client_id;");
    Ok(Some(PlainSecrets { table: table.qualified_name(), rows: unsigned(rows), select }))
}

//! Applications that use what a version of DOT that is to come will not serve.

use tokio_postgres::{Error, GenericClient};

use crate::db::layout::Layout;
use crate::db::query::{self, unsigned};
use crate::model::TableRole;
use crate::model::health::Affected;

/// All that may be affected, by client id, with the tokens that are live. Which of them are is decided elsewhere.
pub async fn affected(client: &impl GenericClient, layout: &Layout) -> Result<Vec<Affected>, Error> {
    let table = layout.application();
    let (application, key) = (table.sql(), table.key_sql());
    let count = |role: TableRole, column: &str, condition: &str| match layout.table(role) {
        Some(table) if table.has(column) => {
            let table = table.sql();
            format!("(SELECT count(*) FROM {table} d WHERE d.application_id = t.{key} AND {condition})")
        }
        _ => "0::bigint".to_owned(),
    };
    let sql = format!(
        "SELECT t.client_id::text, t.name::text, t.authorization_grant_type::text, t.redirect_uris::text, {plain}, {access}, \
                {refresh} \
         FROM {application} t \
         WHERE t.authorization_grant_type IN ('implicit', 'password') OR t.redirect_uris LIKE '%*%' \
            OR t.redirect_uris ILIKE '%http:%' OR {plain} > 0 \
         ORDER BY t.client_id::text COLLATE \"C\"",
        plain = count(TableRole::Grant, "code_challenge_method", "d.code_challenge_method = 'plain'"),
        access = count(TableRole::AccessToken, "expires", "d.expires > now()"),
        refresh = count(TableRole::RefreshToken, "revoked", "d.revoked IS NULL"),
    );
    let text = |row: &tokio_postgres::Row, at: usize| row.get::<_, Option<String>>(at).unwrap_or_default();
    query::rows(client, &sql, &[], |row| Affected {
        client_id: text(row, 0),
        name: text(row, 1),
        authorization_grant_type: text(row, 2),
        redirect_uris: text(row, 3),
        plain_pkce_codes: unsigned(row.get(4)),
        access_tokens_live: unsigned(row.get(5)),
        refresh_tokens_live: unsigned(row.get(6)),
    })
    .await
}

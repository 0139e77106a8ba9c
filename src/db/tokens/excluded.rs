//! The applications whose rows are left alone.

use std::collections::BTreeSet;

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use super::{TokensError, attempt};
use crate::db::layout::Layout;
use crate::db::query;
use crate::model::{ClientId, Sweep, TableRole};

/// Applications, as statements need them.
#[derive(Clone, Debug, Default)]
pub struct Excluded {
    /// Their keys, as PostgreSQL writes an array.
    pub(super) keys: String,
    /// Their client ids.
    pub(super) clients: Vec<String>,
    /// The client ids of applications that are not deleted, by the sweeps that delete some.
    pub(super) spared: Vec<String>,
}

impl Excluded {
    /// Finds the keys of the applications that the sweeps leave alone. One that does not exist has no rows.
    pub async fn resolve(
        client: &impl GenericClient,
        layout: &Layout,
        sweeps: &[Sweep],
    ) -> Result<Self, TokensError> {
        let (applications, tokens): (Vec<&Sweep>, Vec<&Sweep>) =
            sweeps.iter().partition(|sweep| sweep.role() == TableRole::Application);
        let (clients, spared) = (clients(&tokens), clients(&applications));
        if clients.is_empty() {
            return Ok(Self { spared, ..Self::default() });
        }
        let table = layout.application();
        let sql = format!(
            "SELECT coalesce(array_agg({}), '{{}}')::text FROM {} WHERE client_id = ANY($1)",
            table.key_sql(),
            table.sql()
        );
        let keys = query::value(client, &sql, &[(&clients, Type::TEXT_ARRAY)]).await.map_err(looking())?;
        Ok(Self { keys, clients, spared })
    }

    /// Whether no application keeps its rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}

fn clients(sweeps: &[&Sweep]) -> Vec<String> {
    let clients: BTreeSet<&ClientId> = sweeps.iter().flat_map(|sweep| &sweep.excluded).collect();
    clients.into_iter().map(|client| client.as_str().to_owned()).collect()
}

/// Those of the clients that have no application: probably misspelt.
pub async fn unknown_clients(
    client: &impl GenericClient,
    layout: &Layout,
    clients: &BTreeSet<ClientId>,
) -> Result<Vec<ClientId>, TokensError> {
    let wanted: Vec<&str> = clients.iter().map(ClientId::as_str).collect();
    let sql = format!("SELECT client_id::text FROM {} WHERE client_id = ANY($1)", layout.application().sql());
    let found = query::rows(client, &sql, &[(&wanted, Type::TEXT_ARRAY)], |row| row.get(0)).await;
    let found: Vec<String> = found.map_err(looking())?;
    Ok(clients.iter().filter(|client| !found.iter().any(|found| found == client.as_str())).cloned().collect())
}

fn looking() -> impl FnOnce(tokio_postgres::Error) -> TokensError {
    attempt("looking for the applications that are left alone")
}

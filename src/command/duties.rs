//! What each verb does to a database by this file: for `doctor`, which asks whether a role may, and for `migrate --roles`,
//! which makes roles that may.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;

use super::desired::mentioned;
use super::rights;
use crate::config::Config;
use crate::db::applications;
use crate::db::error::DbError;
use crate::db::health::server;
use crate::db::layout::Layout;
use crate::db::rights::{Columns, DEPENDENTS, Extent, Task};
use crate::model::health::Purpose;
use crate::model::{CleanupPolicy, Field, Prune, Strategy, Sweep, TableRole};
use crate::plan::retention;

/// What a cleanup by the file's policy would delete now.
pub async fn sweeps(
    snapshot: &Transaction<'_>,
    layout: &Layout,
    config: &Config,
) -> Result<Vec<Sweep>, DbError> {
    let policy = config.cleanup.clone().unwrap_or_default();
    let policy = CleanupPolicy { declared: config.spared(), ..policy };
    let now = applications::instant(&**snapshot).await?;
    Ok(retention::sweeps(&policy, now, &layout.roles()))
}

/// What each verb does by this file; without a file, everything that it can do.
pub fn of_verbs<'a>(layout: &Layout, config: &Config, sweeps: &'a [Sweep]) -> server::Wanted<'a> {
    let no_file = config.source.text().is_empty();
    let deletes = no_file || config.policy.prune != Prune::Never || !config.desired.removed.is_empty();
    let cleans = no_file || config.cleanup.is_some();
    let mentioned = mentioned(&config.desired);
    let users = !mentioned.users.is_empty();
    let tokens = TableRole::ALL.iter().copied().filter(|role| *role != TableRole::Application).collect();
    let status = Task { applications: Some(Extent::Whole), tokens, users, ..Task::default() };
    let reads = Task { tokens: DEPENDENTS.to_vec(), ..status.clone() };
    let policy = config.cleanup.clone().unwrap_or_default();
    let counted = if cleans { rights::read_by(&policy, &layout.roles()) } else { DEPENDENTS.to_vec() };
    let plan = Task { tokens: counted, ..status.clone() };
    let without_secrets = Task { applications: Some(Extent::WithoutSecrets), narrow: true, ..plan.clone() };
    let table = layout.application();
    let fields = || {
        let own = mentioned.columns.keys().map(String::as_str);
        Field::ALL.iter().map(|field| field.column()).chain(own)
    };
    let creates = Some(Columns::These(applications::inserted_columns(table, fields())));
    let secret = applications::updated_columns(table, [Field::ClientSecret.column()]);
    let rewrites = config.cleanup.as_ref().is_some_and(|policy| policy.pace.strategy == Strategy::Rewrite);
    let apply = Task {
        creates: creates.clone(),
        updates: Some(Columns::These(applications::updated_columns(table, fields()))),
        locks: true,
        deletes,
        sweeps: if cleans { sweeps } else { &[] },
        rewrites: rewrites && cleans,
        ..reads.clone()
    };
    let rotate = Task { users: true, updates: Some(Columns::These(secret)), locks: true, ..reads.clone() };
    let create = Task { applications: Some(Extent::Whole), creates, ..Task::default() };
    let clean = Task { sweeps, rewrites, ..Task::default() };
    server::Wanted {
        tasks: BTreeMap::from([
            (Purpose::Plan, plan),
            (Purpose::PlanWithoutSecrets, without_secrets),
            (Purpose::Apply, apply),
            (Purpose::Createapplication, create),
            (Purpose::RotateSecret, rotate),
            (Purpose::Cleartokens, clean),
        ]),
        status,
        rewrite: Task { sweeps, rewrites: true, ..Task::default() },
        ledger: config.policy.prune == Prune::Owned,
    }
}

//! What `doctor` reads: each fact under a savepoint, so that one that cannot be read ends nothing else.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;

use crate::command::duties;
use crate::command::look::{look, try_look};
use crate::config::Config;
use crate::db::applications::{self, MarkError};
use crate::db::error::DbError;
use crate::db::health::{beside, registrations, sequences, server, storage, stored, upgrade as upgrades};
use crate::db::layout::{Layout, LayoutError, Table};
use crate::db::session;
use crate::db::tokens::definer::Found;
use crate::db::tokens::{self, TokensError};
use crate::error::Error;
use crate::health::{Facts, Look, NoSchema, Shape, Terms};
use crate::model::health::{Affected, Encryption, Functions, Registrations, Server};
use crate::model::{BlockingRows, FkChecks, ReferenceFault, ReferenceName, Sweep, TableRole};

/// Reads the facts in one snapshot. What the role may not see becomes a reason, not an error.
pub(super) async fn facts(
    snapshot: &mut Transaction<'_>,
    config: &Config,
    role: Option<&str>,
    terms: &Terms,
    upgrade: bool,
) -> Result<Result<Facts, Vec<(ReferenceName, ReferenceFault)>>, Error> {
    let starting = "starting to look";
    session::begin_doctor(snapshot).await.map_err(DbError::during(starting))?;
    let layout = layout(snapshot, config).await?;
    // Names are qualified by now; see `Patience::snapshot`.
    session::set_search_path(snapshot, None).await.map_err(DbError::during(starting))?;
    let server = look(snapshot, "asking who answers", async |client| {
        server::server(client, layout.as_ref().ok()).await
    })
    .await?;
    let encryption =
        look(snapshot, "looking at TLS", async |client| server::encryption(client).await).await?;
    let mut layout = match layout {
        Ok(layout) => layout,
        Err(missing) => return Ok(Ok(without_tables(server, encryption, missing))),
    };
    let faults = layout.declare(&**snapshot, &config.references).await;
    let faults = faults.map_err(DbError::during("looking for the references that are declared"))?;
    if !faults.is_empty() {
        return Ok(Err(faults));
    }
    if let Some(role) = role {
        let exists =
            look(snapshot, "looking for the role", async |client| server::role_exists(client, role).await);
        if exists.await? == Ok(false) {
            return Err(Error::usage(format!("there is no role \"{role}\" on this server")));
        }
    }
    let wrong = wrong_marks(&mut layout, config);
    let asked = server.clone().unwrap_or_default();
    let sweeps = duties::sweeps(snapshot, &layout, config).await?;
    let wanted = duties::of_verbs(&layout, config, &sweeps);
    Ok(Ok(Facts {
        django: look(snapshot, "reading django_migrations", async |client| {
            server::django_hint(client, &layout).await
        })
        .await?,
        registrations: look(
            snapshot,
            "looking for applications that registered themselves",
            async |client| {
                Ok(Registrations { wrong, found: registrations::registrations(client, &layout).await? })
            },
        )
        .await?,
        privileges: look(snapshot, "looking at the privileges", async |client| {
            server::privileges(client, &layout, &asked, role, &wanted).await
        })
        .await?,
        sequences: look(snapshot, "looking at the sequences", async |client| {
            sequences::behind(client, &layout).await
        })
        .await?,
        plain_secrets: look(snapshot, "looking at the client secrets", async |client| {
            stored::plain_secrets(client, &layout).await
        })
        .await?,
        duplicates: look(snapshot, "looking for refresh tokens that share one token", async |client| {
            stored::duplicates(client, &layout).await
        })
        .await?,
        affected: if upgrade { Some(affected(snapshot, &layout).await?) } else { None },
        storage: look(snapshot, "looking at the tables and their indexes", async |client| {
            let mut tables = storage::storage(client, &layout, role).await?;
            storage::add_indexes(client, &mut tables).await?;
            Ok(tables)
        })
        .await?,
        autovacuum: look(snapshot, "looking at the settings", async |client| {
            storage::autovacuum(client).await
        })
        .await?,
        referrers: look(snapshot, "looking at the foreign keys", async |client| {
            storage::referrers(client, &layout).await
        })
        .await?,
        blocking_rows: blocking_rows(snapshot, &layout, &sweeps).await?,
        functions: functions(snapshot, &layout, (&sweeps, role), config).await?,
        triggers: look(snapshot, "looking at the triggers", async |client| {
            storage::triggers(client, &layout).await
        })
        .await?,
        beside: look(snapshot, "looking at other sessions", async |client| {
            beside::beside(client, &layout, terms.long_transaction).await
        })
        .await?,
        prepared: look(snapshot, "looking for prepared transactions", async |client| {
            beside::prepared(client).await
        })
        .await?,
        slots: look(snapshot, "looking at the replication slots", async |client| beside::slots(client).await)
            .await?,
        standbys: look(snapshot, "looking at the standbys", async |client| beside::standbys(client).await)
            .await?,
        schema: Ok(shapes(&layout)),
        encryption,
        server,
    }))
}

/// Lets the layout tell by the marks of the file which applications registered themselves; what is wrong with others.
fn wrong_marks(layout: &mut Layout, config: &Config) -> Vec<String> {
    let Err(errors) = applications::mark(layout, &config.policy.dynamic) else { return Vec::new() };
    let text = |(position, error): (usize, MarkError)| {
        let column = config.policy.dynamic.get(position).map_or("", |mark| mark.column.as_str());
        format!("[policy] dynamic, column \"{column}\": {error}")
    };
    errors.into_iter().map(text).collect()
}

/// What a newer DOT may not serve.
async fn affected(snapshot: &mut Transaction<'_>, layout: &Layout) -> Result<Look<Vec<Affected>>, DbError> {
    let attempted = "looking for what a newer DOT refuses";
    look(snapshot, attempted, async |client| upgrades::affected(client, layout).await).await
}

/// The tables, or why they cannot be worked with.
async fn layout(snapshot: &mut Transaction<'_>, config: &Config) -> Result<Result<Layout, NoSchema>, Error> {
    let savepoint = snapshot.savepoint("look").await.map_err(DbError::during("looking at the tables"))?;
    match Layout::probe(&*savepoint, &config.database.tables).await {
        Ok(layout) => {
            savepoint.commit().await.map_err(DbError::during("looking at the tables"))?;
            Ok(Ok(layout))
        }
        Err(LayoutError::Database(error)) => Err(error.into()),
        Err(error) => {
            let error = Error::from(error);
            savepoint.rollback().await.map_err(DbError::during("looking at the tables"))?;
            Ok(Err(NoSchema { reason: error.to_string(), hints: error.hints().to_vec() }))
        }
    }
}

fn without_tables(server: Look<Server>, encryption: Look<Option<Encryption>>, missing: NoSchema) -> Facts {
    fn not<T>() -> Look<T> {
        Err("there are no tables".to_owned())
    }
    Facts {
        server,
        encryption,
        schema: Err(missing),
        django: not(),
        registrations: not(),
        privileges: not(),
        sequences: not(),
        plain_secrets: not(),
        duplicates: not(),
        affected: None,
        storage: not(),
        autovacuum: not(),
        referrers: not(),
        blocking_rows: not(),
        functions: not(),
        triggers: not(),
        beside: not(),
        prepared: not(),
        slots: not(),
        standbys: not(),
    }
}

/// Rows of other tables that refer to what cleanup would delete.
async fn blocking_rows(
    snapshot: &mut Transaction<'_>,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<Look<Vec<BlockingRows>>, DbError> {
    let attempted = "looking for rows of other tables that prevent cleanup";
    try_look(snapshot, attempted, async |client| looked(tokens::blocking_rows(client, layout, sweeps).await))
        .await
}

/// What was found; nothing is deleted here, so there is no other error than one of the database.
fn looked<T: Default>(found: Result<T, TokensError>) -> Result<T, DbError> {
    match found {
        Ok(found) => Ok(found),
        Err(TokensError::Database(error)) => Err(error),
        Err(
            TokensError::Vetoed { .. }
            | TokensError::Referenced { .. }
            | TokensError::Awaited { .. }
            | TokensError::Altered
            | TokensError::Lost,
        ) => Ok(T::default()),
    }
}

/// The functions of `migrate --definer`, for the sweeps of the file.
async fn functions(
    snapshot: &mut Transaction<'_>,
    layout: &Layout,
    (sweeps, role): (&[Sweep], Option<&str>),
    config: &Config,
) -> Result<Look<Functions>, DbError> {
    let wanted = config.cleanup.as_ref().is_some_and(|policy| policy.pace.fk_checks != FkChecks::Triggers);
    try_look(snapshot, "looking at the functions of `migrate --definer`", async |client| {
        let found = looked(Found::find(client, layout, sweeps, role).await)?;
        Ok(match found {
            Found::Absent => Functions::Absent,
            Found::Fit(_) => Functions::Fit,
            Found::Unfit(reasons) => Functions::Unfit { reasons, wanted },
        })
    })
    .await
}

fn shapes(layout: &Layout) -> BTreeMap<TableRole, Shape> {
    let shape = |role: TableRole, table: &Table| Shape {
        table: table.qualified_name(),
        swapped: table.name != role.default_table(),
        columns: table.columns.keys().cloned().collect(),
    };
    layout.tables().map(|(role, table)| (role, shape(role, table))).collect()
}

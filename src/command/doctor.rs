//! `doctor`: looks at everything that can go wrong, and says what to type. Alters nothing: one read-only transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::{Args, ValueEnum};
use deadpool_postgres::Transaction;

use super::Format;
use super::look::{look, try_look};
use super::reconcile::mentioned;
use super::session::{Session, variable};
use crate::config::{Config, duration};
use crate::db::applications;
use crate::db::error::DbError;
use crate::db::health::{beside, sequences, server, storage};
use crate::db::layout::{Layout, LayoutError};
use crate::db::rights::{Columns, DEPENDENTS, Task};
use crate::db::session;
use crate::db::tokens::{self, TokensError};
use crate::error::{Error, Exit};
use crate::health::{self, Facts, Look, NoSchema, Purpose, Report, Shape, Terms, Verdict};
use crate::model::health::{Encryption, Server};
use crate::model::{BlockingRows, CleanupPolicy, Field, Prune, Strategy, Sweep, TableRole};
use crate::plan::retention;
use crate::ui::doctor::{json, render};

/// The flags of `doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// What the role is to do; repeat the flag, or separate with commas. Default: everything.
    #[arg(long = "for", value_name = "VERB", value_enum, value_delimiter = ',')]
    purposes: Vec<Wanted>,
    /// Look at the privileges of this role instead of those of the one that logs in.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// From when on an open transaction is too long.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    long_transaction: Duration,
}

/// `--for`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// plan, status and whatever else only reads.
    Plan,
    /// apply.
    Apply,
    /// createapplication.
    Createapplication,
    /// rotate-secret.
    RotateSecret,
    /// cleartokens.
    Cleartokens,
}

impl DoctorArgs {
    fn terms(&self) -> Terms {
        let wanted = if self.purposes.is_empty() { Wanted::value_variants() } else { &self.purposes };
        let purposes = wanted.iter().map(|wanted| match wanted {
            Wanted::Plan => Purpose::Plan,
            Wanted::Apply => Purpose::Apply,
            Wanted::Createapplication => Purpose::Createapplication,
            Wanted::RotateSecret => Purpose::RotateSecret,
            Wanted::Cleartokens => Purpose::Cleartokens,
        });
        Terms { purposes: purposes.collect(), long_transaction: self.long_transaction }
    }
}

/// Looks, judges and shows.
pub async fn run(session: &mut Session, args: &DoctorArgs) -> Result<Exit, Error> {
    let config = session.load_without_secrets()?;
    // Held until the end: the embedded server stops with its last user.
    let (database, _embedded) = match session.open(&config.database, "doctor", 1).await {
        Ok(opened) => opened,
        Err(error) if error.exit() == Exit::Unreachable => return unreachable(session, &error),
        Err(error) => return Err(error),
    };
    let interrupted = session.interrupted.clone();
    let facts = async {
        let mut client = database.get().await?;
        let mut snapshot = client
            .build_transaction()
            .read_only(true)
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .start()
            .await
            .map_err(DbError::during("starting a read-only transaction"))?;
        facts(&mut snapshot, &config, args).await
    };
    let facts = tokio::select! {
        facts = facts => facts?,
        exit = interrupted.wait() => return Err(Error::new(exit, "interrupted; nothing was changed")),
    };
    let report = health::examine(&facts, &args.terms());
    let encryption = facts.encryption.as_ref().ok().and_then(Option::as_ref);
    show(session, &report, facts.server.as_ref().ok(), encryption)?;
    Ok(if report.verdict() == Verdict::Problem { Exit::Failed } else { Exit::Done })
}

fn show(
    session: &mut Session,
    report: &Report,
    server: Option<&Server>,
    encryption: Option<&Encryption>,
) -> Result<(), Error> {
    let text = match session.global.format {
        Format::Text | Format::Markdown | Format::Sarif | Format::Github => {
            render(report, session.ui.answer_width())
        }
        Format::Json => {
            json(report, server, encryption).map_err(|error| Error::from_source(Exit::Failed, &error))?
        }
    };
    session.tell(&text)
}

/// The report where no server answers, or none lets us in.
fn unreachable(session: &mut Session, error: &Error) -> Result<Exit, Error> {
    let mut reason = error.to_string();
    for cause in error.causes() {
        reason.push_str(": ");
        reason.push_str(cause);
    }
    let retry = if session.global.embedded {
        "oauthctl doctor --embedded -vv"
    } else if session.global.database_url.is_some() || variable("DATABASE_URL").is_none() {
        "psql -c 'SELECT version()'   # with the same settings"
    } else {
        "psql \"$DATABASE_URL\" -c 'SELECT version()'"
    };
    show(session, &Report::unreachable(&reason, error.hints(), retry), None, None)?;
    Ok(Exit::Unreachable)
}

async fn facts(snapshot: &mut Transaction<'_>, config: &Config, args: &DoctorArgs) -> Result<Facts, Error> {
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
    let layout = match layout {
        Ok(layout) => layout,
        Err(missing) => return Ok(without_tables(server, encryption, missing)),
    };
    let role = args.role.as_deref();
    if let Some(role) = role {
        let exists =
            look(snapshot, "looking for the role", async |client| server::role_exists(client, role).await);
        if exists.await? == Ok(false) {
            return Err(Error::usage(format!("there is no role \"{role}\" on this server")));
        }
    }
    let asked = server.clone().unwrap_or_default();
    let sweeps = sweeps(snapshot, &layout, config).await?;
    let wanted = wanted(&layout, config, &sweeps);
    Ok(Facts {
        django: look(snapshot, "reading django_migrations", async |client| {
            server::django_hint(client, &layout).await
        })
        .await?,
        privileges: look(snapshot, "looking at the privileges", async |client| {
            server::privileges(client, &layout, &asked, role, &wanted).await
        })
        .await?,
        sequences: look(snapshot, "looking at the sequences", async |client| {
            sequences::behind(client, &layout).await
        })
        .await?,
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
        triggers: look(snapshot, "looking at the triggers", async |client| {
            storage::triggers(client, &layout).await
        })
        .await?,
        beside: look(snapshot, "looking at other sessions", async |client| {
            beside::beside(client, &layout, args.long_transaction).await
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
    })
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
        privileges: not(),
        sequences: not(),
        storage: not(),
        autovacuum: not(),
        referrers: not(),
        blocking_rows: not(),
        triggers: not(),
        beside: not(),
        prepared: not(),
        slots: not(),
        standbys: not(),
    }
}

/// What a cleanup by the file's policy would delete now.
async fn sweeps(snapshot: &Transaction<'_>, layout: &Layout, config: &Config) -> Result<Vec<Sweep>, DbError> {
    let policy = config.cleanup.clone().unwrap_or_default();
    let policy = CleanupPolicy { declared: config.spared(), ..policy };
    let available: BTreeSet<TableRole> =
        TableRole::ALL.iter().copied().filter(|role| layout.table(*role).is_some()).collect();
    let now = applications::instant(&**snapshot).await?;
    Ok(retention::sweeps(&policy, now, &available))
}

/// What each verb does by this file; without a file, whatever it can.
fn wanted<'a>(layout: &Layout, config: &Config, sweeps: &'a [Sweep]) -> server::Wanted<'a> {
    let no_file = config.source.text().is_empty();
    let deletes = no_file || config.policy.prune != Prune::Never || !config.desired.removed.is_empty();
    let cleans = no_file || config.cleanup.is_some();
    let users = !mentioned(&config.desired).users.is_empty();
    let tokens = TableRole::ALL.iter().copied().filter(|role| *role != TableRole::Application).collect();
    let status = Task { applications: true, tokens, users, ..Task::default() };
    let reads = Task { tokens: DEPENDENTS.to_vec(), ..status.clone() };
    let table = layout.application();
    let fields = || Field::ALL.iter().map(|field| field.column());
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
    let create = Task { applications: true, creates, ..Task::default() };
    let clean = Task { sweeps, rewrites, ..Task::default() };
    server::Wanted {
        tasks: BTreeMap::from([
            (Purpose::Plan, status),
            (Purpose::Apply, apply),
            (Purpose::Createapplication, create),
            (Purpose::RotateSecret, rotate),
            (Purpose::Cleartokens, clean),
        ]),
        rewrite: Task { sweeps, rewrites: true, ..Task::default() },
        ledger: config.policy.prune == Prune::Owned,
    }
}

/// Rows of other tables that refer to what cleanup would delete.
async fn blocking_rows(
    snapshot: &mut Transaction<'_>,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<Look<Vec<BlockingRows>>, DbError> {
    let attempted = "looking for rows of other tables that prevent cleanup";
    try_look(snapshot, attempted, async |client| {
        match tokens::blocking_rows(client, layout, sweeps).await {
            Ok(found) => Ok(found),
            Err(TokensError::Database(error)) => Err(error),
            // Nothing is deleted here.
            Err(
                TokensError::Vetoed { .. }
                | TokensError::Referenced { .. }
                | TokensError::Altered
                | TokensError::Lost,
            ) => Ok(Vec::new()),
        }
    })
    .await
}

fn shapes(layout: &Layout) -> BTreeMap<TableRole, Shape> {
    TableRole::ALL
        .iter()
        .copied()
        .filter_map(|role| {
            let table = layout.table(role)?;
            let shape = Shape {
                table: format!("{}.{}", table.schema, table.name),
                swapped: table.name != role.default_table(),
                columns: table.columns.keys().cloned().collect(),
            };
            Some((role, shape))
        })
        .collect()
}

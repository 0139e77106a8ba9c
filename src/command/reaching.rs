//! The way to the database: from the settings, or to the embedded server, and from there to the tables.

use super::connected::Connected;
use super::environment::{variable, variable_os};
use super::session::Session;
use super::{Format, VerbName, marking, reading};
use crate::config::{self, Config};
use crate::conninfo::{self, Given, Machine, Settings, Sources};
use crate::db::connect::Database;
use crate::db::layout::LayoutError;
use crate::db::patience::{Patience, Readables};
use crate::embedded::{Cluster, Place, Programs, Supervisor};
use crate::error::{Error, Exit};
use crate::ui::waiting;

/// The variables of libpq's that say which database it is.
const NAMING: [&str; 5] = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE"];

/// Connects and looks at the tables.
///
/// # Errors
/// When the database cannot be found, reached or used.
pub async fn connect(session: &mut Session, config: &Config, connections: usize) -> Result<Connected, Error> {
    let database = &config.database;
    let (pool, embedded) = open(session, database, connections).await?;
    let patience = patience(session);
    let probed = reading::again(async || {
        let mut client = pool.get().await?;
        match patience.probe(&mut client, &database.tables).await {
            Err(LayoutError::Database(error)) => Err(error),
            Err(unusable) => Ok(Err(unusable)),
            Ok(layout) => Ok(Ok((Readables::find(&client, &layout).await?, layout))),
        }
    });
    let (tables, mut layout) = probed.await??;
    marking::mark(session, config, &mut layout)?;
    Ok(Connected { database: pool, layout, patience, tables, embedded })
}

/// How long locks are waited for, and how that is said: as an object where the verb's progress is a line of those.
fn patience(session: &Session) -> Patience {
    let objects = session.global.format == Format::Json
        && matches!(session.verb, VerbName::Cleartokens | VerbName::Apply);
    Patience::new(session.global.lock_timeout, waiting::teller(&session.ui, objects))
}

/// Connects, and looks at no table yet.
///
/// # Errors
/// When the database cannot be found or reached.
pub async fn open(
    session: &mut Session,
    database: &config::Database,
    connections: usize,
) -> Result<(Database, Option<Cluster>), Error> {
    let (settings, embedded) = settings(session, database)?;
    for warning in &settings.warnings {
        session.ui.warning(format_args!("{warning}."));
    }
    let name = format!("oauthctl {}", session.verb.name());
    match Database::connect(&settings, &name, connections).await {
        Ok(database) => Ok((database, embedded)),
        Err(error) => Err(where_looked(session, database, Error::from(error))),
    }
}

/// Where the database is.
///
/// # Errors
/// When the connection string or a file of libpq's cannot be read, or the embedded server does not start.
pub fn settings(
    session: &mut Session,
    database: &config::Database,
) -> Result<(Settings, Option<Cluster>), Error> {
    let machine = Machine::new(variable);
    if session.global.embedded {
        let cluster = start_embedded(session)?;
        let text = format!(
            "host='{}' port={} user={} dbname=postgres sslmode=disable",
            cluster.socket_dir().display(),
            cluster.port(),
            cluster.user()
        );
        let given = Given { label: "--embedded", text: &text };
        let settings = conninfo::resolve(&Sources { command_line: Some(given), file: None }, &machine)?;
        return Ok((settings, Some(cluster)));
    }
    if database.unresolved && session.global.database_url.is_none() && variable("DATABASE_URL").is_none() {
        let file = session.global.file.display();
        return Err(Error::usage(format!("what [database] url in {file} refers to is missing"))
            .hint("set the variable, or name the database with --database-url"));
    }
    let sources = Sources {
        command_line: session
            .global
            .database_url
            .as_deref()
            .map(|text| Given { label: "--database-url", text }),
        file: database.url.as_ref().map(|url| Given { label: "[database] url", text: url.expose() }),
    };
    Ok((conninfo::resolve(&sources, &machine)?, None))
}

/// Says what named no database, where libpq's defaults took its place or an empty variable was passed over.
fn where_looked(session: &Session, database: &config::Database, error: Error) -> Error {
    if session.global.embedded || session.global.database_url.is_some() {
        return error;
    }
    let url = variable("DATABASE_URL");
    let is_blank = url.as_ref().is_some_and(|url| url.trim().is_empty());
    let error =
        if is_blank { error.hint("DATABASE_URL is set and empty, so it names no database") } else { error };
    let is_named = url.is_some_and(|url| !url.trim().is_empty())
        || database.url.is_some()
        || NAMING.into_iter().any(|name| variable(name).is_some_and(|value| !value.is_empty()));
    if is_named {
        return error;
    }
    error.hint(format!(
        "nothing names a database: --database-url, DATABASE_URL, [database] url in {} and libpq's {} were looked at; \
         for example --database-url postgres://USER@HOST/DATABASE",
        session.global.file.display(),
        NAMING.join(", ")
    ))
}

fn start_embedded(session: &mut Session) -> Result<Cluster, Error> {
    let programs = Programs::find(&variable_os)?;
    let place = Place::kept(&variable_os)?;
    if session.global.embedded_reset && place.reset()? {
        session
            .ui
            .status(format_args!("Deleted the embedded PostgreSQL in {}.", place.directory().display()));
    }
    let supervisor = Supervisor::this_program().map_err(|error| {
        Error::from_source(Exit::Failed, &error).context("cannot start this program again")
    })?;
    if !place.has_data() {
        let directory = place.directory().display();
        session
            .ui
            .status(format_args!("Making an embedded PostgreSQL in {directory}. This takes some seconds."));
    }
    let cluster = Cluster::start(&programs, &place, &supervisor)?;
    let what =
        if cluster.created() { "Made an embedded PostgreSQL" } else { "Using the embedded PostgreSQL" };
    session.ui.status(format_args!(
        "{what} in {}. It is stopped when no oauthctl uses it any more.",
        cluster.directory().display()
    ));
    Ok(cluster)
}

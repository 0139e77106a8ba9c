//! What to type after an error of the server or of the way there: one place for every SQLSTATE that a verb can meet.
//!
//! `tests/it/sqlstates.rs` walks through all of it. Pure: texts only.

use std::error::Error as StdError;

use tokio_postgres::error::{DbError as ServerError, SqlState};
use tokio_postgres::types::Oid;

use crate::db::connect::Cause;
use crate::db::error::{DbError, Meaning};
use crate::db::layout::Candidate;
use crate::model::TableRole;

/// Said wherever nothing can be written: `doctor` and the refusals have the same words.
pub const READ_ONLY: &str = "name the primary: add all hosts and target_session_attrs=read-write to the URL; where the role is \
     read-only by default, `ALTER ROLE CURRENT_USER RESET default_transaction_read_only` in psql";

const RUN_AGAIN: &str = "run it again: what was not committed has been rolled back";

/// What to type after a statement that failed; `None`: the message says it all.
pub(super) fn of(error: &DbError) -> Option<&'static str> {
    match error.sqlstate() {
        Some(sqlstate) => exact(sqlstate, error).or_else(|| by_class(sqlstate.get(..2).unwrap_or_default())),
        None if *error.meaning() == Meaning::ConnectionLost => Some(
            "what was not committed has been rolled back; `oauthctl doctor` tells whether the server is there again",
        ),
        None => None,
    }
}

/// What one SQLSTATE says more exactly than its class.
fn exact(sqlstate: &str, error: &DbError) -> Option<&'static str> {
    let message = error.message();
    Some(match sqlstate {
        "22P05" => {
            "the encoding of the database lacks a character of the file: write the text without it, or move the database to \
             UTF8"
        }
        "22021" => {
            "the database holds text in another encoding than it says: `SHOW server_encoding` in psql, correct the row, or \
             move the database to UTF8"
        }
        "22001" => "shorten the value, or widen the column",
        "23502" => "give the column a value in [applications.NAME.columns], or a default in the database",
        "23503" => {
            "a row refers to one that is gone, or is about to go: `oauthctl doctor` lists the foreign keys"
        }
        "23505" => "another row has this value already: `oauthctl list` shows the applications",
        "25006" => READ_ONLY,
        "25P03" => {
            "the role's sessions end when they pause in a transaction; longer: \
             `ALTER ROLE CURRENT_USER SET idle_in_transaction_session_timeout = '5min'` in psql"
        }
        "25P04" => {
            "the role's transactions end after a time; longer: `ALTER ROLE CURRENT_USER SET transaction_timeout = '5min'` in \
             psql"
        }
        "57P05" => {
            "the role's sessions end when they are idle; longer: \
             `ALTER ROLE CURRENT_USER SET idle_session_timeout = '10min'` in psql"
        }
        "26000" | "42P05" => {
            "a pooler gives one session's statements to another session: name the server itself, or use session pooling \
             (docs/connection.md)"
        }
        "40001" if message.contains("recovery") => {
            "a standby cancels statements that block its replay: read from the primary, or raise \
             max_standby_streaming_delay there"
        }
        "42501" => "`oauthctl doctor` names the privileges that are missing, with the GRANT",
        "53100" => {
            "make room on the server's disk, then run it again: what was not committed has been rolled back"
        }
        "53300" => "wait, or raise max_connections, or the role's CONNECTION LIMIT",
        "57014" if message.contains("statement timeout") => {
            "the role's statements end after a time; longer: `ALTER ROLE CURRENT_USER SET statement_timeout = '10min'` in psql"
        }
        "57P03" => "wait until the server has started, then run it again",
        "57P04" => "the database was dropped: `psql -l` lists those that there are",
        _ => return None,
    })
}

fn by_class(class: &str) -> Option<&'static str> {
    Some(match class {
        "08" => {
            "what was not committed has been rolled back; `oauthctl doctor` tells whether the server is there again"
        }
        "22" => {
            "a column or a trigger of the project's own does not take the value: compare the table (`\\d+ TABLE` in psql) with \
             the file"
        }
        "23" => {
            "a constraint of the project's own does not take the row: `\\d+ TABLE` in psql shows it; change the file or the \
             constraint"
        }
        "25" => "does a pooler stand in between? Name the server itself (docs/connection.md)",
        "28" | "3D" => "check user, password and database; `psql` with the same settings says more",
        "40" | "57" => RUN_AGAIN,
        "3F" | "42" => {
            "the tables are not as they were when the run began, or not DOT's: `oauthctl doctor` says what is there"
        }
        "53" => "the server has too little room or memory; its log says for what",
        "54" => "a limit of the server; its log says which",
        "55" => "the server is not in a state for it; its log says more",
        "58" | "XX" => "the server itself failed; its log says more",
        _ => return None,
    })
}

/// What to type where there is no connection.
pub(super) fn connecting(cause: &Cause) -> Option<&'static str> {
    match cause {
        Cause::NoPassword => Some("put it into PGPASSWORD or ~/.pgpass"),
        Cause::WrongServer("the session is read-only") => Some(
            "name all hosts, or allow writes: `ALTER ROLE CURRENT_USER RESET default_transaction_read_only` in psql",
        ),
        Cause::Server { sqlstate, .. } => refused(sqlstate),
        _ => None,
    }
}

fn refused(sqlstate: &str) -> Option<&'static str> {
    Some(match sqlstate {
        "28P01" => "check PGUSER, and PGPASSWORD or ~/.pgpass",
        "28000" => "check the user; pg_hba.conf on the server says who may log in from where, and how",
        "3D000" => "check the database's name: `psql -l` lists those that there are",
        "42501" => "the role may not connect: GRANT CONNECT ON DATABASE, on the server",
        "53300" => "wait, or raise max_connections, or the role's CONNECTION LIMIT",
        "57P03" => "wait until the server has started, then run it again",
        _ => return None,
    })
}

/// Who may run migrations.
pub(super) const MIGRATOR: &str = "the owner of schema oauthctl, or a superuser, has to run this once: `\\dn` in psql names the \
     owner, and `ALTER SCHEMA oauthctl OWNER TO …` changes it";

/// Whether a statement below failed for lack of a privilege.
pub(super) fn lacks_privilege(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let denied = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
        let said = error.downcast_ref::<ServerError>().map(ServerError::code);
        let known = error.downcast_ref::<DbError>().is_some_and(|error| error.sqlstate() == Some("42501"));
        if known || [denied, said].contains(&Some(&SqlState::INSUFFICIENT_PRIVILEGE)) {
            return true;
        }
        next = error.source();
    }
    false
}

/// What to do about a DOT that is too old.
pub(super) const BEFORE_ID_TOKENS: &str = "oauthctl needs DOT 1.5 or later: upgrade Django OAuth Toolkit, and run \
     `python manage.py migrate oauth2_provider`; where the models are swapped, their app needs migrations of its own";

/// What to do about tables that are not there. `application`: the application table that is.
pub(super) fn missing(
    missing: &[(TableRole, String)],
    candidates: &[Candidate],
    application: Option<Oid>,
) -> Vec<String> {
    let Some((_, wanted)) = missing.iter().find(|(role, _)| *role == TableRole::Application) else {
        let known = candidates.iter().find(|candidate| Some(candidate.oid) == application);
        return without_application(missing, known);
    };
    let elsewhere: Vec<&Candidate> = candidates.iter().filter(|table| table.name == *wanted).collect();
    if !elsewhere.is_empty() {
        let schemas: Vec<String> =
            elsewhere.iter().map(|table| format!("[database] schema = {}", quoted(&table.schema))).collect();
        return vec![format!("the tables are in another schema; name it: {}", schemas.join("; or "))];
    }
    let most = candidates.first().map_or(0, |candidate| candidate.tables.len());
    let probable = candidates.iter().filter(|candidate| candidate.tables.len() == most).take(5);
    let blocks: Vec<String> = probable.map(swapped).collect();
    if !blocks.is_empty() {
        return blocks;
    }
    vec![
        "run `python manage.py migrate oauth2_provider` in the Django project that owns the database"
            .to_owned(),
        "without Django: `oauthctl migrate --provider` makes the tables in an empty database".to_owned(),
    ]
}

/// The application table is there, and others are not. `known`: what refers to it.
fn without_application(missing: &[(TableRole, String)], known: Option<&Candidate>) -> Vec<String> {
    let tables = known.map(|known| &known.tables);
    let found: Vec<Option<&String>> = missing.iter().map(|(role, _)| tables?.get(role)).collect();
    if let Some(known) = known.filter(|_| found.iter().any(Option::is_some)) {
        return vec![swapped(known)];
    }
    let keys: Vec<String> = missing.iter().map(|(role, _)| format!("{} = \"TABLE\"", role.key())).collect();
    vec![
        "run `python manage.py migrate oauth2_provider` in the Django project".to_owned(),
        format!("where the models are swapped, name their tables in [database.tables]: {}", keys.join(", ")),
    ]
}

/// How to name tables of other names, ready to be copied into the file.
fn swapped(candidate: &Candidate) -> String {
    let Candidate { oid: _, schema, name, tables } = candidate;
    let mut lines = vec![
        "are the models swapped? These tables refer to each other as DOT's do; name them in oauth.toml:"
            .to_owned(),
        "[database]".to_owned(),
        format!("schema = {}", quoted(schema)),
        "[database.tables]".to_owned(),
    ];
    let application = (TableRole::Application, name);
    let named = std::iter::once(application).chain(tables.iter().map(|(role, name)| (*role, name)));
    let swapped = named.filter(|(role, name)| role.default_table() != name.as_str());
    lines.extend(swapped.map(|(role, name)| format!("{} = {}", role.key(), quoted(name))));
    let roles = TableRole::ALL.iter().filter(|role| role.is_required() && **role != TableRole::Application);
    let unknown = roles.filter(|role| !tables.contains_key(role));
    lines.extend(
        unknown.map(|role| format!("# {} = \"TABLE\": no table that refers to it looks like it", role.key())),
    );
    lines.join("\n")
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

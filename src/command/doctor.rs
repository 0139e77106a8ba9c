//! `doctor`: looks at everything that can go wrong, and says what to type. Alters nothing: one read-only transaction.

mod facts;

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Format;
use super::environment::variable;
use super::loading;
use super::reaching;
use super::references;
use super::session::Session;
use crate::config::duration;
use crate::db::error::DbError;
use crate::db::session::TRIAL;
use crate::error::{Error, Exit};
use crate::health::{self, Purpose, Report, Terms, Verdict};
use crate::model::health::{Encryption, Server};
use crate::ui::doctor::{json, render};

const EXAMPLES: &str = "\
Examples:
  oauthctl doctor
  oauthctl doctor --for plan,cleartokens --role ci
  oauthctl doctor --upgrade 4.0";

/// The flags of `doctor`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Check whether the role may run this verb. Repeat the flag, or separate verbs with commas. Default: all of them.
    #[arg(long = "for", value_name = "VERB", value_enum, value_delimiter = ',')]
    purposes: Vec<Wanted>,
    /// Look at the privileges of this role instead of the role that logs in.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Report also what the defaults of this version of DOT will refuse, application by application.
    #[arg(long, value_name = "VERSION", value_enum)]
    upgrade: Option<Upgrade>,
    /// Report transactions that have been open for longer than this.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    long_transaction: Duration,
}

/// `--for`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// Also status, list, show and import, which only read.
    Plan,
    /// Plan with --without-secrets. Looked at only if it is named.
    PlanWithoutSecrets,
    /// Change applications, and delete tokens if the file asks for it.
    Apply,
    /// Create one application.
    Createapplication,
    /// Write a new secret.
    RotateSecret,
    /// Delete expired tokens.
    Cleartokens,
}

/// `--upgrade`: the versions whose refusals are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Upgrade {
    #[value(name = "4.0")]
    V4_0,
}

impl DoctorArgs {
    fn terms(&self) -> Terms {
        // Who may plan may plan without secrets.
        let all = Wanted::value_variants().iter().filter(|wanted| **wanted != Wanted::PlanWithoutSecrets);
        let wanted: Vec<Wanted> =
            if self.purposes.is_empty() { all.copied().collect() } else { self.purposes.clone() };
        let purposes = wanted.into_iter().map(|wanted| match wanted {
            Wanted::Plan => Purpose::Plan,
            Wanted::PlanWithoutSecrets => Purpose::PlanWithoutSecrets,
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
    let config = loading::without_secrets(session)?;
    // Held until the end: the embedded server stops with its last user.
    let (database, _embedded) = match reaching::open(session, &config.database, 1).await {
        Ok(opened) => opened,
        Err(error) if error.exit() == Exit::Unreachable => return unreachable(session, &error),
        Err(error) => return Err(error),
    };
    let (interrupted, terms) = (session.interrupted.clone(), args.terms());
    let facts = async {
        let mut client = database.get().await?;
        let mut snapshot = client
            .build_transaction()
            .read_only(true)
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .start()
            .await
            .map_err(DbError::during("starting a read-only transaction"))?;
        facts::facts(&mut snapshot, &config, args.role.as_deref(), &terms, args.upgrade.is_some()).await
    };
    let facts = interrupted.or(facts).await?;
    let facts = facts.map_err(|faults| references::refuse(session, &config, &faults))?;
    let report = health::examine(&facts, &terms);
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
        Format::Text | Format::Markdown | Format::Html | Format::Sarif | Format::Github | Format::Gitlab => {
            render(report, session.ui.answer_width())
        }
        Format::Json => {
            json(report, server, encryption).map_err(|error| Error::from_source(Exit::Failed, &error))?
        }
    };
    session.tell_whole(&text)
}

/// The report where no server answers, or none lets us in.
fn unreachable(session: &mut Session, error: &Error) -> Result<Exit, Error> {
    let mut reason = error.to_string();
    for cause in error.causes() {
        reason.push_str(": ");
        reason.push_str(cause);
    }
    let retry = if session.global.embedded {
        "oauthctl doctor --embedded -vv".to_owned()
    } else if session.global.database_url.is_some() || variable("DATABASE_URL").is_none() {
        format!("psql -c '{TRIAL}'   # with the same settings")
    } else {
        format!("psql \"$DATABASE_URL\" -c '{TRIAL}'")
    };
    show(session, &Report::unreachable(&reason, error.hints(), &retry), None, None)?;
    Ok(Exit::Unreachable)
}

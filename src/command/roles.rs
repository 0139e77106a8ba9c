//! `migrate --roles`: SQL that makes a role for each job, by the table of verb → privileges. Prints it and runs nothing.

use super::connected::Connected;
use super::duties;
use super::reaching;
use super::references;
use super::session::Session;
use super::{Format, loading};
use crate::db::error::DbError;
use crate::db::health::server;
use crate::db::layout::Layout;
use crate::db::ledger::{self, Ledger, Use};
use crate::db::patience::Reading;
use crate::db::rights::{self, Task};
use crate::error::{Error, Exit};
use crate::model::health::{JobRole, Lacks, Purpose};
use crate::ui::{report_json, roles};

/// A job: the end of its role's name, what it is, what it does, and what it does with the ledger.
struct Job {
    name: &'static str,
    what: &'static str,
    purpose: Purpose,
    ledger: &'static [Use],
}

const JOBS: [Job; 4] = [
    Job {
        name: "planner",
        what: "plan --without-secrets: can read neither client secrets nor tokens",
        purpose: Purpose::PlanWithoutSecrets,
        ledger: &[Use::Ownership],
    },
    Job {
        name: "reader",
        what: "plan, status, history, list, show, import and undo: can read stored client secrets, and no tokens",
        purpose: Purpose::Plan,
        ledger: &[Use::Ownership, Use::History, Use::Recall],
    },
    Job {
        name: "applier",
        what: "apply: changes applications, and deletes what the file says",
        purpose: Purpose::Apply,
        ledger: &[Use::Manage, Use::Remember, Use::NoteSteps],
    },
    Job {
        name: "cleaner",
        what: "cleartokens: deletes expired tokens",
        purpose: Purpose::Cleartokens,
        ledger: &[Use::Note, Use::Remember],
    },
];

/// Prints the roles. `ledger`: also what they need of a ledger that is not there yet.
///
/// # Errors
/// When the database cannot be read, or its tables are not as the file says.
pub(super) async fn print(session: &mut Session, prefix: &str, ledger: bool) -> Result<Exit, Error> {
    let config = loading::without_secrets(session)?;
    let mut connected = reaching::connect(session, &config, 1).await?;
    references::declare(session, &mut connected, &config, &[]).await?;
    let Connected { layout, .. } = &connected;
    let mut client = connected.database.get().await?;
    let snapshot = connected.snapshot(&mut client, Reading::Applications).await?;
    let sweeps = duties::sweeps(&snapshot, layout, &config).await?;
    let wanted = duties::of_verbs(layout, &config, &sweeps);
    let failed = || DbError::during("looking what the roles need");
    let has_ledger = ledger || Ledger::find(&*snapshot).await.map_err(failed())?.is_some();
    let mut made = Vec::new();
    for Job { name, what, purpose, ledger } in JOBS {
        let name = format!("{prefix}{name}");
        let mut tasks = tasks(&wanted, purpose);
        if config.source.text().is_empty() && purpose != Purpose::Cleartokens {
            // A file to come may name owners.
            for task in &mut tasks {
                task.users = true;
            }
        }
        let mut lacks = needed(&snapshot, layout, &tasks).await?;
        if has_ledger {
            lacks.all.extend(ledger::needed(ledger));
        }
        let exists = server::role_exists(&*snapshot, &name).await.map_err(failed())?;
        let grants = Lacks { role: name.clone(), ..lacks }.grants();
        made.push(JobRole { name, job: what, exists, grants });
    }
    let text = if session.global.format == Format::Json {
        report_json::roles(&made).map_err(|error| Error::from_source(Exit::Failed, &error))?
    } else {
        roles::render(&made)
    };
    session.answer(&text)?;
    Ok(Exit::Done)
}

/// What the verbs of a job do. No role is to see more of a table than they look at.
fn tasks<'a>(wanted: &server::Wanted<'a>, purpose: Purpose) -> Vec<Task<'a>> {
    let status = (purpose == Purpose::Plan).then_some(&wanted.status);
    let tasks = wanted.tasks.get(&purpose).into_iter().chain(status);
    tasks.map(|task| Task { narrow: true, ..task.clone() }).collect()
}

async fn needed(
    client: &deadpool_postgres::Transaction<'_>,
    layout: &Layout,
    tasks: &[Task<'_>],
) -> Result<Lacks, Error> {
    let needed = rights::needed(&**client, layout, tasks).await;
    Ok(needed.map_err(DbError::during("looking what the roles need"))?)
}

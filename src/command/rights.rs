//! What the role lacks for a verb: a warning in a plan, a refusal before the first write.

use std::collections::BTreeSet;

use tokio_postgres::GenericClient;

use super::connected::Connected;
use super::desired::mentioned;
use super::intent::Intent;
use super::scope::ScopeArgs;
use super::session::Session;
use crate::config::Config;
use crate::db::applications;
use crate::db::error::DbError;
use crate::db::layout::{Layout, Table};
use crate::db::ledger::{self, Ledger, Use};
use crate::db::rights::{self, Columns, DEPENDENTS, Extent, Task};
use crate::error::{Error, Exit};
use crate::model::health::{Lack, Lacks};
use crate::model::{Category, CleanupPolicy, Ownership, Prune, Strategy, Sweep, TableRole, UserRef};
use crate::plan::guard::Violation;
use crate::plan::{Plan, Step, retention};
use crate::ui::plan::visible;

/// What fails where the catalogue cannot be read.
const LOOKING: &str = "looking at the privileges";

/// What executing a plan does, with the cleanup after it.
#[must_use]
pub fn of_plan<'a>(layout: &Layout, plan: &Plan, sweeps: &'a [Sweep], rewrites: bool) -> Task<'a> {
    let (mut created, mut updated): (BTreeSet<&str>, BTreeSet<&str>) = Default::default();
    let (mut creates, mut updates) = (false, false);
    let mut task = Task { sweeps, rewrites: rewrites && !sweeps.is_empty(), ..Task::default() };
    for step in &plan.steps {
        match step {
            Step::Create { fields, .. } => {
                creates = true;
                created.extend(fields.iter().map(|setting| setting.field.column()));
            }
            Step::Update { changes, .. } => {
                (updates, task.locks) = (true, true);
                updated.extend(changes.iter().map(|change| change.field.column()));
            }
            Step::Adopt { .. } => task.locks = true,
            Step::Delete { .. } => task.deletes = true,
        }
    }
    let table = layout.application();
    task.creates = creates.then(|| Columns::These(applications::inserted_columns(table, created)));
    task.updates = updates.then(|| Columns::These(applications::updated_columns(table, updated)));
    task
}

/// What the role that asks lacks.
pub async fn lacks(connected: &Connected, task: &Task<'_>) -> Result<Lacks, Error> {
    let client = connected.database.get().await?;
    let lacks = rights::lacking(&**client, &connected.layout, None, task).await;
    Ok(lacks.map_err(DbError::during(LOOKING))?)
}

/// Ends the verb where the role lacks something.
pub async fn require(connected: &Connected, task: &Task<'_>, exit: Exit) -> Result<(), Error> {
    let lacks = lacks(connected, task).await?;
    if lacks.is_empty() { Ok(()) } else { Err(refusal(exit, &lacks)) }
}

/// Names what is missing, and a GRANT for each. A verb that only reads has failed; one that would write refuses, and has
/// changed nothing.
pub fn refusal(exit: Exit, lacks: &Lacks) -> Error {
    let unchanged = if exit == Exit::Refused { "; nothing was changed" } else { "" };
    let error = Error::new(exit, format!("{lacks}{unchanged}"));
    lacks.grants().into_iter().fold(error, Error::hint)
}

/// The same as a warning; `what` stands before it.
pub fn warn(session: &mut Session, what: &str, lacks: &Lacks) {
    session.ui.warning(format_args!("{what}{}.", visible(&lacks.to_string())));
    for grant in lacks.grants() {
        session.ui.hint(visible(&grant));
    }
}

/// Which of the tables may not show all rows to this role, because of row-level security.
fn hidden<'a>(tables: impl IntoIterator<Item = &'a Table>) -> Option<String> {
    let hidden: Vec<String> = tables.into_iter().filter(|table| table.row_security).map(Table::sql).collect();
    (!hidden.is_empty())
        .then(|| format!("row-level security may hide rows of {} from this role", hidden.join(", ")))
}

/// What to do about [`hidden`].
const UNHIDE: &str = "run as the owner of the tables, or as a role with BYPASSRLS";

/// Refuses to write applications where policies decide which rows this role sees.
pub fn refuse_hidden(connected: &Connected) -> Result<(), Error> {
    match hidden([connected.layout.application()]) {
        None => Ok(()),
        Some(reason) => Err(Error::new(Exit::Refused, format!("{reason}; nothing was changed")).hint(UNHIDE)),
    }
}

/// The same for a plan, which only warns.
pub fn check_hidden(session: &mut Session, connected: &Connected, intent: Intent) -> Result<(), Error> {
    if !intent.shows() {
        return refuse_hidden(connected);
    }
    if let Some(reason) = hidden([connected.layout.application()]) {
        warn_hidden(session, &reason);
    }
    Ok(())
}

fn warn_hidden(session: &mut Session, reason: &str) {
    session.ui.warning(format_args!("as this role, apply would be refused: {}.", visible(reason)));
    session.ui.hint(UNHIDE);
}

/// Whether the role may read what a plan looks at.
pub async fn require_reading(
    connected: &Connected,
    config: &Config,
    scope: &ScopeArgs,
    intent: Intent,
) -> Result<(), Error> {
    let policy = config.cleanup.as_ref().filter(|_| !scope.no_cleanup);
    let users = mentioned(&config.desired).users;
    let named = users.iter().filter_map(|user| match user {
        UserRef::Named(named) => Some(named.column.clone()),
        UserRef::Key(_) => None,
    });
    let task = Task {
        applications: Some(match intent {
            Intent::Show | Intent::Execute | Intent::Pick => Extent::Whole,
            Intent::ShowWithoutSecrets => Extent::WithoutSecrets,
        }),
        tokens: policy.map(|policy| read_by(policy, &connected.layout.roles())).unwrap_or_default(),
        users: !users.is_empty(),
        user_columns: named.collect(),
        narrow: intent == Intent::ShowWithoutSecrets,
        ..Task::default()
    };
    let lacks = lacks(connected, &task).await?;
    if lacks.is_empty() {
        return Ok(());
    }
    let refusal = refusal(exit_of_reading(intent), &lacks);
    let client = connected.database.get().await?;
    let may_read = rights::may_read_secrets(&**client, &connected.layout, None).await;
    let needs_secrets = intent == Intent::Show && !may_read.map_err(DbError::during(LOOKING))?;
    Err(if needs_secrets { refusal.hint(WITHOUT_SECRETS) } else { refusal })
}

/// What else a role can do that may not read client secrets.
const WITHOUT_SECRETS: &str = "`oauthctl plan --without-secrets` needs no privilege on client_secret";

/// The tables that a count of what cleanup would delete looks at.
pub(super) fn read_by(policy: &CleanupPolicy, available: &BTreeSet<TableRole>) -> Vec<TableRole> {
    let categories = retention::categories(policy, available);
    // An application that registered itself may have one of these under way.
    let pending = [TableRole::DeviceGrant, TableRole::ParRequest];
    let pending = pending.into_iter().filter(|_| categories.contains(&Category::Dcr));
    let swept =
        categories.iter().map(|category| category.role()).filter(|role| *role != TableRole::Application);
    DEPENDENTS.into_iter().chain(swept).chain(pending).collect()
}

/// Whether the role may count the tokens of applications that are changed under their clients.
pub async fn require_tokens(
    client: &impl GenericClient,
    layout: &Layout,
    intent: Intent,
) -> Result<(), Error> {
    let narrow = intent == Intent::ShowWithoutSecrets;
    let task = Task { tokens: DEPENDENTS.to_vec(), narrow, ..Task::default() };
    require_of(client, layout, &task, exit_of_reading(intent)).await
}

/// [`require`] on a connection that is at hand.
pub async fn require_of(
    client: &impl GenericClient,
    layout: &Layout,
    task: &Task<'_>,
    exit: Exit,
) -> Result<(), Error> {
    let lacks = rights::lacking(client, layout, None, task).await.map_err(DbError::during(LOOKING))?;
    if lacks.is_empty() { Ok(()) } else { Err(refusal(exit, &lacks)) }
}

/// A plan that cannot be made has failed; a verb that would write refuses.
#[must_use]
pub fn exit_of_reading(intent: Intent) -> Exit {
    if intent.shows() { Exit::Failed } else { Exit::Refused }
}

/// What the role lacks for the plan and the cleanup after it is refused before anything is written. A plan only warns:
/// in a pull request it is often made as a role that may only read.
pub async fn check_role(
    session: &mut Session,
    connected: &Connected,
    config: &Config,
    (plan, sweeps): (&Plan, &[Sweep]),
    intent: Intent,
) -> Result<(Lacks, Vec<Violation>), Error> {
    let rewrites = config.cleanup.as_ref().is_some_and(|policy| policy.pace.strategy == Strategy::Rewrite);
    let task = of_plan(&connected.layout, plan, sweeps, rewrites);
    let lacks = lacks(connected, &task).await?;
    // The token tables of a cleanup are looked at by the cleanup itself.
    let dependents = DEPENDENTS.into_iter().filter(|_| task.deletes);
    let hidden = hidden(dependents.filter_map(|role| connected.layout.table(role)));
    if intent == Intent::ShowWithoutSecrets {
        // Such a plan cannot be saved, so another role applies.
        return Ok((lacks, Vec::new()));
    }
    if intent == Intent::Show {
        if let Some(reason) = hidden {
            warn_hidden(session, &reason);
        }
        if !lacks.is_empty() {
            warn(session, "as this role, apply would be refused: ", &lacks);
        }
        return Ok((lacks, Vec::new()));
    }
    let role = |lack: &Lack| Violation::Role {
        reason: format!("the role {} lacks {}", lacks.role, lack.what()),
        hint: lack.grant(&lacks.role),
    };
    let hidden = hidden.map(|reason| Violation::Role { reason, hint: UNHIDE.to_owned() });
    let violations = hidden.into_iter().chain(lacks.all.iter().map(role)).collect();
    Ok((lacks, violations))
}

/// Whose the applications are, where there is a ledger that the verb may use; else what the role lacks for it. `apply`
/// needs to write there, too: what it could not note it would find again after the commit.
pub async fn ownership(
    session: &Session,
    client: &impl GenericClient,
    layout: &Layout,
    config: &Config,
    intent: Intent,
) -> Result<Result<Option<Ownership>, Lacks>, Error> {
    let looking = || DbError::during("looking for the ledger");
    let needed = config.policy.prune == Prune::Owned;
    let Some(found) = Ledger::find(client).await.map_err(looking())? else {
        if needed {
            return Err(Error::usage("`prune = \"owned\"` needs the ledger, and this database has none")
                .hint("run `oauthctl migrate --ledger` once"));
        }
        return Ok(Ok(None));
    };
    session.require_owner(&config.policy)?;
    let wanted = if intent.shows() { Use::Ownership } else { Use::Manage };
    let lacks = found.lacks(client, None, wanted).await.map_err(looking())?;
    if lacks.is_empty() {
        let ownership = ledger::ownership(client, layout, &session.owner(&config.policy)).await;
        return Ok(Ok(Some(ownership.map_err(DbError::during("reading the ledger"))?)));
    }
    if needed {
        let refusal = refusal(Exit::Refused, &lacks);
        return Err(refusal.context("`prune = \"owned\"` needs the ledger"));
    }
    Ok(Err(lacks))
}

/// What the role lacks is refused before the first deletion; a dry run that can count all the same warns.
pub async fn check_cleanup(
    session: &mut Session,
    connected: &Connected,
    (sweeps, strategy): (&[Sweep], Strategy),
    dry_run: bool,
) -> Result<(), Error> {
    let task = Task { sweeps, rewrites: strategy == Strategy::Rewrite, ..Task::default() };
    let lacks = lacks(connected, &task).await?;
    if lacks.is_empty() {
        return Ok(());
    }
    if dry_run && !lacks.keep_from_reading() {
        warn(session, "a run would be refused: ", &lacks);
        return Ok(());
    }
    Err(refusal(Exit::Refused, &lacks))
}

//! From a file to a checked plan: what `plan` and `apply` share, and `createapplication` in parts.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::cleanup::connections;
use super::flawed;
use super::intent::Intent;
use super::names;
use super::rights;
pub use super::scope::{ScopeArgs, parse_instant};
use super::session::{Connected, Session};
use crate::config::Config;
use crate::db::applications::{self, Mentioned};
use crate::db::error::DbError;
use crate::db::patience::Reading;
use crate::db::{dependents, tokens};
use crate::error::{Error, Exit};
use crate::model::health::Lacks;
use crate::model::{
    Actual, Application, CleanupPolicy, ClientId, Declared, Desired, ForeignRows, Key, Policy, Sweep,
    TableRole,
};
use crate::plan::guard::{Rails, Refusal, Violation, check, check_cleanup};
use crate::plan::saved::{Saved, SavedError};
use crate::plan::{Facts, Finding, Plan, retention, seal};
use crate::sweep;
use crate::ui::plan::{CleanupForecast, visible};

/// What the line says while declared secrets are verified.
pub const VERIFYING: &str = "Verifying secrets";

/// A plan with everything that is needed to show and to execute it.
pub struct Prepared {
    /// The connection and the tables.
    pub connected: Connected,
    /// What the file wants.
    pub config: Config,
    /// What to do.
    pub plan: Plan,
    /// What cleanup will do; empty where there is none.
    pub sweeps: Vec<Sweep>,
    /// What cleanup would delete.
    pub forecast: Option<CleanupForecast>,
    /// Why the plan may not be executed.
    pub refusal: Option<Refusal>,
}

impl Prepared {
    /// How many rows cleanup would delete.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.forecast.as_ref().map_or(0, |forecast| forecast.rows.iter().map(|(_, rows)| rows).sum())
    }
}

/// Reads the file and the database, plans, counts and checks. `saved`: the plan that has to come out.
pub async fn prepare(
    session: &mut Session,
    scope: &ScopeArgs,
    intent: Intent,
    saved: Option<&Saved>,
) -> Result<Prepared, Error> {
    let config = match session.load() {
        Ok(config) => config,
        Err(error) => {
            flawed::tell(session, intent.verb()).await;
            return Err(error);
        }
    };
    if let Some(saved) = saved {
        super::saved::check_config(saved, &config)?;
    }
    names::check(&config, scope)?;
    let interrupted = session.interrupted.clone();
    tokio::select! {
        prepared = read_and_plan(session, config, scope, intent, saved) => prepared,
        exit = interrupted.wait() => Err(Error::new(exit, "interrupted; nothing was changed")),
    }
}

async fn read_and_plan(
    session: &mut Session,
    config: Config,
    scope: &ScopeArgs,
    intent: Intent,
    saved: Option<&Saved>,
) -> Result<Prepared, Error> {
    let connections = config.cleanup.as_ref().map_or(3, |policy| connections(&policy.pace).max(3));
    let connected = session.connect(&config.database, intent.verb(), connections).await?;
    if !scope.targets.is_empty() {
        session.ui.warning("--target looks at a part of the file only; the rest may need changes too.");
    }
    if let Some(saved) = saved {
        super::saved::check_database(session, saved, &connected).await?;
    }
    rights::require_reading(&connected, &config, scope, intent).await?;
    // An application that is hidden looks as if it had to be created, and the file may not say enough for that.
    rights::check_hidden(session, &connected, intent)?;
    let impossible = if saved.is_some() { Impossible::IsStale } else { Impossible::IsShown };
    let planned = plan_against(session, &connected, &config, (scope, intent), impossible).await?;
    let Planned { plan, foreign, unread } = planned;
    if let Some(lacks) = unread.filter(|_| intent == Intent::Show) {
        rights::warn(session, "the ledger is there and was not looked at: ", &lacks);
    }
    if saved.is_none() {
        names::check_planned(&config, scope, &plan)?;
    }
    session.report_foreign(&config, &plan);
    let protected = config
        .desired
        .applications
        .iter()
        .filter(|(_, declared)| declared.protect)
        .map(|(client_id, _)| client_id.clone())
        .collect();
    let allow = scope.allow.iter().cloned().collect();
    let rails = Rails { policy: &config.policy, protected: &protected, allow: &allow, foreign: &foreign };
    let mut refusal = check(&plan, &rails).err();
    if let Some(policy) = config.cleanup.as_ref().filter(|_| !scope.no_cleanup)
        && let Err(other) = check_cleanup(policy, &allow)
    {
        let violations = &mut refusal.get_or_insert(Refusal { violations: Vec::new() }).violations;
        violations.extend(other.violations);
    }
    let (sweeps, forecast) = forecast(&connected, &config, scope).await?;
    let (lacks, violations) =
        rights::check_role(session, &connected, &config, (&plan, &sweeps), intent).await?;
    if !violations.is_empty() {
        refusal.get_or_insert(Refusal { violations: Vec::new() }).violations.extend(violations);
    }
    // Where rows of other tables may not be read, it is not known whether they prevent cleanup.
    if let Some(policy) = config.cleanup.as_ref().filter(|_| !lacks.keep_from_reading()) {
        let violations = cleanup_refusals(session, &connected, policy, &sweeps, intent).await?;
        if !violations.is_empty() {
            refusal.get_or_insert(Refusal { violations: Vec::new() }).violations.extend(violations);
        }
    }
    Ok(Prepared { connected, config, plan, sweeps, forecast, refusal })
}

/// What cleanup would do and delete, where the file has a `[cleanup]`.
async fn forecast(
    connected: &Connected,
    config: &Config,
    scope: &ScopeArgs,
) -> Result<(Vec<Sweep>, Option<CleanupForecast>), Error> {
    let Some(policy) = config.cleanup.as_ref().filter(|_| !scope.no_cleanup) else {
        return Ok((Vec::new(), None));
    };
    let mut client = connected.database.get().await?;
    let as_of = match scope.as_of {
        Some(instant) => instant,
        None => database_now(&client).await?,
    };
    let policy = &CleanupPolicy { declared: config.spared(), ..policy.clone() };
    let sweeps = retention::sweeps(policy, as_of, &available(connected));
    let snapshot = connected.snapshot(&mut client, Reading::Everything).await?;
    let tally = tokens::count(&*snapshot, &connected.layout, &sweeps).await?;
    let forecast = CleanupForecast { as_of: rfc3339(as_of), rows: tally.iter().collect() };
    Ok((sweeps, Some(forecast)))
}

/// What cleanup would refuse is refused before anything else is written.
///
/// What is only about the role is none of a plan's business: in a pull request that is often one which may only read.
async fn cleanup_refusals(
    session: &mut Session,
    connected: &Connected,
    policy: &CleanupPolicy,
    sweeps: &[Sweep],
    intent: Intent,
) -> Result<Vec<Violation>, Error> {
    if sweeps.is_empty() {
        return Ok(Vec::new());
    }
    let mut client = connected.database.get().await?;
    connected.patience.wait(&client, &connected.tables, Reading::Everything).await?;
    let refusals = sweep::refusals(&mut client, &connected.layout, sweeps, &policy.pace).await?;
    let mut violations = Vec::new();
    for refusal in refusals {
        if intent == Intent::Show && refusal.concerns_role() {
            session.ui.warning(format_args!(
                "as this role, apply would be refused: {}.",
                visible(&refusal.to_string())
            ));
            if let Some(remedy) = refusal.remedy() {
                session.ui.hint(remedy);
            }
        } else {
            let remedy = refusal.remedy().unwrap_or_default();
            let remedy = format!("{remedy}, or leave the tokens out with --no-cleanup");
            violations.push(Violation::Cleanup { reason: refusal.to_string(), remedy });
        }
    }
    Ok(violations)
}

/// The tables that this DOT has.
#[must_use]
pub fn available(connected: &Connected) -> BTreeSet<TableRole> {
    TableRole::ALL.iter().copied().filter(|role| connected.layout.table(*role).is_some()).collect()
}

/// Plans again on the same connection: after a commit there must be nothing left.
pub async fn replan(session: &mut Session, scope: &ScopeArgs, prepared: &Prepared) -> Result<Plan, Error> {
    let (connected, config) = (&prepared.connected, &prepared.config);
    let Planned { plan, .. } =
        plan_against(session, connected, config, (scope, Intent::Execute), Impossible::IsShown).await?;
    Ok(plan)
}

/// What it means that the database cannot be as the file says.
#[derive(Clone, Copy)]
enum Impossible {
    /// The file asks for too much: shown at its lines.
    IsShown,
    /// It could when the plan was saved, so the database has changed.
    IsStale,
}

struct Planned {
    plan: Plan,
    foreign: BTreeMap<Key, Vec<ForeignRows>>,
    /// What the role lacks for the ledger that is there.
    unread: Option<Lacks>,
}

async fn plan_against(
    session: &mut Session,
    connected: &Connected,
    config: &Config,
    (scope, intent): (&ScopeArgs, Intent),
    impossible: Impossible,
) -> Result<Planned, Error> {
    let layout = &connected.layout;
    let mut client = connected.database.get().await?;
    let snapshot = connected.snapshot(&mut client, Reading::Applications).await?;
    let mut actual = applications::read(&*snapshot, layout, &mentioned(&config.desired)).await?;
    let known = rights::ownership(session, &*snapshot, layout, config, intent).await?;
    let (ownership, unread) = known.map_or_else(|lacks| (None, Some(lacks)), |known| (known, None));
    actual.ownership = ownership;
    snapshot.commit().await.map_err(DbError::during("reading the applications"))?;
    let plan = match (try_to_decide(session, config, &actual, scope)?, impossible) {
        (Ok(plan), _) => plan,
        (Err(findings), Impossible::IsShown) => return Err(session.report_findings(config, &findings)),
        (Err(findings), Impossible::IsStale) => {
            return Err(
                SavedError::Stale(findings.into_iter().map(|finding| finding.client_id).collect()).into()
            );
        }
    };
    let at_risk: Vec<&Key> = plan.at_risk().map(|row| &row.key).collect();
    if at_risk.is_empty() {
        return Ok(Planned { plan, foreign: BTreeMap::new(), unread });
    }
    rights::require_tokens(&**client, layout, intent).await?;
    let snapshot = connected.snapshot(&mut client, Reading::Everything).await?;
    let (counted_at, counts) = applications::dependents(&*snapshot, layout, &at_risk).await?;
    drop(at_risk);
    let keys: Vec<&Key> = plan.deletions().map(|row| &row.key).collect();
    let foreign = dependents::foreign_rows(&*snapshot, layout, &keys)
        .await
        .map_err(DbError::during("looking for rows that refer to what would be deleted"))?;
    drop(keys);
    let plan = plan.with_dependents(&counts, rfc3339(counted_at)).with_foreign_rows(&foreign);
    Ok(Planned { plan, foreign, unread })
}

/// Verifies the secrets and plans.
pub fn decide(
    session: &mut Session,
    config: &Config,
    actual: &Actual,
    scope: &ScopeArgs,
) -> Result<Plan, Error> {
    let planned = try_to_decide(session, config, actual, scope)?;
    planned.map_err(|findings| session.report_findings(config, &findings))
}

/// The same, with what this database cannot give or would refuse.
fn try_to_decide(
    session: &mut Session,
    config: &Config,
    actual: &Actual,
    scope: &ScopeArgs,
) -> Result<Result<Plan, Vec<Finding>>, Error> {
    let threads = session.threads();
    let mut watch = session.watch(VERIFYING);
    let verdicts = seal::verify(&config.desired, actual, &mut session.known, threads, &mut watch);
    drop(watch);
    let secrets = verdicts.map_err(|_| session.stopped())?;
    let targets = scope.targets();
    let facts = Facts { secrets: &secrets, provider: &config.provider, scope: targets.as_ref() };
    Ok(crate::plan::plan(&config.desired, actual, &config.policy, &facts))
}

/// What the file mentions.
#[must_use]
pub fn mentioned(desired: &Desired) -> Mentioned {
    let Desired { applications, removed, renamed } = desired;
    let mut mentioned = Mentioned::default();
    mentioned.client_ids.extend(applications.keys().chain(removed).chain(renamed.keys()).cloned());
    mentioned.users.extend(applications.values().filter_map(|declared| declared.application.user.clone()));
    for (name, value) in applications.values().flat_map(|declared| &declared.application.columns) {
        mentioned.columns.entry(name.clone()).or_default().push(value.clone());
    }
    mentioned
}

/// The settings of the file, and the application in place of what it declares. What the file permits and cleans is no
/// business of a command for one application: `prune` would take every other application.
#[must_use]
pub fn with_only(mut file: Config, client_id: &ClientId, application: Application) -> Config {
    let declared = Declared { block: client_id.to_string(), application, ..Declared::default() };
    file.desired = Desired { applications: [(client_id.clone(), declared)].into(), ..Desired::default() };
    file.policy = Policy::default();
    file.cleanup = None;
    file
}

/// The instant of the database's clock.
pub async fn database_now(client: &deadpool_postgres::Object) -> Result<OffsetDateTime, DbError> {
    crate::db::session::now(&***client).await.map_err(DbError::during("reading the database's clock"))
}

/// RFC 3339 in UTC.
#[must_use]
pub fn rfc3339(instant: OffsetDateTime) -> String {
    instant.to_offset(time::UtcOffset::UTC).format(&Rfc3339).unwrap_or_else(|_| instant.to_string())
}

/// The error that ends a refused plan.
#[must_use]
pub fn refused(refusal: &Refusal) -> Error {
    let count = refusal.violations.len() as u64;
    let rails = crate::ui::plan::plural(count, "safety rail");
    Error::new(Exit::Refused, format!("refused by {rails}; nothing was changed"))
}

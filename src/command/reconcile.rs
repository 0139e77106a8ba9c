//! From a file to a proposal: reads both sides, plans, counts who is concerned, and checks what would be refused.

use std::collections::BTreeMap;

use super::cleanup::connections;
use super::connected::Connected;
use super::consent;
use super::desired::mentioned;
use super::environment;
use super::findings;
use super::flawed;
use super::forecasting;
use super::hashing;
use super::intent::Intent;
use super::loading;
use super::names;
use super::prepared::Prepared;
use super::reaching;
use super::references;
use super::reporting;
use super::rights;
use super::saved;
use super::scope::ScopeArgs;
use super::session::Session;
use super::subject::subject;
use super::trying;
use crate::config::{Config, Problems};
use crate::db::applications::{self, Others};
use crate::db::dependents;
use crate::db::error::DbError;
use crate::db::identity;
use crate::db::patience::Reading;
use crate::error::Error;
use crate::model::health::Lacks;
use crate::model::words::rfc3339;
use crate::model::{Actual, ClientId, ForeignRows, Key, NotTried, Sweep};
use crate::plan::guard::{Rails, check, check_cleanup};
use crate::plan::picking::Picked;
use crate::plan::saved::{Saved, SavedError};
use crate::plan::{CleanupForecast, Facts, Finding, Plan, Proposal, Whole, maintained, seal};

/// Reads the file and the database, plans, counts and checks. `promised`: the saved plan that has to come out.
pub async fn prepare(
    session: &mut Session,
    scope: &ScopeArgs,
    intent: Intent,
    promised: Option<&Saved>,
) -> Result<Prepared, Error> {
    let loaded = match intent {
        Intent::Show | Intent::Execute | Intent::Pick => loading::load(session),
        Intent::ShowWithoutSecrets => loading::withholding_secrets(session),
    };
    let config = match loaded {
        Ok(config) => config,
        Err(error) => {
            flawed::tell(session).await;
            return Err(error);
        }
    };
    if let Some(promised) = promised {
        saved::check_config(promised, &config)?;
    }
    names::check(session, &config, scope)?;
    let interrupted = session.interrupted.clone();
    interrupted.or(Box::pin(read_and_plan(session, config, scope, intent, promised))).await
}

async fn read_and_plan(
    session: &mut Session,
    mut config: Config,
    scope: &ScopeArgs,
    intent: Intent,
    promised: Option<&Saved>,
) -> Result<Prepared, Error> {
    config.cleanup = config.cleanup.map(|policy| consent::apply(session, policy, &scope.allow));
    let connections = config.cleanup.as_ref().map_or(3, |policy| connections(&policy.pace).max(3));
    let mut connected = reaching::connect(session, &config, connections).await?;
    references::declare(session, &mut connected, &config, &[]).await?;
    if intent == Intent::ShowWithoutSecrets {
        applications::withhold_secrets(&mut connected.layout);
    }
    if !scope.targets.is_empty() {
        session.ui.warning("--target looks at a part of the file only; the rest may need changes too.");
    }
    if let Some(promised) = promised {
        saved::check_database(session, promised, &connected).await?;
    }
    let (proposal, foreign, sweeps) =
        propose(session, &connected, &config, (scope, intent), promised).await?;
    Ok(Prepared { connected, config, proposal, foreign, sweeps })
}

/// Plans again on the same connections, because rows have changed since the plan was made.
pub async fn prepare_again(
    session: &mut Session,
    (scope, intent): (&ScopeArgs, Intent),
    prepared: &mut Prepared,
) -> Result<(), Error> {
    let Prepared { connected, config, proposal, foreign, sweeps } = prepared;
    let interrupted = session.interrupted.clone();
    let again = propose(session, connected, config, (scope, intent), None);
    (*proposal, *foreign, *sweeps) = interrupted.or(Box::pin(again)).await?;
    Ok(())
}

/// Goes on with what was picked of the plan, and checks that anew: what is left out may have been what a rail refuses, or
/// what another step needs.
pub async fn narrow(
    session: &mut Session,
    scope: &ScopeArgs,
    prepared: &mut Prepared,
    picked: &Picked,
) -> Result<(), Error> {
    let Prepared { connected, config, proposal, foreign, sweeps } = prepared;
    if picked.cleans == Some(false) {
        sweeps.clear();
        proposal.forecast = None;
    }
    let interrupted = session.interrupted.clone();
    let checked = async {
        let mut client = connected.database.get().await?;
        let not_tried = trying::require(session, connected, config, &mut client, &picked.plan).await?;
        drop(client);
        let forecast = proposal.forecast.take();
        let parts = Parts { plan: picked.plan.clone(), forecast, not_tried };
        judge(session, connected, config, (scope, Intent::Execute), parts, (foreign, sweeps)).await
    };
    *proposal = interrupted.or(Box::pin(checked)).await?;
    Ok(())
}

type Foreign = BTreeMap<Key, Vec<ForeignRows>>;

/// Plans, counts and checks.
async fn propose(
    session: &mut Session,
    connected: &Connected,
    config: &Config,
    (scope, intent): (&ScopeArgs, Intent),
    promised: Option<&Saved>,
) -> Result<(Proposal, Foreign, Vec<Sweep>), Error> {
    rights::require_reading(connected, config, scope, intent).await?;
    // An application that is hidden looks as if it had to be created, and the file may not say enough for that.
    rights::check_hidden(session, connected, intent)?;
    let impossible = if promised.is_some() { Impossible::IsStale } else { Impossible::IsShown };
    let planned = plan_against(session, connected, config, (scope, intent), impossible).await?;
    let Planned { plan, foreign, maintained, unread, advice } = planned;
    let mut not_tried = Vec::new();
    // What is picked is tried, not the whole.
    if intent != Intent::Pick {
        let mut client = connected.database.get().await?;
        not_tried = trying::require(session, connected, config, &mut client, &plan).await?;
    }
    if let Some(lacks) = unread.filter(|_| intent.shows()) {
        rights::warn(session, "the ledger is there and was not looked at: ", &lacks);
    }
    if promised.is_none() {
        names::check_planned(session, config, scope, &plan)?;
    }
    reporting::left_alone(session, config, &plan, &maintained);
    reporting::advice(session, config, &advice)?;
    let (sweeps, forecast) = forecasting::forecast(connected, config, scope).await?;
    let parts = Parts { plan, forecast, not_tried };
    let judged = judge(session, connected, config, (scope, intent), parts, (&foreign, &sweeps));
    let proposal = Box::pin(judged).await?;
    Ok((proposal, foreign, sweeps))
}

/// What is going to be proposed, before it is known whether that may be done.
struct Parts {
    plan: Plan,
    forecast: Option<CleanupForecast>,
    not_tried: Vec<NotTried>,
}

/// Holds the plan and the cleanup against the rails, and against what the role may do.
async fn judge(
    session: &mut Session,
    connected: &Connected,
    config: &Config,
    (scope, intent): (&ScopeArgs, Intent),
    Parts { plan, forecast, not_tried }: Parts,
    (foreign, sweeps): (&Foreign, &[Sweep]),
) -> Result<Proposal, Error> {
    let protected = config
        .desired
        .applications
        .iter()
        .filter(|(_, declared)| declared.protect)
        .map(|(client_id, _)| client_id.clone())
        .collect();
    let allow = scope.allow.iter().cloned().collect();
    let rails = Rails { policy: &config.policy, protected: &protected, allow: &allow, foreign };
    let refusal = check(&plan, &rails).err();
    let policy = config.cleanup.as_ref().filter(|_| forecast.is_some());
    let consent = policy.and_then(|policy| check_cleanup(policy, &allow).err());
    let (lacks, role) = rights::check_role(session, connected, config, (&plan, sweeps), intent).await?;
    // Where rows of other tables may not be read, it is not known whether they prevent cleanup.
    let refused = match config.cleanup.as_ref().filter(|_| !lacks.keep_from_reading()) {
        Some(policy) => forecasting::refusals(session, connected, policy, sweeps, intent).await?,
        None => Vec::new(),
    };
    let name = identity::name(&**connected.database.get().await?).await?;
    let subject = subject(session, scope.label.as_deref(), Some(name));
    let hooks = config.hooks.clone();
    let mut proposal = Proposal { plan, forecast, refusal, not_tried, subject, hooks };
    proposal.refuse(consent.map(|refusal| refusal.violations).unwrap_or_default());
    proposal.refuse(role);
    proposal.refuse(refused);
    Ok(proposal)
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
    /// Declared columns that Django maintains.
    maintained: Vec<(ClientId, String)>,
    /// What the role lacks for the ledger that is there.
    unread: Option<Lacks>,
    /// What to say of the rows.
    advice: Problems,
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
    let mut actual =
        applications::read(&*snapshot, layout, &mentioned(&config.desired), Others::Named).await?;
    let known = rights::ownership(session, &*snapshot, layout, config, intent).await?;
    let (ownership, unread) = known.map_or_else(|lacks| (None, Some(lacks)), |known| (known, None));
    actual.ownership = ownership;
    snapshot.commit().await.map_err(DbError::during("reading the applications"))?;
    let maintained = maintained(&config.desired, &actual);
    let plan = match (try_to_decide(session, config, &actual, scope)?, impossible) {
        (Ok(plan), _) => plan,
        (Err(findings), Impossible::IsShown) => return Err(reporting::findings(session, config, &findings)),
        (Err(findings), Impossible::IsStale) => {
            return Err(
                SavedError::Stale(findings.into_iter().map(|finding| finding.client_id).collect()).into()
            );
        }
    };
    let advice = findings::advice(config, &actual);
    let at_risk: Vec<&Key> = plan.at_risk().map(|row| &row.key).collect();
    if at_risk.is_empty() {
        return Ok(Planned { plan, foreign: BTreeMap::new(), maintained, unread, advice });
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
    let unseen = plan.unread();
    let gone = match unseen.as_slice() {
        [] => Vec::new(),
        keys => applications::read_rows(&*snapshot, layout, keys).await?,
    };
    drop(unseen);
    let gone = gone.iter().map(|stored| (stored.key.clone(), Whole::of(stored, &actual))).collect();
    let plan = plan.with_rows(gone).with_dependents(&counts, rfc3339(counted_at)).with_foreign_rows(&foreign);
    Ok(Planned { plan, foreign, maintained, unread, advice })
}

/// Verifies the secrets and plans.
pub fn decide(
    session: &mut Session,
    config: &Config,
    actual: &Actual,
    scope: &ScopeArgs,
) -> Result<Plan, Error> {
    let planned = try_to_decide(session, config, actual, scope)?;
    planned.map_err(|findings| reporting::findings(session, config, &findings))
}

/// The same, with what this database cannot give or would refuse.
fn try_to_decide(
    session: &mut Session,
    config: &Config,
    actual: &Actual,
    scope: &ScopeArgs,
) -> Result<Result<Plan, Vec<Finding>>, Error> {
    let threads = environment::threads();
    let mut watch = hashing::watch(session, hashing::VERIFYING);
    let verdicts = seal::verify(&config.desired, actual, &mut session.known, threads, &mut watch);
    drop(watch);
    let secrets = verdicts.map_err(|_| session.interrupted.stopped())?;
    let targets = scope.targets();
    let facts = Facts { secrets: &secrets, provider: &config.provider, scope: targets.as_ref() };
    Ok(crate::plan::plan(&config.desired, actual, &config.policy, &facts))
}

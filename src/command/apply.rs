//! `apply`: plan → rails → confirmation → one transaction → plan again → cleanup.

use std::path::PathBuf;

use clap::Args;

use super::Format;
use super::cleanup;
use super::counting::{self, Question};
use super::delivering::{check_delivery, check_secrets_out};
use super::executing::{confirm, execute};
use super::hooking;
use super::intent::Intent;
use super::noting::History;
use super::outputs;
use super::picking;
use super::prepared::Prepared;
use super::reclaiming;
use super::reconcile;
use super::reporting;
use super::resuming::Resuming;
use super::saved;
use super::scope::{ConsentArgs, ScopeArgs};
use super::session::Session;
use super::values::parse_instant;
use super::{unanswered, writable};
use crate::apply::Outcome;
use crate::db::ledger::Noted;
use crate::error::{Error, Exit};
use crate::hooks::Ran;
use crate::model::{Counted, Tally};
use crate::plan::picking::Picked;
use crate::plan::{Plan, Proposal, shown};
use crate::ui::about::expired_rows;
use crate::ui::cleanup::fewer_than_planned;
use crate::ui::picking::heading;
use crate::ui::plan::{Detail, applied_line, pieces, plural, render, visible};
use crate::ui::plan_json;
use crate::ui::progress::Total;

const EXAMPLES: &str = "\
Examples:
  oauthctl apply
  oauthctl apply --yes --secrets-out secrets.json
  oauthctl apply --pick              # asks about each change
  oauthctl apply oauth.plan";

/// The flags of `apply`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ApplyArgs {
    /// A plan saved by `oauthctl plan --out PLAN`. If the database has changed so that it no longer fits, nothing is done.
    #[arg(value_name = "PLAN", conflicts_with_all = ["targets", "no_cleanup", "as_of"])]
    saved: Option<PathBuf>,
    /// Also show the defaults of new applications, and the unchanged applications.
    #[arg(long)]
    full: bool,
    /// Ask about each change, and make only those that you pick. Needs a terminal.
    #[arg(long, conflicts_with_all = ["yes", "saved"])]
    pick: bool,
    /// Run the programs of `[[hooks]]` when applications have changed.
    #[arg(long)]
    hooks: bool,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

impl ApplyArgs {
    const fn detail(&self) -> Detail {
        if self.full { Detail::Full } else { Detail::Changes }
    }

    const fn intent(&self) -> Intent {
        if self.pick { Intent::Pick } else { Intent::Execute }
    }

    /// How to find out whether a COMMIT without an answer was executed.
    const fn told_by_a_plan(&self) -> &'static str {
        if self.pick { unanswered::PLAN_TELLS_OF_PICKED } else { unanswered::PLAN_TELLS }
    }
}

/// Makes the database match the file, or a saved plan.
pub async fn run(session: &mut Session, args: &ApplyArgs) -> Result<Exit, Error> {
    if args.pick {
        picking::check(session)?;
    }
    outputs::check(session, &args.consent.outputs(), args.saved.as_deref())?;
    check_secrets_out(&args.consent)?;
    let saved = args.saved.as_deref().map(saved::read).transpose()?;
    let scope = match &saved {
        Some(saved) => saved::scope(saved, &args.scope)?,
        None => args.scope.clone(),
    };
    let mut prepared = reconcile::prepare(session, &scope, args.intent(), saved.as_ref()).await?;
    if let Some(saved) = &saved {
        saved.check_steps(&prepared.proposal.plan)?;
    }
    outputs::check_referred(&prepared.config, &args.consent.outputs())?;
    let mut done = Done { picked: present(session, (args, &scope), &mut prepared).await?, ..Done::default() };
    if let Some(refusal) = &prepared.proposal.refusal {
        if session.global.format == Format::Json {
            finish(session, &prepared, &done)?;
        }
        return Err(reporting::refusal(session, refusal));
    }
    if prepared.proposal.is_empty() {
        finish(session, &prepared, &done)?;
        return Ok(Exit::Done);
    }
    writable::require(&prepared.connected).await?;
    check_delivery(session, &args.consent, &prepared.proposal.plan)?;
    check_hooks(session, args, &prepared.proposal)?;
    if done.picked.is_none() {
        confirm(session, &args.consent, &question(&prepared.proposal)).await?;
    }
    let history = History::begin(session, &prepared.connected, &prepared.config).await?;
    let result = reconcile_and_clean(session, (args, &scope), &mut prepared, history.noted, &mut done).await;
    history.finish(session, &prepared.connected, &result, done.counts()).await;
    // What was committed is said first, whatever came afterwards.
    let finished = finish(session, &prepared, &done);
    result.map_err(|error| if done.applied.is_some() { error.after_commit() } else { error })?;
    finished?;
    if let Some(cleaned) = &done.cleaned {
        reclaiming::after(session, &prepared.connected, &prepared.sweeps, cleaned, false).await?;
    }
    if let Some(failure) = done.hooks.as_deref().and_then(hooking::failure) {
        return Err(failure);
    }
    Ok(done.cleaned.and_then(|cleaned| cleanup::exit_of(session, &cleaned)).unwrap_or(Exit::Done))
}

/// What an apply has committed so far.
#[derive(Default)]
struct Done {
    /// What was picked, and what was left out; `None`: nobody was asked about the single changes.
    picked: Option<Picked>,
    applied: Option<Outcome>,
    /// The hooks that were run; `None`: none was to be run.
    hooks: Option<Vec<Ran>>,
    cleaned: Option<crate::sweep::Outcome>,
    /// How many rows there were to clean when the cleanup began, exactly; `None`: not known.
    expired: Option<u64>,
}

impl Done {
    /// For the ledger.
    fn counts(&self) -> serde_json::Value {
        serde_json::json!({
            "applications": self.applied.as_ref().map(|outcome| outcome.done),
            "dependents": self.applied.as_ref().map(|outcome| outcome.dependents),
            "others": self.applied.as_ref().map(|outcome| &outcome.others),
            "others_of_tokens": self.cleaned.as_ref().map(|outcome| &outcome.others),
            "tokens": self.cleaned.as_ref().map(|outcome| outcome.deleted),
            "stop": self.cleaned.as_ref().map(|outcome| crate::ui::cleanup::stop_key(&outcome.stop)),
        })
    }
}

async fn reconcile_and_clean(
    session: &mut Session,
    (args, scope): (&ApplyArgs, &ScopeArgs),
    prepared: &mut Prepared,
    noted: Noted,
    done: &mut Done,
) -> Result<(), Error> {
    done.applied = execute_or_plan_again(session, (args, scope), prepared, noted, &mut done.picked).await?;
    if done.applied.is_some() {
        if args.hooks {
            let ran = done.hooks.insert(Vec::new());
            hooking::run(session, &prepared.config, &prepared.proposal, ran).await?;
        } else {
            hooking::not_run(session, &prepared.proposal);
        }
        verify(session, scope, prepared, done.picked.as_ref()).await?;
    }
    if !prepared.sweeps.is_empty() {
        let (connected, sweeps) = (&prepared.connected, &prepared.sweeps);
        let policy = prepared.config.cleanup.clone().unwrap_or_default();
        let dependents = done.applied.as_ref().map_or(0, |outcome| outcome.dependents);
        let counted = if dependents == 0 {
            prepared.proposal.expired().cloned()
        } else if session.global.format == Format::Text {
            // Expired rows among the dependents were counted too. With the old number, the bar would not reach 100 %.
            count_again(session, scope, prepared).await
        } else {
            None
        };
        done.expired = counted.as_ref().and_then(Counted::exact).map(Tally::total);
        let total = counted.as_ref().and_then(Total::of);
        let resuming = Resuming::begin(session, connected, (&policy, sweeps), None, noted.run).await?;
        let (cleaned, result) =
            cleanup::run(session, connected, sweeps, &policy.pace, total, &resuming).await;
        done.cleaned = cleaned;
        result?;
    }
    Ok(())
}

/// How often it is planned again because others write at the same time.
const ROUNDS: usize = 10;

/// Executes the plan. Under the lock, rows may turn out to have changed since it was made, for example by another
/// `apply`: then nothing is written, and a new plan has to be agreed to. The lock is free while a person thinks.
async fn execute_or_plan_again(
    session: &mut Session,
    (args, scope): (&ApplyArgs, &ScopeArgs),
    prepared: &mut Prepared,
    noted: Noted,
    picked: &mut Option<Picked>,
) -> Result<Option<Outcome>, Error> {
    let mut rounds = 0;
    loop {
        let stale = match execute(session, &args.consent, prepared, noted, args.told_by_a_plan()).await {
            Err(error) if error.exit() == Exit::Stale && args.saved.is_none() && rounds < ROUNDS => error,
            done => return done,
        };
        rounds += 1;
        session.ui.status(format_args!("Planning again, because {stale}."));
        let shown = prepared.proposal.plan.clone();
        reconcile::prepare_again(session, (scope, args.intent()), prepared).await?;
        match picked {
            Some(before) => *before = pick_again(session, (args, scope), before, prepared).await?,
            None => agree_again(session, args, &shown, prepared).await?,
        }
    }
}

/// Shows the plan. With `--pick`, asks about each change, and goes on with what was picked.
async fn present(
    session: &mut Session,
    (args, scope): (&ApplyArgs, &ScopeArgs),
    prepared: &mut Prepared,
) -> Result<Option<Picked>, Error> {
    if !args.pick || prepared.proposal.is_empty() {
        show(session, args, prepared)?;
        return Ok(None);
    }
    if session.global.format != Format::Json {
        session.tell(&heading(&prepared.proposal))?;
    }
    let picked = picking::pick(session, &prepared.proposal, args.detail(), None).await?;
    picking::settle(session, &picked)?;
    reconcile::narrow(session, scope, prepared, &picked).await?;
    Ok(Some(picked))
}

/// Continues with what was picked before of the new plan, and asks about what was not shown.
async fn pick_again(
    session: &mut Session,
    (args, scope): (&ApplyArgs, &ScopeArgs),
    before: &Picked,
    prepared: &mut Prepared,
) -> Result<Picked, Error> {
    let picked = picking::pick(session, &prepared.proposal, args.detail(), Some(before)).await?;
    reconcile::narrow(session, scope, prepared, &picked).await?;
    let proposal = &prepared.proposal;
    if let Some(refusal) = &proposal.refusal {
        return Err(reporting::refusal(session, refusal));
    }
    check_delivery(session, &args.consent, &proposal.plan)?;
    check_hooks(session, args, proposal)?;
    Ok(picked)
}

/// Continues with the new plan if it is what was shown, or if it is agreed to.
async fn agree_again(
    session: &mut Session,
    args: &ApplyArgs,
    shown: &Plan,
    prepared: &Prepared,
) -> Result<(), Error> {
    let proposal = &prepared.proposal;
    let is_the_same = shown::is_the_same(&proposal.plan, shown);
    if !is_the_same || proposal.refusal.is_some() {
        apart(session)?;
        show(session, args, prepared)?;
    }
    if let Some(refusal) = &proposal.refusal {
        return Err(reporting::refusal(session, refusal));
    }
    if is_the_same || proposal.is_empty() {
        return Ok(());
    }
    check_delivery(session, &args.consent, &proposal.plan)?;
    check_hooks(session, args, proposal)?;
    let unseen = shown::not_shown(&proposal.plan, shown);
    if args.consent.yes && !unseen.is_empty() {
        let unseen = unseen.iter().map(|client_id| format!("\"{}\"", visible(client_id.as_str())));
        let unseen = unseen.collect::<Vec<_>>().join(", ");
        let message = format!("planning again found changes that --yes did not agree to: {unseen}");
        return Err(Error::new(Exit::Stale, message)
            .hint("nothing was changed; look at the new plan, then run `oauthctl apply` again"));
    }
    confirm(session, &args.consent, &question(proposal)).await
}

/// Separates the new plan from the one before.
fn apart(session: &mut Session) -> Result<(), Error> {
    if session.global.format == Format::Json { Ok(()) } else { session.tell("\n") }
}

/// Counts what cleanup will delete after the changes; `None`: a signal came, it takes too long, or it failed. Then the bar
/// has no total.
async fn count_again(session: &Session, scope: &ScopeArgs, prepared: &Prepared) -> Option<Counted> {
    let interrupted = session.interrupted.clone();
    let file = prepared.config.cleanup.as_ref().map(|policy| policy.counting).unwrap_or_default();
    let as_of =
        prepared.proposal.forecast.as_ref().and_then(|forecast| parse_instant(&forecast.as_of).ok())?;
    let question = Question { sweeps: &prepared.sweeps, counting: scope.counting.over(file), as_of };
    let count = async {
        let mut client = prepared.connected.database.get().await?;
        counting::rows(&prepared.connected, &mut client, question).await
    };
    tokio::select! {
        biased;
        _ = interrupted.wait() => None,
        counted = count => counted.ok().flatten(),
    }
}

fn check_hooks(session: &Session, args: &ApplyArgs, proposal: &Proposal) -> Result<(), Error> {
    if args.hooks { hooking::check(session, proposal) } else { Ok(()) }
}

fn show(session: &mut Session, args: &ApplyArgs, prepared: &Prepared) -> Result<(), Error> {
    if session.global.format == Format::Json {
        return Ok(());
    }
    session.tell_pieces(pieces(&prepared.proposal, args.detail()))
}

fn question(proposal: &Proposal) -> String {
    let expired = proposal.expired().filter(|counted| counted.may_delete()).map(expired_rows);
    match (proposal.plan.steps.len() as u64, expired) {
        (changes, None) => format!("Make {}?", plural(changes, "change")),
        (0, Some(expired)) => format!("Delete {expired}?"),
        (changes, Some(expired)) => format!("Make {} and delete {expired}?", plural(changes, "change")),
    }
}

/// After the commit the same file must plan nothing, or what was left out.
async fn verify(
    session: &mut Session,
    scope: &ScopeArgs,
    prepared: &Prepared,
    picked: Option<&Picked>,
) -> Result<(), Error> {
    let interrupted = session.interrupted.clone();
    let left = interrupted.or(reconcile::replan(session, scope, prepared)).await.map_err(|error| {
        error
            .context("the changes are committed, but planning again failed")
            .only_hint("`oauthctl plan` shows whether the database matches the file now")
    })?;
    let left = match picked {
        Some(picked) => picked.unexpected(left),
        None => left,
    };
    if left.is_empty() {
        return Ok(());
    }
    session.ui.sentence(render(&left.into(), Detail::Changes));
    Err(Error::new(Exit::Failed, "the changes are committed, but planning again finds these")
        .hint("does a trigger change what is written, or does another program write at the same time?"))
}

/// Says what is committed.
fn finish(session: &mut Session, prepared: &Prepared, done: &Done) -> Result<(), Error> {
    if session.global.format == Format::Json {
        let Done { picked, applied, hooks, cleaned, expired: _ } = done;
        let report = plan_json::Report {
            picked: picked.as_ref(),
            applied: applied.as_ref(),
            hooks: hooks.as_deref(),
            cleaned: cleaned.as_ref(),
        };
        let text = plan_json::render(&prepared.proposal, Some(&report))
            .map_err(|error| Error::from_source(Exit::Failed, &error))?;
        return session.tell(&text);
    }
    let mut text = done.applied.as_ref().map(applied_line).unwrap_or_default();
    if let Some(cleaned) = &done.cleaned {
        let planned = prepared.proposal.expired().and_then(Counted::exact).map(Tally::total);
        if let Some((planned, counted)) = planned.zip(done.expired) {
            text += &fewer_than_planned(planned, counted);
        }
        text += &crate::ui::cleanup::render(cleaned, done.expired);
    }
    session.tell(&text)
}

//! `cleartokens`: DOT's command, plus what it lacks.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use time::OffsetDateTime;

use super::Format;
use super::cleanup;
use super::connected::Connected;
use super::connected::database_now;
use super::consent;
use super::costing;
use super::counting::{self, CountArgs, Found, Question};
use super::loading;
use super::names;
use super::noting::History;
use super::reaching;
use super::reclaiming::{self, Space};
use super::references;
use super::reporting;
use super::resuming::Resuming;
use super::rights;
use super::session::Session;
use super::values::{self, not_empty, parse_instant};
use super::{reading, writable};
use crate::config::{Config, duration, size};
use crate::error::{Error, Exit};
use crate::model::words::rfc3339;
use crate::model::{
    Allow, Category, CleanupPolicy, ClientId, Counted, DcrPolicy, FkChecks, NotAPosition, Pace, Position,
    ReferenceName, ReferenceRule, Strategy, Tally, Workers,
};
use crate::plan::guard::check_cleanup;
use crate::plan::{CleanupForecast, retention};
use crate::sweep::{self, Outcome};
use crate::ui::backlog;
use crate::ui::cleanup::{count_json, outcome_json, render, stop_key};
use crate::ui::plan::{render_forecast, visible};
use crate::ui::progress::{Manner, Total};

const EXAMPLES: &str = "\
Examples:
  oauthctl cleartokens --refresh-token-expire 14d --dry-run
  oauthctl cleartokens --max-duration 30m --max-replica-lag 2s
  oauthctl cleartokens --only access,grants";

/// The flags of `cleartokens`; each overrides its key in the file's `[cleanup]`.
#[derive(Args, Debug, Default)]
#[command(after_help = EXAMPLES)]
pub struct CleartokensArgs {
    /// How long refresh tokens live (`REFRESH_TOKEN_EXPIRE_SECONDS`): 14d, 1h30m, or a number of seconds. 0: for ever.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_negative_numbers = true)]
    refresh_token_expire: Option<Duration>,
    /// How long revoked refresh tokens are kept (`REFRESH_TOKEN_GRACE_PERIOD_SECONDS`).
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_negative_numbers = true)]
    refresh_token_grace_period: Option<Duration>,
    /// Keep revoked refresh tokens for their whole lifetime (`REFRESH_TOKEN_REUSE_PROTECTION`).
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    refresh_token_reuse_protection: Option<bool>,
    /// Delete at most this number of rows per transaction (`CLEAR_EXPIRED_TOKENS_BATCH_SIZE`).
    #[arg(long, value_name = "ROWS", value_parser = parse_batch_size, allow_negative_numbers = true)]
    batch_size: Option<NonZeroU32>,
    /// Pause this long between batches (`CLEAR_EXPIRED_TOKENS_BATCH_INTERVAL`).
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_negative_numbers = true)]
    batch_interval: Option<Duration>,
    /// Change the batch size so that a batch takes about this long. 0: do not change it.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_negative_numbers = true)]
    target_batch_time: Option<Duration>,
    /// After each batch, pause for this multiple of the time that it took. 0: no pause.
    #[arg(long, value_name = "RATIO", value_parser = parse_ratio, allow_negative_numbers = true)]
    nice_ratio: Option<f64>,
    /// Stop after this time, when the running batch has ended. 0: no limit.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_negative_numbers = true)]
    max_duration: Option<Duration>,
    /// Stop when this number of rows is deleted.
    #[arg(long, value_name = "ROWS", value_parser = parse_rows, allow_negative_numbers = true)]
    max_rows: Option<u64>,
    /// Number of connections that delete in parallel. auto: as many as make the run faster.
    #[arg(long, value_name = "COUNT", value_parser = values::workers(), allow_negative_numbers = true)]
    workers: Option<Workers>,
    /// Wait while a replica is further behind than this. 0: do not look at replicas.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, allow_negative_numbers = true)]
    max_replica_lag: Option<Duration>,
    /// Wait while the server writes more WAL than this, such as 20MB/s, and while a requested checkpoint runs. 0: do not
    /// look.
    #[arg(long, value_name = "BYTES/s", value_parser = size::parse_rate, allow_negative_numbers = true)]
    max_wal_rate: Option<u64>,
    /// Vacuum a table each time that this number of its rows is deleted. 0: leave that to autovacuum.
    #[arg(long, value_name = "ROWS", value_parser = parse_count, allow_negative_numbers = true)]
    vacuum_every: Option<u64>,
    /// Wait while a replication slot holds back more WAL than this, such as 5GB. 0: do not look.
    #[arg(long, value_name = "BYTES", value_parser = size::parse, allow_negative_numbers = true)]
    max_slot_lag: Option<u64>,
    /// Wait while more WAL segments than this are to be archived. 0: do not look.
    #[arg(long, value_name = "SEGMENTS", value_parser = parse_count, allow_negative_numbers = true)]
    max_archive_backlog: Option<u64>,
    /// Check foreign keys with PostgreSQL's triggers, or with one query per batch (set), which is faster and needs
    /// --allow fk-checks=set. With auto: set where it is allowed and possible.
    #[arg(long, value_name = "HOW", value_parser = values::fk_checks())]
    fk_checks: Option<FkChecks>,
    /// Delete in batches, or rewrite the tables, which is faster if most rows are expired and needs --allow rewrite.
    #[arg(long, value_name = "HOW", value_parser = values::strategy())]
    strategy: Option<Strategy>,
    /// Allow a faster way that needs your consent.
    #[arg(long = "allow", value_name = "WHAT", value_parser = values::cleanup_allow())]
    allow: Vec<Allow>,
    /// Delete only these categories. Repeat the flag, or separate them with commas.
    #[arg(long, value_name = "CATEGORY", value_delimiter = ',', value_parser = values::category())]
    only: Vec<Category>,
    /// Do not delete these categories.
    #[arg(long, value_name = "CATEGORY", value_delimiter = ',', value_parser = values::category())]
    skip: Vec<Category>,
    /// Delete no rows of this application. Repeat the flag for several.
    #[arg(long = "exclude-client", value_name = "CLIENT_ID", value_parser = not_empty)]
    exclude_clients: Vec<String>,
    /// Also delete expired device grants. DOT never does.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    device_grants: Option<bool>,
    /// Also delete expired applications of client ID metadata documents, as DOT's `clearcimdapplications` does.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    cimd_applications: Option<bool>,
    /// Also delete dynamically registered applications that are older than MIN, not older than MAX, and that no user ever
    /// authorised: 7d, or 7d..30d. 0: none.
    #[arg(long, value_name = "MIN[..MAX]", value_parser = parse_ages, allow_negative_numbers = true)]
    dcr_applications: Option<Ages>,
    /// What is done with rows of your own tables that refer to rows to delete: what Django's `on_delete` does. Repeat the
    /// flag for several columns.
    #[arg(long = "reference", value_name = "TABLE.COLUMN=RULE", value_parser = references::parse)]
    references: Vec<(ReferenceName, ReferenceRule)>,
    /// Delete what has expired at this instant, in RFC 3339. Default: the time of the database.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    as_of: Option<OffsetDateTime>,
    /// Begin where an earlier run stopped, as its last line says. Default: where the ledger says, if there is one.
    #[arg(long, value_name = "POSITION", value_parser = parse_position)]
    resume_from: Option<Position>,
    /// Give the space of deleted rows back to the disk, beside your users: with REPACK (CONCURRENTLY) from PostgreSQL 19 on,
    /// and before that with REINDEX CONCURRENTLY, which shrinks the indexes.
    #[arg(long)]
    reclaim: bool,
    /// Count what would be deleted, exactly unless --count says otherwise, and delete nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    counting: CountArgs,
}

/// `--dcr-applications`; `None`: none.
#[derive(Clone, Copy, Debug)]
struct Ages(Option<DcrPolicy>);

fn parse_ages(text: &str) -> Result<Ages, String> {
    let age = |text: &str| duration::parse(text).map_err(|error| error.to_string());
    let (min, max) = match text.split_once("..") {
        None => (age(text)?, None),
        Some((min, max)) => (age(min)?, Some(age(max)?)),
    };
    match max {
        Some(max) if max <= min => Err("the second age must be longer than the first".to_owned()),
        Some(_) if min.is_zero() => Err("the first age must be longer than 0".to_owned()),
        _ if min.is_zero() => Ok(Ages(None)),
        max_age => Ok(Ages(Some(DcrPolicy { min_age: min, max_age, dormant: false }))),
    }
}

fn parse_rows(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(rows) if rows >= 1 => Ok(rows),
        _ => Err("write a number of rows, at least 1".to_owned()),
    }
}

fn parse_position(text: &str) -> Result<Position, String> {
    text.parse().map_err(|error: NotAPosition| error.to_string())
}

fn parse_count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "write a whole number, or 0".to_owned())
}

fn parse_batch_size(text: &str) -> Result<NonZeroU32, String> {
    let rows = parse_rows(text)?;
    let most = u32::MAX;
    u32::try_from(rows).ok().and_then(NonZeroU32::new).ok_or_else(|| format!("at most {most} rows"))
}

fn parse_ratio(text: &str) -> Result<f64, String> {
    let ratio: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=100.0).contains(&ratio) { Ok(ratio) } else { Err("must be between 0 and 100".to_owned()) }
}

impl CleartokensArgs {
    /// The file's policy with these flags over it.
    fn over(&self, file: CleanupPolicy) -> CleanupPolicy {
        let set = |flags: &[Category], file: BTreeSet<Category>| {
            if flags.is_empty() { file } else { flags.iter().copied().collect() }
        };
        let mut excluded = file.exclude_clients;
        excluded.extend(self.exclude_clients.iter().map(ClientId::new));
        CleanupPolicy {
            refresh_token_expire: zero_is_off(self.refresh_token_expire, file.refresh_token_expire),
            refresh_token_grace_period: self
                .refresh_token_grace_period
                .unwrap_or(file.refresh_token_grace_period),
            refresh_token_reuse_protection: self
                .refresh_token_reuse_protection
                .unwrap_or(file.refresh_token_reuse_protection),
            only: set(&self.only, file.only),
            skip: set(&self.skip, file.skip),
            device_grants: self.device_grants.unwrap_or(file.device_grants),
            cimd_applications: self.cimd_applications.unwrap_or(file.cimd_applications),
            dcr: self.dcr_applications.map_or(file.dcr, |Ages(dcr)| dcr),
            declared: file.declared,
            exclude_clients: excluded,
            counting: self.counting.over(file.counting),
            pace: self.pace_over(&file.pace),
        }
    }

    fn pace_over(&self, file: &Pace) -> Pace {
        Pace {
            batch_size: self.batch_size.unwrap_or(file.batch_size),
            batch_interval: self.batch_interval.unwrap_or(file.batch_interval),
            target_batch_time: zero_is_off(self.target_batch_time, file.target_batch_time),
            nice_ratio: self.nice_ratio.unwrap_or(file.nice_ratio),
            max_duration: zero_is_off(self.max_duration, file.max_duration),
            max_rows: self.max_rows.or(file.max_rows),
            max_replica_lag: zero_is_off(self.max_replica_lag, file.max_replica_lag),
            max_wal_rate: zero_is_none(self.max_wal_rate, file.max_wal_rate),
            vacuum_every: zero_is_none(self.vacuum_every, file.vacuum_every),
            max_slot_lag: zero_is_none(self.max_slot_lag, file.max_slot_lag),
            max_archive_backlog: zero_is_none(self.max_archive_backlog, file.max_archive_backlog),
            workers: self.workers.unwrap_or(file.workers),
            fk_checks: self.fk_checks.unwrap_or(file.fk_checks),
            strategy: self.strategy.unwrap_or(file.strategy),
        }
    }
}

/// As in DOT's settings.
fn zero_is_off(flag: Option<Duration>, file: Option<Duration>) -> Option<Duration> {
    flag.or(file).filter(|duration| !duration.is_zero())
}

/// The same for numbers.
fn zero_is_none(flag: Option<u64>, file: Option<u64>) -> Option<u64> {
    flag.or(file).filter(|number| *number > 0)
}

/// Cleans up, or counts.
pub async fn run(session: &mut Session, args: &CleartokensArgs) -> Result<Exit, Error> {
    let config = loading::without_secrets(session)?;
    let file = config.cleanup.clone().unwrap_or_default();
    let policy =
        consent::apply(session, args.over(CleanupPolicy { declared: config.spared(), ..file }), &args.allow);
    if let Some(both) = policy.only.intersection(&policy.skip).next() {
        return Err(Error::usage(format!("`{both}` is both in --only and in --skip")));
    }
    if policy.only.contains(&Category::Dcr) && policy.dcr.is_none() {
        return Err(Error::usage("`dcr` in --only needs an age").hint("add --dcr-applications 7d"));
    }
    match check_cleanup(&policy, &args.allow.iter().cloned().collect()) {
        Ok(()) => {}
        Err(refusal) if args.dry_run => {
            for violation in &refusal.violations {
                session.ui.warning(format_args!("a run would be refused: {violation}."));
                if let Some(flag) = violation.allow() {
                    session.ui.hint(format_args!("to let it through: {flag}"));
                }
            }
        }
        Err(refusal) => {
            return Err(reporting::refusal(session, &refusal));
        }
    }
    let interrupted = session.interrupted.clone();
    let (connected, as_of) = interrupted.or(reach(session, &config, &policy, args)).await?;
    let sweeps = retention::sweeps(&policy, as_of, &connected.layout.roles());
    rights::check_cleanup(session, &connected, (&sweeps, policy.pace.strategy), args.dry_run).await?;
    // Both read the applications.
    interrupted.or(names::check_excluded(&connected, &args.exclude_clients)).await?;
    interrupted.or(cleanup::warn(session, &connected, &policy)).await?;
    if args.dry_run {
        let file = config.cleanup.as_ref().map(|policy| policy.counting).unwrap_or_default();
        let counting = args.counting.of_a_dry_run(file);
        let question = Question { sweeps: &sweeps, counting, as_of };
        return interrupted.or(dry_run(session, &connected, question, &policy)).await;
    }
    writable::require(&connected).await?;
    if args.reclaim {
        interrupted.or(Space::read(&connected, &sweeps)).await?.require()?;
    }
    let counted = match Manner::of(&session.ui, session.global.format == Format::Json) {
        Manner::Bar => {
            let question = Question { sweeps: &sweeps, counting: policy.counting, as_of };
            interrupted.or(count(&connected, question)).await?
        }
        Manner::Lines | Manner::Objects | Manner::Silent => None,
    };
    let history = History::begin(session, &connected, &config).await?;
    let total = counted.as_ref().and_then(Total::of);
    let (of, given) = ((&policy, &sweeps[..]), args.resume_from.as_ref());
    let begun = Resuming::begin(session, &connected, of, given, history.noted.run).await;
    let (outcome, result) = match begun {
        Ok(resuming) => cleanup::run(session, &connected, &sweeps, &policy.pace, total, &resuming).await,
        Err(error) => (None, Err(error)),
    };
    let counts = serde_json::json!({
        "tokens": outcome.as_ref().map(|outcome| outcome.deleted),
        "others": outcome.as_ref().map(|outcome| &outcome.others),
        "stop": outcome.as_ref().map(|outcome| stop_key(&outcome.stop)),
    });
    history.finish(session, &connected, &result, counts).await;
    let Some(outcome) = outcome else { return result.map(|()| Exit::Done) };
    let reported = report(session, &rfc3339(as_of), &outcome, counted.as_ref().and_then(Counted::exact));
    // The reason of a failure is worth more than a reader that has gone away.
    let exit = result.and(reported)?;
    reclaiming::after(session, &connected, &sweeps, &outcome, args.reclaim).await?;
    Ok(exit)
}

/// Connects. With the instant that everything is compared with.
async fn reach(
    session: &mut Session,
    config: &Config,
    policy: &CleanupPolicy,
    args: &CleartokensArgs,
) -> Result<(Connected, OffsetDateTime), Error> {
    let connections = cleanup::connections(&policy.pace);
    let mut connected = reaching::connect(session, config, connections).await?;
    references::declare(session, &mut connected, config, &args.references).await?;
    let as_of = match args.as_of {
        Some(instant) => instant,
        None => reading::again(async || database_now(&connected.database.get().await?).await).await?,
    };
    Ok((connected, as_of))
}

/// Counts for the bar.
async fn count(connected: &Connected, question: Question<'_>) -> Result<Option<Counted>, Error> {
    let mut client = connected.database.get().await?;
    counting::rows(connected, &mut client, question).await
}

async fn dry_run(
    session: &mut Session,
    connected: &Connected,
    question: Question<'_>,
    policy: &CleanupPolicy,
) -> Result<Exit, Error> {
    let mut client = connected.database.get().await?;
    let Found { counted, others, spared_by_age } = counting::find(connected, &mut client, question).await?;
    let cost = costing::cost(connected, &mut client, &counted, &policy.pace).await?;
    let refusals = sweep::refusals(&mut client, &connected.layout, question.sweeps, &policy.pace).await?;
    // What comes next may take a connection too, and one is enough.
    drop(client);
    let forecast = CleanupForecast { as_of: rfc3339(question.as_of), counted, others, spared_by_age };
    let text = match session.global.format {
        Format::Json => {
            count_json(&forecast, cost.as_ref()).map_err(|error| Error::from_source(Exit::Failed, &error))?
        }
        Format::Text | Format::Markdown | Format::Html | Format::Sarif | Format::Github | Format::Gitlab => {
            let cost = cost.as_ref().map(|cost| backlog::sentence(cost) + "\n");
            render_forecast(&forecast, "") + &cost.unwrap_or_default()
        }
    };
    session.tell(&text)?;
    writable::warn(session, connected, "a run").await?;
    for refusal in refusals {
        session.ui.warning(format_args!("a run would be refused: {}.", visible(&refusal.to_string())));
        if let Some(hint) = refusal.hint() {
            session.ui.hint(hint);
        }
        if let Some(block) = refusal.block() {
            session.ui.hint(block);
        }
    }
    Ok(Exit::Done)
}

fn report(
    session: &mut Session,
    as_of: &str,
    outcome: &Outcome,
    counted: Option<&Tally>,
) -> Result<Exit, Error> {
    let text = match session.global.format {
        Format::Text | Format::Markdown | Format::Html | Format::Sarif | Format::Github | Format::Gitlab => {
            render(outcome, counted.map(Tally::total))
        }
        Format::Json => {
            outcome_json(as_of, outcome, counted).map_err(|error| Error::from_source(Exit::Failed, &error))?
        }
    };
    session.tell(&text)?;
    Ok(cleanup::exit_of(session, outcome).unwrap_or(Exit::Done))
}

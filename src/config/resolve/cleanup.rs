//! `[cleanup]`: which token rows may go, and how gently.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::Context;
use super::policy::client_ids;
use crate::config::document::{Cleanup as Section, DcrApplications};
use crate::config::places::Places;
use crate::config::problem::{Problem, Span};
use crate::config::size::{self, SizeError};
use crate::config::slot::{List, Placed, Slot};
use crate::config::suggest::quoted;
use crate::config::values::{self, NumberOrText};
use crate::model::{
    Category, CleanupPolicy, CountMethod, Counting, DcrPolicy, Pace, ReferenceName, ReferenceRule,
    References, Workers,
};

const TABLE: &str = "cleanup";

/// The largest `nice_ratio`: the cleaner then works one hundredth of the time.
const HIGHEST_NICE_RATIO: f64 = 100.0;

/// The policy, and what is declared about references. No policy without a `[cleanup]` table, or where there is nothing in it
/// but references, which `[[removed]]` needs too: then nothing is cleaned by plan and apply.
pub(super) fn resolve(
    section: Slot<Section>,
    context: &Context<'_>,
    places: &mut Places,
) -> (Option<CleanupPolicy>, References) {
    let Some(mut section) = section.value() else { return (None, References::new()) };
    let written = std::mem::take(&mut section.references);
    let alone = !written.is_absent() && is_empty(&section);
    let references = references(written, context, places);
    ((!alone).then(|| policy(section, context, places)), references)
}

/// Whether nothing is written but references.
const fn is_empty(section: &Section) -> bool {
    let Section {
        refresh_token_expire,
        refresh_token_grace_period,
        refresh_token_reuse_protection,
        batch_size,
        batch_interval,
        target_batch_time,
        nice_ratio,
        max_duration,
        max_rows,
        workers,
        max_replica_lag,
        max_wal_rate,
        vacuum_every,
        max_slot_lag,
        max_archive_backlog,
        fk_checks,
        strategy,
        count,
        count_budget,
        only,
        skip,
        device_grants,
        cimd_applications,
        dcr_applications,
        exclude_clients,
        references: _,
    } = section;
    refresh_token_expire.is_absent()
        && refresh_token_grace_period.is_absent()
        && refresh_token_reuse_protection.is_absent()
        && batch_size.is_absent()
        && batch_interval.is_absent()
        && target_batch_time.is_absent()
        && nice_ratio.is_absent()
        && max_duration.is_absent()
        && max_rows.is_absent()
        && workers.is_absent()
        && max_replica_lag.is_absent()
        && max_wal_rate.is_absent()
        && vacuum_every.is_absent()
        && max_slot_lag.is_absent()
        && max_archive_backlog.is_absent()
        && fk_checks.is_absent()
        && strategy.is_absent()
        && count.is_absent()
        && count_budget.is_absent()
        && only.is_absent()
        && skip.is_absent()
        && device_grants.is_absent()
        && cimd_applications.is_absent()
        && dcr_applications.is_absent()
        && exclude_clients.is_absent()
}

fn references(
    section: Slot<BTreeMap<String, Slot<ReferenceRule>>>,
    context: &Context<'_>,
    places: &mut Places,
) -> References {
    let mut references = References::new();
    for (text, slot) in section.value().into_iter().flatten() {
        let Some(placed) = slot.present() else { continue };
        match ReferenceName::new(&text) {
            Some(name) => {
                places.references.insert(name.clone(), placed.key);
                references.insert(name, placed.value);
            }
            None => context.push(
                Problem::error("invalid-value", format!("{} names no column", quoted(&text)))
                    .at(placed.key)
                    .hint("write \"table.column\" or \"schema.table.column\", as they are called in the database"),
            ),
        }
    }
    references
}

fn policy(section: Section, context: &Context<'_>, places: &mut Places) -> CleanupPolicy {
    let Section {
        refresh_token_expire,
        refresh_token_grace_period,
        refresh_token_reuse_protection,
        batch_size,
        batch_interval,
        target_batch_time,
        nice_ratio,
        max_duration,
        max_rows,
        workers,
        max_replica_lag,
        max_wal_rate,
        vacuum_every,
        max_slot_lag,
        max_archive_backlog,
        fk_checks,
        strategy,
        count,
        count_budget,
        only,
        skip,
        device_grants,
        cimd_applications,
        dcr_applications,
        exclude_clients,
        references: _,
    } = section;
    let default = CleanupPolicy::default();
    let mut duration = |key, slot: Slot<values::Duration>| {
        context.duration(key, slot).map(|duration| places.note(TABLE, key, duration))
    };
    let refresh_token_expire = duration("refresh_token_expire", refresh_token_expire);
    let refresh_token_grace_period = duration("refresh_token_grace_period", refresh_token_grace_period);
    let batch_interval = duration("batch_interval", batch_interval);
    let target_batch_time = duration("target_batch_time", target_batch_time);
    let max_duration = duration("max_duration", max_duration);
    let max_replica_lag = duration("max_replica_lag", max_replica_lag);
    let counting = counting(count, count_budget, context);
    let batch_size: Option<Placed<u32>> = context.number("batch_size", batch_size, 1, u32::MAX.into());
    let max_rows = context.number("max_rows", max_rows, 1, i64::MAX);
    let max_wal_rate = max_wal_rate.present().map(|slot| slot.map(|rate| rate.0));
    let max_wal_rate = context.size("max_wal_rate", max_wal_rate, size::parse_rate);
    let max_slot_lag = max_slot_lag.present().map(|slot| slot.map(|size| size.0));
    let max_slot_lag = context.size("max_slot_lag", max_slot_lag, size::parse);
    let vacuum_every = context.number("vacuum_every", vacuum_every, 0, i64::MAX);
    let max_archive_backlog = context.number("max_archive_backlog", max_archive_backlog, 0, i64::MAX);
    let workers = context.workers(workers);
    let only = categories(only, context);
    let skip = categories(skip, context);
    contradictions(&only, &skip, context);
    let dcr = dcr(dcr_applications, &only, context);
    let pace = Pace {
        batch_size: batch_size
            .and_then(|size| NonZeroU32::new(size.value))
            .unwrap_or(default.pace.batch_size),
        batch_interval: batch_interval.unwrap_or(default.pace.batch_interval),
        target_batch_time: target_batch_time.filter(is_on),
        nice_ratio: context.ratio(nice_ratio).unwrap_or(default.pace.nice_ratio),
        max_duration: max_duration.filter(is_on),
        max_rows: max_rows.map(|rows| rows.value),
        max_replica_lag: max_replica_lag.filter(is_on),
        max_wal_rate: above_zero(max_wal_rate),
        vacuum_every: above_zero(vacuum_every.map(|rows| rows.value)),
        max_slot_lag: above_zero(max_slot_lag),
        max_archive_backlog: above_zero(max_archive_backlog.map(|segments| segments.value)),
        workers: workers.unwrap_or(default.pace.workers),
        fk_checks: fk_checks.value().unwrap_or_default(),
        strategy: strategy.value().unwrap_or_default(),
    };
    CleanupPolicy {
        refresh_token_expire: refresh_token_expire.filter(is_on),
        refresh_token_grace_period: refresh_token_grace_period.unwrap_or(default.refresh_token_grace_period),
        refresh_token_reuse_protection: refresh_token_reuse_protection
            .value()
            .unwrap_or(default.refresh_token_reuse_protection),
        only: only.into_keys().collect(),
        skip: skip.into_keys().collect(),
        device_grants: device_grants.value().unwrap_or(default.device_grants),
        cimd_applications: cimd_applications.value().unwrap_or(default.cimd_applications),
        dcr,
        declared: default.declared,
        exclude_clients: client_ids("exclude_clients", exclude_clients, context),
        counting,
        pace,
    }
}

/// How rows are counted. No time at all is not enough for a forecast.
fn counting(count: Slot<CountMethod>, budget: Slot<values::Duration>, context: &Context<'_>) -> Counting {
    let default = Counting::default();
    let budget = context.duration("count_budget", budget).and_then(|budget| {
        if is_on(&budget.value) {
            return Some(budget.value);
        }
        let problem = Problem::error("out-of-range", "`count_budget` must be longer than 0");
        context.reject(problem.at(budget.span).hint("write count = \"off\" to count nothing"))
    });
    Counting { method: count.value(), budget: budget.unwrap_or(default.budget) }
}

/// An application that registered a moment ago is in the middle of being authorised: there is no default, and no zero.
fn dcr(
    section: Slot<DcrApplications>,
    only: &BTreeMap<Category, Span>,
    context: &Context<'_>,
) -> Option<DcrPolicy> {
    if section.is_absent() {
        if let Some(span) = only.get(&Category::Dcr) {
            let problem = Problem::error("missing-key", "`dcr` in `only` needs `dcr_applications`");
            context.push(problem.at(span.clone()).hint("add dcr_applications = { min_age = \"7d\" }"));
        }
        return None;
    }
    let Placed { span, value: DcrApplications { min_age, max_age, dormant }, .. } = section.present()?;
    let max_age = context.duration("max_age", max_age);
    if min_age.is_absent() {
        let problem = Problem::error("missing-key", "`dcr_applications` lacks `min_age`").at(span);
        return context.reject(problem.hint("write { min_age = \"7d\" }"));
    }
    let min_age = context.duration("min_age", min_age)?;
    if min_age.value.is_zero() {
        let problem = Problem::error("out-of-range", "`min_age` must be longer than 0").at(min_age.span);
        return context.reject(problem.hint("leave `dcr_applications` out to keep all applications"));
    }
    if let Some(max_age) = max_age.as_ref().filter(|max_age| max_age.value <= min_age.value) {
        let problem = Problem::error("out-of-range", "`max_age` must be longer than `min_age`");
        return context.reject(
            problem
                .at(max_age.span.clone())
                .related(min_age.span, "no application is older than this and younger than that")
                .hint("leave `max_age` out to delete unused applications of any age"),
        );
    }
    Some(DcrPolicy {
        min_age: min_age.value,
        max_age: max_age.map(|age| age.value),
        dormant: dormant.value().unwrap_or_default(),
    })
}

/// Zero is off, as in DOT's settings.
fn is_on(duration: &Duration) -> bool {
    !duration.is_zero()
}

/// The same for numbers.
fn above_zero(number: Option<u64>) -> Option<u64> {
    number.filter(|number| *number > 0)
}

fn categories(list: List<Category>, context: &Context<'_>) -> BTreeMap<Category, Span> {
    let Some(list) = list.items() else { return BTreeMap::new() };
    let list = context.without_duplicates(list, |category| category.key().to_owned());
    list.value.into_iter().map(|item| (item.value, item.span)).collect()
}

fn contradictions(only: &BTreeMap<Category, Span>, skip: &BTreeMap<Category, Span>, context: &Context<'_>) {
    for (category, span) in skip {
        if let Some(chosen) = only.get(category) {
            context.push(
                Problem::error("contradiction", format!("`{category}` is both in `only` and in `skip`"))
                    .at(span.clone())
                    .related(chosen.clone(), "chosen here"),
            );
        }
    }
}

impl Context<'_> {
    /// A number, or "auto".
    fn workers(&self, slot: Slot<values::Workers>) -> Option<Workers> {
        let Placed { span, value: values::Workers(written), .. } = slot.present()?;
        let most = Pace::MOST_WORKERS;
        let count = match &written {
            NumberOrText::Text(text) if text == "auto" => return Some(Workers::Auto),
            NumberOrText::Text(_) => {
                let problem = Problem::error("invalid-value", "`workers` must be a number or \"auto\"");
                return self.reject(problem.at(span));
            }
            NumberOrText::Number(count) => *count,
        };
        let good = u32::try_from(count).ok().and_then(NonZeroU32::new).filter(|count| count.get() <= most);
        if let Some(count) = good {
            return Some(count.into());
        }
        let bound = if count < 1 { "at least 1".to_owned() } else { format!("at most {most}") };
        self.reject(Problem::error("out-of-range", format!("`workers` must be {bound}")).at(span))
    }

    /// A number of bytes.
    fn size(
        &self,
        key: &str,
        written: Option<Placed<NumberOrText>>,
        parse: impl FnOnce(&str) -> Result<u64, SizeError>,
    ) -> Option<u64> {
        let written = written?;
        let read = match &written.value {
            NumberOrText::Number(bytes) => size::from_bytes(*bytes),
            NumberOrText::Text(text) => parse(text),
        };
        let rejected = |error: SizeError| {
            let problem = Problem::error("invalid-size", format!("`{key}` {error}"));
            self.reject(problem.at(written.span.clone()))
        };
        read.map_or_else(rejected, Some)
    }

    fn ratio(&self, slot: Slot<f64>) -> Option<f64> {
        let ratio = slot.present()?;
        if (0.0..=HIGHEST_NICE_RATIO).contains(&ratio.value) {
            return Some(ratio.value);
        }
        self.reject(Problem::error("out-of-range", "`nice_ratio` must be between 0 and 100").at(ratio.span))
    }
}

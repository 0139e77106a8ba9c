//! The statistics of a cleanup, for scripts. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::shares::{Shares, per_second, seconds, thousandths};
use crate::model::ForeignTally;
use crate::sweep::{Outcome, Stop, Transient};
use crate::ui::cause;
use crate::ui::progress::key;

/// The statistics of a run, for scripts.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Run {
    stop: &'static str,
    stop_reason: Option<&'static str>,
    stop_detail: Option<String>,
    locked: u64,
    dependents: u64,
    others: ForeignTally,
    detached: u64,
    batches: u64,
    retries: u64,
    blocked_batches: u64,
    unseen_batches: u64,
    seconds: f64,
    workers: u32,
    busy_seconds: f64,
    throttled_seconds: f64,
    waited_seconds: BTreeMap<&'static str, f64>,
    paused_seconds: f64,
    busy_share: f64,
    throttled_share: f64,
    paused_share: f64,
    longest_batch_seconds: f64,
    rows_per_second: Option<u64>,
    bytes_before: Option<u64>,
    bytes_after: Option<u64>,
    exclusive_seconds: Option<f64>,
    position: Option<String>,
    position_remembered: bool,
}

impl From<&Outcome> for Run {
    fn from(outcome: &Outcome) -> Self {
        let Outcome {
            deleted: _,
            dependents,
            others,
            detached,
            batches,
            retries,
            blocked,
            idle: _,
            holder: _,
            locked,
            unseen,
            elapsed,
            busy,
            waited,
            paused,
            workers,
            available: _,
            longest,
            disk,
            exclusive,
            place: _,
            position,
            remembered,
            stop,
        } = outcome;
        let (stop_reason, stop_detail) = match stop {
            Stop::NoProgress { reason, detail, .. } => (Some(key(*reason)), Some(detail.clone())),
            Stop::Held { cause, .. } => (Some(cause.kind().key()), Some(cause::text(cause))),
            Stop::Failed { detail } => (None, Some(detail.clone())),
            Stop::Finished
            | Stop::MaxRows
            | Stop::MaxDuration
            | Stop::Interrupted
            | Stop::LockTimeout { .. } => {
                let holder = outcome.holder.as_ref().filter(|_| outcome.is_prevented());
                (outcome.is_prevented().then(|| key(Transient::Locked)), holder.map(ToString::to_string))
            }
        };
        let shares = Shares::new(outcome);
        let throttled = waited.total();
        Self {
            stop: stop_key(stop),
            stop_reason,
            stop_detail,
            locked: *locked,
            dependents: *dependents,
            others: others.clone(),
            detached: *detached,
            batches: *batches,
            retries: *retries,
            blocked_batches: *blocked,
            unseen_batches: *unseen,
            seconds: seconds(*elapsed),
            workers: *workers,
            busy_seconds: seconds(*busy),
            throttled_seconds: seconds(throttled),
            waited_seconds: waited.iter().map(|(kind, time)| (kind.key(), seconds(time))).collect(),
            paused_seconds: seconds(*paused),
            busy_share: thousandths(shares.of(*busy)),
            throttled_share: thousandths(shares.of(throttled)),
            paused_share: thousandths(shares.of(*paused)),
            longest_batch_seconds: seconds(*longest),
            rows_per_second: per_second(outcome),
            bytes_before: disk.map(|disk| disk.before),
            bytes_after: disk.map(|disk| disk.after),
            exclusive_seconds: exclusive.map(seconds),
            position: position.as_ref().map(ToString::to_string),
            position_remembered: *remembered && position.is_some(),
        }
    }
}

/// Why a run ended, for scripts and for the ledger.
#[must_use]
pub const fn stop_key(stop: &Stop) -> &'static str {
    match stop {
        Stop::Finished => "finished",
        Stop::MaxRows => "max_rows",
        Stop::MaxDuration => "max_duration",
        Stop::Interrupted => "interrupted",
        Stop::NoProgress { .. } | Stop::Held { .. } | Stop::LockTimeout { .. } => "no_progress",
        Stop::Failed { .. } => "failed",
    }
}

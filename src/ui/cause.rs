//! Why a cleanup waits, for people and for scripts, and what it cannot watch. Pure.

use std::time::Duration;

use serde_json::{Value, json};

use super::plan::{grouped, plural, visible};
use super::progress::short;
use crate::model::words::bytes;
use crate::sweep::{Cause, Kind, Unwatched};

/// What it waits for; reads well after "waiting for".
#[must_use]
pub fn text(cause: &Cause) -> String {
    match cause {
        Cause::Replica { replica, lag, most } => {
            let behind =
                lag.map_or("whose lag is not known yet".to_owned(), |lag| format!("{} behind", short(lag)));
            format!("replica {}, {behind} (at most {})", visible(replica), short(*most))
        }
        Cause::WalRate { most } => format!("the WAL to stay below {}/s", bytes(*most)),
        Cause::Checkpoint => "a requested checkpoint to end".to_owned(),
        Cause::Slot { slot, active, held, most } => {
            let state = if *active { "" } else { ", which no consumer uses" };
            let (held, most) = (bytes(*held), bytes(*most));
            format!("replication slot {}{state}: it holds back {held} of WAL (at most {most})", visible(slot))
        }
        Cause::Archiver { segments, most } => {
            let (segments, most) = (plural(*segments, "WAL segment"), grouped(*most));
            format!("the archiver, with {segments} to go (at most {most})")
        }
        Cause::Vacuum { table, own: true } => format!("the vacuum of {}", visible(table)),
        Cause::Vacuum { table, own: false } => format!("the vacuum of {} by another session", visible(table)),
    }
}

/// What to do about a wait that does not end.
#[must_use]
pub const fn hint(cause: &Cause) -> &'static str {
    match cause {
        Cause::Replica { .. } => "Look at the replica, or at pg_stat_replication.",
        Cause::WalRate { .. } => {
            "Others write more WAL than max_wal_rate allows; set it higher, or run at another time."
        }
        Cause::Checkpoint => "Look at the server's disks, and at max_wal_size.",
        Cause::Slot { active: false, .. } => {
            "Start its consumer, or drop the slot with pg_drop_replication_slot() if it has no consumer."
        }
        Cause::Slot { active: true, .. } => "Look at its consumer, and at pg_replication_slots.",
        Cause::Archiver { .. } => "Look at archive_command and at pg_stat_archiver.",
        Cause::Vacuum { .. } => "Look at pg_stat_progress_vacuum.",
    }
}

/// What a share of the time was spent with.
#[must_use]
pub const fn share(kind: Kind) -> &'static str {
    match kind {
        Kind::Replica => "waiting for replicas",
        Kind::WalRate => "waiting for the WAL rate",
        Kind::Checkpoint => "waiting for checkpoints",
        Kind::Slot => "waiting for replication slots",
        Kind::Archiver => "waiting for the archiver",
        Kind::Vacuum => "vacuuming",
    }
}

/// The event of a wait.
#[must_use]
pub fn object(cause: &Cause, waited: Duration) -> Value {
    let mut object = match cause {
        Cause::Replica { replica, lag, most } => json!({
            "replica": replica,
            "lag_seconds": lag.map(seconds),
            "max_lag_seconds": seconds(*most),
        }),
        Cause::WalRate { most } => json!({"max_bytes_per_second": most}),
        Cause::Checkpoint => json!({}),
        Cause::Slot { slot, active, held, most } => {
            json!({"slot": slot, "active": active, "held_bytes": held, "max_held_bytes": most})
        }
        Cause::Archiver { segments, most } => json!({"segments": segments, "max_segments": most}),
        Cause::Vacuum { table, own } => json!({"table": table, "own": own}),
    };
    object["event"] = "waiting".into();
    object["reason"] = cause.kind().key().into();
    object["waited_seconds"] = seconds(waited).into();
    object
}

/// What is not watched and why, as a sentence.
#[must_use]
pub fn unwatched(unwatched: &Unwatched) -> String {
    match unwatched {
        Unwatched::Replicas { hidden } => format!(
            "This role cannot see how far {} behind, and does not wait for them: GRANT pg_monitor TO it.",
            if *hidden == 1 { "1 replica is".to_owned() } else { format!("{hidden} replicas are") }
        ),
        Unwatched::Checkpoints => {
            "This role cannot see whether a checkpoint runs, and does not wait for checkpoints: \
                                   GRANT pg_monitor TO it."
                .to_owned()
        }
        Unwatched::Archiver => {
            "This server archives no WAL (archive_mode is off), so max_archive_backlog has no effect."
                .to_owned()
        }
        Unwatched::Vacuum { tables, maintain, sees } => {
            let tables: Vec<String> = tables.iter().map(|table| visible(table)).collect();
            let tables = tables.join(", ");
            let instead = if *sees {
                "waits for autovacuum where that is at work"
            } else {
                "cannot see autovacuum either (GRANT pg_monitor TO it)"
            };
            let remedy = if *maintain {
                "GRANT MAINTAIN ON them TO it"
            } else {
                "before PostgreSQL 17 only their owner can"
            };
            format!("This role cannot vacuum {tables}, and {instead}: {remedy}.")
        }
    }
}

/// The setting that is without effect.
#[must_use]
pub const fn setting(unwatched: &Unwatched) -> &'static str {
    match unwatched {
        Unwatched::Replicas { .. } => "max_replica_lag",
        Unwatched::Checkpoints => "max_wal_rate",
        Unwatched::Archiver => "max_archive_backlog",
        Unwatched::Vacuum { .. } => "vacuum_every",
    }
}

fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}

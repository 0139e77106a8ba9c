//! Safety rails: what a plan may not do unless the operator names it.
//!
//! The only place where a [`Plan`] meets a [`Policy`]. Refusing never changes the plan: it is shown whole, with every
//! violation and the one flag that lets each through. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Plan, Step};
use crate::model::{
    Allow, CleanupPolicy, ClientId, FkChecks, ForeignRows, Key, Limit, Policy, Strategy, only_way_out,
    shell_word, way_through,
};

/// One broken rail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Violation {
    /// A protected application would be deleted.
    #[error("application \"{client_id}\" is protected and would be deleted")]
    Protected { client_id: ClientId },
    /// Clients of a protected application would notice a change.
    #[error("application \"{client_id}\" is protected, and its clients would notice the change")]
    ProtectedChange {
        /// Which, by its present client id.
        client_id: ClientId,
    },
    /// More deletions than `max_deletes`.
    #[error("{} to delete; max_deletes allows {}", applications(*planned), deletes(*limit, *total))]
    TooManyDeletes {
        /// How many, those not counted that `--allow delete:…` names.
        planned: u64,
        /// The limit as the file or the flag says it.
        limit: Limit,
        /// How many applications there are.
        total: u64,
    },
    /// More updates than `max_updates`.
    #[error("{} to update; max_updates allows {}", applications(*planned), updates(*limit, *total))]
    TooManyUpdates {
        planned: u64,
        /// The limit as the file or the flag says it.
        limit: Limit,
        /// How many applications there are.
        total: u64,
    },
    /// Rows of a table that is not DOT's refer to what would be deleted.
    #[error(
        "application \"{client_id}\" cannot be deleted: {table} refers to it ({constraint}, rows: {rows})"
    )]
    Referenced {
        client_id: ClientId,
        /// The referring table.
        table: String,
        /// The foreign key.
        constraint: String,
        /// How many rows refer to it or to its tokens.
        rows: u64,
        /// What to write or to do.
        hint: String,
    },
    /// Cleanup would do without the foreign keys' triggers.
    #[error(
        "cleanup with fk_checks = \"set\" switches the triggers of foreign keys off for its own statements"
    )]
    FkChecksSet,
    /// Cleanup would lock the token tables and write them anew.
    #[error("cleanup with strategy = \"rewrite\" locks the token tables, for readers too, until it is done")]
    Rewrite,
    /// Cleanup would be refused by this database.
    #[error("cleanup cannot run here: {reason}")]
    Cleanup {
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// The role lacks something.
    #[error("{reason}")]
    Role {
        reason: String,
        /// What to type, or to do.
        hint: String,
    },
}

/// `0: 30% of 3 applications is 0.9, rounded down`
fn deletes(limit: Limit, total: u64) -> String {
    let allowed = limit.of_deletes(total);
    match limit {
        Limit::Count(_) => format!("{allowed} (of {total})"),
        Limit::Percent(percent) if total.saturating_mul(u64::from(percent)).is_multiple_of(100) => {
            format!("{allowed}: {}", share(percent, total))
        }
        Limit::Percent(percent) => format!("{allowed}: {}, rounded down", share(percent, total)),
    }
}

/// As [`deletes`]; a percentage that comes to less than one allows one.
fn updates(limit: Limit, total: u64) -> String {
    match limit {
        Limit::Percent(percent) if limit.of_updates(total) != limit.of_deletes(total) => {
            format!("1: {}, and a percentage allows at least 1", share(percent, total))
        }
        Limit::Percent(_) | Limit::Count(_) => deletes(limit, total),
    }
}

/// `30% of 3 applications is 0.9`
fn share(percent: u8, total: u64) -> String {
    let hundredths = total.saturating_mul(u64::from(percent));
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    let fraction = format!(".{rest:02}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{percent}% of {} is {whole}{fraction}", applications(total))
}

fn applications(count: u64) -> String {
    if count == 1 { "1 application".to_owned() } else { format!("{count} applications") }
}

impl Violation {
    /// The flag that lets exactly this through; `None`: nothing does.
    #[must_use]
    pub fn allow(&self) -> Option<String> {
        match self {
            Self::Protected { client_id } => {
                Some(format!("--allow {}", shell_word(&format!("delete:{client_id}"))))
            }
            Self::ProtectedChange { client_id } => {
                Some(format!("--allow {}", shell_word(&format!("update:{client_id}"))))
            }
            Self::TooManyDeletes { planned, .. } => Some(format!("--allow max-deletes={planned}")),
            Self::TooManyUpdates { planned, .. } => Some(format!("--allow max-updates={planned}")),
            Self::FkChecksSet => Some("--allow fk-checks=set".to_owned()),
            Self::Rewrite => Some("--allow rewrite".to_owned()),
            Self::Referenced { .. } | Self::Cleanup { .. } | Self::Role { .. } => None,
        }
    }

    /// What to do where no flag lets it through.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Referenced { hint, .. } | Self::Cleanup { hint, .. } | Self::Role { hint, .. } => {
                Some(hint)
            }
            Self::Protected { .. }
            | Self::ProtectedChange { .. }
            | Self::TooManyDeletes { .. }
            | Self::TooManyUpdates { .. }
            | Self::FkChecksSet
            | Self::Rewrite => None,
        }
    }
}

/// A plan that may not be executed. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Every broken rail, in the order of the plan.
    pub violations: Vec<Violation>,
}

/// What the rails look at.
#[derive(Debug)]
pub struct Rails<'a> {
    pub policy: &'a Policy,
    /// Applications whose own block says `protect = true`.
    pub protected: &'a BTreeSet<ClientId>,
    pub allow: &'a BTreeSet<Allow>,
    /// Rows of other tables that refer to what is deleted, by the application's key.
    pub foreign: &'a BTreeMap<Key, Vec<ForeignRows>>,
}

impl Rails<'_> {
    fn protects(&self, client_id: &ClientId) -> bool {
        self.policy.protect.contains(client_id) || self.protected.contains(client_id)
    }
}

/// Holds a plan against the rails.
///
/// # Errors
/// Every violation at once.
pub fn check(plan: &Plan, rails: &Rails<'_>) -> Result<(), Refusal> {
    let mut violations = Vec::new();
    let mut deletions = 0;
    let mut updates = 0;
    for step in &plan.steps {
        match step {
            Step::Create { .. } | Step::Adopt { .. } => {}
            Step::Update { row, client_id, .. } => {
                let allowed = rails.allow.contains(&Allow::Update(row.client_id.clone()));
                let protected = rails.protects(&row.client_id) || rails.protects(client_id);
                if protected && !allowed && step.may_break_clients() {
                    violations.push(Violation::ProtectedChange { client_id: row.client_id.clone() });
                }
                updates += 1;
            }
            Step::Delete { row, .. } => {
                let allowed = rails.allow.contains(&Allow::Delete(row.client_id.clone()));
                if rails.protects(&row.client_id) && !allowed {
                    violations.push(Violation::Protected { client_id: row.client_id.clone() });
                }
                if !allowed {
                    deletions += 1;
                }
                let foreign = rails.foreign.get(&row.key).into_iter().flatten();
                for rows in foreign.filter(|rows| rows.blocks()) {
                    // Those that this role may not count are a matter of its privileges.
                    let ForeignRows { table, constraint, rows: Some(rows), name, not_null, declared, .. } =
                        rows.clone()
                    else {
                        continue;
                    };
                    let client_id = row.client_id.clone();
                    let hint = match (
                        only_way_out(&table, &name, declared),
                        way_through(&table, &name, not_null),
                    ) {
                        (None, Some(line)) => format!(
                            "delete or repoint those rows first, or say in [cleanup.references] what Django's on_delete does \
                             with them:\n    {line}"
                        ),
                        (only, _) => only.unwrap_or_default(),
                    };
                    violations.push(Violation::Referenced { client_id, table, constraint, rows, hint });
                }
            }
        }
    }
    let total = plan.total;
    let max_deletes = limit(rails, max_deletes, rails.policy.max_deletes);
    if let Some(limit) = max_deletes.filter(|limit| deletions > limit.of_deletes(total)) {
        violations.push(Violation::TooManyDeletes { planned: deletions, limit, total });
    }
    let max_updates = limit(rails, max_updates, rails.policy.max_updates);
    if let Some(limit) = max_updates.filter(|limit| updates > limit.of_updates(total)) {
        violations.push(Violation::TooManyUpdates { planned: updates, limit, total });
    }
    if violations.is_empty() { Ok(()) } else { Err(Refusal { violations }) }
}

/// Holds a cleanup against the rails.
///
/// # Errors
/// Every violation at once.
pub fn check_cleanup(policy: &CleanupPolicy, allow: &BTreeSet<Allow>) -> Result<(), Refusal> {
    let mut violations = Vec::new();
    // A rewrite deletes no row, so no trigger is asked.
    if policy.pace.strategy == Strategy::Rewrite {
        if !allow.contains(&Allow::Rewrite) {
            violations.push(Violation::Rewrite);
        }
    } else if policy.pace.fk_checks == FkChecks::Set && !allow.contains(&Allow::FkChecksSet) {
        violations.push(Violation::FkChecksSet);
    }
    if violations.is_empty() { Ok(()) } else { Err(Refusal { violations }) }
}

/// The highest limit that `--allow` names, else that of the policy.
fn limit(rails: &Rails<'_>, named: fn(&Allow) -> Option<u64>, policy: Option<Limit>) -> Option<Limit> {
    rails.allow.iter().filter_map(named).max().map(Limit::Count).or(policy)
}

const fn max_deletes(allow: &Allow) -> Option<u64> {
    if let Allow::MaxDeletes(count) = allow { Some(*count) } else { None }
}

const fn max_updates(allow: &Allow) -> Option<u64> {
    if let Allow::MaxUpdates(count) = allow { Some(*count) } else { None }
}

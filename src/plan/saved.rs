//! A plan in a file, to be reviewed and then applied as it is, or not at all.
//!
//! The file holds the whole proposal, so that it can be shown offline, with the digest of every row that its steps touch,
//! what the plan was made from, and a digest of all that. It is never executed: apply plans again and demands that the same
//! steps come out. Only the targets, whether cleanup runs, and its instant are taken from the file. Holds no secret. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Plan, Proposal, Step};
use crate::model::{ClientId, Dependents, Identity, Sameness, digest, json as escaped};

/// What the file is, with the version of its format.
const FORMAT: &str = "oauthctl saved plan 4";

/// How each format begins.
const ANY_FORMAT: &str = "oauthctl saved plan ";

/// The format that did not say for which server a plan was made.
const WITHOUT_SERVER: &str = "oauthctl saved plan 1";

/// What a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The digest of the text of `oauth.toml`: [`digest`].
    pub config: String,
    /// The digests of the values of the variables in it, by name.
    pub variables: BTreeMap<String, String>,
    /// The database. Two servers that were made in the same way have databases of the same name and oid.
    pub database: Identity,
    /// The oid of the application table.
    pub table: u32,
    /// `--target`.
    pub targets: Vec<String>,
    /// Whether cleanup is part of it; it has its own instant.
    pub cleanup: bool,
    /// The instant of the cleanup, RFC 3339.
    pub as_of: Option<String>,
}

/// A plan that was read from a file and is what was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// What it was made from.
    pub origin: Origin,
    /// What was shown when it was made.
    pub proposal: Proposal,
}

/// Why a saved plan may not be applied.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// The file is something else.
    #[error("this is no saved plan{0}")]
    NotAPlan(&'static str),
    /// It was saved by an oauthctl that did not note the server.
    #[error("the saved plan does not say for which server it was made: an older oauthctl saved it")]
    NoServer,
    /// Another oauthctl saved it.
    #[error(
        "the saved plan has the format {found}, and this oauthctl reads the format {}: another version saved it",
        number(FORMAT)
    )]
    OtherFormat {
        /// The number at the end of its name.
        found: u32,
    },
    /// The digest differs.
    #[error("the saved plan was edited, or is damaged: its digest differs")]
    Edited,
    /// Its cleanup is for an instant that has not come.
    #[error(
        "the saved plan would delete what expires before {as_of}, which has not come yet: {now} on the database's clock"
    )]
    Ahead {
        /// The plan's instant.
        as_of: String,
        /// The database's clock, not ours.
        now: String,
    },
    /// The file has changed.
    #[error("the plan is stale: {0} is not the one that it was made from")]
    OtherConfig(String),
    /// The file is the same, and variables in it have other values.
    #[error("the plan is stale: {} since it was made", changed(.0))]
    OtherVariables(BTreeSet<String>),
    /// Another database, or another table.
    #[error("the plan was made for another database: {}", named(.made_for, .found))]
    OtherDatabase {
        /// The one that it was made for.
        made_for: Box<Identity>,
        /// The one that is here.
        found: Box<Identity>,
    },
    /// Planning again finds other steps.
    #[error("the plan is stale: {} changed since it was made", listed(.0))]
    Stale(BTreeSet<ClientId>),
}

/// The name where that distinguishes the two, else the server as well.
fn named(made_for: &Identity, found: &Identity) -> String {
    if made_for.database != found.database {
        return made_for.database.clone();
    }
    let server = |identity: &Identity| match &identity.system {
        Some(system) => format!("{} (system identifier {system})", identity.address),
        None => identity.address.clone(),
    };
    if server(made_for) == server(found) {
        return format!("{} of {}, which was made anew since", made_for.database, server(made_for));
    }
    format!("{} of {}; this is the one of {}", made_for.database, server(made_for), server(found))
}

/// `the variables a, b have changed`
fn changed(variables: &BTreeSet<String>) -> String {
    let names = variables.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    if variables.len() == 1 {
        format!("the variable {names} has changed")
    } else {
        format!("the variables {names} have changed")
    }
}

fn listed(client_ids: &BTreeSet<ClientId>) -> String {
    client_ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ")
}

/// What stands behind the name of the format.
fn number(format: &str) -> &str {
    format.strip_prefix(ANY_FORMAT).unwrap_or_default()
}

/// A step, without who depends on it: that changes with every token.
fn uncounted(step: &Step) -> Step {
    let mut step = step.clone();
    match &mut step {
        Step::Update { dependents, .. } => *dependents = None,
        Step::Delete { dependents, others, .. } => {
            *dependents = Dependents::default();
            others.clear();
        }
        Step::Create { .. } | Step::Adopt { .. } => {}
    }
    step
}

fn digest_of(origin: &Value, proposal: &Value) -> String {
    digest(&json!([FORMAT, origin, proposal]).to_string())
}

/// The text of the file.
///
/// # Errors
/// None that can happen: the values serialise.
pub fn save(proposal: &Proposal, origin: &Origin) -> Result<String, serde_json::Error> {
    let (origin, proposal) = (serde_json::to_value(origin)?, serde_json::to_value(proposal)?);
    let digest = digest_of(&origin, &proposal);
    let document = json!({ "format": FORMAT, "digest": digest, "origin": origin, "proposal": proposal });
    escaped::document(&document)
}

impl Saved {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// When it is something else, of another version, or not what was written.
    pub fn read(text: &str) -> Result<Self, SavedError> {
        let mut document: Value = serde_json::from_str(text).map_err(|_| SavedError::NotAPlan(""))?;
        match document["format"].as_str() {
            Some(FORMAT) => {}
            Some(WITHOUT_SERVER) => return Err(SavedError::NoServer),
            other => {
                return Err(match other.and_then(|format| number(format).parse().ok()) {
                    Some(found) => SavedError::OtherFormat { found },
                    None => SavedError::NotAPlan("; a JSON plan of --json-out is not one either"),
                });
            }
        }
        let (origin, proposal) = (document["origin"].take(), document["proposal"].take());
        let edited = |_| SavedError::Edited;
        let origin = serde_json::from_value(origin).map_err(edited)?;
        let proposal = serde_json::from_value(proposal).map_err(edited)?;
        let saved = Self { origin, proposal };
        // A key that occurs twice, or that is not read, would show a reviewer another plan than the one that is
        // applied. The text has the digest in it.
        let written = save(&saved.proposal, &saved.origin).map_err(edited)?;
        let is_sound = written.lines().eq(text.lines())
            && saved.instants().all(is_instant)
            && saved.origin.as_of.as_deref() == saved.cleans_as_of();
        if is_sound { Ok(saved) } else { Err(SavedError::Edited) }
    }

    /// The instant of the cleanup that is shown: no other one may be executed.
    fn cleans_as_of(&self) -> Option<&str> {
        self.proposal.forecast.as_ref().map(|forecast| forecast.as_of.as_str())
    }

    /// The instants that are shown.
    fn instants(&self) -> impl Iterator<Item = &str> {
        let Proposal { plan, forecast, .. } = &self.proposal;
        let of_forecast = forecast.as_ref().map(|forecast| forecast.as_of.as_str());
        of_forecast.into_iter().chain(plan.counted_at.as_deref())
    }

    /// Whether the file is the one that the plan was made from, by [`digest`]s of its text and of the variables in it.
    /// `file`: its name.
    ///
    /// # Errors
    /// [`SavedError::OtherConfig`], or [`SavedError::OtherVariables`].
    pub fn check_config(
        &self,
        file: &str,
        config: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), SavedError> {
        if self.origin.config != config {
            return Err(SavedError::OtherConfig(file.to_owned()));
        }
        let then = &self.origin.variables;
        let names = then.keys().chain(variables.keys());
        let different: BTreeSet<String> =
            names.filter(|name| then.get(*name) != variables.get(*name)).cloned().collect();
        if different.is_empty() { Ok(()) } else { Err(SavedError::OtherVariables(different)) }
    }

    /// Whether the database is the one that the plan was made for, and how sure that is.
    ///
    /// # Errors
    /// [`SavedError::OtherDatabase`].
    pub fn check_database(&self, database: &Identity, table: u32) -> Result<Sameness, SavedError> {
        match self.origin.database.compare(database) {
            same @ (Sameness::Same | Sameness::Likely) if self.origin.table == table => Ok(same),
            Sameness::Same | Sameness::Likely | Sameness::Different => Err(SavedError::OtherDatabase {
                made_for: Box::new(self.origin.database.clone()),
                found: Box::new(database.clone()),
            }),
        }
    }

    /// Whether the plan that comes out now is the saved one.
    ///
    /// # Errors
    /// With what is different.
    pub fn check_steps(&self, now: &Plan) -> Result<(), SavedError> {
        let steps = |plan: &Plan| plan.steps.iter().map(uncounted).collect::<Vec<_>>();
        let (now, then) = (steps(now), steps(&self.proposal.plan));
        if now == then {
            return Ok(());
        }
        let only_in = |one: &[Step], other: &[Step]| {
            let new = one.iter().filter(|step| !other.contains(step));
            new.map(present_name).collect::<BTreeSet<_>>()
        };
        let mut different = only_in(&now, &then);
        different.extend(only_in(&then, &now));
        // The same steps in another order.
        Err(if different.is_empty() { SavedError::Edited } else { SavedError::Stale(different) })
    }
}

/// The application of a step, by the name that it has now.
fn present_name(step: &Step) -> ClientId {
    step.row().map_or_else(|| step.client_id(), |row| &row.client_id).clone()
}

/// Whether the text is an instant as [`rfc3339`](crate::model::words::rfc3339) writes it, and so nothing that a terminal
/// or a forge would obey.
fn is_instant(text: &str) -> bool {
    OffsetDateTime::parse(text, &Rfc3339).is_ok()
}

#[cfg(test)]
mod tests;

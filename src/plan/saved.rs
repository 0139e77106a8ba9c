//! A plan in a file, to be reviewed and then applied as it is, or not at all.
//!
//! The file holds the steps, with the digest of every row that they touch, what the plan was made from, and a digest of
//! all that. It is never executed: apply plans again and demands that the same steps come out. Only the targets,
//! whether cleanup runs, and its instant are taken from the file. Holds no secret. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Plan, Step};
use crate::model::{ClientId, Hook, Identity, Sameness, json as escaped};

/// What the file is, with the version of its format.
const FORMAT: &str = "oauthctl saved plan 2";

/// The format that did not say for which server a plan was made.
const WITHOUT_SERVER: &str = "oauthctl saved plan 1";

/// What a plan was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The digest of `oauth.toml`: [`digest`].
    pub config: String,
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
    /// What `apply --hooks` will run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
}

/// A plan that was read from a file and is what was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// What it was made from.
    pub origin: Origin,
    steps: Vec<Value>,
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
    #[error("the plan is stale: oauth.toml is not the one that it was made from")]
    OtherConfig,
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

fn listed(client_ids: &BTreeSet<ClientId>) -> String {
    client_ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ")
}

/// SHA-256, in hexadecimal digits.
#[must_use]
pub fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A step, without who depends on it: that changes with every token.
fn step_of(step: &Step) -> Result<Value, serde_json::Error> {
    let mut step = serde_json::to_value(step)?;
    if let Some(step) = step.as_object_mut() {
        step.remove("dependents");
        step.remove("others");
    }
    Ok(step)
}

fn digest_of(origin: &Value, steps: &Value) -> String {
    digest(&json!([FORMAT, origin, steps]).to_string())
}

/// The text of the file.
///
/// # Errors
/// None that can happen: the values serialise.
pub fn save(plan: &Plan, origin: &Origin) -> Result<String, serde_json::Error> {
    let steps = plan.steps.iter().map(step_of).collect::<Result<Vec<_>, _>>()?;
    let (origin, steps) = (serde_json::to_value(origin)?, Value::from(steps));
    let digest = digest_of(&origin, &steps);
    let document = json!({ "format": FORMAT, "digest": digest, "origin": origin, "steps": steps });
    escaped::document(&document)
}

/// The document as [`save`] writes it; `None`: it has other keys.
fn written(document: &Value) -> Option<String> {
    let keys = document.as_object()?.keys();
    if !keys.eq(["digest", "format", "origin", "steps"]) {
        return None;
    }
    escaped::document(document).ok()
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
            Some(other) if other.starts_with("oauthctl saved plan ") => {
                return Err(SavedError::NotAPlan(" of this version of oauthctl"));
            }
            _ => return Err(SavedError::NotAPlan("; a JSON plan of --json-out is not one either")),
        }
        // A key that occurs twice, or that is not read, would show a reviewer another plan than the one that is
        // applied.
        if written(&document).is_none_or(|written| !written.lines().eq(text.lines())) {
            return Err(SavedError::Edited);
        }
        let (origin, steps) = (document["origin"].take(), document["steps"].take());
        if document["digest"] != digest_of(&origin, &steps) {
            return Err(SavedError::Edited);
        }
        let origin = serde_json::from_value(origin).map_err(|_| SavedError::Edited)?;
        let Value::Array(steps) = steps else { return Err(SavedError::Edited) };
        if !steps.iter().all(|step| client_id(step).is_some()) {
            return Err(SavedError::Edited);
        }
        Ok(Self { origin, steps })
    }

    /// Whether the file is the one that the plan was made from, by its [`digest`].
    ///
    /// # Errors
    /// [`SavedError::OtherConfig`].
    pub fn check_config(&self, config: &str) -> Result<(), SavedError> {
        if self.origin.config == config { Ok(()) } else { Err(SavedError::OtherConfig) }
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
        // A step that does not serialise differs from every other.
        let now: Vec<Value> = now.steps.iter().map(|step| step_of(step).unwrap_or_default()).collect();
        let only_in = |one: &[Value], other: &[Value]| {
            one.iter().filter(|step| !other.contains(step)).filter_map(client_id).collect::<BTreeSet<_>>()
        };
        if now == self.steps {
            return Ok(());
        }
        let mut different = only_in(&now, &self.steps);
        different.extend(only_in(&self.steps, &now));
        // The same steps in another order.
        Err(if different.is_empty() { SavedError::Edited } else { SavedError::Stale(different) })
    }
}

/// The application of a step, by the name that it has now.
fn client_id(step: &Value) -> Option<ClientId> {
    let now = step["row"]["client_id"].as_str().or_else(|| step["client_id"].as_str());
    now.map(ClientId::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dependents, Key};
    use crate::plan::{DeleteReason, FieldSetting, RowRef};

    fn plan(fingerprint: &str, tokens: u64) -> Plan {
        let row = RowRef {
            key: Key::new("1"),
            client_id: ClientId::new("legacy"),
            fingerprint: fingerprint.to_owned(),
        };
        let fields = vec![FieldSetting {
            field: crate::model::Field::Name.into(),
            value: crate::plan::Value::Text("Batch".to_owned()),
            declared: true,
        }];
        let dependents = Dependents { access_tokens: tokens, ..Dependents::default() };
        let steps = vec![
            Step::Create { client_id: ClientId::new("batch"), fields },
            Step::Delete {
                row,
                name: String::new(),
                reason: DeleteReason::Removed,
                dependents,
                others: Vec::new(),
            },
        ];
        Plan { steps, ..Plan::default() }
    }

    fn identity() -> Identity {
        Identity {
            system: Some("7000000000000000001".to_owned()),
            ledger: None,
            address: "10.0.0.1:5432".to_owned(),
            database: "shop".to_owned(),
            oid: 16_384,
        }
    }

    fn origin() -> Origin {
        Origin {
            config: digest("[cleanup]"),
            database: identity(),
            table: 16_384,
            targets: vec!["batch".to_owned()],
            cleanup: true,
            as_of: Some("2026-01-02T03:04:05Z".to_owned()),
            hooks: vec![Hook {
                after_apply: vec!["true".to_owned()],
                timeout: Some(std::time::Duration::from_secs(60)),
            }],
        }
    }

    #[test]
    fn what_was_saved_is_read_and_tokens_do_not_matter() {
        let saved = Saved::read(&save(&plan("a", 1), &origin()).unwrap()).unwrap();
        assert_eq!(saved.origin, origin());
        assert_eq!(saved.check_steps(&plan("a", 2)), Ok(()));
        assert_eq!(saved.check_config(&origin().config), Ok(()));
        assert_eq!(saved.check_database(&identity(), 16_384), Ok(Sameness::Same));
    }

    #[test]
    fn every_difference_is_found() {
        let saved = Saved::read(&save(&plan("a", 1), &origin()).unwrap()).unwrap();
        let stale = |client_ids: &[&str]| {
            Err(SavedError::Stale(client_ids.iter().map(|id| ClientId::new(*id)).collect()))
        };
        assert_eq!(saved.check_steps(&plan("b", 1)), stale(&["legacy"]));
        assert_eq!(saved.check_steps(&Plan::default()), stale(&["batch", "legacy"]));
        assert_eq!(saved.check_config(&digest("[cleanup] ")), Err(SavedError::OtherConfig));
    }

    #[test]
    fn another_database_is_told_apart_in_words() {
        let saved = Saved::read(&save(&plan("a", 1), &origin()).unwrap()).unwrap();
        let other_server = Identity {
            system: Some("7000000000000000002".to_owned()),
            address: "10.0.0.2:5432".to_owned(),
            ..identity()
        };
        for (found, table, said) in [
            (Identity { database: "x".to_owned(), ..identity() }, 16_384, "shop"),
            (
                other_server,
                16_384,
                "shop of 10.0.0.1:5432 (system identifier 7000000000000000001); this is the one of 10.0.0.2:5432 (system \
                 identifier 7000000000000000002)",
            ),
            (
                identity(),
                1,
                "shop of 10.0.0.1:5432 (system identifier 7000000000000000001), which was made anew since",
            ),
        ] {
            let error = saved.check_database(&found, table).unwrap_err();
            assert_eq!(error.to_string(), format!("the plan was made for another database: {said}"));
        }
    }

    #[test]
    fn a_plan_that_names_no_server_is_refused() {
        let text = r#"{ "format": "oauthctl saved plan 1", "digest": "0", "origin": {}, "steps": [] }"#;
        assert_eq!(Saved::read(text), Err(SavedError::NoServer));
    }

    #[test]
    fn a_file_that_shows_something_else_than_it_does_was_edited() {
        let text = save(&plan("a", 1), &origin()).unwrap();
        for (from, to) in [
            ("\"steps\": [", "\"steps\": [], \"steps\": ["),
            ("\"value\": \"Batch\"", "\"value\": \"Harmless\", \"value\": \"Batch\""),
            ("\"cleanup\": true", "\"cleanup\": false, \"cleanup\": true"),
            ("\"format\":", "\"note\": \"reviewed\",\n  \"format\":"),
        ] {
            let edited = text.replacen(from, to, 1);
            assert_ne!(edited, text);
            assert_eq!(Saved::read(&edited), Err(SavedError::Edited), "{from}");
        }
        // A checkout on Windows changes the ends of lines.
        Saved::read(&text.replace('\n', "\r\n")).unwrap();
    }

    #[test]
    fn the_same_steps_in_another_order_are_another_plan() {
        let Plan { steps, .. } = plan("a", 1);
        let reversed = Plan { steps: steps.into_iter().rev().collect(), ..Plan::default() };
        let saved = Saved::read(&save(&reversed, &origin()).unwrap()).unwrap();
        assert_eq!(saved.check_steps(&plan("a", 1)), Err(SavedError::Edited));
    }

    #[test]
    fn no_character_can_be_changed() {
        let text = save(&plan("a", 1), &origin()).unwrap();
        let mut refused = 0;
        for (place, character) in text.char_indices().filter(|(_, character)| character.is_alphanumeric()) {
            let other = if character == 'z' { 'y' } else { 'z' };
            let edited = format!("{}{other}{}", &text[..place], &text[place + character.len_utf8()..]);
            Saved::read(&edited).unwrap_err();
            refused += 1;
        }
        assert!(refused > 300);
        for other in ["", "{}", "[]", "null", "{\"format_version\": \"1.0\"}"] {
            assert!(matches!(Saved::read(other), Err(SavedError::NotAPlan(_))), "{other}");
        }
    }
}

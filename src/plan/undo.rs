//! The inverse of what a run did, as a plan against the rows that are there now. Prints nothing and writes nothing.
//!
//! What cannot be brought back is said, not guessed: secrets, rows that went along with an application, and whatever was
//! changed again since. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diff::NewRow;
use super::{DeleteReason, FieldChange, FieldSetting, Plan, Presence, RowRef, Step, Value, Whole};
use crate::model::{Attribute, ClientId, Dependents, Field, ForeignRows, Key};

/// A step that was executed, with the row before and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub step: Step,
    /// The primary key; `None`: it is not known.
    pub key: Option<Key>,
    /// The row before the step.
    pub before: Option<Whole>,
    /// The row after it.
    pub after: Option<Whole>,
}

/// The application table as it is now, as far as the steps are concerned.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// The rows that the steps worked on and that are still there, by primary key.
    pub rows: BTreeMap<Key, (RowRef, Whole)>,
    /// The names of the steps that are taken now, with the rows that have them.
    pub names: BTreeMap<ClientId, Key>,
    /// Whether DOT stores hashes of secrets where the row does not say.
    pub hashes_secrets: bool,
}

/// What the inverse does not bring back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Lost {
    /// The secret that was there before. Nothing keeps it.
    Secret { client_id: ClientId },
    /// Tokens and codes that were deleted with an application, as counted before.
    Dependents { client_id: ClientId, rows: Dependents },
    /// Rows of other tables that were deleted or changed with an application.
    Others { client_id: ClientId, rows: ForeignRows },
    /// The primary key and what the file does not manage of a row that was deleted.
    Row { client_id: ClientId, key: Key },
    /// A row would have its former name back, which another one has now.
    Taken { client_id: ClientId },
    /// An application with this client id was created since; it stays as it is.
    CreatedSince { client_id: ClientId },
    /// The row has been deleted since.
    Gone { client_id: ClientId },
    /// A field was changed again since; the inverse would undo that too.
    ChangedSince { client_id: ClientId, field: Attribute },
    /// The application was renamed again since; the inverse would undo that too.
    RenamedSince {
        client_id: ClientId,
        /// What it is called now.
        now: ClientId,
    },
    /// A field that cannot be changed back, because the row does not have it now.
    NoSuchField { client_id: ClientId, field: Attribute },
    /// The ledger goes on recording that the file manages the application.
    Recorded { client_id: ClientId },
}

/// What undoes a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undo {
    /// The steps, without dependents, and the rows that they work on.
    pub plan: Plan,
    pub lost: Vec<Lost>,
    /// How many steps the run had.
    pub steps: usize,
}

/// The inverse of these steps, which were executed in this order.
#[must_use]
pub fn undo(done: &[Done], present: &Present) -> Undo {
    let mut undoing =
        Undoing { present, renamed: renamed(done), undo: Undo { steps: done.len(), ..Undo::default() } };
    let steps: Vec<Step> = done.iter().rev().filter_map(|done| undoing.inverse(done)).collect();
    let mut undo = undoing.undo;
    // In the order of every plan.
    let rank = |step: &Step| match step {
        Step::Update { .. } => 0,
        Step::Create { .. } => 1,
        Step::Adopt { .. } => 2,
        Step::Delete { .. } => 3,
    };
    undo.plan.steps = steps;
    undo.plan.steps.sort_by_key(rank);
    for row in undo.plan.steps.iter().filter_map(Step::row) {
        if let Some((_, whole)) = present.rows.get(&row.key) {
            undo.plan.rows.insert(row.key.clone(), whole.clone());
        }
    }
    undo
}

/// The rows whose name changes back, which therefore take no name from others.
fn renamed(done: &[Done]) -> BTreeSet<Key> {
    let is_renamed = |step: &Step| match step {
        Step::Update { row, client_id, .. } if row.client_id != *client_id => Some(row.key.clone()),
        Step::Update { .. } | Step::Create { .. } | Step::Adopt { .. } | Step::Delete { .. } => None,
    };
    let created = done.iter().filter(|done| matches!(done.step, Step::Create { .. }));
    let goes = created.filter_map(|done| done.key.clone());
    done.iter().filter_map(|done| is_renamed(&done.step)).chain(goes).collect()
}

struct Undoing<'a> {
    present: &'a Present,
    /// The rows whose names become free.
    renamed: BTreeSet<Key>,
    undo: Undo,
}

impl Undoing<'_> {
    fn inverse(&mut self, done: &Done) -> Option<Step> {
        match &done.step {
            Step::Create { client_id, .. } => self.of_creation(client_id, done.key.as_ref()),
            Step::Update { row, client_id, changes, .. } => self.of_update(row, client_id, changes),
            Step::Adopt { row } => {
                self.lose(Lost::Recorded { client_id: row.client_id.clone() });
                None
            }
            Step::Delete { row, dependents, others, .. } => {
                self.of_deletion(row, done.before.as_ref(), *dependents, others)
            }
        }
    }

    fn lose(&mut self, lost: Lost) {
        self.undo.lost.push(lost);
    }

    /// Whether another row than those that give their names back has this name now.
    fn is_taken(&self, client_id: &ClientId, own: Option<&Key>) -> bool {
        let holder = self.present.names.get(client_id);
        holder.is_some_and(|holder| Some(holder) != own && !self.renamed.contains(holder))
    }

    fn of_creation(&mut self, client_id: &ClientId, key: Option<&Key>) -> Option<Step> {
        let Some((row, whole)) = key.and_then(|key| self.present.rows.get(key)) else {
            self.lose(Lost::Gone { client_id: client_id.clone() });
            return None;
        };
        Some(Step::Delete {
            row: row.clone(),
            name: name_of(whole),
            reason: DeleteReason::Removed,
            dependents: Dependents::default(),
            others: Vec::new(),
        })
    }

    fn of_update(&mut self, then: &RowRef, client_id: &ClientId, changes: &[FieldChange]) -> Option<Step> {
        let Some((row, whole)) = self.present.rows.get(&then.key) else {
            self.lose(Lost::Gone { client_id: client_id.clone() });
            return None;
        };
        let mut back = Vec::new();
        for change in changes {
            back.extend(self.turned_round(client_id, whole, change));
        }
        let mut name = row.client_id.clone();
        if then.client_id != *client_id && row.client_id != then.client_id {
            if self.is_taken(&then.client_id, Some(&then.key)) {
                self.lose(Lost::Taken { client_id: then.client_id.clone() });
            } else {
                if row.client_id != *client_id {
                    self.lose(Lost::RenamedSince {
                        client_id: client_id.clone(),
                        now: row.client_id.clone(),
                    });
                }
                name = then.client_id.clone();
            }
        }
        let is_nothing = back.is_empty() && name == row.client_id;
        let unchanged = whole.fields.len().saturating_sub(back.len());
        (!is_nothing).then(|| Step::Update {
            row: row.clone(),
            client_id: name,
            changes: back,
            unchanged,
            dependents: None,
        })
    }

    /// A field from what it holds now to what it held before; `None`: it holds that, or it cannot.
    fn turned_round(
        &mut self,
        client_id: &ClientId,
        whole: &Whole,
        FieldChange { field, before, after }: &FieldChange,
    ) -> Option<FieldChange> {
        if *field == Field::ClientSecret {
            self.lose(Lost::Secret { client_id: client_id.clone() });
            return None;
        }
        let Some((_, held)) = whole.fields.iter().find(|(known, _)| known == field) else {
            self.lose(Lost::NoSuchField { client_id: client_id.clone(), field: field.clone() });
            return None;
        };
        if held.is_same(before) {
            return None;
        }
        if !held.is_same(after) {
            self.lose(Lost::ChangedSince { client_id: client_id.clone(), field: field.clone() });
        }
        Some(FieldChange { field: field.clone(), before: held.clone(), after: before.clone() })
    }

    fn of_deletion(
        &mut self,
        row: &RowRef,
        before: Option<&Whole>,
        dependents: Dependents,
        others: &[ForeignRows],
    ) -> Option<Step> {
        let client_id = &row.client_id;
        if self.is_taken(client_id, None) {
            self.lose(Lost::CreatedSince { client_id: client_id.clone() });
            return None;
        }
        self.lose(Lost::Row { client_id: client_id.clone(), key: row.key.clone() });
        if before.is_none_or(|before| before.secret != Presence::Absent) {
            self.lose(Lost::Secret { client_id: client_id.clone() });
        }
        if dependents.rows() > 0 {
            self.lose(Lost::Dependents { client_id: client_id.clone(), rows: dependents });
        }
        for rows in others {
            self.lose(Lost::Others { client_id: client_id.clone(), rows: rows.clone() });
        }
        let held = before.map(|before| before.fields.as_slice()).unwrap_or_default();
        let mut fields: Vec<FieldSetting> =
            held.iter().filter(|(_, value)| *value != Value::Absent).map(setting).collect();
        fields.push(FieldSetting {
            field: Field::ClientSecret.into(),
            value: new_row(held).secret(self.present.hashes_secrets),
            declared: false,
        });
        Some(Step::Create { client_id: client_id.clone(), fields })
    }
}

fn setting((field, value): &(Attribute, Value)) -> FieldSetting {
    FieldSetting { field: field.clone(), value: value.clone(), declared: true }
}

/// What decides about the secret of a row that is created again: nothing keeps the former one.
fn new_row(held: &[(Attribute, Value)]) -> NewRow<'_> {
    let value = |wanted: Field| held.iter().find(|(field, _)| *field == wanted).map(|(_, value)| value);
    let text = |field| match value(field) {
        Some(Value::Text(text)) => Some(text.as_str()),
        Some(_) | None => None,
    };
    let hash = match value(Field::HashClientSecret) {
        Some(Value::Flag(flag)) => Some(*flag),
        Some(_) | None => None,
    };
    NewRow {
        declared: None,
        client_type: text(Field::ClientType),
        token_endpoint_auth_method: text(Field::TokenEndpointAuthMethod),
        hash_client_secret: hash,
    }
}

fn name_of(whole: &Whole) -> String {
    let name = whole.fields.iter().find(|(field, _)| *field == Field::Name);
    match name {
        Some((_, Value::Text(name))) => name.clone(),
        Some(_) | None => String::new(),
    }
}

#[cfg(test)]
mod tests;

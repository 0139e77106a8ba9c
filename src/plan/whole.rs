//! A row as a whole, as a plan may show it: what it has now, whether the file manages it or not. Holds no secret.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FieldChange, FieldSetting, Value, columns, diff};
use crate::model::{Actual, Attribute, ClientId, Field, Stored};

/// The only thing that is said of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    Present,
    /// The column is empty.
    Absent,
    /// The plan was made without secrets.
    Unread,
}

/// A row of the application table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    pub client_id: ClientId,
    /// What it holds, by field and column of the project's own; without the secret.
    pub fields: Vec<(Attribute, Value)>,
    pub secret: Presence,
}

impl Whole {
    /// A row that is there, with the fields that its schema has.
    #[must_use]
    pub fn of(stored: &Stored, actual: &Actual) -> Self {
        let row = &stored.fields;
        let here = |field: &Field| actual.columns.contains_key(field) && *field != Field::ClientSecret;
        let fields = Field::ALL.iter().copied().filter(here);
        let fields = fields.map(|field| (Attribute::from(field), diff::held(row, field)));
        let secret = match &row.client_secret {
            _ if actual.withholds_secrets => Presence::Unread,
            secret if secret.expose().is_empty() => Presence::Absent,
            _ => Presence::Present,
        };
        Self {
            client_id: stored.client_id.clone(),
            fields: fields.chain(columns::held(row, actual)).collect(),
            secret,
        }
    }

    /// The row that an insertion makes, as far as the plan says it.
    #[must_use]
    pub fn created(client_id: &ClientId, settings: &[FieldSetting]) -> Self {
        let mut whole = Self { client_id: client_id.clone(), fields: Vec::new(), secret: Presence::Absent };
        for FieldSetting { field, value, declared: _ } in settings {
            whole.set(field, value);
        }
        whole
    }

    /// The row after an update.
    #[must_use]
    pub fn changed(&self, client_id: &ClientId, changes: &[FieldChange]) -> Self {
        let mut whole = Self { client_id: client_id.clone(), ..self.clone() };
        for FieldChange { field, before: _, after } in changes {
            whole.set(field, after);
        }
        whole
    }

    fn set(&mut self, field: &Attribute, value: &Value) {
        if *field == Field::ClientSecret {
            self.secret = Presence::Present;
            return;
        }
        match self.fields.iter_mut().find(|(known, _)| known == field) {
            Some((_, held)) => held.clone_from(value),
            None => self.fields.push((field.clone(), value.clone())),
        }
    }
}

/// The rows that a plan works on as they are now, by primary key.
pub type Wholes = BTreeMap<crate::model::Key, Whole>;

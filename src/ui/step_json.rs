//! A step as scripts read it, with its rows: in a plan, in the history and in what undoes a run. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::plan::{Presence, Step, Value, Whole};

/// A step with the row that it works on.
#[derive(Serialize, JsonSchema)]
pub(super) struct StepView<'a> {
    #[serde(flatten)]
    step: &'a Step,
    /// The row as it is now; `null`: there is none.
    before: Option<RowView<'a>>,
    /// The row as it will be; `null`: it goes.
    after: Option<RowView<'a>>,
}

impl<'a> StepView<'a> {
    pub(super) fn of(step: &'a Step, before: Option<&'a Whole>, after: Option<&'a Whole>) -> Self {
        Self { step, before: before.map(row_view), after: after.map(row_view) }
    }
}

/// A row by field, with `client_id` and `client_secret`; columns of the project's own as `columns.NAME`.
type RowView<'a> = BTreeMap<String, Held<'a>>;

/// What a row holds in a field.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Held<'a> {
    /// Text; an owner's primary key; a number, a date or JSON as PostgreSQL writes it.
    Text(&'a str),
    Flag(bool),
    /// URIs in the order in which they are stored.
    Uris(&'a [String]),
    /// Of `client_secret`: the only thing that is said of it.
    Secret(Presence),
    Absent(()),
}

fn held(value: &Value) -> Held<'_> {
    match value {
        Value::Absent => Held::Absent(()),
        Value::Text(text) | Value::Literal(text) => Held::Text(text),
        Value::Flag(flag) => Held::Flag(*flag),
        Value::Uris(uris) => Held::Uris(uris),
        Value::User(owner) => Held::Text(owner.key.as_str()),
        Value::StoredSecret | Value::Secret { .. } => Held::Secret(Presence::Present),
    }
}

fn row_view(Whole { client_id, fields, secret }: &Whole) -> BTreeMap<String, Held<'_>> {
    let fields = fields.iter().map(|(field, value)| (field.to_string(), held(value)));
    let own = [
        ("client_id".to_owned(), Held::Text(client_id.as_str())),
        ("client_secret".to_owned(), Held::Secret(*secret)),
    ];
    fields.chain(own).collect()
}

//! A run and its inverse leave the rows as they were.

use proptest::prelude::*;

use super::*;
use crate::plan::SecretWrite;

type Rows = BTreeMap<Key, Whole>;

const NAMES: [&str; 3] = ["web", "batch", "kiosk"];

fn row(client_id: &str, name: &str, flag: bool) -> Whole {
    Whole {
        client_id: ClientId::new(client_id),
        fields: vec![
            (Field::Name.into(), Value::Text(name.to_owned())),
            (Field::ClientType.into(), Value::Text("confidential".to_owned())),
            (Field::SkipAuthorization.into(), Value::Flag(flag)),
        ],
        secret: Presence::Present,
    }
}

fn reference(key: &Key, row: &Whole) -> RowRef {
    RowRef { key: key.clone(), client_id: row.client_id.clone(), fingerprint: "f".to_owned() }
}

fn update(key: &Key, before: &Whole, after: &Whole) -> Step {
    let changed = before.fields.iter().zip(&after.fields).filter(|(before, after)| before != after);
    let change = |((field, before), (_, after)): (&(Attribute, Value), &(Attribute, Value))| FieldChange {
        field: field.clone(),
        before: before.clone(),
        after: after.clone(),
    };
    Step::Update {
        row: reference(key, before),
        client_id: after.client_id.clone(),
        changes: changed.map(change).collect(),
        unchanged: 0,
        dependents: None,
    }
}

/// What a run does that makes `after` of `before`.
fn run(before: &Rows, after: &Rows) -> Vec<Done> {
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let step = |key: &Key| {
        let (before, after) = (before.get(key).cloned(), after.get(key).cloned());
        let step = match (&before, &after) {
            (Some(before), Some(after)) if before != after => update(key, before, after),
            (Some(before), None) => Step::Delete {
                row: reference(key, before),
                name: String::new(),
                reason: DeleteReason::Removed,
                dependents: Dependents::default(),
                others: Vec::new(),
            },
            (None, Some(after)) => Step::Create {
                client_id: after.client_id.clone(),
                fields: after.fields.iter().map(setting).collect(),
            },
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Some(Done { step, key: Some(key.clone()), before, after })
    };
    keys.into_iter().filter_map(step).collect()
}

fn present(rows: &Rows) -> Present {
    Present {
        rows: rows.iter().map(|(key, row)| (key.clone(), (reference(key, row), row.clone()))).collect(),
        names: rows.iter().map(|(key, row)| (row.client_id.clone(), key.clone())).collect(),
        hashes_secrets: true,
    }
}

/// The rows by name after a plan: keys of new rows are new.
fn executed(plan: &Plan, rows: &Rows) -> BTreeMap<ClientId, Whole> {
    let mut rows = rows.clone();
    let mut created = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Update { row, client_id, changes, .. } => {
                let after = rows[&row.key].changed(client_id, changes);
                rows.insert(row.key.clone(), after);
            }
            Step::Create { client_id, fields } => created.push(Whole::created(client_id, fields)),
            Step::Delete { row, .. } => drop(rows.remove(&row.key)),
            Step::Adopt { .. } => {}
        }
    }
    rows.into_values().chain(created).map(|row| (row.client_id.clone(), row)).collect()
}

fn rows() -> impl Strategy<Value = Rows> {
    let fields = (any::<bool>(), prop::sample::select(vec!["", "a", "b"]), any::<bool>());
    prop::collection::vec(fields, NAMES.len()).prop_map(|rows| {
        let row = |(number, (is_there, name, flag)): (usize, (bool, &str, bool))| {
            is_there.then(|| (Key::new(number.to_string()), row(NAMES[number], name, flag)))
        };
        rows.into_iter().enumerate().filter_map(row).collect()
    })
}

proptest! {
    #[test]
    fn a_run_and_its_inverse_leave_the_rows_as_they_were(before in rows(), after in rows()) {
        let undo = undo(&run(&before, &after), &present(&after));
        let by_name: BTreeMap<_, _> =
            before.values().map(|row| (row.client_id.clone(), row.clone())).collect();
        prop_assert_eq!(executed(&undo.plan, &after), by_name);
        let losses = before.keys().filter(|key| !after.contains_key(*key)).count();
        let secrets = undo.lost.iter().filter(|lost| matches!(lost, Lost::Secret { .. })).count();
        prop_assert_eq!(secrets, losses);
    }

    /// Undone once, there is nothing left to undo but what is lost.
    #[test]
    fn a_run_that_is_undone_has_no_inverse(before in rows(), after in rows()) {
        let updates: Vec<Done> = run(&before, &after)
            .into_iter()
            .filter(|done| matches!(done.step, Step::Update { .. }))
            .collect();
        let Undo { plan, lost, steps } = undo(&updates, &present(&before));
        prop_assert_eq!((plan, lost, steps), (Plan::default(), Vec::new(), updates.len()));
    }
}

#[test]
fn names_are_exchanged_back() {
    let key = Key::new;
    let before: Rows = [(key("1"), row("a", "", true)), (key("2"), row("b", "", true))].into();
    let after: Rows = [(key("1"), row("c", "", true)), (key("2"), row("a", "", true))].into();
    let undo = undo(&run(&before, &after), &present(&after));
    let steps: Vec<_> = undo.plan.steps.iter().map(|step| step.client_id().as_str()).collect();
    // The name has to be free before it is taken: the reverse of the order in which they were renamed.
    assert_eq!(steps, ["b", "a"]);
    assert_eq!(undo.lost, []);
}

#[test]
fn what_cannot_come_back_is_said() {
    let id = |text: &str| ClientId::new(text);
    let then = row("web", "Shop", true);
    let now = row("web", "Now", true);
    let secret = Value::Secret { source: SecretWrite::Declared, hashed: true };
    let changes = vec![
        FieldChange {
            field: Field::Name.into(),
            before: Value::Text("Shop".to_owned()),
            after: Value::Text("Web shop".to_owned()),
        },
        FieldChange { field: Field::ClientSecret.into(), before: Value::StoredSecret, after: secret },
        FieldChange {
            field: Attribute::Column("tenant".to_owned()),
            before: Value::Literal("1".to_owned()),
            after: Value::Literal("2".to_owned()),
        },
    ];
    let of = |step: Step, key: &str, before: Option<Whole>| Done {
        step,
        key: Some(Key::new(key)),
        before,
        after: None,
    };
    let dependents = Dependents { access_tokens: 2, ..Dependents::default() };
    let delete = |client_id: &str, key: &str| Step::Delete {
        row: reference(&Key::new(key), &row(client_id, "", true)),
        name: String::new(),
        reason: DeleteReason::Removed,
        dependents,
        others: Vec::new(),
    };
    let done = [
        of(Step::Create { client_id: id("new"), fields: Vec::new() }, "9", None),
        of(
            Step::Update {
                row: reference(&Key::new("1"), &then),
                client_id: id("web"),
                changes,
                unchanged: 0,
                dependents: None,
            },
            "1",
            Some(then.clone()),
        ),
        of(Step::Adopt { row: reference(&Key::new("1"), &then) }, "1", Some(then)),
        of(delete("old", "3"), "3", Some(row("old", "", true))),
        of(delete("again", "4"), "4", Some(row("again", "", true))),
    ];
    let rows: Rows = [(Key::new("1"), now), (Key::new("5"), row("again", "", true))].into();
    let undo = undo(&done, &present(&rows));
    assert_eq!(
        undo.lost,
        [
            Lost::CreatedSince { client_id: id("again") },
            Lost::Row { client_id: id("old"), key: Key::new("3") },
            Lost::Secret { client_id: id("old") },
            Lost::Dependents { client_id: id("old"), rows: dependents },
            Lost::Recorded { client_id: id("web") },
            Lost::ChangedSince { client_id: id("web"), field: Field::Name.into() },
            Lost::Secret { client_id: id("web") },
            Lost::NoSuchField { client_id: id("web"), field: Attribute::Column("tenant".to_owned()) },
            Lost::Gone { client_id: id("new") },
        ]
    );
    let steps: Vec<_> = undo.plan.steps.iter().map(|step| step.client_id().as_str()).collect();
    assert_eq!(steps, ["web", "old"]);
}

/// As the plan of a file that says the same.
#[test]
fn a_row_that_is_created_again_gets_a_secret_as_every_new_row() {
    let secret_of = |fields: &[(Field, Value)], hashes_secrets: bool| {
        let fields = fields.iter().map(|(field, value)| ((*field).into(), value.clone())).collect();
        let before = Whole { client_id: ClientId::new("old"), fields, secret: Presence::Present };
        let step = Step::Delete {
            row: reference(&Key::new("1"), &before),
            name: String::new(),
            reason: DeleteReason::Disabled,
            dependents: Dependents::default(),
            others: Vec::new(),
        };
        let done = Done { step, key: Some(Key::new("1")), before: Some(before), after: None };
        let undo = undo(&[done], &Present { hashes_secrets, ..Present::default() });
        let Some(Step::Create { fields, .. }) = undo.plan.steps.into_iter().next() else {
            panic!("no creation")
        };
        fields.into_iter().find(|setting| setting.field == Field::ClientSecret).unwrap().value
    };
    let text = |text: &str| Value::Text(text.to_owned());
    let secret = |source, hashed| Value::Secret { source, hashed };
    for method in ["private_key_jwt", "none"] {
        let fields =
            [(Field::ClientType, text("confidential")), (Field::TokenEndpointAuthMethod, text(method))];
        assert_eq!(secret_of(&fields, true), secret(SecretWrite::Unneeded, true), "{method}");
    }
    let public = [(Field::ClientType, text("public")), (Field::HashClientSecret, Value::Flag(false))];
    assert_eq!(secret_of(&public, true), secret(SecretWrite::Unneeded, false));
    // DOT 1.5 stores the text.
    let confidential = [(Field::ClientType, text("confidential"))];
    assert_eq!(secret_of(&confidential, false), secret(SecretWrite::Generated, false));
    assert_eq!(secret_of(&confidential, true), secret(SecretWrite::Generated, true));
}

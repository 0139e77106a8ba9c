//! What a plan looks like, without colour.

use std::collections::BTreeMap;

use insta::assert_snapshot;

use super::*;
use crate::model::Dependents;
use crate::model::{Category, ClientId, Counted, ForeignRows, Key, Limit, OnDelete, Treatment};
use crate::plan::CleanupForecast;
use crate::plan::guard::Violation;
use crate::plan::{Owner, Presence, RowRef, SecretWrite, Whole};

fn plain(styled: &str) -> String {
    anstream::adapter::strip_str(styled).to_string()
}

fn row(key: &str, client_id: &str) -> RowRef {
    RowRef { key: Key::new(key), client_id: ClientId::new(client_id), fingerprint: String::new() }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn uris(uris: &[&str]) -> Value {
    Value::Uris(uris.iter().map(|uri| (*uri).to_owned()).collect())
}

/// Rows of other tables that go along.
fn foreign() -> [ForeignRows; 2] {
    let rows = |table: &str, on_delete, rows| ForeignRows {
        table: table.to_owned(),
        column: "app".to_owned(),
        constraint: "app_fk".to_owned(),
        on_delete,
        treatment: Treatment::OnDelete(on_delete),
        rows,
        name: String::new(),
        not_null: false,
        declared: false,
    };
    [rows("public.consent", OnDelete::Cascade, Some(210)), rows("audit", OnDelete::SetNull, None)]
}

/// A generated secret, and no name.
fn batch() -> Step {
    Step::Create {
        client_id: ClientId::new("batch"),
        fields: vec![
            FieldSetting { field: Field::Name.into(), value: text(""), declared: false },
            FieldSetting { field: Field::ClientType.into(), value: text("confidential"), declared: true },
            FieldSetting {
                field: Field::RedirectUris.into(),
                value: uris(&["https://a.example/1", "https://a.example/2"]),
                declared: true,
            },
            FieldSetting {
                field: Field::ClientSecret.into(),
                value: Value::Secret { source: SecretWrite::Generated, hashed: true },
                declared: false,
            },
        ],
    }
}

/// A plan with every kind of step.
pub(in crate::ui) fn everything() -> Plan {
    Plan {
        steps: vec![
            Step::Update {
                row: row("12", "web"),
                client_id: ClientId::new("web"),
                changes: vec![
                    FieldChange { field: Field::Name.into(), before: text("Shop"), after: text("Web shop") },
                    FieldChange {
                        field: Field::RedirectUris.into(),
                        before: uris(&["https://b.example/cb", "https://old.example/cb"]),
                        after: uris(&["https://new.example/cb", "https://b.example/cb"]),
                    },
                    FieldChange {
                        field: Field::SkipAuthorization.into(),
                        before: Value::Flag(true),
                        after: Value::Flag(false),
                    },
                    FieldChange {
                        field: Field::ClientSecret.into(),
                        before: Value::StoredSecret,
                        after: Value::Secret { source: SecretWrite::Declared, hashed: true },
                    },
                    FieldChange {
                        field: Field::User.into(),
                        before: Value::Absent,
                        after: Value::User(Box::new(Owner {
                            key: Key::new("7"),
                            username: Some("ops".to_owned()),
                            by: None,
                        })),
                    },
                ],
                unchanged: 3,
                dependents: Some(Dependents {
                    access_tokens: 9,
                    access_tokens_live: 1_204,
                    grants_live: 1,
                    users: 35,
                    ..Dependents::default()
                }),
            },
            Step::Update {
                row: row("13", "reporting"),
                client_id: ClientId::new("reports"),
                changes: Vec::new(),
                unchanged: 1,
                dependents: Some(Dependents::default()),
            },
            batch(),
            Step::Adopt { row: row("14", "known") },
            Step::Delete {
                row: row("15", "legacy-cron"),
                name: "Legacy\u{1b}[31m".to_owned(),
                reason: DeleteReason::Removed,
                dependents: Dependents {
                    access_tokens: 18_204,
                    access_tokens_live: 3,
                    refresh_tokens: 1,
                    refresh_tokens_live: 1,
                    id_tokens: 0,
                    grants: 2,
                    grants_live: 0,
                    users: 2,
                },
                others: foreign().into(),
            },
            Step::Delete {
                row: row("16", "unused"),
                name: String::new(),
                reason: DeleteReason::Pruned,
                dependents: Dependents::default(),
                others: Vec::new(),
            },
        ],
        unchanged: vec![ClientId::new("same")],
        unmanaged: (0..12).map(|n| ClientId::new(format!("app{n}"))).collect(),
        dynamic: 1,
        total: 1_042,
        declared: 6,
        unverified: vec![ClientId::new("argon")],
        withholds_secrets: false,
        foreign: vec![ClientId::new("awx")],
        untargeted: 2,
        targets: Vec::new(),
        counted_at: Some("2026-11-23T08:00:00Z".to_owned()),
        rows: BTreeMap::from([(Key::new("15"), legacy())]),
    }
}

/// A row with every kind of value.
fn legacy() -> Whole {
    let fields = vec![
        (Field::Name.into(), text("Legacy\u{1b}[31m")),
        (Field::RedirectUris.into(), uris(&["https://l.example/1", "https://l.example/2"])),
        (Field::AllowedOrigins.into(), uris(&[])),
        (Field::Algorithm.into(), text("")),
        (Field::SkipAuthorization.into(), Value::Flag(true)),
        (Field::User.into(), Value::User(Box::new(Owner::of_key(Key::new("7"))))),
        (Attribute::Column("tenant_id".to_owned()), Value::Literal("3".to_owned())),
    ];
    Whole { client_id: ClientId::new("legacy-cron"), fields, secret: Presence::Present }
}

#[test]
fn every_kind_of_step() {
    let forecast = CleanupForecast {
        as_of: "2026-01-02T03:04:05Z".to_owned(),
        counted: Counted::Exact(
            [(Category::Revoked, 12_310), (Category::Access, 4_414_662)].into_iter().collect(),
        ),
        others: foreign().to_vec(),
        spared_by_age: Some(1_234),
    };
    assert_snapshot!(plain(&render(
        &Proposal { forecast: Some(forecast), ..everything().into() },
        Detail::Changes
    )));
}

#[test]
fn defaults_and_unchanged_applications_with_full() {
    let mut plan = everything();
    plan.steps.retain(|step| matches!(step, Step::Create { .. }));
    plan.unmanaged.clear();
    assert_snapshot!(plain(&render(&plan.into(), Detail::Full)));
}

#[test]
fn nothing_to_do() {
    let plan = Plan { total: 1, declared: 1, ..Plan::default() };
    let forecast = CleanupForecast { as_of: "2026-01-02T03:04:05Z".to_owned(), ..CleanupForecast::default() };
    assert_snapshot!(plain(&render(&Proposal { forecast: Some(forecast), ..plan.into() }, Detail::Changes)));
}

#[test]
fn a_refusal_names_the_flag() {
    let refusal = Refusal {
        violations: vec![
            Violation::Protected { client_id: ClientId::new("web") },
            Violation::TooManyDeletes { planned: 7, limit: Limit::Count(5), total: 20 },
            Violation::Referenced {
                client_id: ClientId::new("web"),
                table: "audit_log".to_owned(),
                constraint: "audit_log_app_fk".to_owned(),
                rows: 3,
                hint: "delete or repoint those rows first".to_owned(),
            },
        ],
    };
    assert_snapshot!(plain(&render_refusal(&refusal)));
}

#[test]
fn numbers_are_grouped() {
    assert_eq!([0, 12, 123, 1_234, 1_234_567].map(grouped), ["0", "12", "123", "1,234", "1,234,567"]);
}

#[test]
fn instants_are_shown_to_the_second() {
    assert_eq!(to_the_second("2026-11-23T09:20:57.184814Z"), "2026-11-23T09:20:57Z");
    assert_eq!(to_the_second("2026-11-23T09:20:57Z"), "2026-11-23T09:20:57Z");
}

/// Expired rows of an application that goes are in both numbers.
#[test]
fn rows_that_are_counted_twice_are_said_to_be() {
    let counted = Counted::Exact([(Category::Access, 7)].into_iter().collect());
    let forecast =
        CleanupForecast { as_of: "2026-01-02T03:04:05Z".to_owned(), counted, ..CleanupForecast::default() };
    let shown = |plan: Plan| {
        plain(&render(&Proposal { forecast: Some(forecast.clone()), ..plan.into() }, Detail::Changes))
    };
    let remark = "This count may include rows of applications that the plan deletes";
    assert!(shown(everything()).contains(remark));
    assert!(!shown(Plan::default()).contains(remark));
}

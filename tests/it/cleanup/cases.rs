//! The end states of the real `clear_expired()`, at the microsecond, on every schema.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use oauthctl::model::{CleanupPolicy, TableRole};
use oauthctl::sweep::Stop;
use serde_json::Value;

use super::draft::{Draft, uuid};
use super::graph::Graph;
use super::runner::{Runner, now, with_pace};
use crate::support::{Database, Template};

fn cases() -> Value {
    serde_json::from_str(include_str!("../../data/cases/cleartokens_cases.json")).unwrap()
}

/// Every schema there is; DOT 3.4.1's end state is wanted on each.
pub fn templates() -> Vec<Template> {
    Template::VERSIONS.into_iter().chain([Template::Swapped341]).collect()
}

const ROLES: [(TableRole, &str); 6] = [
    (TableRole::IdToken, "idtoken"),
    (TableRole::AccessToken, "accesstoken"),
    (TableRole::RefreshToken, "refreshtoken"),
    (TableRole::Grant, "grant"),
    (TableRole::DeviceGrant, "devicegrant"),
    (TableRole::ParRequest, "pushedauthorizationrequest"),
];

/// The fixture's rows, numbered, and the names of the numbers.
fn fixture(cases: &Value) -> (Draft, BTreeMap<TableRole, Vec<String>>) {
    let names: BTreeMap<TableRole, Vec<String>> = ROLES
        .into_iter()
        .map(|(role, table)| (role, cases["fixture"][table].as_object().unwrap().keys().cloned().collect()))
        .collect();
    let number =
        |role: TableRole, name: &str| names[&role].iter().position(|known| known == name).unwrap() + 1;
    let pointer = |role: TableRole, name: &Value| name.as_str().map(|name| number(role, name));
    let instant = |offset: &Value| offset.as_i64().map(|micros| now() + time::Duration::microseconds(micros));
    let mut draft = Draft::default();
    for (role, table) in ROLES {
        for (name, row) in cases["fixture"][table].as_object().unwrap() {
            let number = number(role, name);
            match role {
                TableRole::RefreshToken => {
                    let access = pointer(TableRole::AccessToken, &row["access_token"]);
                    draft.refresh.push((number, access, instant(&row["revoked_offset_us"]), 1));
                }
                TableRole::AccessToken => {
                    let source = pointer(TableRole::RefreshToken, &row["source_refresh_token"]);
                    let id = pointer(TableRole::IdToken, &row["id_token"]);
                    let expires = instant(&row["expires_offset_us"]).unwrap();
                    draft.access.push((number, source, id, expires, Some(1)));
                }
                _ => {
                    let expires = instant(&row["expires_offset_us"]).unwrap();
                    draft.others.entry(role).or_default().push((number, expires, Some(1)));
                }
            }
        }
    }
    (draft, names)
}

fn policy(settings: &Value) -> CleanupPolicy {
    let seconds = |name: &str| settings[name].as_u64().map(Duration::from_secs);
    CleanupPolicy {
        refresh_token_expire: seconds("REFRESH_TOKEN_EXPIRE_SECONDS"),
        refresh_token_grace_period: seconds("REFRESH_TOKEN_GRACE_PERIOD_SECONDS").unwrap_or_default(),
        refresh_token_reuse_protection: settings["REFRESH_TOKEN_REUSE_PROTECTION"].as_bool().unwrap_or(false),
        ..CleanupPolicy::default()
    }
}

/// What is left, in the words of the cases. Keys are numbers, or `md5(number)` as UUID.
fn named(graph: &Graph, names: &BTreeMap<TableRole, Vec<String>>) -> BTreeMap<&'static str, Value> {
    let name = |role: TableRole, key: &str| {
        let position = (1..100).find(|number| key == number.to_string() || key == uuid(*number)).unwrap();
        names[&role][position - 1].clone()
    };
    let pointer = |role: TableRole, key: &Option<String>| key.as_ref().map(|key| name(role, key));
    let mut left = BTreeMap::new();
    for (role, table) in ROLES {
        let rows = match role {
            TableRole::RefreshToken => graph
                .refresh
                .iter()
                .map(|(key, row)| {
                    let access = pointer(TableRole::AccessToken, &row.access);
                    (name(role, key), serde_json::json!({ "access_token": access }))
                })
                .collect(),
            TableRole::AccessToken => graph
                .access
                .iter()
                .map(|(key, row)| {
                    let source = pointer(TableRole::RefreshToken, &row.source);
                    let id = pointer(TableRole::IdToken, &row.id_token);
                    (name(role, key), serde_json::json!({ "source_refresh_token": source, "id_token": id }))
                })
                .collect(),
            _ => {
                let Some(rows) = graph.others.get(&role) else { continue };
                let mut rows: Vec<String> = rows.keys().map(|key| name(role, key)).collect();
                rows.sort();
                left.insert(table, serde_json::json!(rows));
                continue;
            }
        };
        left.insert(table, Value::Object(rows));
    }
    left
}

#[tokio::test]
async fn the_end_state_is_that_of_dot_on_every_schema() {
    let cases = cases();
    let (draft, names) = fixture(&cases);
    for template in templates() {
        let database = Database::create(template);
        for case in cases["expected"].as_array().unwrap() {
            if case["version"] != "3.4.1" {
                continue;
            }
            for batch_size in [1, 10_000] {
                draft.insert(&database, template);
                let policy = with_pace(policy(&case["settings"]), |pace| {
                    pace.batch_size = NonZeroU32::new(batch_size).unwrap();
                });
                let outcome = Runner::new(&database, template).await.run(&policy, now()).await.unwrap();
                let what = format!("{template:?}, {}, batches of {batch_size}", case["settings"]);
                assert_eq!(outcome.stop, Stop::Finished, "{what}");
                assert_eq!(outcome.locked, 0, "{what}");
                for (table, rows) in named(&Graph::read(&database, template), &names) {
                    if let Some(expected) = case.get(table).filter(|rows| !rows.is_null()) {
                        assert_eq!(&rows, expected, "{table}: {what}");
                    }
                }
            }
        }
    }
}

/// The book that other tests go by agrees with the real thing too.
#[tokio::test]
async fn the_model_of_the_tests_is_right() {
    let cases = cases();
    let (draft, names) = fixture(&cases);
    let database = Database::create(Template::Main);
    draft.insert(&database, Template::Main);
    let graph = Graph::read(&database, Template::Main);
    for case in cases["expected"].as_array().unwrap() {
        if case["version"] != "3.4.1" {
            continue;
        }
        let cleared = graph.cleared(&policy(&case["settings"]), now(), &[].into());
        for (table, rows) in named(&cleared, &names) {
            if let Some(expected) = case.get(table).filter(|rows| !rows.is_null()) {
                assert_eq!(&rows, expected, "{table}: {}", case["settings"]);
            }
        }
        assert_eq!(cleared.others[&TableRole::ParRequest].len(), 2, "p_now and p_future");
    }
}

//! What the planner decides, and properties that hold for every file and every database.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::guard::{Blocker, Rails, Refusal, Violation, check};
use super::*;
use crate::hasher::{EncodedHash, StoredSecret};
use crate::model::{
    Allow, Application, Attribute, ColumnKind, ColumnValue, CustomColumn, Field, Limit, Origin, Ownership,
    SecretDeclaration, StoredFields, Unmanaged, UserRef,
};
use crate::secret::Secret;

const HASH: &str = "pbkdf2_sha256$1$salt$bKjXOfsW4LsZDOGMIKlcxqTTHN1qXcgcBWX7Xjnb1cQ=";

fn id(text: &str) -> ClientId {
    ClientId::new(text)
}

/// A database with every column and one row per client id.
fn database(client_ids: &[&str]) -> Actual {
    let rows = client_ids.iter().enumerate().map(|(n, client_id)| (id(client_id), row(n, client_id)));
    Actual {
        columns: Field::ALL.into_iter().map(|field| (field, None)).collect(),
        client_id_length: Some(255),
        device_grants: true,
        hashes_secrets: true,
        applications: rows.collect(),
        total: client_ids.len() as u64,
        ..Actual::default()
    }
}

fn row(n: usize, client_id: &str) -> Stored {
    Stored {
        key: Key::new(n.to_string()),
        client_id: id(client_id),
        origin: Origin::Manual,
        fields: StoredFields {
            name: "App".to_owned(),
            client_type: "confidential".to_owned(),
            authorization_grant_type: "authorization-code".to_owned(),
            redirect_uris: "https://a.example/cb https://b.example/cb".to_owned(),
            post_logout_redirect_uris: Some(String::new()),
            allowed_origins: Some(String::new()),
            algorithm: Some(String::new()),
            skip_authorization: false,
            hash_client_secret: Some(true),
            client_secret: StoredSecret::new(HASH.to_owned()),
            user: None,
            columns: BTreeMap::new(),
        },
        fingerprint: format!("fingerprint-{n}"),
    }
}

/// An application that is in no respect as [`row`] has it, but can be created.
fn declared() -> Declared {
    Declared {
        block: String::new(),
        application: Application {
            name: Some("Renamed".to_owned()),
            client_type: Some("public".to_owned()),
            authorization_grant_type: Some("client-credentials".to_owned()),
            redirect_uris: Some(vec!["https://b.example/cb".to_owned(), "https://c.example/cb".to_owned()]),
            ..Application::default()
        },
        protect: false,
        ignore: BTreeSet::new(),
    }
}

fn desired(applications: Vec<(&str, Declared)>) -> Desired {
    Desired {
        applications: applications
            .into_iter()
            .map(|(client_id, declared)| (id(client_id), declared))
            .collect(),
        ..Desired::default()
    }
}

/// A server that can sign with RS256.
fn provider() -> Provider {
    Provider { oidc_rsa_private_key: true, ..Provider::default() }
}

fn planned(desired: &Desired, actual: &Actual) -> Plan {
    planned_with(desired, actual, Prune::Never, &BTreeMap::new())
}

fn planned_with(
    desired: &Desired,
    actual: &Actual,
    prune: Prune,
    secrets: &BTreeMap<ClientId, SecretVerdict>,
) -> Plan {
    let policy = Policy { prune, ..Policy::default() };
    plan(desired, actual, &policy, &Facts { secrets, provider: &provider(), scope: None })
        .expect("no findings")
}

fn changed(plan: &Plan) -> Vec<Attribute> {
    plan.steps
        .iter()
        .flat_map(|step| match step {
            Step::Update { changes, .. } => changes.iter().map(|change| change.field.clone()).collect(),
            _ => Vec::new(),
        })
        .collect()
}

fn findings(desired: &Desired, actual: &Actual) -> Vec<String> {
    let facts = Facts { secrets: &BTreeMap::new(), provider: &provider(), scope: None };
    let findings = plan(desired, actual, &Policy::default(), &facts).expect_err("findings");
    findings
        .into_iter()
        .map(|Finding { client_id, field, cause }| {
            format!("{client_id}.{}: {cause}", field.map_or("*".to_owned(), |field| field.key()))
        })
        .collect()
}

#[test]
fn an_empty_block_manages_nothing() {
    let plan = planned(&desired(vec![("web", Declared::default())]), &database(&["web"]));
    assert!(plan.is_empty());
    assert_eq!(plan.unchanged, [id("web")]);
}

#[test]
fn only_declared_fields_are_compared() {
    let plan = planned(&desired(vec![("web", declared())]), &database(&["web"]));
    assert_eq!(
        changed(&plan),
        [Field::Name, Field::ClientType, Field::AuthorizationGrantType, Field::RedirectUris]
    );
}

#[test]
fn an_empty_list_means_empty() {
    let mut application = Declared::default();
    application.application.authorization_grant_type = Some("password".to_owned());
    application.application.redirect_uris = Some(Vec::new());
    application.application.allowed_origins = Some(Vec::new());
    let plan = planned(&desired(vec![("web", application)]), &database(&["web"]));
    assert_eq!(changed(&plan), [Field::AuthorizationGrantType, Field::RedirectUris]);
}

#[test]
fn a_missing_application_is_created_with_dots_defaults() {
    let plan = planned(&desired(vec![("new", declared())]), &database(&[]));
    let [Step::Create { fields, .. }] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!(fields.iter().map(|setting| setting.field.clone()).collect::<Vec<_>>(), Field::ALL);
    let of = |field| fields.iter().find(|setting| setting.field == field).expect("field");
    assert_eq!(of(Field::HashClientSecret).value, Value::Flag(true));
    assert!(!of(Field::HashClientSecret).declared);
    assert_eq!(of(Field::ClientSecret).value, Value::Secret { source: SecretWrite::Generated, hashed: true });
    assert_eq!(of(Field::User).value, Value::Absent);
}

fn custom(kind: ColumnKind) -> CustomColumn {
    CustomColumn {
        kind,
        sql_type: "some_type".to_owned(),
        max_length: Some(3),
        not_null: true,
        filled: false,
        generated: false,
        default: None,
    }
}

/// What PostgreSQL is said to make of a value.
fn rendering(actual: &mut Actual, column: &str, given: &str, rendered: Result<&str, &str>) {
    let rendered = rendered.map(str::to_owned).map_err(str::to_owned);
    actual.renderings.insert((column.to_owned(), given.to_owned()), rendered);
}

#[test]
fn columns_are_compared_in_the_form_of_postgresql() {
    let mut actual = database(&["web"]);
    let text = |text: &str| ColumnValue::Text(text.to_owned());
    for (name, kind, given, rendered, stored) in [
        ("a_same", ColumnKind::Other, "1 day", "1 day", Some("1 day")),
        ("b_scale", ColumnKind::Decimal, "1.5", "1.50", Some("1.500")),
        ("c_null", ColumnKind::Flag, "true", "true", None),
        ("d_json", ColumnKind::Json, "\"x\"", "\"x\"", Some("\"y\"")),
        ("e_ignored", ColumnKind::Text, "x", "x", Some("y")),
    ] {
        actual.custom.insert(name.to_owned(), CustomColumn { max_length: None, ..custom(kind) });
        rendering(&mut actual, name, given, Ok(rendered));
        let row = actual.applications.get_mut(&id("web")).unwrap();
        row.fields.columns.insert(name.to_owned(), stored.map(str::to_owned));
    }
    let mut declared = Declared::default();
    declared.application.columns = [
        ("a_same", text("1 day")),
        ("b_scale", ColumnValue::Float(1.5)),
        ("c_null", ColumnValue::Flag(true)),
        ("d_json", text("x")),
        ("e_ignored", text("x")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    declared.ignore.insert(Attribute::Column("e_ignored".to_owned()));
    let plan = planned(&desired(vec![("web", declared)]), &actual);
    let [Step::Update { changes, unchanged, .. }] = plan.steps.as_slice() else { panic!("{plan:?}") };
    let shown: Vec<_> =
        changes.iter().map(|change| (change.field.key(), &change.before, &change.after)).collect();
    assert_eq!(
        shown,
        [
            ("columns.c_null".to_owned(), &Value::Absent, &Value::Flag(true)),
            (
                "columns.d_json".to_owned(),
                &Value::Literal("\"y\"".to_owned()),
                &Value::Literal("\"x\"".to_owned())
            ),
        ]
    );
    assert_eq!(*unchanged, 2);
    assert!(!plan.steps[0].may_break_clients());
}

#[test]
fn columns_that_cannot_be_as_declared_are_found() {
    let mut actual = database(&["web"]);
    actual.custom = [
        ("tenant_id", custom(ColumnKind::Integer(0, 9))),
        ("total", CustomColumn { generated: true, ..custom(ColumnKind::Integer(0, 9)) }),
        ("api_key", custom(ColumnKind::Text)),
        ("code", custom(ColumnKind::Text)),
        ("mood", CustomColumn { max_length: None, ..custom(ColumnKind::Other) }),
        ("padded", custom(ColumnKind::Text)),
    ]
    .map(|(name, column)| (name.to_owned(), column))
    .into();
    rendering(&mut actual, "mood", "angry", Err("invalid input value for enum mood"));
    rendering(&mut actual, "padded", "x ", Ok("x"));
    let text = |text: &str| ColumnValue::Text(text.to_owned());
    let mut declared = Declared::default();
    declared.application.columns = [
        ("tenant_id", text("7")),
        ("total", ColumnValue::Integer(1)),
        ("api_key", text("x")),
        ("code", text("überlang")),
        ("mood", text("angry")),
        ("padded", text("x ")),
        ("tenant", ColumnValue::Integer(1)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    insta::assert_snapshot!(findings(&desired(vec![("web", declared)]), &actual).join("\n"));
}

#[test]
fn what_the_database_cannot_hold_is_found_before_anything_is_planned() {
    let mut actual = database(&["old"]);
    actual.columns.remove(&Field::AllowedOrigins);
    actual.columns.insert(Field::Name, Some(5));
    actual.device_grants = false;
    actual.custom = [("tenant_id".to_owned(), custom(ColumnKind::Integer(0, 9)))].into();
    actual.client_id_length = Some(3);
    let mut old = Declared::default();
    old.application.allowed_origins = Some(Vec::new());
    old.application.name = Some("überlang".to_owned());
    old.application.user = Some(UserRef::Username("ops".to_owned()));
    old.application.authorization_grant_type =
        Some("urn:ietf:params:oauth:grant-type:device_code".to_owned());
    let found = findings(&desired(vec![("old", old), ("fresh", Declared::default())]), &actual);
    assert_eq!(
        found,
        [
            "fresh.*: has 5 characters; the column takes 3",
            "fresh.*: `client_type` is missing, and the application does not exist yet",
            "fresh.*: `authorization_grant_type` is missing, and the application does not exist yet",
            "fresh.*: cannot be created: NOT NULL columns without a value: tenant_id",
            "old.allowed_origins: this database has no column `allowed_origins` (it came with DOT 2.4)",
            "old.name: has 8 characters; the column takes 5",
            "old.authorization_grant_type: this database does not know the grant type (it came with DOT 3.2)",
            "old.user: user \"ops\" does not exist",
        ]
    );
}

#[test]
fn a_rename_keeps_the_row() {
    let mut wanted = desired(vec![("reports", Declared::default())]);
    wanted.renamed.insert(id("reporting"), id("reports"));
    let plan = planned(&wanted, &database(&["reporting"]));
    let [Step::Update { row, client_id, changes, .. }] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!((row.client_id.as_str(), client_id.as_str(), changes.len()), ("reporting", "reports", 0));
    assert_eq!(plan.summary(), Summary { rename: 1, ..Summary::default() });
    // Done already: nothing to do.
    assert!(planned(&wanted, &database(&["reports"])).is_empty());
    // Both are there: somebody has to decide.
    let both = findings(&wanted, &database(&["reporting", "reports"]));
    assert_eq!(both, ["reporting.*: cannot be renamed to reports: both applications exist"]);
}

#[test]
fn removing_is_idempotent() {
    let mut wanted = Desired::default();
    wanted.removed.insert(id("gone"));
    assert_eq!(planned(&wanted, &database(&["gone"])).summary().delete, 1);
    assert!(planned(&wanted, &database(&[])).is_empty());
}

fn with_unmanaged(owned: &[&str]) -> Actual {
    let mut actual = database(&[]);
    actual.total = 2;
    actual.unmanaged = ["a", "b"]
        .into_iter()
        .map(|name| Unmanaged {
            key: Key::new(name),
            client_id: id(name),
            name: String::new(),
            fingerprint: String::new(),
        })
        .collect();
    actual.ownership =
        Some(Ownership { created: owned.iter().map(|name| id(name)).collect(), ..Ownership::default() });
    actual
}

#[test]
fn pruning_is_off_by_default_and_keeps_to_what_it_was_asked_for() {
    let actual = with_unmanaged(&["b", "c"]);
    let pruned = |prune| {
        let plan = planned_with(&Desired::default(), &actual, prune, &BTreeMap::new());
        let doomed: Vec<String> = plan.deletions().map(|row| row.client_id.to_string()).collect();
        (doomed.join(" "), plan.unmanaged.len())
    };
    assert_eq!(pruned(Prune::Never), (String::new(), 2));
    assert_eq!(pruned(Prune::Owned), ("b".to_owned(), 1));
    assert_eq!(pruned(Prune::All), ("a b".to_owned(), 0));
}

#[test]
fn a_secret_is_replaced_only_when_it_differs() {
    let with = |secret| {
        let mut application = Declared::default();
        application.application.client_secret = Some(secret);
        desired(vec![("web", application)])
    };
    let write = |secret: SecretDeclaration, verdict: Option<SecretVerdict>| {
        let secrets = verdict.map(|verdict| (id("web"), verdict)).into_iter().collect();
        let plan = planned_with(&with(secret), &database(&["web"]), Prune::Never, &secrets);
        match plan.steps.as_slice() {
            [] => None,
            [Step::Update { changes, .. }] => Some(changes[0].after.clone()),
            other => panic!("{other:?}"),
        }
    };
    let plain = || SecretDeclaration::Plain(Secret::new("s3cret".to_owned()));
    let replaced = Some(Value::Secret { source: SecretWrite::Declared, hashed: true });
    assert_eq!(write(plain(), Some(SecretVerdict::Matches)), None);
    assert_eq!(write(plain(), Some(SecretVerdict::CannotVerify)), None);
    assert_eq!(write(plain(), Some(SecretVerdict::Differs)), replaced);
    assert_eq!(write(SecretDeclaration::Generate, None), None);
    let same = EncodedHash::parse(HASH).expect("well-formed");
    assert_eq!(write(SecretDeclaration::Hash(same), None), None);
}

#[test]
fn a_secret_changes_its_form_with_hash_client_secret() {
    let mut application = Declared::default();
    application.application.hash_client_secret = Some(false);
    application.application.client_secret = Some(SecretDeclaration::Plain(Secret::new("s3cret".to_owned())));
    let secrets = BTreeMap::from([(id("web"), SecretVerdict::Matches)]);
    let plan =
        planned_with(&desired(vec![("web", application)]), &database(&["web"]), Prune::Never, &secrets);
    assert_eq!(changed(&plan), [Field::HashClientSecret, Field::ClientSecret]);
}

#[test]
fn with_a_ledger_existing_applications_are_adopted_once() {
    let mut actual = database(&["web"]);
    actual.ownership = Some(Ownership::default());
    let wanted = desired(vec![("web", Declared::default())]);
    assert_eq!(planned(&wanted, &actual).summary().adopt, 1);
    actual.ownership = Some(Ownership { adopted: BTreeSet::from([id("web")]), ..Ownership::default() });
    assert!(planned(&wanted, &actual).is_empty());
    let others = BTreeMap::from([(id("web"), "theirs.toml".to_owned())]);
    actual.ownership = Some(Ownership { others, ..Ownership::default() });
    assert_eq!(findings(&wanted, &actual), ["web.*: is managed by another file: theirs.toml"]);
}

fn refused(plan: &Plan, policy: &Policy, allow: &[Allow]) -> Vec<Violation> {
    let rails = Rails {
        policy,
        protected: &BTreeSet::from([id("guarded")]),
        allow: &allow.iter().cloned().collect(),
        blockers: &BTreeMap::from([(
            Key::new("2"),
            vec![Blocker { table: "audit".to_owned(), constraint: "fk".to_owned(), rows: 7 }],
        )]),
    };
    check(plan, &rails).err().map_or_else(Vec::new, |Refusal { violations }| violations)
}

#[test]
fn rails_list_every_violation_and_open_one_at_a_time() {
    let removed = ["guarded", "listed", "referenced"].into_iter().map(id).collect();
    let wanted = Desired { removed, ..Desired::default() };
    let plan = planned(&wanted, &database(&["guarded", "listed", "referenced"]));
    let policy = Policy {
        protect: BTreeSet::from([id("listed")]),
        max_deletes: Some(Limit::Percent(40)),
        ..Policy::default()
    };
    let all = refused(&plan, &policy, &[]);
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(all[0].allow().as_deref(), Some("--allow delete:guarded"));
    assert_eq!(all[2].allow(), None, "foreign rows cannot be waved through");
    assert_eq!(all[3], Violation::TooManyDeletes { planned: 3, limit: 1, total: 3 });
    let one = refused(&plan, &policy, &[Allow::Delete(id("guarded")), Allow::MaxDeletes(3)]);
    assert_eq!(one.len(), 2, "{one:?}");
}

#[test]
fn updates_are_limited_too() {
    let plan = planned(&desired(vec![("web", declared())]), &database(&["web"]));
    let policy = Policy { max_updates: Some(Limit::Count(0)), ..Policy::default() };
    assert_eq!(refused(&plan, &policy, &[]).len(), 1);
    assert_eq!(refused(&plan, &policy, &[Allow::MaxUpdates(1)]), []);
}

#[test]
fn a_new_row_obeys_dots_rules_with_its_defaults() {
    let of = |application| desired(vec![("web", Declared { application, ..declared() })]);
    let redirecting = of(Application {
        authorization_grant_type: Some("authorization-code".to_owned()),
        redirect_uris: None,
        ..declared().application
    });
    assert_eq!(
        findings(&redirecting, &database(&[])),
        ["web.redirect_uris: redirect_uris cannot be empty with grant_type authorization-code"]
    );
    // A row that is there has some.
    assert!(!planned(&redirecting, &database(&["web"])).is_empty());

    let signing = of(Application {
        client_type: Some("confidential".to_owned()),
        algorithm: Some("HS256".to_owned()),
        ..declared().application
    });
    let hashed = findings(&signing, &database(&[]));
    assert_eq!(hashed.len(), 1, "{hashed:?}");
    assert!(
        hashed[0].starts_with("web.hash_client_secret: You cannot use HS256 with a hashed"),
        "{hashed:?}"
    );
    // DOT 1.5 to 2.3 have no such column.
    let mut old = database(&[]);
    old.columns.remove(&Field::HashClientSecret);
    assert!(!planned(&signing, &old).is_empty());
}

#[test]
fn a_row_is_not_changed_into_one_that_dot_refuses() {
    let mut actual = database(&["web"]);
    actual.applications.get_mut(&id("web")).unwrap().fields.redirect_uris = " ".to_owned();
    // It is like that already, and not by this file.
    let named = Application { name: Some("Other".to_owned()), ..Application::default() };
    let plan = planned(&desired(vec![("web", Declared { application: named, ..declared() })]), &actual);
    assert_eq!(changed(&plan), [Field::Name]);
    let hybrid =
        Application { authorization_grant_type: Some("openid-hybrid".to_owned()), ..Application::default() };
    assert_eq!(
        findings(&desired(vec![("web", Declared { application: hybrid, ..declared() })]), &actual),
        ["web.redirect_uris: redirect_uris cannot be empty with grant_type openid-hybrid"]
    );
}

#[test]
fn what_is_ignored_is_written_once() {
    let declared = Declared {
        ignore: BTreeSet::from([Field::RedirectUris, Field::ClientType].map(Attribute::from)),
        ..declared()
    };
    let created = planned(&desired(vec![("web", declared)]), &database(&[]));
    let [Step::Create { fields, .. }] = created.steps.as_slice() else { panic!("{created:?}") };
    let uris = fields.iter().find(|setting| setting.field == Field::RedirectUris).unwrap();
    assert!(matches!(&uris.value, Value::Uris(uris) if uris.len() == 2), "{uris:?}");

    let declared = Declared {
        ignore: BTreeSet::from([Field::RedirectUris, Field::ClientType].map(Attribute::from)),
        ..self::declared()
    };
    let updated = planned(&desired(vec![("web", declared)]), &database(&["web"]));
    assert_eq!(changed(&updated), [Field::Name, Field::AuthorizationGrantType]);
    // Everything that differs is left to others.
    let declared =
        Declared { ignore: Field::ALL.into_iter().map(Attribute::from).collect(), ..self::declared() };
    let nothing = planned(&desired(vec![("web", declared)]), &database(&["web"]));
    assert_eq!((nothing.is_empty(), nothing.unchanged), (true, vec![id("web")]));
}

#[test]
fn clients_of_what_is_protected_notice_nothing() {
    let policy = Policy { protect: BTreeSet::from([id("web")]), ..Policy::default() };
    let with = |application| desired(vec![("web", Declared { application, ..Declared::default() })]);
    let harmless = with(Application { name: Some("Other".to_owned()), ..Application::default() });
    assert_eq!(refused(&planned(&harmless, &database(&["web"])), &policy, &[]), []);
    let uris = Some(vec!["https://b.example/cb".to_owned()]);
    let narrowed =
        planned(&with(Application { redirect_uris: uris, ..Application::default() }), &database(&["web"]));
    let refusal = refused(&narrowed, &policy, &[]);
    assert_eq!(refusal, [Violation::ProtectedChange { client_id: id("web") }]);
    assert_eq!(refusal[0].allow().unwrap(), "--allow update:web");
    assert_eq!(refused(&narrowed, &policy, &[Allow::Update(id("web"))]), []);
    // A rename, under both names.
    let mut renamed = with(Application::default());
    renamed.renamed.insert(id("old"), id("web"));
    let plan = planned(&renamed, &database(&["old"]));
    assert_eq!(refused(&plan, &policy, &[]), [Violation::ProtectedChange { client_id: id("old") }]);
}

/// Executes a plan on the model of a database; the real executor is tested on real rows.
fn executed(plan: &Plan, actual: &mut Actual) {
    for step in &plan.steps {
        match step {
            Step::Update { row, client_id, changes, .. } => {
                let mut stored = actual.applications.remove(&row.client_id).expect("row");
                for FieldChange { field, after, .. } in changes {
                    set(&mut stored.fields, field, after);
                }
                stored.client_id = client_id.clone();
                actual.applications.insert(client_id.clone(), stored);
            }
            Step::Create { client_id, fields } => {
                let mut stored = row(100, client_id.as_str());
                for setting in fields {
                    set(&mut stored.fields, &setting.field, &setting.value);
                }
                actual.applications.insert(client_id.clone(), stored);
            }
            Step::Delete { row, .. } => {
                actual.applications.remove(&row.client_id);
                actual.unmanaged.retain(|unmanaged| unmanaged.client_id != row.client_id);
            }
            Step::Adopt { .. } => {}
        }
    }
}

fn set(fields: &mut StoredFields, attribute: &Attribute, value: &Value) {
    let Attribute::Field(field) = attribute else { return };
    let text = match value {
        Value::Text(text) => text.clone(),
        Value::Uris(uris) => uris.join(" "),
        _ => String::new(),
    };
    let flag = *value == Value::Flag(true);
    match field {
        Field::Name => fields.name = text,
        Field::ClientType => fields.client_type = text,
        Field::AuthorizationGrantType => fields.authorization_grant_type = text,
        Field::RedirectUris => fields.redirect_uris = text,
        Field::PostLogoutRedirectUris => fields.post_logout_redirect_uris = Some(text),
        Field::AllowedOrigins => fields.allowed_origins = Some(text),
        Field::Algorithm => fields.algorithm = Some(text),
        Field::SkipAuthorization => fields.skip_authorization = flag,
        Field::HashClientSecret => fields.hash_client_secret = Some(flag),
        Field::ClientSecret => fields.client_secret = StoredSecret::new(HASH.to_owned()),
        Field::User => {
            fields.user = match value {
                Value::User { key, .. } => Some(key.clone()),
                _ => None,
            }
        }
    }
}

fn any_uris() -> impl Strategy<Value = Option<Vec<String>>> {
    let uri = prop_oneof!["https://[a-c]\\.example/cb", Just("http://127.0.0.1/x".to_owned())];
    proptest::option::of(proptest::collection::vec(uri, 0..4))
}

fn any_origins() -> impl Strategy<Value = Option<Vec<String>>> {
    proptest::option::of(proptest::collection::vec("https://[a-c]\\.example", 0..4))
}

fn any_declared() -> impl Strategy<Value = Declared> {
    let texts = (
        proptest::option::of("[A-Za-z ü]{0,6}"),
        Just("confidential"),
        proptest::option::of(prop_oneof![Just(""), Just("RS256")]),
    );
    let flags = (proptest::option::of(any::<bool>()), proptest::option::of(any::<bool>()));
    (texts, flags, any_uris(), any_uris(), any_origins()).prop_map(
        |((name, client_type, algorithm), (skip, hash), redirect, logout, origins)| Declared {
            block: String::new(),
            application: Application {
                name,
                client_type: Some(client_type.to_owned()),
                // DOT wants somewhere to redirect to.
                authorization_grant_type: Some(if redirect.as_ref().is_some_and(|uris| !uris.is_empty()) {
                    "authorization-code".to_owned()
                } else {
                    "client-credentials".to_owned()
                }),
                redirect_uris: redirect,
                post_logout_redirect_uris: logout,
                allowed_origins: origins,
                algorithm: algorithm.map(str::to_owned),
                skip_authorization: skip,
                hash_client_secret: hash,
                client_secret: None,
                user: None,
                columns: BTreeMap::new(),
            },
            protect: false,
            ignore: BTreeSet::new(),
        },
    )
}

fn any_desired() -> impl Strategy<Value = Desired> {
    let applications = proptest::collection::btree_map("[a-f]", any_declared(), 0..6);
    (applications, proptest::collection::btree_set("[g-i]", 0..3)).prop_map(|(applications, removed)| {
        Desired {
            applications: applications.into_iter().map(|(name, declared)| (id(&name), declared)).collect(),
            removed: removed.iter().map(|name| id(name)).collect(),
            renamed: BTreeMap::new(),
        }
    })
}

proptest! {
    #[test]
    fn planning_after_executing_finds_nothing(
        wanted in any_desired(),
        rows in proptest::collection::btree_set("[a-i]", 0..9),
    ) {
        let names: Vec<&str> = rows.iter().map(String::as_str).collect();
        let mut actual = database(&names);
        let first = planned(&wanted, &actual);
        executed(&first, &mut actual);
        let second = planned(&wanted, &actual);
        prop_assert!(second.is_empty(), "{second:?}");
    }

    #[test]
    fn the_order_and_repetition_of_uris_never_matter(uris in proptest::collection::vec("https://[a-e]/", 1..5)) {
        let mut stored = uris.clone();
        stored.reverse();
        stored.push(uris[0].clone());
        let mut actual = database(&["web"]);
        if let Some(row) = actual.applications.get_mut(&id("web")) {
            row.fields.redirect_uris = stored.join("\t ");
        }
        let mut application = Declared::default();
        application.application.redirect_uris = Some(uris);
        prop_assert!(planned(&desired(vec![("web", application)]), &actual).is_empty());
    }
}

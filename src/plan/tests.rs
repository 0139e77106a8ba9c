//! What the planner decides; rails, columns and what holds for every file and every database in files of their own.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what it is about")]

mod columns;
mod properties;
mod rails;

use std::collections::{BTreeMap, BTreeSet};

use super::guard::{Rails, Refusal, Violation, check};
use super::*;
use crate::hasher::{EncodedHash, StoredSecret};
use crate::model::{
    Allow, Application, Attribute, ColumnKind, ColumnValue, CustomColumn, Field, ForeignRows, Limit, Named,
    OnDelete, Origin, Ownership, ReferringTable, SecretDeclaration, StoredFields, Treatment, Unmanaged,
    UserRef,
};
use crate::secret::Secret;

const HASH: &str = "pbkdf2_sha256$1$salt$bKjXOfsW4LsZDOGMIKlcxqTTHN1qXcgcBWX7Xjnb1cQ=";

fn id(text: &str) -> ClientId {
    ClientId::new(text)
}

/// A database with every column and one row per client id.
fn database(client_ids: &[&str]) -> Actual {
    let rows =
        client_ids.iter().enumerate().map(|(n, client_id)| (id(client_id), Box::new(row(n, client_id))));
    Actual {
        columns: Field::ALL.iter().copied().map(|field| (field, None)).collect(),
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
            token_endpoint_auth_method: Some(String::new()),
            client_jwks: Some(String::new()),
            client_jwks_uri: Some(String::new()),
            require_pushed_authorization_requests: None,
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
            .map(|(client_id, declared)| (id(client_id), Box::new(declared)))
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
            format!("{client_id}.{}: {cause}", field.map_or("*".to_owned(), |field| field.to_string()))
        })
        .collect()
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
        usual: None,
    }
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

/// A project's own Application model may have a list that is NULL.
#[test]
fn a_list_that_is_null_is_an_empty_one() {
    let mut actual = database(&["web"]);
    actual.applications.get_mut(&id("web")).expect("the row").fields.allowed_origins = None;
    for (origins, expected) in [(vec![], vec![]), (vec!["https://a.example"], vec![Field::AllowedOrigins])] {
        let mut application = Declared::default();
        application.application.allowed_origins = Some(origins.into_iter().map(str::to_owned).collect());
        assert_eq!(changed(&planned(&desired(vec![("web", application)]), &actual)), expected);
    }
}

/// DOT signs with the secret as it is stored; this one would be taken for a hash.
#[test]
fn a_row_that_signs_with_its_secret_takes_no_hash_for_one() {
    let mut application = Declared::default();
    application.application.hash_client_secret = Some(false);
    application.application.client_secret = Some(SecretDeclaration::Plain(Secret::new(HASH.to_owned())));
    let mut actual = database(&["web"]);
    actual.applications.get_mut(&id("web")).expect("the row").fields.algorithm = Some("HS256".to_owned());
    let findings = findings(&desired(vec![("web", application)]), &actual);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with("web.client_secret: You cannot use HS256 with a hashed client secret."));
}

#[test]
fn a_missing_application_is_created_with_dots_defaults() {
    let plan = planned(&desired(vec![("new", declared())]), &database(&[]));
    let [Step::Create { fields, .. }] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!(fields.iter().map(|setting| setting.field.clone()).collect::<Vec<_>>(), Field::ALL);
    let of = |field| fields.iter().find(|setting| setting.field == field).expect("field");
    assert_eq!(of(Field::HashClientSecret).value, Value::Flag(true));
    assert!(!of(Field::HashClientSecret).declared);
    assert_eq!(of(Field::ClientSecret).value, Value::Secret { source: SecretWrite::Unneeded, hashed: true });
    assert_eq!(of(Field::User).value, Value::Absent);
    assert_eq!(
        of(Field::RequirePushedAuthorizationRequests).value,
        Value::Absent,
        "NULL: as the server says"
    );
}

/// NULL follows the server's setting; `false` is another value, although it has the same effect.
#[test]
fn a_flag_that_is_null_is_neither_true_nor_false() {
    for flag in [true, false] {
        let mut application = Declared::default();
        application.application.require_pushed_authorization_requests = Some(flag);
        let plan = planned(&desired(vec![("web", application)]), &database(&["web"]));
        assert_eq!(changed(&plan), [Field::RequirePushedAuthorizationRequests]);
    }
}

/// The row decides: its secret is hashed, and it has no keys.
#[test]
fn what_a_client_assertion_needs_may_be_in_the_row() {
    for (method, expected) in [
        ("client_secret_jwt", "web.hash_client_secret: client_secret_jwt requires the plaintext"),
        ("private_key_jwt", "web.client_jwks: private_key_jwt requires client_jwks or client_jwks_uri"),
        ("none", "web.token_endpoint_auth_method: A confidential client cannot use"),
    ] {
        let mut application = Declared::default();
        application.application.token_endpoint_auth_method = Some(method.to_owned());
        let found = findings(&desired(vec![("web", application)]), &database(&["web"]));
        assert!(matches!(&found[..], [only] if only.starts_with(expected)), "{found:?}");
    }
}

#[test]
fn what_the_database_cannot_hold_is_found_before_anything_is_planned() {
    let mut actual = database(&["old"]);
    actual.columns.remove(&Field::AllowedOrigins);
    actual.columns.remove(&Field::ClientJwksUri);
    actual.columns.insert(Field::Name, Some(5));
    actual.device_grants = false;
    actual.custom = [("tenant_id".to_owned(), custom(ColumnKind::Integer(0, 9)))].into();
    actual.client_id_length = Some(3);
    let mut old = Declared::default();
    old.application.allowed_origins = Some(Vec::new());
    old.application.client_jwks_uri = Some(String::new());
    old.application.name = Some("überlang".to_owned());
    old.application.user = Some(UserRef::Named(Named::new("username", "ops")));
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
            "old.name: has 8 characters; the column takes 5",
            "old.authorization_grant_type: this database does not know the grant type (it came with DOT 3.2)",
            "old.allowed_origins: this database has no column `allowed_origins` (it came with DOT 2.4)",
            "old.client_jwks_uri: this database has no column `client_jwks_uri` (it came with DOT's main branch, after 3.4.1)",
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

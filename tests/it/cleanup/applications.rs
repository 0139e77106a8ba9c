//! Applications that registered themselves: which go, in which order, and what goes with them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::time::Duration;

use oauthctl::model::{Category, CleanupPolicy, ClientId, DcrPolicy, REGISTRATION_SCOPE};
use oauthctl::sweep::{Event, Stop, SweepError};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::draft::Numbers;
use super::graph::Graph;
use super::runner::{Runner, now, with_pace};
use crate::support::rows::{everything, statement};
use crate::support::{Database, Template};

const DOT: Template = Template::Dot341;

/// Ten days before the instant of the tests, and a day before it.
const OLD: &str = "2025-12-23T03:04:05.6Z";
const YOUNG: &str = "2026-01-01T03:04:05.6Z";
const PAST: &str = "2026-01-02T02:04:05.6Z";
const FUTURE: &str = "2026-01-02T04:04:05.6Z";
const NEVER: &str = "9999-12-31T23:59:59Z";

/// Writes rows, one transaction for all.
#[derive(Default)]
pub struct Rows(String, u32);

impl Rows {
    fn add(&mut self, table: &str, mut row: Value, defaults: &Value) {
        for (column, value) in defaults.as_object().unwrap() {
            if row.get(column).is_none() {
                row[column] = value.clone();
            }
        }
        writeln!(self.0, "{};", statement(&format!("oauth2_provider_{table}"), &row)).unwrap();
    }

    pub fn application(&mut self, id: usize, row: Value) {
        let mut row = row;
        row["id"] = id.into();
        let client_id = json!(format!("client-{id}"));
        let defaults = json!({
            "client_id": client_id, "redirect_uris": "", "client_type": "public",
            "authorization_grant_type": "authorization-code", "client_secret": "", "name": "",
            "skip_authorization": false, "created": OLD, "updated": OLD, "algorithm": "",
            "post_logout_redirect_uris": "", "hash_client_secret": true, "allowed_origins": "",
            "registration_source": "dcr",
        });
        self.add("application", row, &defaults);
    }

    pub fn row(&mut self, table: &str, application: usize, row: Value) {
        let mut row = row;
        self.1 += 1;
        let number = self.1;
        if row.get("id").is_none() {
            row["id"] = (100_000 + number).into();
        }
        let (mut user, text) = (json!(1), format!("{number:064}"));
        if table == "accesstoken" && row["scope"] == REGISTRATION_SCOPE {
            user = Value::Null;
        }
        let defaults = json!({
            "application_id": application, "user_id": user, "token": text, "token_checksum": text, "code": text,
            "jti": format!("00000000-0000-0000-0000-{number:012}"), "scope": "openid", "resource": [],
            "created": OLD, "updated": OLD, "last_checked": OLD, "redirect_uri": "", "code_challenge": "", "nonce": "", "claims": "",
            "code_challenge_method": "", "device_code": text, "user_code": text, "interval": 5,
            "status": "authorization-pending", "client_id": format!("client-{application}"),
        });
        self.add(table, row, &defaults);
    }

    /// The token that DOT issues with a registration.
    pub fn registration(&mut self, application: usize, expires: &str) {
        self.row("accesstoken", application, json!({ "scope": REGISTRATION_SCOPE, "expires": expires }));
    }

    /// The statements that write them.
    pub fn sql(&self) -> &str {
        &self.0
    }

    /// Writes them in the place of all that is there.
    pub fn insert(&self, database: &Database) {
        let user = json!({
            "id": 1, "username": "ops", "password": "!", "is_superuser": false, "first_name": "", "last_name": "",
            "email": "", "is_staff": false, "is_active": true, "date_joined": OLD,
        });
        database.execute(format!(
            "BEGIN; TRUNCATE auth_user, oauth2_provider_application, oauth2_provider_devicegrant CASCADE; {}; {} COMMIT; \
             ANALYZE",
            statement("auth_user", &user),
            self.0
        ));
    }
}

/// Applications of every source with random rows, instants at the cutoffs to the microsecond, and pointers across
/// applications.
pub fn random(seed: u64, count: usize) -> Rows {
    let mut numbers = Numbers::new(seed);
    let mut rows = Rows::default();
    let instant = |numbers: &mut Numbers| {
        let nudge = numbers.pick(&[-3_600_000_000, -1, 0, 1, 3_600_000_000]);
        (now() + time::Duration::microseconds(nudge)).format(&Rfc3339).unwrap()
    };
    for id in 1..=count {
        let source = numbers.pick(&["cimd", "cimd", "cimd", "dcr", "dcr", "manual"]);
        let expires = (numbers.below(8) > 0).then(|| instant(&mut numbers));
        rows.application(id, json!({ "registration_source": source, "cimd_expires_at": expires }));
    }
    let of = |numbers: &mut Numbers| 1 + numbers.below(count);
    for _ in 0..count / 4 {
        let (application, expires) = (of(&mut numbers), instant(&mut numbers));
        rows.row("grant", application, json!({ "expires": expires }));
    }
    // The nth row points at the nth ID token, or at none; and the other way round.
    let mut owners = vec![0];
    for id in 1..=count / 3 {
        let (application, expires) = (of(&mut numbers), instant(&mut numbers));
        rows.row("idtoken", application, json!({ "id": id, "expires": expires }));
        owners.push(application);
    }
    let access = count / 2;
    for id in 1..=access {
        let (mut application, mut expires) = (of(&mut numbers), instant(&mut numbers));
        let id_token = (id <= count / 3 && numbers.below(3) > 0).then_some(id);
        if let Some(id) = id_token {
            // One that lives would keep its application, or go with another one's ID token before it is looked at:
            // what is left would depend on the batches, DOT's too.
            if numbers.below(2) == 0 {
                application = owners[id];
            } else {
                PAST.clone_into(&mut expires);
            }
        }
        let source = (numbers.below(3) == 0).then_some(id);
        let row = json!({ "id": id, "expires": expires, "id_token_id": id_token, "source_refresh_token_id": source });
        rows.row("accesstoken", application, row);
    }
    for id in 1..=access {
        let application = of(&mut numbers);
        let revoked = (numbers.below(4) > 0).then(|| instant(&mut numbers));
        let access = (numbers.below(2) == 0).then_some(access + 1 - id);
        rows.row(
            "refreshtoken",
            application,
            json!({ "id": id, "revoked": revoked, "access_token_id": access }),
        );
    }
    rows
}

fn policy() -> CleanupPolicy {
    CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        dcr: Some(DcrPolicy { min_age: Duration::from_hours(168), max_age: None, dormant: false }),
        cimd_applications: true,
        ..CleanupPolicy::default()
    }
}

fn clients(database: &Database) -> BTreeSet<String> {
    let rows = database.rows("SELECT client_id FROM oauth2_provider_application");
    rows.into_iter().flatten().flatten().collect()
}

/// Each application is a case: whether it stays, and why.
#[tokio::test]
async fn an_application_is_unused_when_nothing_was_ever_issued_to_it() {
    let mut rows = Rows::default();
    let mut stay: Vec<(usize, &str)> = Vec::new();
    let mut id = 0;
    let mut case = |stays: Option<&'static str>, with: Value| {
        id += 1;
        stay.extend(stays.map(|why| (id, why)));
        rows.application(id, with);
        rows.registration(id, NEVER);
        id
    };
    case(None, json!({}));
    case(Some("it is young"), json!({ "created": YOUNG, "updated": YOUNG }));
    case(Some("it changed its registration lately"), json!({ "updated": YOUNG }));
    case(Some("somebody made it"), json!({ "registration_source": "manual" }));
    case(Some("somebody spared its users the question"), json!({ "skip_authorization": true }));
    case(Some("it is excluded"), json!({ "client_id": "excluded" }));
    case(Some("the file declares it"), json!({ "client_id": "declared" }));
    case(None, json!({ "user_id": 1 }));
    let pending = case(Some("an authorization is under way"), json!({}));
    let authorized = case(Some("a device was authorized"), json!({}));
    let refused = case(None, json!({}));
    let code = case(Some("a code was issued"), json!({}));
    let id_token = case(Some("an ID token was issued"), json!({}));
    let credentials = case(Some("an access token was issued"), json!({}));
    let dormant = case(Some("it is dormant"), json!({}));
    let rotated = case(None, json!({}));
    rows.row("devicegrant", pending, json!({ "expires": FUTURE }));
    rows.row("devicegrant", authorized, json!({ "expires": PAST, "status": "authorized" }));
    rows.row("devicegrant", refused, json!({ "expires": PAST }));
    rows.row("grant", code, json!({ "expires": PAST }));
    rows.row("idtoken", id_token, json!({ "expires": PAST }));
    rows.row("accesstoken", credentials, json!({ "expires": PAST }));
    rows.row("accesstoken", dormant, json!({ "id": 7, "expires": "2025-12-24T00:00:00Z" }));
    rows.row("refreshtoken", dormant, json!({ "id": 7, "access_token_id": 7, "revoked": PAST }));
    rows.registration(rotated, PAST);
    let database = Database::create(DOT);
    rows.insert(&database);
    let policy = CleanupPolicy {
        exclude_clients: [ClientId::new("excluded")].into(),
        declared: [ClientId::new("declared")].into(),
        ..policy()
    };
    let runner = Runner::new(&database, DOT).await;
    let counted = runner.count(&policy, now()).await;
    let outcome = runner.run(&policy, now()).await.unwrap();
    assert_eq!(outcome.stop, Stop::Finished);
    assert_eq!(outcome.deleted, counted, "the count is exact");
    let left: BTreeSet<String> =
        database.rows("SELECT id FROM oauth2_provider_application").into_iter().flatten().flatten().collect();
    let expected: BTreeSet<String> = stay.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(left, expected, "{stay:?}");
    assert_eq!((outcome.deleted.get(Category::Dcr), outcome.dependents), (4, 5), "with their registrations");
    // What the dormant ones had is gone by now, in the same run.
    assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_refreshtoken"), "0");
    assert_eq!(
        database.value(format!(
            "SELECT count(*) FROM oauth2_provider_accesstoken WHERE scope <> '{REGISTRATION_SCOPE}'"
        )),
        "0"
    );
}

/// The refresh token that keeps an application of a metadata document is deleted first, so that it need not wait for the
/// next night.
#[tokio::test]
async fn a_metadata_document_goes_in_the_run_that_deletes_its_last_refresh_token() {
    let mut rows = Rows::default();
    for id in 1..=2 {
        rows.application(id, json!({ "registration_source": "cimd", "cimd_expires_at": PAST }));
        rows.row("accesstoken", id, json!({ "id": id, "expires": "2025-12-24T00:00:00Z" }));
        rows.row("refreshtoken", id, json!({ "id": id, "access_token_id": id }));
    }
    let database = Database::create(DOT);
    rows.insert(&database);
    let without = CleanupPolicy { refresh_token_expire: None, ..policy() };
    let runner = Runner::new(&database, DOT).await;
    assert_eq!(runner.count(&without, now()).await.get(Category::Cimd), 0);
    assert_eq!(runner.run(&without, now()).await.unwrap().deleted.total(), 0);
    assert_eq!(runner.count(&policy(), now()).await.get(Category::Cimd), 2);
    assert_eq!(runner.run(&policy(), now()).await.unwrap().deleted.get(Category::Cimd), 2);
    assert!(clients(&database).is_empty());
}

/// Counted before, deleted in batches of any size, and never torn: whatever the order of the pointers.
#[tokio::test]
async fn batches_of_any_size_end_in_the_same_state() {
    let mut ends = BTreeSet::new();
    for batch_size in [1, 3, 1_000] {
        let database = Database::create(DOT);
        random(5, 120).insert(&database);
        let policy = with_pace(policy(), |pace| pace.batch_size = NonZeroU32::new(batch_size).unwrap());
        let runner = Runner::new(&database, DOT).await;
        let counted = runner.count(&policy, now()).await;
        assert!(counted.get(Category::Cimd) > 5 && counted.get(Category::Dcr) > 2, "{counted:?}");
        let outcome = runner
            .watched(&policy, now(), |event| {
                if matches!(event, Event::Batch(_)) {
                    Graph::read(&database, DOT).assert_whole();
                }
            })
            .await
            .unwrap();
        assert_eq!((outcome.stop.clone(), outcome.deleted), (Stop::Finished, counted), "{batch_size}");
        ends.insert(everything(&database, "public"));
    }
    assert_eq!(ends.len(), 1);
}

/// What hangs on one application may be more than a batch: it goes in batches of its own.
#[tokio::test]
async fn an_application_with_many_rows_is_drained_in_batches() {
    let mut rows = Rows::default();
    rows.application(1, json!({ "registration_source": "cimd", "cimd_expires_at": PAST }));
    for id in 1..=50 {
        rows.row("accesstoken", 1, json!({ "id": id, "expires": PAST }));
    }
    let database = Database::create(DOT);
    rows.insert(&database);
    let policy = with_pace(CleanupPolicy { only: [Category::Cimd].into(), ..policy() }, |pace| {
        pace.batch_size = NonZeroU32::new(10).unwrap();
    });
    let outcome = Runner::new(&database, DOT).await.run(&policy, now()).await.unwrap();
    assert_eq!((outcome.deleted.get(Category::Cimd), outcome.dependents), (1, 50));
    assert!(outcome.batches > 5, "{outcome:?}");
    assert_eq!(database.value("SELECT count(*) FROM oauth2_provider_accesstoken"), "0");
}

/// A token is issued between the selection and the deletion. Where its foreign key has been checked, the application
/// stays; where that is left to the commit, as Django has it, whoever comes first wins, and nothing dangles.
#[tokio::test]
async fn a_token_that_is_issued_meanwhile_is_never_deleted_unseen() {
    for checked in [true, false] {
        let mut rows = Rows::default();
        for id in 1..=3 {
            rows.application(id, json!({}));
        }
        let database = Database::create(DOT);
        rows.insert(&database);
        let issuer = database.connect().await;
        let constraints = if checked { "SET CONSTRAINTS ALL IMMEDIATE;" } else { "" };
        issuer
            .batch_execute(&format!(
                "BEGIN; {constraints} INSERT INTO oauth2_provider_accesstoken (id, token, token_checksum, expires, scope, \
                 application_id, created, updated, resource) \
                 VALUES (1, 'x', 'x', '2026-02-02', 'read', 2, now(), now(), '[]')"
            ))
            .await
            .unwrap();
        let (looking, looked) = tokio::sync::oneshot::channel();
        let commit = tokio::spawn(async move {
            // An error: the run has ended without a second look.
            let _ = looked.await;
            issuer.batch_execute("COMMIT").await
        });
        let mut looking = Some(looking);
        let runner = Runner::new(&database, DOT).await;
        let outcome = runner
            .watched(&policy(), now(), |event| {
                if matches!(event, Event::Waiting { .. })
                    && let Some(looking) = looking.take()
                {
                    looking.send(()).unwrap();
                }
            })
            .await
            .unwrap();
        drop(looking);
        let committed = commit.await.unwrap();
        let left =
            (clients(&database).len(), database.value("SELECT count(*) FROM oauth2_provider_accesstoken"));
        assert_eq!(outcome.stop, Stop::Finished);
        if checked {
            committed.unwrap();
            assert_eq!((outcome.deleted.get(Category::Dcr), left), (2, (1, "1".to_owned())), "{outcome:?}");
        } else {
            assert_eq!(committed.unwrap_err().code().unwrap().code(), "23503");
            assert_eq!((outcome.deleted.get(Category::Dcr), left), (3, (0, "0".to_owned())), "{outcome:?}");
        }
    }
}

/// Rows of other tables that refer to the applications, or to what goes with them.
#[tokio::test]
async fn rows_that_refer_to_them_are_named_before_the_first_delete() {
    let mut rows = Rows::default();
    for id in 1..=2 {
        rows.application(id, json!({}));
        rows.row("accesstoken", id, json!({ "id": id, "scope": REGISTRATION_SCOPE, "expires": NEVER }));
    }
    for (table, column) in [("oauth2_provider_application", "id"), ("oauth2_provider_accesstoken", "id")] {
        let database = Database::create(DOT);
        rows.insert(&database);
        database.execute(format!(
            "CREATE TABLE audit (subject bigint REFERENCES {table} ({column}) DEFERRABLE INITIALLY DEFERRED); \
             INSERT INTO audit VALUES (2)"
        ));
        let failure = Runner::new(&database, DOT).await.run(&policy(), now()).await.unwrap_err();
        let SweepError::BlockingRows(blocking) = &failure.error else { panic!("{failure:?}") };
        assert_eq!((blocking.len(), blocking[0].rows), (1, 1), "{table}");
        assert_eq!(clients(&database).len(), 2, "{table}");
    }
}

/// A DOT that does not know where applications come from has none that registered themselves.
#[tokio::test]
async fn schemas_before_dot_3_4_have_no_such_applications() {
    let database = Database::create(Template::Dot330);
    let runner = Runner::new(&database, Template::Dot330).await;
    assert_eq!(runner.count(&policy(), now()).await.total(), 0);
    assert_eq!(runner.run(&policy(), now()).await.unwrap().stop, Stop::Finished);
}

#[test]
fn the_instants_are_what_they_are_called() {
    let at = |text: &str| OffsetDateTime::parse(text, &Rfc3339).unwrap();
    assert!(at(OLD) < now() - Duration::from_hours(168) && now() - Duration::from_hours(48) < at(YOUNG));
    assert!(at(PAST) < now() && now() < at(FUTURE));
}

//! Requests that are open while a run is under way, with the statements of DOT 3.4.1's views. Its foreign keys are
//! deferred: what a request is about to refer to, it locks at its COMMIT, and not before.

use std::time::Duration;

use oauthctl::model::{CleanupPolicy, DcrPolicy, FkChecks, REGISTRATION_SCOPE};
use oauthctl::sweep::Stop;
use serde_json::json;
use tokio_postgres::Client;

use super::applications::Rows;
use super::graph::Graph;
use super::runner::{Runner, now, with_pace};
use crate::support::{Database, Template};

const DOT: Template = Template::Dot341;

const LONG_AGO: &str = "2025-12-01T00:00:00Z";
/// Expired, but its refresh token is not idle.
const LATELY: &str = "2026-01-02T02:30:00Z";
const FUTURE: &str = "2027-01-02T00:00:00Z";

fn policy(fk_checks: FkChecks) -> CleanupPolicy {
    let policy = CleanupPolicy {
        refresh_token_expire: Some(Duration::from_hours(1)),
        dcr: Some(DcrPolicy { min_age: Duration::from_hours(168), max_age: None, dormant: false }),
        cimd_applications: true,
        ..CleanupPolicy::default()
    };
    with_pace(policy, |pace| pace.fk_checks = fk_checks)
}

/// Everything here goes, but for application 1.
fn doomed() -> Rows {
    let mut rows = Rows::default();
    rows.application(1, json!({ "registration_source": "manual" }));
    rows.application(2, json!({ "registration_source": "cimd", "cimd_expires_at": LONG_AGO }));
    rows.application(3, json!({}));
    rows.row("accesstoken", 3, json!({ "id": 3, "scope": REGISTRATION_SCOPE, "expires": FUTURE }));
    rows.row("accesstoken", 1, json!({ "id": 10, "expires": LONG_AGO }));
    rows.row("refreshtoken", 1, json!({ "id": 10, "access_token_id": 10 }));
    rows.row("refreshtoken", 1, json!({ "id": 20, "revoked": LONG_AGO }));
    rows.row("accesstoken", 1, json!({ "id": 21, "expires": LATELY, "source_refresh_token_id": 20 }));
    rows.row("grant", 1, json!({ "id": 30, "expires": LONG_AGO }));
    rows.row("accesstoken", 1, json!({ "id": 40, "application_id": null, "expires": LONG_AGO }));
    rows
}

/// New rows, as one request writes them.
fn new(tables: &[(&str, usize, serde_json::Value)]) -> String {
    let mut rows = Rows::default();
    for (table, application, row) in tables {
        let mut row = row.clone();
        // The numbers of the texts begin anew in each set of rows.
        let text = format!("{table}-{}", row["id"]);
        for column in ["token", "token_checksum", "code"] {
            row[column] = json!(text);
        }
        row["expires"] = json!(FUTURE);
        rows.row(table, *application, row);
    }
    rows.sql().replace("oauth2_provider_", "public.oauth2_provider_")
}

/// What is open, and what must be there after its COMMIT and the run.
fn requests() -> Vec<(&'static str, String, &'static str)> {
    let (refresh, access) = ("oauth2_provider_refreshtoken", "oauth2_provider_accesstoken");
    let id_token = json!({ "id": 60, "jti": "00000000-0000-0000-0000-000000000060" });
    vec![
        (
            "a refresh token is rotated",
            format!(
                "SELECT FROM {refresh} WHERE id = 10 FOR UPDATE; \
                 SELECT FROM {access} WHERE source_refresh_token_id = 10 FOR UPDATE; \
                 UPDATE {refresh} SET access_token_id = NULL WHERE access_token_id = 10; \
                 DELETE FROM {access} WHERE id = 10; \
                 UPDATE {refresh} SET revoked = now() WHERE id = 10; {}",
                new(&[
                    ("accesstoken", 1, json!({ "id": 11, "source_refresh_token_id": 10 })),
                    ("refreshtoken", 1, json!({ "id": 11, "access_token_id": 11 })),
                ])
            ),
            "SELECT count(*) = 2 FROM oauth2_provider_refreshtoken WHERE id IN (10, 11)",
        ),
        (
            "an access token is renewed in place",
            format!(
                "SELECT FROM {access} WHERE id = 10 FOR UPDATE; UPDATE {access} SET expires = '{FUTURE}' WHERE id = 10"
            ),
            "SELECT count(*) = 1 FROM oauth2_provider_refreshtoken WHERE access_token_id = 10",
        ),
        (
            "a refresh token is used again in its grace period",
            format!(
                "SELECT FROM {refresh} WHERE id = 20 FOR UPDATE; \
                 SELECT FROM {access} WHERE source_refresh_token_id = 20 FOR UPDATE; {}",
                new(&[("refreshtoken", 1, json!({ "id": 22, "access_token_id": 21 }))])
            ),
            "SELECT count(*) = 1 FROM oauth2_provider_refreshtoken WHERE access_token_id = 21",
        ),
        (
            "a code is exchanged",
            format!(
                "DELETE FROM oauth2_provider_grant WHERE id = 30; {}",
                new(&[
                    ("idtoken", 1, id_token),
                    ("accesstoken", 1, json!({ "id": 60, "id_token_id": 60 })),
                    ("refreshtoken", 1, json!({ "id": 60, "access_token_id": 60 })),
                ])
            ),
            "SELECT count(*) = 1 FROM oauth2_provider_accesstoken WHERE id_token_id = 60",
        ),
        (
            "an introspected token is kept for longer",
            format!(
                "SELECT FROM {access} WHERE id = 40 FOR UPDATE; UPDATE {access} SET expires = '{FUTURE}' WHERE id = 40"
            ),
            "SELECT count(*) = 1 FROM oauth2_provider_accesstoken WHERE id = 40",
        ),
        (
            "a metadata document is fetched again",
            format!("UPDATE oauth2_provider_application SET cimd_expires_at = '{FUTURE}' WHERE id = 2"),
            "SELECT count(*) = 1 FROM oauth2_provider_application WHERE id = 2",
        ),
        (
            "a client changes its registration",
            format!(
                "UPDATE oauth2_provider_application SET updated = now() WHERE id = 3; {} DELETE FROM {access} WHERE id = 3",
                new(&[("accesstoken", 3, json!({ "id": 61, "scope": REGISTRATION_SCOPE }))])
            ),
            "SELECT count(*) = 1 FROM oauth2_provider_accesstoken WHERE application_id = 3",
        ),
    ]
}

/// The request has locked what it changes, so the run leaves that alone, and what the request writes stays.
#[tokio::test]
async fn what_a_request_has_locked_stays() {
    for (request, open, holds) in requests() {
        for fk_checks in [FkChecks::Triggers, FkChecks::Set] {
            let database = Database::create(DOT);
            doomed().insert(&database);
            let web = database.connect().await;
            web.batch_execute(&format!("BEGIN; {open}")).await.unwrap();
            let runner = Runner::new(&database, DOT).await;
            let outcome = runner.run(&policy(fk_checks), now()).await.unwrap();
            assert_eq!(outcome.stop, Stop::Finished, "{request}: {outcome:?}");
            let committed = web.batch_execute("COMMIT").await;
            assert!(committed.is_ok(), "{request}: {committed:?}");
            // What stayed for the request's sake is looked at again.
            let again = runner.run(&policy(fk_checks), now()).await.unwrap();
            assert_eq!(again.stop, Stop::Finished, "{request}: {again:?}");
            assert_eq!(database.value(holds), "t", "{request}");
            Graph::read(&database, DOT).assert_whole();
        }
    }
}

/// Waits until a query says so.
async fn until(client: &Client, condition: &str) {
    for _ in 0..3_000 {
        let sql = format!("SELECT ({condition})::text");
        let holds: String = client.query_typed_one(&sql, &[]).await.unwrap().get(0);
        if holds == "true" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {condition}");
}

/// A request that comes to its COMMIT while a batch has deleted what it refers to waits for the end of the batch, and would
/// then fail. The batch gives way.
#[tokio::test]
async fn who_waits_for_a_batch_goes_first() {
    let audit = "CREATE TABLE site_audit (token_id bigint REFERENCES oauth2_provider_accesstoken DEFERRABLE INITIALLY \
                 DEFERRED)";
    for (table, id, refers, prepare) in [
        ("application", 3, new(&[("grant", 3, json!({ "id": 70 }))]), ""),
        ("accesstoken", 40, "INSERT INTO site_audit VALUES (40)".to_owned(), audit),
    ] {
        let database = Database::create(DOT);
        doomed().insert(&database);
        // A batch stands still before its first deletion there, with the row locked.
        database.execute(format!(
            "{prepare}; CREATE FUNCTION stand_still() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END'; \
             CREATE TRIGGER stand_still AFTER DELETE ON oauth2_provider_{table} FOR EACH ROW WHEN (OLD.id = {id}) \
             EXECUTE FUNCTION stand_still()"
        ));
        let (gate, web, watch) =
            (database.connect().await, database.connect().await, database.connect().await);
        gate.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
        let runner = Runner::new(&database, DOT).await;
        let run = tokio::spawn(async move { runner.run(&policy(FkChecks::Triggers), now()).await });
        let waits = |kind: &str| {
            format!(
                "EXISTS (SELECT FROM pg_locks WHERE locktype = '{kind}' AND NOT granted AND pid IN \
                     (SELECT pid FROM pg_stat_activity WHERE datname = current_database()))"
            )
        };
        until(&watch, &waits("advisory")).await;
        web.batch_execute(&format!("BEGIN; {refers}")).await.unwrap();
        let commit = tokio::spawn(async move { web.batch_execute("COMMIT").await });
        until(&watch, &waits("transactionid")).await;
        gate.batch_execute("SELECT pg_advisory_unlock(7)").await.unwrap();
        let committed = commit.await.unwrap();
        assert!(committed.is_ok(), "{table}: {committed:?}");
        let _ = run.await.unwrap();
        let stays = format!("SELECT count(*) FROM oauth2_provider_{table} WHERE id = {id}");
        assert_eq!(database.value(stays), "1", "{table}");
        Graph::read(&database, DOT).assert_whole();
    }
}

//! Cleanups that meet locks of other sessions.

use super::*;

/// The tables cannot even be read: the run ends before its first batch, and says the same as one that ends later.
#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_waits_for_its_first_batch_no_longer_than_it_may_take() {
    for table in [TOKENS, "oauth2_provider_refreshtoken", "oauth2_provider_application"] {
        let world = World::new();
        world.run(&["migrate", "--ledger"]).exits(0);
        let before = rows::everything(&world.database, "public");
        let (holder, pid) = world.locked(table).await;
        let held = format!("a lock on public.{table}, held by pid {pid} (deploy, idle in transaction since");
        for (limits, stop) in [
            (&["--max-duration", "1s", "--lock-timeout", "10m"], "max_duration"),
            (&["--max-duration", "10m", "--lock-timeout", "100ms"], "no_progress"),
        ] {
            let text = world.run(&[&["cleartokens"], &limits[..]].concat()).exits(6);
            let out = String::from_utf8(text.raw_stdout.clone()).unwrap();
            assert!(
                out.contains(&format!("Locks of other sessions prevented every batch: it waited for {held}")),
                "{text}"
            );
            assert!(stderr(&text).contains(&format!("SELECT pg_terminate_backend({pid}) ends it")), "{text}");
            let json = world.run(&[&["cleartokens", "--format", "json"], &limits[..]].concat()).exits(6);
            let answer: Value = serde_json::from_slice(&json.raw_stdout).unwrap();
            let stopped: Value =
                serde_json::from_str(stderr(&json).lines().last().unwrap_or_default()).unwrap();
            assert_eq!(stopped["event"], "stopped", "{json}");
            for run in [&answer["run"], &stopped] {
                assert_eq!((&run["stop"], &run["stop_reason"]), (&stop.into(), &"locked".into()), "{json}");
                assert!(run["stop_detail"].as_str().unwrap().starts_with(&held), "{json}");
                assert_eq!(run["blocked_batches"], 1, "{json}");
            }
        }
        holder.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(rows::everything(&world.database, "public"), before);
        let ended =
            "SELECT count(*) FROM oauthctl.run WHERE verb = 'cleartokens' AND finished_at IS NOT NULL";
        assert_eq!(world.database.value(ended), "4");
    }
}

/// Reading is free, deleting is not: whatever ends the run, nothing was done because of the lock.
#[tokio::test(flavor = "multi_thread")]
async fn a_cleanup_that_locks_prevented_is_no_success_whatever_ended_it() {
    let world = World::new();
    let before = rows::everything(&world.database, "public");
    let (holder, pid) = world.holder("LOCK TABLE oauth2_provider_refreshtoken IN EXCLUSIVE MODE").await;
    let held =
        format!("public.oauth2_provider_refreshtoken, held by pid {pid} (deploy, idle in transaction since");
    let fixed = ["cleartokens", "--refresh-token-expire", "1h"];
    for limit in [&["--max-duration", "2s"][..], &[]] {
        let text = world.run(&[&fixed, limit].concat()).exits(6);
        let (out, err) = (String::from_utf8(text.raw_stdout.clone()).unwrap(), stderr(&text));
        assert!(err.contains(&format!("Waiting for a lock on {held}")), "{text}");
        assert!(
            out.contains("Locks of other sessions prevented every batch: it waited for a lock on "),
            "{text}"
        );
        assert!(out.contains(&held), "{text}");
        let json = world.run(&[&fixed, limit, &["--format", "json"]].concat()).exits(6);
        let answer: Value = serde_json::from_str(&json.stdout).unwrap();
        let stop = if limit.is_empty() { "no_progress" } else { "max_duration" };
        assert_eq!((&answer["run"]["stop"], &answer["run"]["stop_reason"]), (&stop.into(), &"locked".into()));
        assert!(answer["run"]["blocked_batches"].as_u64().unwrap() > 0, "{json}");
        let events: Vec<Value> = json
            .stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{json}")))
            .collect();
        assert!(
            events.iter().any(|event| event["reason"] == "lock" && event["event"] == "waiting"),
            "{json}"
        );
    }
    assert_eq!(rows::everything(&world.database, "public"), before);
    // A signal keeps its own status.
    let (running, _) = world.until_it_waits(&fixed);
    running.signal(Signal::SIGTERM);
    running.wait().exits(143);
    holder.batch_execute("ROLLBACK").await.unwrap();
    world.run(&fixed).exits(0);
}

/// The rows that nobody holds go; the others are counted.
#[tokio::test(flavor = "multi_thread")]
async fn some_rows_deleted_and_others_locked_throughout_is_a_success_with_the_count() {
    let world = World::new();
    let lock = "SELECT FROM oauth2_provider_refreshtoken WHERE id = 1 FOR UPDATE";
    let (_holder, _) = world.holder(lock).await;
    let output = world.run(&["cleartokens", "--refresh-token-expire", "1h"]).exits(0);
    assert!(
        output.stdout.contains("Finished: 1 row was locked by other transactions during the whole run"),
        "{output}"
    );
    // All that is left is that one.
    let output = world.run(&["cleartokens", "--refresh-token-expire", "1h"]).exits(6);
    assert!(output.stdout.contains("Locks of other sessions prevented every batch"), "{output}");
}

/// A rewrite needs the tables for itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_names_who_reads_the_tables() {
    let world = World::new();
    let (_reader, pid) = world.holder(&format!("SELECT FROM {TOKENS} LIMIT 1")).await;
    let rewrite = ["cleartokens", "--strategy", "rewrite", "--allow", "rewrite", "--max-duration", "2s"];
    let output = world.run(&rewrite).exits(6);
    assert!(stderr(&output).contains(&format!("held by pid {pid} (deploy, ")), "{output}");
}

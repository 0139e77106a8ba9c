//! The benchmarks still work: every contender runs and leaves the same rows. How fast is for people to look at.

use std::process::Command;

use super::support::binary;
use super::support::dot::Release;

fn bench(arguments: &[&str]) -> String {
    let output = Command::new(Release::Newest.python())
        .args(["benches/bench.py", "--oauthctl"])
        .arg(binary())
        .args(["--shared-buffers", "64MB"])
        .args(arguments)
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{table}\n{}", String::from_utf8_lossy(&output.stderr));
    table
}

#[test]
fn every_contender_leaves_the_same_rows() {
    let table = bench(&["cleanup", "--sessions", "300", "--repeat", "1"]);
    let rows: Vec<&str> =
        table.lines().filter(|line| line.contains("oauthctl") || line.contains("SQL")).collect();
    assert!(rows.len() >= 3, "{table}");
    assert!(rows.iter().all(|row| row.ends_with("| equal |")), "{table}");
}

#[test]
fn link_rows_go_as_the_orm_deletes_them() {
    let table = bench(&["links", "--sessions", "300", "--repeat", "1"]);
    let rows: Vec<&str> = table.lines().filter(|line| line.contains("oauthctl")).collect();
    assert!(rows.len() >= 3, "{table}");
    assert!(rows.iter().all(|row| row.ends_with("| equal |")), "{table}");
}

#[test]
fn counts_are_made_in_every_way() {
    let table = bench(&["count", "--sessions", "300", "--repeat", "1"]);
    assert_eq!(table.lines().filter(|line| line.starts_with("| forecast, ")).count(), 3, "{table}");
    assert!(table.contains("| exact | ") && !table.contains("NOT HELD"), "{table}");
}

#[test]
fn secrets_are_hashed_beside_openssl() {
    let table = bench(&["secrets", "--secrets", "8", "--iterations", "20000", "--repeat", "1"]);
    for row in
        ["| OpenSSL", "| `oauthctl hash-secret` |", "| `plan`, 8 secrets |", "| `apply`, 8 secrets to hash |"]
    {
        assert!(table.contains(row), "{table}");
    }
}

#[test]
fn applications_are_planned_and_created_in_every_way() {
    let table = bench(&["applications", "--applications", "300", "--repeat", "1", "--loop", "1"]);
    let rows: Vec<&str> = table.lines().filter(|line| line.contains("| 300 |")).collect();
    assert_eq!(rows.len(), 6, "{table}");
    assert!(rows[5].starts_with("| `manage.py createapplication` in a loop, from 1 runs |"), "{table}");
}

#[test]
fn runs_that_go_on_read_the_index_once() {
    let table = bench(&["resume", "--sessions", "3000", "--runs", "3"]);
    assert_eq!(table.lines().filter(|line| line.starts_with("| ")).count(), 6, "{table}");
    assert!(table.contains("| from the beginning | "), "{table}");
}

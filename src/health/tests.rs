//! Findings from facts that a test's database does not easily have. The others are in `tests/it/doctor.rs`, where the
//! facts are read from a real one.

use time::OffsetDateTime;

use super::*;
use crate::model::Engine;
use crate::model::health::{Index, Lack, Lacks, LedgerRights, Part, Privilege, ReadOnly};

fn terms(purposes: &[Purpose]) -> Terms {
    Terms { purposes: purposes.iter().copied().collect(), long_transaction: Duration::from_mins(5) }
}

const EVERYTHING: [Purpose; 3] = [Purpose::Plan, Purpose::Apply, Purpose::Cleartokens];

/// Verdicts, sentences and commands, a line each.
fn told(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let remedies: Vec<&str> = finding.remedies.iter().map(Remedy::text).collect();
        format!("{:?}: {} {}", finding.verdict, finding.found, remedies.join(" ")).trim_end().to_owned()
    };
    findings.iter().map(line).collect()
}

fn server() -> Server {
    Server {
        version: "15.18".to_owned(),
        version_number: 150_018,
        banner: "PostgreSQL 15.18".to_owned(),
        database: "shop".to_owned(),
        role: "app".to_owned(),
        ..Server::default()
    }
}

#[test]
fn the_way_to_the_server() {
    let tls = Encryption { version: "TLSv1.3".to_owned(), cipher: "AES".to_owned(), bits: 256 };
    let at = |address: Option<&str>| Server { address: address.map(str::to_owned), ..server() };
    let told = |address, tls| told(&connection::check(&at(address), tls)).remove(0);
    assert_eq!(told(None, None), "Ok: Over a Unix socket, as app, database shop.");
    assert_eq!(told(Some("10.0.0.1"), Some(&tls)), "Ok: TLSv1.3 (AES, 256 bits), as app, database shop.");
    assert_eq!(told(Some("::1"), None), "Ok: To this machine (::1) without TLS, as app, database shop.");
    assert_eq!(
        told(Some("10.0.0.1"), None),
        "Note: To 10.0.0.1 without TLS, as app, database shop. \
         export PGSSLMODE=verify-full PGSSLROOTCERT=system"
    );
}

#[test]
fn a_standby_serves_those_who_only_read() {
    let standby = Server { read_only: Some(ReadOnly::Standby), ..server() };
    let verdict =
        |purposes: &[Purpose]| connection::server(&standby, &terms(purposes)).pop().map(|f| f.verdict);
    assert_eq!(verdict(&[Purpose::Plan]), Some(Verdict::Ok));
    assert_eq!(verdict(&EVERYTHING), Some(Verdict::Problem));
}

#[test]
fn another_engine_is_named() {
    let with = |engine: Engine, banner: &str, purposes: &[Purpose]| {
        told(&connection::server(&Server { engine, banner: banner.to_owned(), ..server() }, &terms(purposes)))
    };
    let cockroach = "CockroachDB CCL v23.1.11";
    assert_eq!(
        with(Engine::Cockroach, cockroach, &EVERYTHING),
        [
            "Problem: Cleanup is refused: this is CockroachDB, not PostgreSQL: its locks and snapshots differ from those \
          that the cleanup relies on. python manage.py cleartokens"
        ]
    );
    assert_eq!(
        with(Engine::Cockroach, cockroach, &[Purpose::Plan]),
        ["Note: This is CockroachDB: CockroachDB CCL v23.1.11."]
    );
    assert_eq!(
        with(Engine::Aurora, "PostgreSQL 15.4", &EVERYTHING),
        ["Note: This is Amazon Aurora: PostgreSQL 15.4."]
    );
    assert_eq!(with(Engine::Rds, "", &EVERYTHING).len(), 1);
}

fn lacks(all: &[Lack]) -> Lacks {
    Lacks { role: "app".to_owned(), all: all.to_vec() }
}

fn on_codes(privileges: &[Privilege]) -> Lack {
    let tables = vec!["grants".to_owned()];
    Lack::Tables { privileges: privileges.to_vec(), columns: Vec::new(), tables }
}

/// A role that lacks the same for every verb that writes.
fn privileges(all: &[Lack]) -> Privileges {
    let writing = [Purpose::Apply, Purpose::Createapplication, Purpose::RotateSecret, Purpose::Cleartokens];
    Privileges {
        role: "app".to_owned(),
        superuser: false,
        reads_secrets: true,
        lacks: writing.map(|purpose| (purpose, lacks(all))).into(),
        status: lacks(&[]),
        rewrite: lacks(&[]),
        users: lacks(&[]),
        replication_role: Some(false),
        ledger: LedgerRights::There {
            outdated: false,
            reading: lacks(&[]),
            writing: lacks(&[]),
            steps: lacks(&[]),
        },
        ledger_needed: false,
    }
}

#[test]
fn what_is_missing_is_asked_for_once() {
    let reader = privileges(&[on_codes(&[Privilege::Delete]), Lack::Sequence("seq".to_owned())]);
    assert_eq!(
        told(&privileges::check(&reader, &Functions::Absent, &terms(&[Purpose::Plan]))),
        ["Ok: app has the privileges for plan and status.", "Ok: The ledger is there."]
    );
    assert_eq!(
        told(&privileges::check(
            &reader,
            &Functions::Absent,
            &terms(&[Purpose::Apply, Purpose::Createapplication])
        )),
        [
            "Problem: For apply, app lacks DELETE on grants; USAGE on sequence seq. \
             GRANT DELETE ON grants TO app; GRANT USAGE ON SEQUENCE seq TO app;",
            "Problem: For createapplication, app lacks DELETE on grants; USAGE on sequence seq.",
            "Ok: The ledger is there."
        ]
    );
}

#[test]
fn a_ledger_that_is_locked_is_a_problem_only_to_who_needs_it() {
    let locked = lacks(&[Lack::Schema("oauthctl".to_owned())]);
    let ledger =
        LedgerRights::There { outdated: false, reading: locked.clone(), writing: locked, steps: lacks(&[]) };
    let last = |purposes: &[Purpose], ledger_needed| {
        let privileges = Privileges { ledger: ledger.clone(), ledger_needed, ..privileges(&[]) };
        told(&privileges::check(&privileges, &Functions::Absent, &terms(purposes))).pop().unwrap()
    };
    let grant = "GRANT USAGE ON SCHEMA oauthctl TO app;";
    assert_eq!(last(&[Purpose::Plan], false), format!("Note: app may not read the ledger. {grant}"));
    assert_eq!(last(&[Purpose::Apply], false), format!("Note: app may not write to the ledger. {grant}"));
    assert_eq!(last(&[Purpose::Plan], true), format!("Problem: app may not read the ledger. {grant}"));
}

#[test]
fn the_opt_in_ways_of_cleanup_are_notes() {
    let all = Privileges { replication_role: Some(true), ..privileges(&[]) };
    let last = |privileges: &Privileges| {
        let findings = privileges::check(privileges, &Functions::Absent, &terms(&[Purpose::Cleartokens]));
        told(&findings[1..findings.len() - 1])
    };
    assert_eq!(last(&all), [""; 0]);
    assert_eq!(
        last(&Privileges { rewrite: lacks(&[on_codes(&[Privilege::Truncate])]), ..all.clone() }),
        ["Note: app may not use `strategy = \"rewrite\"`. GRANT TRUNCATE ON grants TO app;"]
    );
    assert_eq!(
        last(&Privileges { replication_role: Some(false), ..all.clone() }),
        ["Note: app may not use `fk_checks = \"set\"`. \
          GRANT SET ON PARAMETER session_replication_role TO app; \
          oauthctl migrate --definer --for app > definer.sql"]
    );
    assert_eq!(
        last(&Privileges { replication_role: None, ..all.clone() }),
        ["Note: app may not use `fk_checks = \"set\"`. oauthctl migrate --definer --for app > definer.sql"]
    );
    assert_eq!(last(&Privileges { replication_role: None, superuser: true, ..all }), [""; 0]);
}

#[test]
fn slots_and_standbys_that_hold_something_back() {
    let slot =
        |name: &str, active, xmin_age, wal_bytes| Slot { name: name.to_owned(), active, xmin_age, wal_bytes };
    let slots = [
        slot("quiet", false, None, Some(1_000)),
        slot("gone", false, Some(12), Some(1 << 31)),
        slot("it's", false, None, Some(1 << 31)),
        slot("slow", true, Some(20_000_000), None),
        slot("fine", true, Some(20), None),
    ];
    let standbys = [Standby { name: "replica".to_owned(), xmin_age: 10_000_001 }];
    assert_eq!(
        told(&activity::replication(&slots, Ok(&standbys))),
        [
            "Problem: Slot gone is not in use, and it keeps the dead rows of 12 transactions. \
             SELECT pg_drop_replication_slot('gone');",
            "Note: Slot it's is not in use, and it keeps 2.0 GB of WAL. SELECT pg_drop_replication_slot('it''s');",
            "Note: The replica of slot slow keeps the dead rows of 20,000,000 transactions.",
            "Note: Standby replica keeps the dead rows of 10,000,001 transactions.",
        ]
    );
    assert_eq!(
        told(&activity::replication(&slots[..1], Ok(&[]))),
        ["Ok: 1 replication slot: nothing is held back."]
    );
}

#[test]
fn forgotten_prepared_transactions() {
    let prepared = |seconds| PreparedTransaction {
        gid: "a'b".to_owned(),
        owner: "app".to_owned(),
        age: Duration::from_secs(seconds),
    };
    let told = |seconds| {
        told(&activity::transactions(
            &Beside::default(),
            Ok(&[prepared(seconds)]),
            &terms(&EVERYTHING),
            "app",
        ))
    };
    assert_eq!(
        told(299),
        [
            "Ok: None in this database is older than 5 minutes, none blocks these tables, and no session waits for them."
        ]
    );
    assert_eq!(
        told(7_200),
        [
            "Problem: Transaction a'b of app was prepared 2 hours ago and never ended. ROLLBACK PREPARED 'a''b';"
        ]
    );
}

fn storage(part: Part) -> Vec<Storage> {
    vec![Storage {
        role: TableRole::AccessToken,
        name: part.name.clone(),
        partitioned: false,
        row_security: false,
        hides_rows: false,
        parts: vec![part],
    }]
}

#[test]
fn vacuum_that_does_not_keep_up() {
    let now = OffsetDateTime::UNIX_EPOCH;
    let settings = Autovacuum { on: true, counting: true, freeze_max_age: 200_000_000, now };
    let part = Part { name: "t".to_owned(), rows: Some(1), dead_limit: 10_000, ..Part::default() };
    let verdict = |part: &Part| {
        vacuum::check(&storage(part.clone()), Some(&settings)).iter().map(|finding| finding.verdict).max()
    };
    let dead = |dead_rows| Part { dead_rows, ..part.clone() };
    assert_eq!(
        [0, 19_999, 20_000, 39_999, 40_000].map(|rows| verdict(&dead(rows))),
        [Verdict::Ok, Verdict::Ok, Verdict::Note, Verdict::Note, Verdict::Problem].map(Some)
    );
    let lately = Some(now - time::Duration::minutes(59));
    assert_eq!(verdict(&Part { autovacuumed: lately, ..dead(1_000_000) }), Some(Verdict::Note));
    let old = |xid_age| verdict(&Part { xid_age, ..part.clone() });
    assert_eq!(
        [200_000_000, 200_000_001, 1_000_000_000].map(old),
        [Verdict::Ok, Verdict::Note, Verdict::Problem].map(Some)
    );
    let off = vacuum::check(&storage(part), Some(&Autovacuum { on: false, ..settings }));
    assert_eq!(
        told(&off),
        [
            "Problem: autovacuum is off on this server. ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();"
        ]
    );
}

#[test]
fn broken_indexes_and_those_that_are_being_built() {
    let index = |name: &str, building| Index { name: name.to_owned(), building, ..Index::default() };
    let indexes = vec![
        index("i", false),
        index("j", true),
        index("i_ccnew", false),
        index("\"I_ccnew1\"", false),
        Index { leading: Some("expires".to_owned()), valid: true, ..index("e", false) },
    ];
    let part = Part { name: "t".to_owned(), indexes, ..Part::default() };
    assert_eq!(
        told(&indexes::check(&storage(part), &[])),
        [
            "Problem: i (0 B) is invalid. REINDEX INDEX CONCURRENTLY i; \
             DROP INDEX CONCURRENTLY i;   -- or this, if it is not needed",
            "Note: j is being built at this moment.",
            "Problem: i_ccnew (0 B) is invalid. DROP INDEX CONCURRENTLY i_ccnew;",
            "Problem: \"I_ccnew1\" (0 B) is invalid. DROP INDEX CONCURRENTLY \"I_ccnew1\";",
        ]
    );
}

#[test]
fn a_report_without_a_server_has_every_attempt() {
    let report = Report::unreachable("cannot connect to x:\n  a: refused", &["try y".to_owned()], "psql");
    assert_eq!(report.verdict(), Verdict::Problem);
    assert_eq!(told(&report.findings), ["Problem: Cannot connect to x:\n  a: refused. psql"]);
}

//! What the page of `status` says, with all that a database and a ledger can tell.

use insta::assert_snapshot;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::*;
use crate::model::health::{Ages, Part, Storage};
use crate::model::{Category, Counted, TableRole};

fn at(instant: &str) -> OffsetDateTime {
    OffsetDateTime::parse(instant, &Rfc3339).unwrap()
}

fn rows(role: TableRole, count: u64) -> TableRows {
    let mut ages = Ages::default();
    ages.add(AgeBand::Hour, count);
    ages.add(AgeBand::Older, 40 * count);
    TableRows { role, live: 3 * count, idle: count, orphaned: 2, ages }
}

fn measured(role: TableRole, name: &str, count: u64) -> TableStatus {
    let part = Part {
        name: name.to_owned(),
        table_bytes: 8_192 * count,
        index_bytes: 4_096 * count,
        dead_rows: count,
        autovacuumed: Some(at("2026-01-01T00:00:00Z")),
        ..Part::default()
    };
    let storage = Storage {
        role,
        name: name.to_owned(),
        partitioned: false,
        row_security: false,
        hides_rows: false,
        parts: vec![part],
    };
    let growth = Growth {
        inserted: Some(10 * count),
        table_bytes: -2_048,
        index_bytes: 4_096,
        since: at("2026-01-01T03:04:05Z"),
        verb: "cleartokens".to_owned(),
    };
    TableStatus {
        role,
        counted: Some((rows(role, count), 41 * count)),
        forecast: None,
        storage: Some(storage),
        growth: Some(growth),
    }
}

fn status(name: &str) -> Status {
    let run = PastRun {
        verb: "apply".to_owned(),
        who: name.to_owned(),
        started: at("2026-01-01T03:00:00Z"),
        finished: Some(at("2026-01-01T03:04:05Z")),
        outcome: Some("succeeded".to_owned()),
        stop: Some("deadline".to_owned()),
        deleted: vec![("access".to_owned(), 12_345)],
        applications: vec![("create".to_owned(), 2)],
    };
    let tally = [(Category::Access, 4_100), (Category::Revoked, 410)].into_iter().collect();
    Status {
        as_of: at("2026-01-02T03:04:05Z"),
        database: name.to_owned(),
        policy_of_file: true,
        tables: vec![
            measured(TableRole::AccessToken, name, 100),
            measured(TableRole::RefreshToken, "oauth2_provider_refreshtoken", 10),
        ],
        reclaimable: Counted::Exact(tally),
        cost: None,
        runs: Some(vec![run]),
        ledger: true,
        unseen: vec![format!("the ledger, for {name}")],
    }
}

fn own_part(page: &str) -> &str {
    page.split_once("</style>").unwrap().1
}

#[test]
fn everything_that_is_known() {
    let page = render(&status("shop"));
    assert_snapshot!(own_part(&page).replace(env!("CARGO_PKG_VERSION"), "[version]"));
    assert!(page.contains("script-src 'none'"));
}

#[test]
fn little_is_known() {
    let status = Status {
        tables: Vec::new(),
        reclaimable: Counted::Off,
        runs: None,
        ledger: false,
        unseen: Vec::new(),
        ..status("shop")
    };
    assert_snapshot!(own_part(&render(&status)).replace(env!("CARGO_PKG_VERSION"), "[version]"));
}

#[test]
fn hostile_names_stay_text() {
    let tags = |page: &str| page.matches('<').count();
    let plain = tags(&render(&status("shop")));
    for name in ["<script>alert(1)</script>", "\"><img src=x>", "]]>-->", "\u{202e}x\u{0}", "::error::x"] {
        let page = render(&status(name));
        assert_eq!(tags(&page), plain, "{name:?}");
        assert!(!page.contains(name) || name.starts_with("::"), "{name:?}");
        for line in page.lines() {
            assert_eq!(crate::model::visible::defused(line), line);
        }
    }
}

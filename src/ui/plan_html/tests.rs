//! What the page of a plan says, and that nobody's text gets out of its place.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::model::visible::{defused, is_hidden, visible};
use crate::model::{Category, ClientId, Counted, Dependents, Field, Key, NotTried};
use crate::plan::{CleanupForecast, DeleteReason, FieldChange, RowRef, Step, Value};
use crate::ui::plan::tests::everything;
use crate::ui::plan_json;

/// A plan with everything that a page shows.
fn proposal() -> Proposal {
    let forecast = CleanupForecast {
        as_of: "2026-01-02T03:04:05Z".to_owned(),
        counted: Counted::Exact(
            [(Category::Revoked, 12_310), (Category::Access, 4_414_662)].into_iter().collect(),
        ),
        others: Vec::new(),
        spared_by_age: Some(3),
    };
    Proposal {
        plan: everything(),
        forecast: Some(forecast),
        refusal: Some(Refusal {
            violations: vec![Violation::Protected { client_id: ClientId::new("legacy-cron") }],
        }),
        not_tried: vec![NotTried { kind: "trigger".into(), name: "audit_*".to_owned(), why: None }],
        subject: Subject {
            file: "deploy/oauth.toml".to_owned(),
            label: Some("staging".to_owned()),
            database: Some("shop".to_owned()),
            commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        },
        hooks: Vec::new(),
    }
}

/// Without the style and the script, which have files of their own.
fn own_part(page: &str) -> &str {
    let (_, rest) = page.split_once("</style>").unwrap();
    rest.split_once("<script>").map_or(rest, |(own, _)| own)
}

/// The page as text: without elements, and with the characters that the references mean.
fn words(page: &str) -> String {
    let elements = regex::Regex::new("<[^>]*>").unwrap();
    let text = elements.replace_all(own_part(page), " ");
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
    text.replace("&amp;", "&")
}

#[test]
fn every_kind_of_step() {
    let page = render(&proposal());
    assert_snapshot!(own_part(&page).replace(env!("CARGO_PKG_VERSION"), "[version]"));
}

#[test]
fn nothing_to_do() {
    let plan = Plan { total: 1, declared: 1, ..Plan::default() };
    let page = render(&plan.into());
    assert!(page.contains("No changes") && !page.contains("<form"), "{page}");
}

#[test]
fn a_failure_is_a_page_too() {
    let subject = Subject { file: "oauth.toml".to_owned(), ..Subject::default() };
    let page = render_failure(&subject, Exit::Unreachable);
    assert_snapshot!(own_part(&page).replace(env!("CARGO_PKG_VERSION"), "[version]"));
    assert!(page.contains("script-src 'none'"));
}

/// Keys of the JSON whose values are words of the format, and what the page writes in its own way.
const WORDS: [&str; 12] = [
    "action",
    "as_of",
    "client_secret",
    "count",
    "fingerprint",
    "format_version",
    "kind",
    "on_delete",
    "reason",
    "source",
    "tool_version",
    "treatment",
];

/// All texts of a document, but for those.
fn texts(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        serde_json::Value::Object(entries) => {
            let own = entries.iter().filter(|(key, _)| !WORDS.contains(&key.as_str()));
            own.for_each(|(_, value)| texts(value, found));
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

#[test]
fn every_text_of_the_json_occurs() {
    let proposal = proposal();
    let json = serde_json::from_str(&plan_json::render(&proposal, None).unwrap()).unwrap();
    let mut found = Vec::new();
    texts(&json, &mut found);
    assert!(found.len() > 60, "{found:?}");
    let page = words(&render(&proposal));
    found.retain(|text| !page.contains(&visible(text)));
    assert_eq!(found, Vec::<String>::new());
}

/// The same text in every place that the file or the database fills.
fn named(name: &str) -> Proposal {
    let row = RowRef { key: Key::new(name), client_id: ClientId::new(name), fingerprint: String::new() };
    let texts = || Value::Text(name.to_owned());
    let change = |before, after| FieldChange { field: Field::Name.into(), before, after };
    let uris = Value::Uris(vec![name.to_owned()]);
    let update = Step::Update {
        row: row.clone(),
        client_id: ClientId::new(format!("{name}2")),
        changes: vec![
            change(texts(), Value::Literal(name.to_owned())),
            change(Value::Uris(Vec::new()), uris),
        ],
        unchanged: 0,
        dependents: None,
    };
    let delete = Step::Delete {
        row,
        name: name.to_owned(),
        reason: DeleteReason::Pruned,
        dependents: Dependents::default(),
        others: Vec::new(),
    };
    let ids = vec![ClientId::new(name)];
    let steps = vec![update, delete];
    let plan = Plan { steps, unmanaged: ids.clone(), unverified: ids, ..Plan::default() };
    let some = || Some(name.to_owned());
    let subject = Subject { file: name.to_owned(), label: some(), database: some(), commit: some() };
    let violations = vec![Violation::Protected { client_id: ClientId::new(name) }];
    Proposal { refusal: Some(Refusal { violations }), subject, ..plan.into() }
}

#[test]
fn hostile_names_stay_text() {
    for name in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onfocus='alert(1)' autofocus='",
        "</code></title></style><svg/onload=alert(1)>",
        "]]><!--",
        "--><!DOCTYPE x>",
        "&lt;b&gt;&#60;",
        "\u{202e}gpj.exe\u{2066}",
        "javascript:alert(1)",
    ] {
        holds(name);
    }
}

/// The elements of the page are those of any other page, and every line goes to stdout as it is.
fn holds(name: &str) {
    let (page, other) = (render(&named(name)), render(&named("web")));
    let tags = |page: &str| {
        let tag = regex::Regex::new("<[^>]*>").unwrap();
        tag.find_iter(page).map(|found| found.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tags(&page), tags(&other), "{name:?}");
    assert!(words(&page).contains(&visible(name)), "{name:?}");
    assert!(!page.chars().any(|c| c != '\n' && is_hidden(c)), "{name:?}");
    for line in page.lines() {
        assert_eq!(defused(line), line, "{name:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_the_names_are(name in "\\PC{1,40}|[<>&\"'`/=\\n#:\\[\\]-]{1,20}") {
        holds(&name);
    }
}

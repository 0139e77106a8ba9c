//! What the comment looks like, that it fits, and that nobody's text gets out of its place.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::model::{Category, ClientId, Counted, Key, NotTried};
use crate::plan::guard::Violation;
use crate::plan::{CleanupForecast, FieldChange, RowRef, Value};
use crate::ui::plan::tests::everything;

fn refusal(count: usize, client_id: &str) -> Refusal {
    let violation = Violation::Protected { client_id: ClientId::new(client_id) };
    Refusal { violations: vec![violation; count] }
}

fn refused(plan: Plan, refusal: Refusal) -> Proposal {
    Proposal { refusal: Some(refusal), ..plan.into() }
}

fn deletions(count: usize, client_id: &str) -> Plan {
    let row = |number: usize| RowRef {
        key: Key::new(number.to_string()),
        client_id: ClientId::new(format!("{client_id}{number}")),
        fingerprint: String::new(),
    };
    let step = |number| Step::Delete {
        row: row(number),
        name: client_id.to_owned(),
        reason: DeleteReason::Removed,
        dependents: Dependents::default(),
        others: Vec::new(),
    };
    let steps = (0..count).map(step).collect();
    Plan { steps, total: count as u64, ..Plan::default() }
}

fn updates(count: usize, uris: usize, uri: &str) -> Vec<Step> {
    let after = (0..uris).map(|number| format!("https://{number}.example/{uri}")).collect();
    let change = FieldChange {
        field: Field::RedirectUris.into(),
        before: Value::Uris(Vec::new()),
        after: Value::Uris(after),
    };
    let step = |number| Step::Update {
        row: RowRef {
            key: Key::new("1"),
            client_id: ClientId::new(format!("web{number}")),
            fingerprint: String::new(),
        },
        client_id: ClientId::new(format!("web{number}")),
        changes: vec![change.clone()],
        unchanged: 0,
        dependents: None,
    };
    (0..count).map(step).collect()
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

#[test]
fn every_kind_of_step() {
    let forecast = CleanupForecast {
        as_of: "2026-01-02T03:04:05Z".to_owned(),
        counted: Counted::Exact(
            [(Category::Revoked, 12_310), (Category::Access, 4_414_662)].into_iter().collect(),
        ),
        others: Vec::new(),
        spared_by_age: Some(3),
    };
    let text = render(
        &Proposal {
            plan: everything(),
            forecast: Some(forecast),
            refusal: Some(refusal(1, "legacy-cron")),
            not_tried: vec![NotTried { kind: "trigger", name: "audit_*".to_owned(), why: None }],
        },
        "deploy/oauth.toml",
    );
    assert_snapshot!(text);
}

#[test]
fn nothing_to_do() {
    let plan = Plan { total: 1, declared: 1, ..Plan::default() };
    let forecast = CleanupForecast { as_of: "2026-01-02T03:04:05Z".to_owned(), ..CleanupForecast::default() };
    assert_snapshot!(render(&Proposal { forecast: Some(forecast), ..plan.into() }, "oauth.toml"));
}

#[test]
fn it_is_written_ever_shorter_until_it_fits() {
    let mut plan = deletions(30, "gone");
    plan.steps.extend(updates(60, 5, "cb"));
    let text = |plan: &Plan| render(&refused(plan.clone(), refusal(1_000, "web")), "oauth.toml");
    let folded = text(&plan);
    assert!(folded.contains("<details>") && !folded.contains("too long"), "{folded}");

    plan.steps.extend(updates(60, 50, "cb"));
    let table = text(&plan);
    assert!(!table.contains("<details>") && table.contains("| update <code>web59</code> | redirect_uris |"));
    assert!(table.contains("> - and 980 more") && table.contains("oauthctl plan"), "{table}");

    plan.steps.extend(updates(2_000, 1, "cb"));
    let deleted = text(&plan);
    assert!(
        !deleted.contains("<code>web59</code> |") && deleted.contains("<code>gone29</code>"),
        "{deleted}"
    );

    plan.steps.extend(deletions(2_000, "more").steps);
    let counts = text(&plan);
    assert!(!counts.contains("<code>gone29</code>"), "{counts}");
    assert!(counts.contains("### oauth.toml: **2,030 to delete**, 2,120 to update\n"), "{counts}");
    for text in [folded, table, deleted, counts] {
        assert!(length(&text) <= LIMIT && text.starts_with("<!-- oauthctl plan: oauth.toml -->\n"));
    }
}

#[test]
fn nobody_is_mentioned_and_no_issue_referred_to() {
    let (evil, seen) = ("@team #12 www.evil.example --> <b> | `", refusal(1, "@team #12"));
    let text = render(&refused(deletions(1, evil), seen), evil);
    let flag = code("--allow 'delete:@team #12'");
    let outside_code = text.replace(&code(&format!("{evil}0")), "").replace(&flag, "").replace("`apply`", "");
    for part in ["@team", " #12", "&#64;team", "www.evil", "<b> |", "`"] {
        assert!(!outside_code.contains(part), "{part}: {outside_code}");
    }
    assert!(text.contains("&#64;&#8288;team &#35;&#8288;12"), "{text}");
    assert_eq!(text.matches("-->").count(), 1, "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_the_names_are_it_fits_and_keeps_its_lines(
        name in "\\PC{0,300}|[`\\n\\r|<&@-]{0,60}",
        count in 0usize..150,
    ) {
        let mut plan = deletions(count, &name);
        plan.steps.extend(updates(count / 3, 3, &name));
        plan.unmanaged = vec![ClientId::new(name.clone()); 20];
        plan.unverified = plan.unmanaged.clone();
        let text = render(&refused(plan, refusal(count, &name)), &name);
        prop_assert!(length(&text) <= LIMIT);
        prop_assert_eq!(text.matches("<!--").count(), 1);
        prop_assert_eq!(text.matches("-->").count(), 1);
        prop_assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        // Fences open and close at the beginning of a line, and nothing else there is foreign.
        let known = ["", "<", "### ", "> ", "|", "```", "+ ", "- ", "! ", "  ", "Not ", "The ", "</"];
        for line in text.lines() {
            let counts = line.starts_with(|c: char| c.is_ascii_digit()) && line.ends_with(" in the file.");
            prop_assert!(counts || line.is_empty() || known[1..].iter().any(|known| line.starts_with(known)), "{:?}", line);
        }
    }
}

//! What the comment looks like, that it fits, and that nobody's text gets out of its place.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::model::{Category, ClientId, Counted, Dependents, Field, Key, NotTried};
use crate::plan::guard::Violation;
use crate::plan::{CleanupForecast, DeleteReason, FieldChange, RowRef, Value};
use crate::ui::plan::tests::everything;

fn refusal(count: usize, client_id: &str) -> Refusal {
    let violation = Violation::Protected { client_id: ClientId::new(client_id) };
    Refusal { violations: vec![violation; count] }
}

fn subject(file: &str) -> Subject {
    Subject { file: file.to_owned(), ..Subject::default() }
}

fn refused(plan: Plan, refusal: Refusal, file: &str) -> Proposal {
    Proposal { refusal: Some(refusal), subject: subject(file), ..plan.into() }
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

/// Updates of a field on which no client relies.
fn named(count: usize) -> Vec<Step> {
    let change = FieldChange {
        field: Field::Name.into(),
        before: Value::Text("Shop".to_owned()),
        after: Value::Text("The shop for everything that there is".to_owned()),
    };
    let row = |number: usize| RowRef {
        key: Key::new("1"),
        client_id: ClientId::new(format!("app{number}")),
        fingerprint: String::new(),
    };
    let step = |number| Step::Update {
        row: row(number),
        client_id: row(number).client_id,
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
            not_tried: vec![NotTried { kind: "trigger".into(), name: "audit_*".to_owned(), why: None }],
            subject: Subject {
                label: Some("staging".to_owned()),
                database: Some("shop".to_owned()),
                commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
                ..subject("deploy/oauth.toml")
            },
            hooks: Vec::new(),
        },
        LIMIT,
    );
    assert_snapshot!(text);
}

#[test]
fn nothing_to_do() {
    let plan = Plan { total: 1, declared: 1, ..Plan::default() };
    let forecast = CleanupForecast { as_of: "2026-01-02T03:04:05Z".to_owned(), ..CleanupForecast::default() };
    let proposal = Proposal { forecast: Some(forecast), subject: subject("oauth.toml"), ..plan.into() };
    assert_snapshot!(render(&proposal, LIMIT));
}

#[test]
fn the_room_is_given_out_step_by_step() {
    let mut plan = deletions(30, "gone");
    plan.steps.extend(updates(60, 5, "cb"));
    let text = |plan: &Plan| render(&refused(plan.clone(), refusal(1_000, "web"), "oauth.toml"), LIMIT);
    let whole = text(&plan);
    assert!(whole.contains("<details>") && !whole.contains("too long"), "{whole}");
    assert!(whole.contains("> - and 980 more"), "{whole}");

    // One long application takes nothing away from the others.
    plan.steps.extend(updates(1, 1_200, "long"));
    let beside = text(&plan);
    assert!(
        beside.contains("!   redirect_uris (+1,200)") && beside.contains("https://4.example/cb"),
        "{beside}"
    );
    assert!(
        beside.contains("The rest is too long for a comment") && !beside.contains("Not shown"),
        "{beside}"
    );

    // Every application has its name as long as there is room for a line.
    plan.steps.extend(named(900));
    let lines = text(&plan);
    assert!(lines.contains("\n- update <code>app899</code>: name\n"), "{lines}");
    assert!(lines.contains("https://4.example/cb"), "{lines}");

    plan.steps.extend(deletions(2_000, "more").steps);
    let counted = text(&plan);
    assert!(counted.contains("<code>gone29</code>") && counted.contains("<code>more0</code>"), "{counted}");
    assert!(counted.contains("### oauth.toml: **2,030 to delete**, 961 to update\n"), "{counted}");
    assert!(counted.contains(" deletions, 961 updates.\n"), "{counted}");
    for text in [whole, beside, lines, counted] {
        assert!(length(&text) <= LIMIT && text.starts_with("<!-- oauthctl plan: oauth.toml -->\n"));
    }
}

#[test]
fn a_forge_may_take_less() {
    let mut plan = deletions(30, "gone");
    plan.steps.extend(named(900));
    let proposal = refused(plan, refusal(1_000, "web"), "oauth.toml");
    for limit in [LIMIT, 32_768, SHORTEST_LIMIT] {
        let text = render(&proposal, limit);
        assert!(length(&text) <= limit && length(&text) > limit / 2, "{limit}: {}", length(&text));
        assert!(text.contains("<code>gone29</code>"), "{text}");
    }
}

#[test]
fn a_failure_is_a_comment_too() {
    let subject = Subject { commit: Some("0123456789abcdef".to_owned()), ..subject("oauth.toml") };
    assert_snapshot!(render_failure(&subject, Exit::Unreachable));
}

#[test]
fn nobody_is_mentioned_and_no_issue_referred_to() {
    let (evil, seen) = ("@team #12 www.evil.example --> <b> | `", refusal(1, "@team #12"));
    let text = render(&refused(deletions(1, evil), seen, evil), LIMIT);
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
        let text = render(&refused(plan, refusal(count, &name), &name), LIMIT);
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

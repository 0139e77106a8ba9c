//! What is read is what was written, and nothing else is.

use std::time::Duration;

use super::*;
use crate::model::{
    Attribute, Category, Counted, Estimate, Field, Forecast, Hook, Key, Limit, Named, NotTried,
    TableForecast, TableRole,
};
use crate::plan::guard::{Refusal, Violation};
use crate::plan::{
    CleanupForecast, DeleteReason, FieldSetting, Owner, Presence, RowRef, Subject, Value, Whole,
};

fn plan(fingerprint: &str, tokens: u64) -> Plan {
    let row = RowRef {
        key: Key::new("1"),
        client_id: ClientId::new("legacy"),
        fingerprint: fingerprint.to_owned(),
    };
    let fields = vec![FieldSetting {
        field: Field::Name.into(),
        value: Value::Text("Batch".to_owned()),
        declared: true,
    }];
    let dependents = Dependents { access_tokens: tokens, ..Dependents::default() };
    let steps = vec![
        Step::Create { client_id: ClientId::new("batch"), fields },
        Step::Delete {
            row,
            name: String::new(),
            reason: DeleteReason::Removed,
            dependents,
            others: Vec::new(),
        },
    ];
    Plan { steps, ..Plan::default() }
}

/// With the cleanup of [`origin`].
fn proposal(plan: Plan) -> Proposal {
    let forecast = CleanupForecast {
        as_of: "2026-01-02T03:04:05Z".to_owned(),
        counted: Counted::default(),
        others: Vec::new(),
        spared_by_age: None,
    };
    Proposal { forecast: Some(forecast), ..plan.into() }
}

#[test]
fn a_cleanup_that_is_not_shown_is_refused() {
    let hidden = Proposal { forecast: None, ..proposal(plan("a", 1)) };
    let mut earlier = proposal(plan("a", 1));
    earlier.forecast.as_mut().unwrap().as_of = "2020-01-02T03:04:05Z".to_owned();
    for shown in [hidden, earlier] {
        assert_eq!(Saved::read(&save(&shown, &origin()).unwrap()), Err(SavedError::Edited));
    }
}

fn identity() -> Identity {
    Identity {
        system: Some("7000000000000000001".to_owned()),
        ledger: None,
        address: "10.0.0.1:5432".to_owned(),
        database: "shop".to_owned(),
        oid: 16_384,
    }
}

fn origin() -> Origin {
    Origin {
        config: digest("[cleanup]"),
        variables: [("domain".to_owned(), digest("a.example"))].into(),
        database: identity(),
        table: 16_384,
        targets: vec!["batch".to_owned()],
        cleanup: true,
        as_of: Some("2026-01-02T03:04:05Z".to_owned()),
    }
}

#[test]
fn what_was_saved_is_read_and_tokens_do_not_matter() {
    let saved = Saved::read(&save(&proposal(plan("a", 1)), &origin()).unwrap()).unwrap();
    assert_eq!(saved.origin, origin());
    assert_eq!(saved.check_steps(&plan("a", 2)), Ok(()));
    assert_eq!(saved.check_config("oauth.toml", &origin().config, &origin().variables), Ok(()));
    assert_eq!(saved.check_database(&identity(), 16_384), Ok(Sameness::Same));
}

#[test]
fn every_difference_is_found() {
    let saved = Saved::read(&save(&proposal(plan("a", 1)), &origin()).unwrap()).unwrap();
    let stale = |client_ids: &[&str]| {
        Err(SavedError::Stale(client_ids.iter().map(|id| ClientId::new(*id)).collect()))
    };
    assert_eq!(saved.check_steps(&plan("b", 1)), stale(&["legacy"]));
    assert_eq!(saved.check_steps(&Plan::default()), stale(&["batch", "legacy"]));
    let (text, variables) = (digest("[cleanup]"), origin().variables);
    let other = saved.check_config("apps.toml", &digest("[cleanup] "), &variables).unwrap_err();
    assert_eq!(other.to_string(), "the plan is stale: apps.toml is not the one that it was made from");
    let variable = |name: &str, value: &str| (name.to_owned(), digest(value));
    for (values, said) in [
        (
            [variable("domain", "b.example"), variable("title", "B")],
            "the variables domain, title have changed",
        ),
        ([variable("domain", "a.example"), variable("title", "B")], "the variable title has changed"),
    ] {
        let other = saved.check_config("apps.toml", &text, &values.into()).unwrap_err();
        assert_eq!(other.to_string(), format!("the plan is stale: {said} since it was made"));
    }
}

#[test]
fn another_database_is_told_apart_in_words() {
    let saved = Saved::read(&save(&proposal(plan("a", 1)), &origin()).unwrap()).unwrap();
    let other_server = Identity {
        system: Some("7000000000000000002".to_owned()),
        address: "10.0.0.2:5432".to_owned(),
        ..identity()
    };
    for (found, table, said) in [
        (Identity { database: "x".to_owned(), ..identity() }, 16_384, "shop"),
        (
            other_server,
            16_384,
            "shop of 10.0.0.1:5432 (system identifier 7000000000000000001); this is the one of 10.0.0.2:5432 (system \
             identifier 7000000000000000002)",
        ),
        (
            identity(),
            1,
            "shop of 10.0.0.1:5432 (system identifier 7000000000000000001), which was made anew since",
        ),
    ] {
        let error = saved.check_database(&found, table).unwrap_err();
        assert_eq!(error.to_string(), format!("the plan was made for another database: {said}"));
    }
}

#[test]
fn a_plan_that_names_no_server_is_refused() {
    let text = r#"{ "format": "oauthctl saved plan 1", "digest": "0", "origin": {}, "steps": [] }"#;
    assert_eq!(Saved::read(text), Err(SavedError::NoServer));
}

#[test]
fn a_plan_of_another_format_is_named() {
    for (number, expected) in [("2", Some(2)), ("5", Some(5)), ("x", None)] {
        let text = format!(
            r#"{{ "format": "oauthctl saved plan {number}", "digest": "0", "origin": {{}}, "steps": [] }}"#
        );
        match (Saved::read(&text), expected) {
            (Err(SavedError::OtherFormat { found }), Some(expected)) => assert_eq!(found, expected),
            (Err(SavedError::NotAPlan(_)), None) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Everything that is shown comes out of the file as it went in.
#[test]
fn the_whole_proposal_is_kept() {
    let estimate = Estimate { estimate: 10, low: 5, high: 20, exact: false };
    let table = TableForecast { role: TableRole::AccessToken, rows: estimate, reclaimable: estimate };
    let forecast = Forecast {
        rows: vec![(Category::Access, estimate)],
        total: estimate,
        tables: vec![table],
        blocks: 7,
        read: 3,
        statistics: Some(Duration::from_millis(1_500)),
    };
    for counted in [Counted::default(), Counted::Off, Counted::Forecast(forecast)] {
        let mut plan = plan("a", 1);
        plan.counted_at = Some("2026-01-02T03:04:05.123456Z".to_owned());
        plan.rows.insert(
            Key::new("1"),
            Whole {
                client_id: ClientId::new("legacy"),
                fields: vec![
                    (Attribute::Column("tenant".to_owned()), Value::Literal("7".to_owned())),
                    (Field::RedirectUris.into(), Value::Uris(vec!["https://a.example/".to_owned()])),
                    (
                        Field::User.into(),
                        Value::User(Box::new(Owner {
                            key: Key::new("1"),
                            username: None,
                            by: Some(Named::new("email", "a@example.com")),
                        })),
                    ),
                    (Field::Algorithm.into(), Value::Absent),
                    (Field::SkipAuthorization.into(), Value::Flag(true)),
                ],
                secret: Presence::Present,
            },
        );
        let proposal = Proposal {
            plan,
            forecast: Some(CleanupForecast {
                as_of: "2026-01-02T03:04:05Z".to_owned(),
                counted,
                others: Vec::new(),
                spared_by_age: Some(2),
            }),
            refusal: Some(Refusal {
                violations: vec![
                    Violation::Protected { client_id: ClientId::new("legacy") },
                    Violation::TooManyDeletes { planned: 3, limit: Limit::Percent(30), total: 4 },
                    Violation::FkChecksSet,
                ],
            }),
            not_tried: vec![NotTried { kind: "trigger".into(), name: "audit".to_owned(), why: None }],
            subject: Subject { file: "oauth.toml".to_owned(), ..Subject::default() },
            hooks: vec![Hook { after_apply: vec!["true".to_owned()], timeout: Some(Duration::from_mins(1)) }],
        };
        let saved = Saved::read(&save(&proposal, &origin()).unwrap()).unwrap();
        assert_eq!(saved.proposal, proposal);
    }
}

/// An instant is shown as it is, so it has to be one.
#[test]
fn a_text_in_place_of_an_instant_was_edited() {
    let mut proposal = Proposal::from(plan("a", 1));
    proposal.plan.counted_at = Some("yesterday\u{1b}[2J".to_owned());
    assert_eq!(Saved::read(&save(&proposal, &origin()).unwrap()), Err(SavedError::Edited));
}

#[test]
fn a_file_that_shows_something_else_than_it_does_was_edited() {
    let text = save(&proposal(plan("a", 1)), &origin()).unwrap();
    for (from, to) in [
        ("\"steps\": [", "\"steps\": [], \"steps\": ["),
        ("\"value\": \"Batch\"", "\"value\": \"Harmless\", \"value\": \"Batch\""),
        ("\"cleanup\": true", "\"cleanup\": false, \"cleanup\": true"),
        ("\"format\":", "\"note\": \"reviewed\",\n  \"format\":"),
    ] {
        let edited = text.replacen(from, to, 1);
        assert_ne!(edited, text);
        assert_eq!(Saved::read(&edited), Err(SavedError::Edited), "{from}");
    }
    // A checkout on Windows changes the ends of lines.
    Saved::read(&text.replace('\n', "\r\n")).unwrap();
}

#[test]
fn the_same_steps_in_another_order_are_another_plan() {
    let Plan { steps, .. } = plan("a", 1);
    let reversed = Plan { steps: steps.into_iter().rev().collect(), ..Plan::default() };
    let saved = Saved::read(&save(&proposal(reversed), &origin()).unwrap()).unwrap();
    assert_eq!(saved.check_steps(&plan("a", 1)), Err(SavedError::Edited));
}

#[test]
fn no_character_can_be_changed() {
    let text = save(&proposal(plan("a", 1)), &origin()).unwrap();
    let mut refused = 0;
    for (place, character) in text.char_indices().filter(|(_, character)| character.is_alphanumeric()) {
        let other = if character == 'z' { 'y' } else { 'z' };
        let edited = format!("{}{other}{}", &text[..place], &text[place + character.len_utf8()..]);
        Saved::read(&edited).unwrap_err();
        refused += 1;
    }
    assert!(refused > 300);
    for other in ["", "{}", "[]", "null", "{\"format_version\": \"1.0\"}"] {
        assert!(matches!(Saved::read(other), Err(SavedError::NotAPlan(_))), "{other}");
    }
}

//! What is refused: rails, DOT's rules, protected and ignored applications.

use super::*;

fn foreign(on_delete: OnDelete) -> ForeignRows {
    let (table, column, constraint) = ("audit".to_owned(), "app".to_owned(), "fk".to_owned());
    ForeignRows {
        table,
        column,
        constraint,
        on_delete,
        treatment: Treatment::decide(None, on_delete, false, ReferringTable::default()),
        rows: Some(7),
        name: "audit.app".to_owned(),
        not_null: false,
        declared: false,
    }
}

fn refused(plan: &Plan, policy: &Policy, allow: &[Allow]) -> Vec<Violation> {
    let rails = Rails {
        policy,
        protected: &BTreeSet::from([id("guarded")]),
        allow: &allow.iter().cloned().collect(),
        foreign: &BTreeMap::from([(
            Key::new("2"),
            vec![foreign(OnDelete::NoAction), foreign(OnDelete::Cascade)],
        )]),
    };
    check(plan, &rails).err().map_or_else(Vec::new, |Refusal { violations }| violations)
}

#[test]
fn rails_list_every_violation_and_open_one_at_a_time() {
    let removed = ["guarded", "listed", "referenced"].into_iter().map(id).collect();
    let wanted = Desired { removed, ..Desired::default() };
    let plan = planned(&wanted, &database(&["guarded", "listed", "referenced"]));
    let policy = Policy {
        protect: BTreeSet::from([id("listed")]),
        max_deletes: Some(Limit::Percent(40)),
        ..Policy::default()
    };
    let all = refused(&plan, &policy, &[]);
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(all[0].allow().as_deref(), Some("--allow delete:guarded"));
    assert_eq!(all[2].allow(), None, "foreign rows cannot be waved through");
    assert_eq!(all[3], Violation::TooManyDeletes { planned: 3, limit: Limit::Percent(40), total: 3 });
    assert_eq!(
        all[3].to_string(),
        "3 applications to delete; max_deletes allows 1: 40% of 3 applications is 1.2, rounded down"
    );
    let one = refused(&plan, &policy, &[Allow::Delete(id("guarded")), Allow::MaxDeletes(3)]);
    assert_eq!(one.len(), 2, "{one:?}");
}

#[test]
fn updates_are_limited_too() {
    let plan = planned(&desired(vec![("web", declared())]), &database(&["web"]));
    let policy = Policy { max_updates: Some(Limit::Count(0)), ..Policy::default() };
    assert_eq!(refused(&plan, &policy, &[]).len(), 1);
    assert_eq!(refused(&plan, &policy, &[Allow::MaxUpdates(1)]), []);
}

#[test]
fn a_percentage_of_updates_allows_one_and_of_deletes_none() {
    for (percent, total, deletes, updates) in [
        (50, 1, 0, 1),
        (30, 3, 0, 1),
        (50, 2, 1, 1),
        (0, 100, 0, 0),
        (100, 3, 3, 3),
        (1, 250, 2, 2),
        (50, 0, 0, 1),
    ] {
        let limit = Limit::Percent(percent);
        assert_eq!(
            (limit.of_deletes(total), limit.of_updates(total)),
            (deletes, updates),
            "{percent}% of {total}"
        );
    }
    assert_eq!((Limit::Count(0).of_deletes(9), Limit::Count(0).of_updates(9)), (0, 0));
}

#[test]
fn a_refused_percentage_shows_its_arithmetic() {
    let deletes = |planned, percent, total| {
        Violation::TooManyDeletes { planned, limit: Limit::Percent(percent), total }.to_string()
    };
    let updates = |planned, percent, total| {
        Violation::TooManyUpdates { planned, limit: Limit::Percent(percent), total }.to_string()
    };
    for (said, expected) in [
        (
            deletes(1, 30, 3),
            "1 application to delete; max_deletes allows 0: 30% of 3 applications is 0.9, rounded down",
        ),
        (deletes(2, 50, 2), "2 applications to delete; max_deletes allows 1: 50% of 2 applications is 1"),
        (
            deletes(9, 1, 705),
            "9 applications to delete; max_deletes allows 7: 1% of 705 applications is 7.05, rounded down",
        ),
        (
            updates(2, 20, 2),
            "2 applications to update; max_updates allows 1: 20% of 2 applications is 0.4, and a percentage allows \
             at least 1",
        ),
        (updates(1, 0, 2), "1 application to update; max_updates allows 0: 0% of 2 applications is 0"),
    ] {
        assert_eq!(said, expected);
    }
}

#[test]
fn a_new_row_obeys_dots_rules_with_its_defaults() {
    let of = |application| desired(vec![("web", Declared { application, ..declared() })]);
    let redirecting = of(Application {
        authorization_grant_type: Some("authorization-code".to_owned()),
        redirect_uris: None,
        ..declared().application
    });
    assert_eq!(
        findings(&redirecting, &database(&[])),
        ["web.redirect_uris: redirect_uris cannot be empty with grant_type authorization-code"]
    );
    // A row that is there has some.
    assert!(!planned(&redirecting, &database(&["web"])).is_empty());

    let signing = of(Application {
        client_type: Some("confidential".to_owned()),
        algorithm: Some("HS256".to_owned()),
        ..declared().application
    });
    let hashed = findings(&signing, &database(&[]));
    assert_eq!(hashed.len(), 1, "{hashed:?}");
    assert!(
        hashed[0].starts_with("web.hash_client_secret: You cannot use HS256 with a hashed"),
        "{hashed:?}"
    );
    // DOT 1.5 to 2.3 have no such column.
    let mut old = database(&[]);
    old.columns.remove(&Field::HashClientSecret);
    assert!(!planned(&signing, &old).is_empty());
}

#[test]
fn a_row_is_not_changed_into_one_that_dot_refuses() {
    let mut actual = database(&["web"]);
    actual.applications.get_mut(&id("web")).unwrap().fields.redirect_uris = " ".to_owned();
    // It is like that already, and not by this file.
    let named = Application { name: Some("Other".to_owned()), ..Application::default() };
    let plan = planned(&desired(vec![("web", Declared { application: named, ..declared() })]), &actual);
    assert_eq!(changed(&plan), [Field::Name]);
    let hybrid =
        Application { authorization_grant_type: Some("openid-hybrid".to_owned()), ..Application::default() };
    assert_eq!(
        findings(&desired(vec![("web", Declared { application: hybrid, ..declared() })]), &actual),
        ["web.redirect_uris: redirect_uris cannot be empty with grant_type openid-hybrid"]
    );
}

#[test]
fn what_is_ignored_is_written_once() {
    let declared = Declared {
        ignore: BTreeSet::from([Field::RedirectUris, Field::ClientType].map(Attribute::from)),
        ..declared()
    };
    let created = planned(&desired(vec![("web", declared)]), &database(&[]));
    let [Step::Create { fields, .. }] = created.steps.as_slice() else { panic!("{created:?}") };
    let uris = fields.iter().find(|setting| setting.field == Field::RedirectUris).unwrap();
    assert!(matches!(&uris.value, Value::Uris(uris) if uris.len() == 2), "{uris:?}");

    let declared = Declared {
        ignore: BTreeSet::from([Field::RedirectUris, Field::ClientType].map(Attribute::from)),
        ..self::declared()
    };
    let updated = planned(&desired(vec![("web", declared)]), &database(&["web"]));
    assert_eq!(changed(&updated), [Field::Name, Field::AuthorizationGrantType]);
    // Everything that differs is left to others.
    let declared =
        Declared { ignore: Field::ALL.iter().copied().map(Attribute::from).collect(), ..self::declared() };
    let nothing = planned(&desired(vec![("web", declared)]), &database(&["web"]));
    assert_eq!((nothing.is_empty(), nothing.unchanged), (true, vec![id("web")]));
}

#[test]
fn clients_of_what_is_protected_notice_nothing() {
    let policy = Policy { protect: BTreeSet::from([id("web")]), ..Policy::default() };
    let with = |application| desired(vec![("web", Declared { application, ..Declared::default() })]);
    let harmless = with(Application { name: Some("Other".to_owned()), ..Application::default() });
    assert_eq!(refused(&planned(&harmless, &database(&["web"])), &policy, &[]), []);
    let uris = Some(vec!["https://b.example/cb".to_owned()]);
    let narrowed =
        planned(&with(Application { redirect_uris: uris, ..Application::default() }), &database(&["web"]));
    let refusal = refused(&narrowed, &policy, &[]);
    assert_eq!(refusal, [Violation::ProtectedChange { client_id: id("web") }]);
    assert_eq!(refusal[0].allow().unwrap(), "--allow update:web");
    assert_eq!(refused(&narrowed, &policy, &[Allow::Update(id("web"))]), []);
    // A rename, under both names.
    let mut renamed = with(Application::default());
    renamed.renamed.insert(id("old"), id("web"));
    let plan = planned(&renamed, &database(&["old"]));
    assert_eq!(refused(&plan, &policy, &[]), [Violation::ProtectedChange { client_id: id("old") }]);
}

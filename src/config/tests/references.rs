//! `[[removed]]` and `[[renamed]]` against what is declared, and client ids against each other.

use super::*;

fn messages(text: &str) -> Vec<String> {
    let rejected = load_with(text, &[], Presence::Optional).unwrap_err();
    rejected.problems.shown().into_iter().map(|problem| problem.message.clone()).collect()
}

#[test]
fn client_ids_are_unique() {
    let text = "[applications.a]\n[applications.b]\nclient_id = \"a\"\n[applications.c]\nclient_id = \"d\"\n[applications.d]";
    let twice = |id: &str| format!("the client id `{id}` is declared twice");
    assert_eq!(messages(text), [twice("a"), twice("d")]);
    assert_eq!(problems(text), ["duplicate-client-id@3:13", "duplicate-client-id@6:15"]);
}

#[test]
fn nothing_is_both_declared_and_removed() {
    let text = "[[removed]]\nclient_id = \"x\"\n[applications.a]\nclient_id = \"x\"";
    assert_eq!(messages(text), ["`x` is both declared and removed"]);
    let text = "[[removed]]\nclient_id = \"x\"\n[[removed]]\nclient_id = \"x\"";
    assert_eq!(problems(text), ["duplicate-item@4:13"]);
    assert_eq!(good(text).desired.removed.len(), 1);
}

#[test]
fn an_application_that_is_not_enabled_is_a_removed_one() {
    let text = "[applications.a]\nenabled = false\nclient_id = \"x\"\nclient_secret = { env = \"NOT_SET\" }\nprotect = true\n\
                [applications.b]\nenabled = false\n[applications.c]\nenabled = true\n\
                [lint]\nignore = [\"wildcard:x\"]\n";
    let config = load_with(text, &[], Presence::Required).unwrap();
    let removed: Vec<&str> = config.desired.removed.iter().map(ClientId::as_str).collect();
    assert_eq!(removed, ["b", "x"]);
    let declared: Vec<&str> = config.desired.applications.keys().map(ClientId::as_str).collect();
    assert_eq!(declared, ["c"]);
    assert!(config.disables(&ClientId::new("x")) && !config.disables(&ClientId::new("c")));
    let protected: Vec<&str> = config.policy.protect.iter().map(ClientId::as_str).collect();
    assert_eq!(protected, ["x"]);
    let place = config.place(PlaceOf::Removed(&ClientId::new("b"))).unwrap();
    assert_eq!(&text[place], "false");
}

#[test]
fn what_is_not_enabled_is_validated_and_named_once() {
    for (text, expected) in [
        ("[applications.a]\nenabled = false\nclient_type = \"secret\"", "unknown-value@3:15"),
        ("[applications.a]\nenabled = false\nclient_secret = \"x\"", "literal-secret@3:17"),
        ("[applications.a]\nenabled = \"no\"", "wrong-type@2:11"),
        ("[applications.a]\nenabled = false\n[[removed]]\nclient_id = \"a\"", "declared-and-removed@4:13"),
        (
            "[applications.a]\nenabled = false\n[applications.b]\nclient_id = \"a\"",
            "duplicate-client-id@4:13",
        ),
        ("[applications.a]\nenabled = false\n[[renamed]]\nfrom = \"b\"\nto = \"a\"", "rename-conflict@5:6"),
        (
            "[applications.a]\nenabled = false\n[applications.b]\n[[renamed]]\nfrom = \"a\"\nto = \"b\"",
            "rename-conflict@5:8",
        ),
    ] {
        assert_eq!(problems(text), [expected], "{text}");
    }
}

fn renames(declared: &[&str], pairs: &[(&str, &str)]) -> String {
    let applications = declared.iter().map(|id| format!("[applications.{id}]\n"));
    let renames = pairs.iter().map(|(from, to)| format!("[[renamed]]\nfrom = \"{from}\"\nto = \"{to}\"\n"));
    applications.chain(renames).collect()
}

#[test]
fn renames_lead_from_what_is_gone_to_what_is_declared() {
    let config = good(&renames(&["b", "d"], &[("a", "b"), ("c", "d")]));
    assert_eq!(config.desired.renamed.len(), 2);
    for (declared, pairs, expected) in [
        (vec!["b"], vec![("b", "b")], vec!["`b` is renamed to itself"]),
        (vec![], vec![("a", "b")], vec!["`a` is renamed to `b`, which is not declared"]),
        (
            vec!["a", "b"],
            vec![("a", "b")],
            vec!["`a` is renamed, but still declared under its old client id"],
        ),
        (vec!["c"], vec![("a", "b"), ("b", "c")], vec!["`a` is renamed to `b`, which is renamed itself"]),
        (
            vec!["a", "b"],
            vec![("a", "b"), ("b", "a")],
            vec![
                "`a` is renamed to `b`, which is renamed itself",
                "`b` is renamed to `a`, which is renamed itself",
            ],
        ),
        (vec!["b", "c"], vec![("a", "b"), ("a", "c")], vec!["`a` is renamed twice"]),
        (vec!["c"], vec![("a", "c"), ("b", "c")], vec!["two applications are renamed to `c`"]),
    ] {
        assert_eq!(messages(&renames(&declared, &pairs)), expected);
    }
    let removed = format!("{}[[removed]]\nclient_id = \"a\"\n", renames(&["b"], &[("a", "b")]));
    assert_eq!(messages(&removed), ["`a` is both renamed and removed"]);
}

#[test]
fn references_alone_switch_no_cleanup_on() {
    let rules = "[cleanup.references]\n\"site.token_id\" = \"null\"\n\"a.site.app_id\" = \"delete\"";
    let alone = good(rules);
    assert!(alone.cleanup.is_none());
    let both = good(&format!("[cleanup]\nskip = []\n{rules}"));
    assert!(both.cleanup.is_some());
    for config in [alone, both] {
        let names: Vec<&str> = config.references.keys().map(crate::model::ReferenceName::as_str).collect();
        assert_eq!(names, ["a.site.app_id", "site.token_id"]);
        let name = config.references.keys().next().unwrap();
        assert!(config.place(PlaceOf::Reference(name)).is_some());
    }
    assert!(good("[cleanup]").cleanup.is_some());
    assert_eq!(problems("[cleanup.references]\n\"site\" = \"null\""), ["invalid-value@2:1"]);
}

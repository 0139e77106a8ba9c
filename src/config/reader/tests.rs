//! Tables: a document, what is read of it, and where the problems are.

use serde::Deserialize;
use toml::de::DeTable;

use super::*;
use crate::config::slot::{List, Slot};
use crate::config::values::{Free, OrTable};

/// One field for each kind of value that the reader tells apart.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Kinds {
    flag: Slot<bool>,
    number: Slot<i64>,
    text: Slot<String>,
    choice: Slot<Choice>,
    list: List<String>,
    table: Slot<Inner>,
    either: Slot<OrTable<String, Inner>>,
    free: Slot<Free>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Choice {
    Red,
    Green,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Inner {
    number: Slot<i64>,
}

/// What was read, and `code: the text at that place` of each problem.
fn read_kinds(text: &str) -> (Kinds, Vec<String>) {
    let table = DeTable::parse(text).unwrap();
    let document = Spanned::new(0..text.len(), DeValue::Table(table.into_inner()));
    let problems = RefCell::default();
    let kinds = read(&document, Notes { problems: &problems, offset: 0, variables: None });
    let problems = problems.into_inner();
    let place = |problem: &Problem| format!("{}: {}", problem.code, &text[problem.span.clone().unwrap()]);
    let shown = problems.shown().into_iter().map(place).collect();
    (kinds, shown)
}

#[test]
fn each_kind_takes_its_values_and_refuses_the_others() {
    for (text, expected) in [
        ("flag = true", &[][..]),
        ("flag = 1", &["wrong-type: 1"]),
        ("flag = \"true\"", &["wrong-type: \"true\""]),
        ("number = -16", &[]),
        ("number = 0x10", &[]),
        ("number = 1.0", &["wrong-type: 1.0"]),
        ("number = 99_999_999_999_999_999_999", &["number-too-large: 99_999_999_999_999_999_999"]),
        ("number = []", &["wrong-type: []"]),
        ("text = ''", &[]),
        ("text = 1979-05-27", &["wrong-type: 1979-05-27"]),
        ("text = \"a\\u0000\"", &["nul-byte: \"a\\u0000\""]),
        ("choice = \"red\"", &[]),
        ("choice = \"rde\"", &["unknown-value: \"rde\""]),
        ("choice = 1", &["wrong-type: 1"]),
        ("list = []", &[]),
        ("list = \"a\"", &["wrong-type: \"a\""]),
        ("list = [\"a\", 1, {}]", &["wrong-type: 1", "wrong-type: {}"]),
        ("table = {}", &[]),
        ("table = \"a\"", &["wrong-type: \"a\""]),
        ("table.number = \"a\"", &["wrong-type: \"a\""]),
        ("table.numbr = 1", &["unknown-key: numbr"]),
        ("either = \"a\"", &[]),
        ("either.number = 1", &[]),
        ("either = 1", &["wrong-type: 1"]),
        ("either.number = true", &["wrong-type: true"]),
        ("free = [1979-05-27, 1.5, { a = \"b\" }]", &[]),
        ("free = [\"a\\u0000\"]", &["nul-byte: [\"a\\u0000\"]"]),
        ("colour = 1", &["unknown-key: colour"]),
        ("\"a\\u0000\" = 1", &["nul-byte: \"a\\u0000\""]),
    ] {
        assert_eq!(read_kinds(text).1, expected, "{text}");
    }
}

#[test]
fn a_wrong_value_spoils_no_other_one() {
    let text = "flag = 1\nnumber = 2\nchoice = \"blue\"\nlist = [\"a\", 1, \"b\"]\ncolour = 1\n\
                table = { number = true, x = 1 }\n";
    let (kinds, problems) = read_kinds(text);
    assert_eq!(
        problems,
        [
            "wrong-type: 1",
            "unknown-value: \"blue\"",
            "wrong-type: 1",
            "unknown-key: colour",
            "wrong-type: true",
            "unknown-key: x"
        ]
    );
    let Kinds { flag, number, text, choice, list, table, either, free } = kinds;
    assert!(matches!((flag, choice), (Slot::Invalid, Slot::Invalid)));
    assert!(text.is_absent() && either.is_absent() && free.is_absent());
    assert_eq!(number.value(), Some(2));
    let items: Vec<String> = list.items().unwrap().value.into_iter().map(|item| item.value).collect();
    assert_eq!(items, ["a", "b"]);
    assert!(matches!(table.value().unwrap().number, Slot::Invalid));
}

#[test]
fn every_value_has_its_place() {
    let text = "number = 1\nlist = [\"a\", \"b\"]\n[table]\nnumber = 2\n";
    let (kinds, problems) = read_kinds(text);
    assert_eq!(problems, [""; 0]);
    let number = kinds.number.present().unwrap();
    let list = kinds.list.items().unwrap();
    let table = kinds.table.present().unwrap();
    let inner = table.value.number.present().unwrap();
    for (key, span, expected) in [
        (&number.key, &number.span, ("number", "1")),
        (&list.key, &list.span, ("list", "[\"a\", \"b\"]")),
        (&list.value[1].key, &list.value[1].span, ("\"b\"", "\"b\"")),
        (&table.key, &table.span, ("table", "[table]")),
        (&inner.key, &inner.span, ("number", "2")),
    ] {
        assert_eq!((&text[key.clone()], &text[span.clone()]), expected);
    }
}

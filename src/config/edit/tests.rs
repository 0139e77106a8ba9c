//! Whatever the document: what is not concerned stays byte for byte, and what is new looks like its neighbours.

use proptest::prelude::*;
use toml::{Table, Value};

use super::*;
use crate::config::variables::resolved;
use crate::model::Field;

fn uris(uris: &[&str]) -> Written {
    Written::Uris(uris.iter().map(|uri| (*uri).to_owned()).collect())
}

fn block(client_id: &str) -> Block {
    Block {
        client_id: ClientId::new(client_id),
        lines: vec![
            Line::Field(Field::ClientType.into(), Written::Text("public".to_owned())),
            Line::Field(Field::RedirectUris.into(), uris(&["https://1.example/", "https://2.example/"])),
        ],
    }
}

fn added(text: &str, client_ids: &[&str]) -> String {
    let changes = Changes { add: client_ids.iter().map(|id| block(id)).collect(), ..Changes::default() };
    edit(text, changes, &BTreeMap::new()).unwrap().text
}

fn set(text: &str, client_id: &str, field: impl Into<Attribute>, value: Written) -> Edited {
    let assignment = Assignment { client_id: ClientId::new(client_id), field: field.into(), value };
    edit(text, Changes { set: vec![assignment], ..Changes::default() }, &BTreeMap::new()).unwrap()
}

/// The application of a client id, as a reader of the file finds it.
fn find(text: &str, client_id: &str) -> Option<Table> {
    let document: Table = text.trim_start_matches('\u{feff}').parse().unwrap();
    let applications = document.get("applications")?.as_table()?.clone();
    applications.into_iter().find_map(|(name, table)| {
        let table = table.as_table()?.clone();
        let id = table.get("client_id").and_then(Value::as_str);
        let id = id.map_or_else(|| name.clone(), |id| resolved(id, &BTreeMap::new()).into_owned());
        (id == client_id).then_some(table)
    })
}

/// Whether `new` is `old` with text put in at one place.
fn is_insertion(old: &str, new: &str) -> bool {
    let common = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
    let at_end = old.bytes().rev().zip(new.bytes().rev()).take_while(|(a, b)| a == b).count();
    common + at_end >= old.len()
}

#[test]
fn new_applications_look_like_their_neighbours() {
    let documents = [
        ("empty", ""),
        ("only_a_comment", "# Ours.\n"),
        ("no_newline_at_the_end", "[policy]\nmax_deletes = 3"),
        (
            "headers_in_the_middle",
            "[applications.a]\nname = \"A\"  # first\n# client_secret = { env = \"A\" }\n\n# What may happen.\n[policy]\nmax_deletes = 3\n",
        ),
        ("compact", "[applications.a]\nname = \"A\"\n# What may happen.\n[policy]\nmax_deletes = 3\n"),
        (
            "indented_with_sub_tables",
            "  [applications.a]\n\tname = \"A\"\n  [applications.a.user]\n\tusername = \"ops\"\n\n[cleanup]\n",
        ),
        (
            "dotted",
            "[applications]\na.name = \"A\"\na.client_type = \"public\"\n# a.algorithm = \"\"\n\n[cleanup]\n",
        ),
        ("dotted_from_the_top", "applications.a.name = \"A\"\n\n[cleanup]\n"),
        ("inline", "[applications]\na = { name = \"A\" } # first\n\n[cleanup]\n"),
        ("inline_throughout", "applications = { a = { name = \"A\" } }\n[cleanup]\n"),
        ("inline_and_empty", "applications = {}\n"),
        ("a_header_without_applications", "[applications]\n# None yet.\n\n[cleanup]\n"),
        ("windows", "\u{feff}[applications.a]\r\nname = \"A\"\r\n\r\n[cleanup]\r\n"),
        ("a_name_that_is_taken", "[applications.web]\nclient_id = \"other\"\n"),
    ];
    let mut shown = String::new();
    for (name, text) in documents {
        let new = added(text, &["web", "with.dots and ünïcode\u{202e}\n"]);
        assert!(is_insertion(text, &new), "{name}:\n{new}");
        for client_id in ["web", "with.dots and ünïcode\u{202e}\n"] {
            let found = find(&new, client_id).unwrap_or_else(|| panic!("{name}: {client_id}\n{new}"));
            assert_eq!(found["redirect_uris"].as_array().unwrap().len(), 2, "{name}");
        }
        let visible = new.replace('\u{feff}', "[bom]").replace('\r', "[cr]").replace('\t', "[tab]");
        shown.push_str(&format!("=== {name}\n{visible}"));
    }
    insta::assert_snapshot!(shown);
}

const STYLES: [&str; 7] = [
    "# Top.\n[applications.web] # Web.\n# Names.\nname = 'Shop' # shown\nuser = { username = \"ops\" }\n\n[cleanup] # Last.\n",
    "[applications.web]\nname = \"Shop\"\n\n  [applications.web.user]\n  username = \"ops\" # who\n",
    "[applications]\nweb.name = \"Shop\" # shown\nweb.user.username = \"ops\"\nother.name = \"O\"\n",
    "applications.web.name = \"Shop\"\napplications . web . user = { username = 'ops' }\n[cleanup]\n",
    "[applications]\nweb = { name = \"Shop\", user = { username = \"ops\" } } # all\n",
    "applications = { web = { name = \"Shop\", user.username = \"ops\" } }",
    "applications = { web.name = \"Shop\", web.user.username = \"ops\" }\r\n",
];

#[test]
fn a_value_is_replaced_where_it_stands() {
    for text in STYLES {
        let renamed = set(text, "web", Field::Name, Written::Text("A \"new\" name".to_owned()));
        assert_eq!(
            renamed.text.replace("\"A \\\"new\\\" name\"", "\"Shop\""),
            text.replace("'Shop'", "\"Shop\"")
        );
        let given = set(text, "web", Field::User, Written::User(Named::new("username", "dev")));
        assert_eq!(given.text.replace("\"dev\"", "\"ops\""), text.replace("'ops'", "\"ops\""));
    }
}

#[test]
fn a_missing_key_is_added_in_the_style_of_its_table() {
    let mut shown = String::new();
    for text in STYLES {
        let new = set(text, "web", Field::SkipAuthorization, Written::Flag(true)).text;
        assert!(is_insertion(text, &new), "{new}");
        assert_eq!(find(&new, "web").unwrap()["skip_authorization"].as_bool(), Some(true), "{new}");
        shown.push_str(&format!("===\n{}", new.replace('\r', "[cr]")));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_list_keeps_what_stays() {
    let text = "[applications.web]\r\nredirect_uris = [\r\n  # Ours.\r\n  'https://a.example/', # first\r\n  \
                \"https://b.example/\",\r\n  # Theirs.\r\n  \"https://c.example/\",\r\n] # all\r\nname = \"\"\r\n";
    let wanted = uris(&["https://a.example/", "https://c.example/", "https://d.example/"]);
    insta::assert_snapshot!(set(text, "web", Field::RedirectUris, wanted).text.replace('\r', "[cr]"));
    let cleared = set(text, "web", Field::RedirectUris, uris(&[])).text;
    assert_eq!(find(&cleared, "web").unwrap()["redirect_uris"].as_array().unwrap().len(), 0);
    let one_line = "[applications.web]\nredirect_uris = [ \"https://a.example/\" ]\n";
    let wanted = uris(&["https://b.example/", "https://a.example/"]);
    assert_eq!(
        set(one_line, "web", Field::RedirectUris, wanted).text,
        "[applications.web]\nredirect_uris = [ \"https://a.example/\", \"https://b.example/\" ]\n"
    );
    for (text, wanted, expected) in [
        ("['a', 'b', 'c']", &["b"][..], "['b']"),
        ("['a', 'b', ]", &["a"], "['a', ]"),
        ("['a', 'b',]", &["a", "c"], "['a', \"c\", ]"),
        ("[\n  'a', 'b'\n]", &["a", "c"], "[\n  'a', \"c\"\n]"),
        ("[\n  'a', # x\n  'b' # y\n]", &["a"], "[\n  'a', # x\n]"),
        ("[\n  'a' # x\n]", &["a", "b"], "[\n  'a', # x\n  \"b\",\n]"),
        ("[\n  'a' # x\n  , 'b']", &["a"], "[\n  'a' # x\n  , ]"),
        ("[]", &["a"], "[\"a\"]"),
        ("['a']", &[], "[]"),
    ] {
        let wanted: Vec<String> = wanted.iter().map(|item| (*item).to_owned()).collect();
        assert_eq!(
            array::merged(text, &wanted, Newline::Unix, &BTreeMap::new()).unwrap(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn items_with_variables_stay_while_they_have_a_wanted_value() {
    let variables = BTreeMap::from([("domain".to_owned(), "example.com".to_owned())]);
    let text = "['https://${var.domain}/a', 'https://${var.domain}/b']";
    let wanted = ["https://example.com/b", "a${var.c"].map(str::to_owned);
    assert_eq!(
        array::merged(text, &wanted, Newline::Unix, &variables).unwrap(),
        "['https://${var.domain}/b', \"a$${var.c\"]"
    );
}

#[test]
fn columns_have_their_place_in_every_style() {
    let column = |name: &str| Attribute::Column(name.to_owned());
    let value = |value| Written::Column(value);
    let mut shown = String::new();
    let styles = [
        "[applications.web]\nname = \"Shop\"\ncolumns.tenant = 1 # ours\n\n[cleanup]\n",
        "[applications.web]\nname = \"Shop\"\ncolumns = { tenant = 1 }\n",
        "[applications.web]\nname = \"Shop\"\ncolumns = {}\n",
        "[applications.web]\nname = \"Shop\"\n\n  [applications.web.columns] # ours\n  tenant = 1 # one\n\n[cleanup]\n",
        "[applications.web.columns]\ntenant = 1\n",
        "[applications]\nweb.name = \"Shop\"\nweb.columns.tenant = 1\n",
        "[applications]\nweb = { name = \"Shop\", columns.tenant = 1 }\n",
        "applications = { web = { name = \"Shop\", columns = { tenant = 1 } } }\n",
        "[applications.web]\nname = \"Shop\"\n",
    ];
    for text in styles {
        let new = set(text, "web", column("größe"), value(ColumnValue::Float(2.0))).text;
        let new = set(&new, "web", column("tenant"), value(ColumnValue::Integer(7))).text;
        let nested = ColumnValue::Nested(serde_json::json!({ "a b": [1, 0.5, true, "x"] }));
        let new = set(&new, "web", column("more"), value(nested)).text;
        let columns = find(&new, "web").unwrap()["columns"].clone();
        let expected: Table = "größe = 2.0\ntenant = 7\nmore = { 'a b' = [1, 0.5, true, 'x'] }"
            .replace("größe", "'größe'")
            .parse()
            .unwrap();
        assert_eq!(columns.as_table().unwrap(), &expected, "{new}");
        shown.push_str(&format!("===\n{new}"));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn what_has_no_place_is_left_and_named() {
    let text = "[applications.web.user]\nusername = \"ops\"\n";
    let edited = set(text, "web", Field::User, Written::UserKey("7".to_owned()));
    assert_eq!((edited.text.as_str(), edited.left.len()), (text, 1));
    let text = "[applications.web]\nclient_secret = { env = \"WEB\" }\n";
    let hash = crate::hasher::EncodedHash::parse(
        "pbkdf2_sha256$1$salt$fUeF88U6jACxTcz+0g4E0LA6RKHP32pua2Q3m+bnf2s=",
    );
    let edited = set(text, "web", Field::ClientSecret, Written::Hash(hash.unwrap()));
    assert_eq!((edited.text.as_str(), edited.left.len()), (text, 1));
}

#[test]
fn applications_that_are_no_table_are_an_error() {
    assert!(matches!(
        edit("applications = 3", Changes::default(), &BTreeMap::new()),
        Err(EditError::NotATable)
    ));
    assert!(matches!(
        edit("applications = ", Changes::default(), &BTreeMap::new()),
        Err(EditError::Syntax(_))
    ));
}

/// A document out of pieces that are valid in any order, in one of the styles, with either line ending.
fn document() -> impl Strategy<Value = String> {
    let comment =
        prop::sample::select(vec!["", "# A note.\n", "\n", "\n# Another [one].\n\n", "   \n#\tx\n"]);
    let other = prop::sample::select(vec![
        "[policy]\nmax_deletes = 3",
        "[cleanup] # c",
        "[[removed]]\nclient_id = 'r'",
    ]);
    let app = prop::sample::select(vec![
        "name = \"A\"",
        "  name = 'A' # c",
        "redirect_uris = [ # u\n  \"a\", # of a\n  'b' # of b\n]",
        "client_secret = { env = \"X\" }\nprotect = true",
        "",
    ]);
    let tables = prop::collection::vec((comment.clone(), app, comment.clone()), 0..4).prop_map(|apps| {
        apps.into_iter()
            .enumerate()
            .map(|(number, (before, body, after))| {
                format!("{before}[applications.a{number}]\n{body}\n{after}")
            })
            .collect::<Vec<_>>()
            .concat()
    });
    let flat = (0_usize..4, 0..3).prop_map(|(count, style)| {
        let line = |number| match style {
            0 => format!("a{number}.name = \"A\" # c\n"),
            1 => format!("a{number} = {{ name = \"A\", redirect_uris = [] }}\n"),
            _ => format!("\"a{number}\" . name = 'A'\n"),
        };
        format!("[applications]\n{}", (0..count).map(line).collect::<Vec<_>>().concat())
    });
    let applications = prop_oneof![tables, flat];
    let end = any::<bool>();
    (comment.clone(), prop::option::of(other), comment, applications, end, end).prop_map(
        |(top, other, between, applications, is_windows, ends_in_newline)| {
            let other = other.map(|other| format!("{other}\n")).unwrap_or_default();
            let mut text = format!("{top}{applications}{between}{other}");
            if !ends_in_newline {
                text.truncate(text.trim_end_matches('\n').len());
            }
            if is_windows { text.replace('\n', "\r\n") } else { text }
        },
    )
}

/// Text as databases hold it: anything but NUL.
fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>().prop_filter("NUL", |c| *c != '\0'), 1..12)
        .prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn nothing_but_the_new_applications_is_new(text in document(), ids in prop::collection::btree_set(any_text(), 1..4), name in any_text()) {
        let add: Vec<Block> = ids
            .iter()
            .map(|id| Block {
                client_id: ClientId::new(id),
                lines: vec![
                    Line::Omitted { field: Field::Algorithm.into(), value: Some(Written::Text(name.clone())), why: name.clone(), hint: None },
                    Line::Field(Field::Name.into(), Written::Text(name.clone())),
                ],
            })
            .collect();
        let new = edit(&text, Changes { add, ..Changes::default() }, &BTreeMap::new()).unwrap().text;
        prop_assert!(is_insertion(&text, &new), "{new}");
        for id in &ids {
            let found = find(&new, id);
            let written = found.as_ref().map(|table| resolved(table["name"].as_str().unwrap(), &BTreeMap::new()));
            prop_assert_eq!(written.as_deref(), Some(name.as_str()));
        }
        for number in 0..4 {
            let id = format!("a{number}");
            if !ids.contains(&id) {
                prop_assert_eq!(find(&new, &id), find(&text, &id));
            }
        }
        // In the line endings of the file.
        let bare = |text: &str| text.replace("\r\n", "").matches('\n').count();
        prop_assert_eq!(text.contains("\r\n") && bare(&new) > 0, false, "{:?}", new);
    }

    #[test]
    fn nothing_but_the_key_is_changed(text in document(), name in any_text(), list in prop::collection::vec("[a-c]", 0..4)) {
        for (field, value) in [(Field::Name, Written::Text(name)), (Field::RedirectUris, Written::Uris(list.clone()))] {
            let new = set(&text, "a0", field, value.clone()).text;
            let Some(mut expected) = find(&text, "a0") else {
                prop_assert_eq!(&new, &text);
                continue;
            };
            let mut found = find(&new, "a0").unwrap();
            let written = found.remove(field.key()).unwrap();
            expected.remove(field.key());
            prop_assert_eq!(found, expected);
            if let Written::Text(name) = value {
                let written = resolved(written.as_str().unwrap(), &BTreeMap::new());
                prop_assert_eq!(written, name);
            } else {
                let items = written.as_array().unwrap().iter().map(|item| item.as_str().unwrap());
                let wanted: BTreeSet<&str> = list.iter().map(String::as_str).collect();
                prop_assert_eq!(items.collect::<BTreeSet<_>>(), wanted);
            }
            for id in ["a1", "a2"] {
                prop_assert_eq!(find(&new, id), find(&text, id));
            }
            let comments = |text: &str| text.matches("# c").count() + text.matches("note").count();
            prop_assert_eq!(comments(&new), comments(&text));
            for item in list.iter().filter(|_| field == Field::RedirectUris) {
                let comment = format!("# of {item}\n");
                let windows = comment.replace('\n', "\r\n");
                let has = |text: &str| text.contains(&comment) || text.contains(&windows);
                let first = text.find("a1").unwrap_or(text.len());
                prop_assert!(!has(&text[..first]) || has(&new), "{}", new);
            }
        }
    }
}

//! Columns of the project's own.

use super::*;

/// What PostgreSQL is said to make of a value.
fn rendering(actual: &mut Actual, column: &str, given: &str, rendered: Result<&str, &str>) {
    let rendered = rendered.map(str::to_owned).map_err(str::to_owned);
    actual.renderings.insert((column.to_owned(), given.to_owned()), rendered);
}

#[test]
fn columns_are_compared_in_the_form_of_postgresql() {
    let mut actual = database(&["web"]);
    let text = |text: &str| ColumnValue::Text(text.to_owned());
    for (name, kind, given, rendered, stored) in [
        ("a_same", ColumnKind::Other, "1 day", "1 day", Some("1 day")),
        ("b_scale", ColumnKind::Decimal, "1.5", "1.50", Some("1.500")),
        ("c_null", ColumnKind::Flag, "true", "true", None),
        ("d_json", ColumnKind::Json, "\"x\"", "\"x\"", Some("\"y\"")),
        ("e_ignored", ColumnKind::Text, "x", "x", Some("y")),
    ] {
        actual.custom.insert(name.to_owned(), CustomColumn { max_length: None, ..custom(kind) });
        rendering(&mut actual, name, given, Ok(rendered));
        let row = actual.applications.get_mut(&id("web")).unwrap();
        row.fields.columns.insert(name.to_owned(), stored.map(str::to_owned));
    }
    let mut declared = Declared::default();
    declared.application.columns = [
        ("a_same", text("1 day")),
        ("b_scale", ColumnValue::Float(1.5)),
        ("c_null", ColumnValue::Flag(true)),
        ("d_json", text("x")),
        ("e_ignored", text("x")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    declared.ignore.insert(Attribute::Column("e_ignored".to_owned()));
    let plan = planned(&desired(vec![("web", declared)]), &actual);
    let [Step::Update { changes, unchanged, .. }] = plan.steps.as_slice() else { panic!("{plan:?}") };
    let shown: Vec<_> =
        changes.iter().map(|change| (change.field.to_string(), &change.before, &change.after)).collect();
    assert_eq!(
        shown,
        [
            ("columns.c_null".to_owned(), &Value::Absent, &Value::Flag(true)),
            (
                "columns.d_json".to_owned(),
                &Value::Literal("\"y\"".to_owned()),
                &Value::Literal("\"x\"".to_owned())
            ),
        ]
    );
    assert_eq!(*unchanged, 2);
    assert!(!plan.steps[0].may_break_clients());
}

#[test]
fn columns_that_cannot_be_as_declared_are_found() {
    let mut actual = database(&["web"]);
    actual.custom = [
        ("tenant_id", custom(ColumnKind::Integer(0, 9))),
        ("total", CustomColumn { generated: true, ..custom(ColumnKind::Integer(0, 9)) }),
        ("api_key", custom(ColumnKind::Text)),
        ("code", custom(ColumnKind::Text)),
        ("mood", CustomColumn { max_length: None, ..custom(ColumnKind::Other) }),
        ("padded", custom(ColumnKind::Text)),
    ]
    .map(|(name, column)| (name.to_owned(), column))
    .into();
    rendering(&mut actual, "mood", "angry", Err("invalid input value for enum mood"));
    rendering(&mut actual, "padded", "x ", Ok("x"));
    let text = |text: &str| ColumnValue::Text(text.to_owned());
    let mut declared = Declared::default();
    declared.application.columns = [
        ("tenant_id", text("7")),
        ("total", ColumnValue::Integer(1)),
        ("api_key", text("x")),
        ("code", text("überlang")),
        ("mood", text("angry")),
        ("padded", text("x ")),
        ("tenant", ColumnValue::Integer(1)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    insta::assert_snapshot!(findings(&desired(vec![("web", declared)]), &actual).join("\n"));
}

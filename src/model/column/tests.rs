//! Whose a column is, and what fits it.

use super::*;

#[test]
fn a_column_of_dots_names_its_key() {
    assert_eq!(column_owner("user_id"), ColumnOwner::Dot(Some("user")));
    assert_eq!(column_owner("redirect_uris"), ColumnOwner::Dot(Some("redirect_uris")));
    assert_eq!(column_owner("client_id"), ColumnOwner::Dot(Some("client_id")));
    assert_eq!(column_owner("updated"), ColumnOwner::Dot(None));
    assert_eq!(column_owner("tenant_id"), ColumnOwner::Project);
}

#[test]
fn values_fit_their_kind_only() {
    let text = ColumnValue::Text("1".to_owned());
    let small = ColumnKind::Integer(-32_768, 32_767);
    assert_eq!(small.accept(&ColumnValue::Integer(7)).unwrap(), "7");
    assert_eq!(small.accept(&ColumnValue::Integer(32_768)), Err(Misfit::Range(-32_768, 32_767)));
    for kind in [small, ColumnKind::Float, ColumnKind::Flag, ColumnKind::Moment(Moment::Date)] {
        assert!(matches!(kind.accept(&text), Err(Misfit::Kind(_))), "{kind:?}");
    }
    assert_eq!(ColumnKind::Decimal.accept(&text).unwrap(), "1");
    assert_eq!(ColumnKind::Json.accept(&text).unwrap(), "\"1\"");
    assert_eq!(ColumnKind::Json.accept(&ColumnValue::Float(f64::NAN)), Err(Misfit::NoJsonNumber));
    let instant = ColumnValue::Moment(Moment::Instant, "2026-01-01T00:00:00Z".to_owned());
    assert!(ColumnKind::Moment(Moment::Local).accept(&instant).is_err());
}

#[test]
fn what_a_file_cannot_say_is_not_read() {
    for (kind, text) in [
        (ColumnKind::Json, "null"),
        (ColumnKind::Json, "{\"a\": [1, null]}"),
        (ColumnKind::Json, "18446744073709551615"),
        (ColumnKind::Moment(Moment::Instant), "infinity"),
        (ColumnKind::Moment(Moment::Date), "12026-01-01"),
        (ColumnKind::Moment(Moment::Time), "24:00:00"),
    ] {
        assert_eq!(kind.read(text), None, "{text}");
    }
    assert_eq!(ColumnKind::Decimal.read("1.50"), Some(ColumnValue::Float(1.5)));
    let exact = "0.12345678901234567890";
    assert_eq!(ColumnKind::Decimal.read(exact), Some(ColumnValue::Text(exact.to_owned())));
    assert_eq!(ColumnKind::Decimal.read("NaN"), Some(ColumnValue::Text("NaN".to_owned())));
    assert!(ColumnKind::Json.same("{\"a\": 1, \"b\": 1.50}", "{\"b\": 1.5, \"a\": 1}"));
    assert!(ColumnKind::Decimal.same("1.00", "1"));
}

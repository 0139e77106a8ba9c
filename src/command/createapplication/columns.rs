//! `--column NAME=VALUE`: columns of the project's own, as a file declares them. What the columns cannot be, the planner
//! finds. Pure.

use std::collections::BTreeMap;

use super::complaint::Complaint;
use crate::config::column_value;
use crate::db::applications::kind_of;
use crate::db::layout::Layout;
use crate::error::Error;
use crate::model::shell_word;
use crate::model::{Attribute, ColumnOwner, ColumnValue, Unfilled, column_owner};
use crate::ui::plan::visible;

/// A flag's value in two.
pub(super) fn parse(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE, such as tenant_id=7".to_owned()),
    }
}

/// Refuses a column that has two values.
pub(super) fn check(given: &[(String, String)]) -> Result<(), Error> {
    let is_second = |at: usize, name: &String| given.iter().take(at).any(|(earlier, _)| earlier == name);
    match given.iter().enumerate().find(|(at, (name, _))| is_second(*at, name)) {
        Some((_, (name, _))) => Err(Error::usage(format!("--column {} is given twice", visible(name)))),
        None => Ok(()),
    }
}

/// The values of the flags over those of `[defaults.columns]`.
pub(super) fn read(
    given: &[(String, String)],
    defaults: &BTreeMap<String, ColumnValue>,
    layout: &Layout,
) -> Result<BTreeMap<String, ColumnValue>, Vec<Complaint>> {
    let (mut columns, mut complaints) = (defaults.clone(), Vec::new());
    for (name, text) in given {
        if let ColumnOwner::Dot(key) = column_owner(name) {
            let hint = match key {
                Some(_) => "it has a flag or an argument of its own: `oauthctl createapplication --help`",
                None => "DOT writes it by itself; leave it out",
            };
            complaints.push(Complaint {
                field: Attribute::Column(name.clone()).to_string().into(),
                message: "is a column of DOT's own".to_owned(),
                hint: Some(hint.to_owned()),
            });
            continue;
        }
        // Without such a column the planner complains, whatever the value is.
        let value = match kind_of(layout.application(), name) {
            Some(kind) => column_value(kind, text),
            None => ColumnValue::Text(text.clone()),
        };
        columns.insert(name.clone(), value);
    }
    if complaints.is_empty() { Ok(columns) } else { Err(complaints) }
}

/// The flags that give columns a value, with what most applications have.
pub(super) fn flags(columns: &[Unfilled]) -> String {
    let flag = |column: &Unfilled| {
        let usual = column.usual.clone().filter(|_| column.usual().is_some());
        let value = usual.unwrap_or_else(|| column.kind.example().trim_matches('"').to_owned());
        format!("--column {}", shell_word(&format!("{}={value}", column.name)))
    };
    columns.iter().map(flag).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ColumnKind;

    #[test]
    fn flags_can_be_typed() {
        let column = |name: &str, kind, usual: Option<&str>| Unfilled {
            name: name.to_owned(),
            kind,
            usual: usual.map(str::to_owned),
        };
        let columns = [
            column("active", ColumnKind::Flag, Some("true")),
            column("logo", ColumnKind::Text, None),
            column("motto", ColumnKind::Text, Some("it's ours")),
            column("settings", ColumnKind::Json, Some("{\"a\": null}")),
        ];
        let typed =
            r"--column active=true --column logo= --column 'motto=it'\''s ours' --column 'settings={}'";
        assert_eq!(flags(&columns), typed);
    }

    #[test]
    fn a_flag_is_a_name_and_a_value() {
        assert_eq!(parse("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(parse("a="), Ok(("a".to_owned(), String::new())));
        assert!(parse("a").is_err());
        assert!(parse("=a").is_err());
    }
}

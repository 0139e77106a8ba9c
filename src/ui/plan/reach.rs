//! Who depends on an application, in a line below what happens to it.

use super::{grouped, plural, visible};
use crate::model::{Dependents, ForeignRows, OnDelete, Treatment};
use crate::ui::{DIM, RED, YELLOW, paint};

/// What is lost with an application, a line for each kind.
pub(in crate::ui) fn dies_with(dependents: &Dependents, others: &[ForeignRows]) -> Vec<String> {
    let own = (dependents.rows() > 0 || others.is_empty()).then(|| dots_own(dependents));
    let others = others.iter().map(|rows| format!("{} also {}", paint(RED, "!"), visible(&along(rows))));
    own.into_iter().chain(others).collect()
}

/// What happens to rows of another table.
fn along(rows: &ForeignRows) -> String {
    let ForeignRows {
        table,
        column,
        constraint,
        on_delete: _,
        treatment,
        rows,
        name: _,
        not_null: _,
        declared: _,
    } = rows;
    let (count, unknown) = match rows {
        Some(rows) => (plural(*rows, "row"), ""),
        None => ("rows".to_owned(), "; this role may not count them"),
    };
    let what = match treatment {
        Treatment::Refuse | Treatment::OnDelete(OnDelete::NoAction | OnDelete::Restrict) => {
            format!("requires {count} of {table} to be deleted first")
        }
        Treatment::Delete | Treatment::Link | Treatment::OnDelete(OnDelete::Cascade) => {
            format!("deletes {count} of {table}")
        }
        Treatment::Null | Treatment::OnDelete(OnDelete::SetNull) => {
            format!("sets {column} of {count} of {table} to NULL")
        }
        Treatment::OnDelete(OnDelete::SetDefault) => {
            format!("sets {column} of {count} of {table} to its default")
        }
    };
    format!("{what} ({}, {constraint}){unknown}", treatment.reason())
}

/// The same below a list of numbers: how many, and what happens to them.
#[must_use]
pub fn number_and_fate(rows: &ForeignRows) -> (String, String) {
    let ForeignRows {
        table,
        column,
        constraint: _,
        on_delete: _,
        treatment,
        rows,
        name: _,
        not_null: _,
        declared: _,
    } = rows;
    let count = rows.map_or_else(|| "?".to_owned(), grouped);
    let noun = if *rows == Some(1) { "row" } else { "rows" };
    (
        count,
        visible(&format!("{noun} of {table} ({column}): {} ({})", treatment.effect(), treatment.reason())),
    )
}

/// The same, once it has happened.
pub(super) fn went_along(rows: &ForeignRows) -> String {
    let ForeignRows {
        table,
        column,
        constraint,
        on_delete: _,
        treatment,
        rows,
        name: _,
        not_null: _,
        declared: _,
    } = rows;
    let count = rows.map_or_else(|| "An unknown number of rows".to_owned(), |rows| plural(rows, "row"));
    let what = match treatment {
        Treatment::Refuse | Treatment::OnDelete(OnDelete::NoAction | OnDelete::Restrict) => {
            "stayed".to_owned()
        }
        Treatment::Delete | Treatment::Link | Treatment::OnDelete(OnDelete::Cascade) => {
            "deleted with it".to_owned()
        }
        Treatment::Null | Treatment::OnDelete(OnDelete::SetNull) => format!("{column} set to NULL"),
        Treatment::OnDelete(OnDelete::SetDefault) => format!("{column} set to its default"),
    };
    visible(&format!("{count} of {table}: {what} ({}, {constraint}).", treatment.reason()))
}

/// Rows of DOT's own tables.
fn dots_own(dependents: &Dependents) -> String {
    let Dependents {
        access_tokens,
        access_tokens_live,
        refresh_tokens,
        refresh_tokens_live,
        id_tokens,
        grants,
        grants_live: _,
        users,
    } = *dependents;
    if [access_tokens, refresh_tokens, id_tokens, grants] == [0; 4] {
        return "nothing depends on it".to_owned();
    }
    let live =
        |count: u64, live: u64, noun: &str| format!("{} ({} live)", plural(count, noun), grouped(live));
    let parts = [
        (access_tokens, live(access_tokens, access_tokens_live, "access token")),
        (refresh_tokens, live(refresh_tokens, refresh_tokens_live, "refresh token")),
        (id_tokens, plural(id_tokens, "ID token")),
        (grants, plural(grants, "authorization code")),
    ];
    let listed: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
    let reach =
        if users > 0 { format!("; {} would be signed out", plural(users, "user")) } else { String::new() };
    format!("{} also deletes {}{reach}", paint(RED, "!"), listed.join(", "))
}

/// Who may notice a change.
pub(in crate::ui) fn in_use(dependents: &Dependents) -> String {
    let Dependents {
        access_tokens: _,
        access_tokens_live,
        refresh_tokens: _,
        refresh_tokens_live,
        id_tokens: _,
        grants: _,
        grants_live,
        users,
    } = *dependents;
    let parts = [
        (access_tokens_live, "live access token"),
        (refresh_tokens_live, "live refresh token"),
        (grants_live, "live authorization code"),
    ];
    let listed: Vec<String> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, noun)| plural(count, noun)).collect();
    if listed.is_empty() {
        return paint(DIM, "# no live tokens");
    }
    let of = if users > 0 { format!(" of {}", plural(users, "user")) } else { String::new() };
    format!("{} in use: {}{of}", paint(YELLOW, "!"), listed.join(", "))
}

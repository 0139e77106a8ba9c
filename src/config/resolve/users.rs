//! `user`: the owner, by primary key or by what a column of the user table has for no other user. Whether there is such
//! a user, only a database knows.

use super::Context;
use crate::config::document::User;
use crate::config::problem::Problem;
use crate::config::slot::{Placed, Slot};
use crate::config::suggest::quoted;
use crate::config::values::{NumberOrText, OrTable, UserKey, UserValue};
use crate::model::{Named, UserRef, announces_secret};

const FORMS: &str = "write { username = \"NAME\" }, { email = \"ADDRESS\" }, { column = \"COLUMN\", value = \"VALUE\" }, or \
                     the primary key";

pub(super) fn owner(user: Placed<OrTable<UserKey, User>>, context: &Context<'_>) -> Option<UserRef> {
    let Placed { span, value, .. } = user;
    let User { username, email, column, value } = match value {
        OrTable::Plain(UserKey(NumberOrText::Number(key))) => return Some(UserRef::Key(key.to_string())),
        OrTable::Plain(UserKey(NumberOrText::Text(key))) if key.is_empty() => {
            return context.reject(Problem::error("empty", "`user` is empty").at(span));
        }
        OrTable::Plain(UserKey(NumberOrText::Text(key))) => return Some(UserRef::Key(key)),
        OrTable::Table(table) => table,
    };
    let is_other = !column.is_absent() || !value.is_absent();
    let forms = [!username.is_absent(), !email.is_absent(), is_other];
    match forms.into_iter().filter(|is_written| *is_written).count() {
        1 => {}
        0 => {
            let problem = Problem::error("missing-key", "the table does not say which user").at(span);
            return context.reject(problem.hint(FORMS));
        }
        _ => {
            let problem = Problem::error("several-users", "the table names a user in several ways").at(span);
            return context.reject(problem.hint(FORMS));
        }
    }
    if !is_other {
        let is_email = !email.is_absent();
        let (name, slot) = if is_email { (Named::EMAIL, email) } else { (Named::USERNAME, username) };
        return context.text(name, slot).map(|text| UserRef::Named(Named::new(name, text.value)));
    }
    let (is_column_missing, is_value_missing) = (column.is_absent(), value.is_absent());
    if is_column_missing || is_value_missing {
        let missing = if is_column_missing { "column" } else { "value" };
        let problem = Problem::error("missing-key", format!("`{missing}` is missing")).at(span);
        return context.reject(problem.hint(FORMS));
    }
    let (column, value) = (context.text("column", column), text(value, context));
    let column = column?;
    if announces_secret(&column.value) {
        let message = format!("the name of the column {} announces a secret", quoted(&column.value));
        return context.reject(Problem::error("invalid-value", message).at(column.span).hint(FORMS));
    }
    Some(UserRef::Named(Named::new(column.value, value?)))
}

/// A value, which may be a number.
fn text(value: Slot<UserValue>, context: &Context<'_>) -> Option<String> {
    let Placed { span, value: UserValue(value), .. } = value.present()?;
    match value {
        NumberOrText::Number(number) => Some(number.to_string()),
        NumberOrText::Text(text) if text.is_empty() => {
            context.reject(Problem::error("empty", "`value` is empty").at(span))
        }
        NumberOrText::Text(text) => Some(text),
    }
}

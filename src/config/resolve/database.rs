//! `[database]`: where the database is and how its tables are called.

use super::{Context, secrets};
use crate::config::Database;
use crate::config::Presence;
use crate::config::document::{Database as Section, Reference, Tables};
use crate::config::places::Places;
use crate::config::problem::Problem;
use crate::config::slot::{Placed, Slot};
use crate::config::values::{Confidential, OrTable};
use crate::model::{TableNames, TableRole};
use crate::secret::Secret;

pub(super) fn resolve(section: Slot<Section>, context: &Context<'_>, places: &mut Places) -> Database {
    let Some(Section { url, schema, tables }) = section.value() else { return Database::default() };
    let url = url.present();
    let written = url.is_some();
    let url = url.and_then(|url| {
        let place = url.with(());
        // Not needed where the command line or the environment names another database.
        let context = &Context { presence: Presence::Optional, ..*context };
        location(url, context).map(|url| places.note("database", "url", place.with(url)))
    });
    let unresolved = written && url.is_none();
    let schema = context.text("schema", schema).map(|schema| places.note("database", "schema", schema));
    let mut names = TableNames { schema, ..TableNames::default() };
    if let Some(tables) = tables.value() {
        for (role, slot) in by_role(tables) {
            if let Some(name) = context.text(role.key(), slot) {
                names.swapped.insert(role, places.note("database.tables", role.key(), name));
            }
        }
    }
    Database { url, unresolved, tables: names }
}

fn by_role(tables: Tables) -> [(TableRole, Slot<String>); 7] {
    let Tables { application, access_token, refresh_token, id_token, grant, device_grant, par_request } =
        tables;
    [
        (TableRole::Application, application),
        (TableRole::AccessToken, access_token),
        (TableRole::RefreshToken, refresh_token),
        (TableRole::IdToken, id_token),
        (TableRole::Grant, grant),
        (TableRole::DeviceGrant, device_grant),
        (TableRole::ParRequest, par_request),
    ]
}

/// A connection string from a reference, or from the file itself.
fn location(url: Placed<OrTable<Confidential, Reference>>, context: &Context<'_>) -> Option<Secret> {
    match url.value {
        OrTable::Table(reference) => secrets::reference(reference, &url.span, context),
        OrTable::Plain(Confidential(url_text)) => {
            if holds_password(url_text.expose()) {
                context.push(
                    Problem::warning("password-in-file", "the connection string holds a password")
                        .at(url.span)
                        .label("not shown")
                        .hint("write url = { env = \"DATABASE_URL\" }, or keep the password in ~/.pgpass"),
                );
            }
            Some(url_text)
        }
    }
}

/// Whether a connection string, in either of libpq's forms, names a password.
fn holds_password(url: &str) -> bool {
    let in_parameters = url.split(['?', '&', ' ']).any(|part| part.trim_start().starts_with("password"));
    let authority = url.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    in_parameters || user.is_some_and(|user| user.contains(':') && !user.ends_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_found_in_both_forms() {
        for (url, expected) in [
            ("postgres://db/app", false),
            ("postgres://ops@db:5432/app", false),
            ("postgres://ops:@db/app", false),
            ("postgres://ops:x@db/app", true),
            ("postgres://ops:x@[::1]:5432,other/app?sslmode=require", true),
            ("postgres://db/app?password=x", true),
            ("postgres://db/app?sslmode=require&password=x", true),
            ("host=db dbname=app", false),
            ("host=db password=x", true),
            ("host=db  password = x", true),
            ("postgres:///app?host=/run/postgresql", false),
        ] {
            assert_eq!(holds_password(url), expected, "{url}");
        }
    }
}

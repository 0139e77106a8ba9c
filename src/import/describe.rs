//! One row as lines of the file.

use super::Wish;
use crate::config::edit::{Line, Written};
use crate::config::{Problem, rule_problem, violations};
use crate::hasher::{Algorithm, EncodedHash};
use crate::model::{
    Application, Attribute, CustomColumn, CustomColumns, Field, Listed, Owner, Provider, SecretDeclaration,
    StoredFields, UserRef,
};
use crate::rules::split_list;

/// The lines of an application, in the order of [`Field::ALL`]. What the file may not hold is left out with a reason.
///
/// # Errors
/// Why no file can declare it.
pub fn describe(
    row: &Listed,
    custom: &CustomColumns,
    provider: &Provider,
    wish: Wish,
) -> Result<Vec<Line>, String> {
    let client_id = &row.stored.client_id;
    let mut lines: Vec<Line> =
        Field::ALL.iter().copied().filter_map(|field| line(row, field, wish)).collect();
    lines.extend(custom.iter().filter_map(|(name, column)| self::column(row, name, column, wish)));
    // Fields that are left out take other rules with them, never bring new ones: this ends.
    loop {
        let found = violations(client_id, &application(&lines), provider);
        let Some(violation) = found.first() else { return Ok(lines) };
        let Problem { message, hint, .. } = rule_problem(violation, provider);
        let why = clause(&message, violation.field);
        let position = lines
            .iter()
            .position(|line| matches!(line, Line::Field(field, _) if field.key() == violation.field));
        let Some(line) = position.and_then(|position| lines.get_mut(position)) else {
            return Err(message.trim_end_matches('.').to_owned());
        };
        if let Line::Field(field, value) = line {
            *line = Line::Omitted { field: field.clone(), value: Some(value.clone()), why, hint };
        }
    }
}

/// A sentence of DOT's as a part of another one, which names the field and ends with a full stop itself.
fn clause(sentence: &str, field: &str) -> String {
    let named = format!("`{field}`: ");
    let clause = sentence.strip_prefix(&named).unwrap_or(sentence);
    clause.strip_suffix('.').unwrap_or(clause).to_owned()
}

/// What the file would say of one field; `None`: nothing.
fn line(row: &Listed, field: Field, wish: Wish) -> Option<Line> {
    let StoredFields {
        name,
        client_type,
        authorization_grant_type,
        redirect_uris,
        post_logout_redirect_uris,
        allowed_origins,
        algorithm,
        skip_authorization,
        hash_client_secret,
        client_secret: _,
        user: _,
        columns: _,
    } = &row.stored.fields;
    let shown = |value: Written, is_default: bool| {
        (wish.full || !is_default).then_some(Line::Field(field.into(), value))
    };
    let text = |text: &String| shown(Written::Text(text.clone()), text.is_empty());
    let uris = |column: &String| {
        let uris = distinct(column);
        let is_default = uris.is_empty();
        shown(Written::Uris(uris), is_default)
    };
    match field {
        Field::Name => text(name),
        // Without these two no application can be created, so they are always written.
        Field::ClientType => Some(Line::Field(field.into(), Written::Text(client_type.clone()))),
        Field::AuthorizationGrantType => {
            Some(Line::Field(field.into(), Written::Text(authorization_grant_type.clone())))
        }
        Field::RedirectUris => uris(redirect_uris),
        Field::PostLogoutRedirectUris => uris(post_logout_redirect_uris.as_ref()?),
        Field::AllowedOrigins => uris(allowed_origins.as_ref()?),
        Field::Algorithm => text(algorithm.as_ref()?),
        Field::SkipAuthorization => shown(Written::Flag(*skip_authorization), !skip_authorization),
        Field::HashClientSecret => {
            let hash = (*hash_client_secret)?;
            shown(Written::Flag(hash), hash)
        }
        Field::ClientSecret => wish.hashes.then(|| secret(row)).flatten(),
        Field::User => row.owner.as_ref().map(owner),
    }
}

/// What the file would say of a column of the project's own; `None`: nothing.
fn column(row: &Listed, name: &str, column: &CustomColumn, wish: Wish) -> Option<Line> {
    let text = row.stored.fields.columns.get(name)?.as_deref()?;
    // What PostgreSQL computes for each new row is nothing that a file should hold.
    let is_default = match &column.default {
        Some(default) => column.kind.same(default, text),
        None => column.filled,
    };
    if column.generated || (is_default && !wish.full) {
        return None;
    }
    let field = Attribute::Column(name.to_owned());
    let Some(value) = column.kind.read(text) else {
        let why = "TOML cannot say what it holds".to_owned();
        return Some(Line::Omitted { field, value: None, why, hint: None });
    };
    Some(Line::Field(field, Written::Column(value)))
}

/// The elements of a URI column, each once, in their order.
fn distinct(column: &str) -> Vec<String> {
    let mut uris: Vec<String> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    uris.extend(split_list(column).filter(|uri| seen.insert(*uri)).map(str::to_owned));
    uris
}

fn owner(owner: &Owner) -> Line {
    let Owner { key, exists, username, is_unique } = owner;
    let key = Written::UserKey(key.as_str().to_owned());
    if !exists {
        let why = "there is no such user".to_owned();
        return Line::Omitted { field: Field::User.into(), value: Some(key), why, hint: None };
    }
    let name = username.as_ref().filter(|name| *is_unique && !name.is_empty());
    Line::Field(Field::User.into(), name.map_or(key, |name| Written::Username(name.clone())))
}

/// A hash that is safe to keep in a repository; `None`: there is no secret at all.
fn secret(row: &Listed) -> Option<Line> {
    let stored = &row.stored.fields.client_secret;
    if stored.expose().is_empty() {
        return None;
    }
    let omitted =
        |why: String| Line::Omitted { field: Field::ClientSecret.into(), value: None, why, hint: None };
    if let Some(cipher) = stored.foreign() {
        return Some(omitted(format!("it is foreign: the project has encrypted it ({})", cipher.name())));
    }
    if !stored.is_hashed() {
        return Some(omitted(
            "it is stored in clear, and a secret is never written into the file".to_owned(),
        ));
    }
    Some(match EncodedHash::parse(stored.expose()) {
        Ok(hash) if matches!(hash.algorithm(), Algorithm::Md5 | Algorithm::Sha1) => omitted(format!(
            "a {} hash is guessed too fast to be kept in a file; rotate the secret",
            hash.algorithm().name()
        )),
        Ok(hash) => Line::Field(Field::ClientSecret.into(), Written::Hash(hash)),
        Err(error) => omitted(error.to_string()),
    })
}

/// The lines as validation will read them.
fn application(lines: &[Line]) -> Application {
    let mut application = Application::default();
    for line in lines {
        let Line::Field(Attribute::Field(field), value) = line else { continue };
        match (field, value.clone()) {
            (Field::Name, Written::Text(text)) => application.name = Some(text),
            (Field::ClientType, Written::Text(text)) => application.client_type = Some(text),
            (Field::AuthorizationGrantType, Written::Text(text)) => {
                application.authorization_grant_type = Some(text);
            }
            (Field::Algorithm, Written::Text(text)) => application.algorithm = Some(text),
            (Field::RedirectUris, Written::Uris(uris)) => application.redirect_uris = Some(uris),
            (Field::PostLogoutRedirectUris, Written::Uris(uris)) => {
                application.post_logout_redirect_uris = Some(uris);
            }
            (Field::AllowedOrigins, Written::Uris(uris)) => application.allowed_origins = Some(uris),
            (Field::SkipAuthorization, Written::Flag(flag)) => application.skip_authorization = Some(flag),
            (Field::HashClientSecret, Written::Flag(flag)) => application.hash_client_secret = Some(flag),
            (Field::ClientSecret, Written::Hash(hash)) => {
                application.client_secret = Some(SecretDeclaration::Hash(hash));
            }
            (Field::User, Written::Username(name)) => application.user = Some(UserRef::Username(name)),
            (Field::User, Written::UserKey(key)) => application.user = Some(UserRef::Key(key)),
            _ => {}
        }
    }
    application
}

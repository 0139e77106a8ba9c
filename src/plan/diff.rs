//! One application: the file against the row.
//!
//! Every managed field is compared exactly once; the structs are destructured, so that a new field does not compile
//! until somebody decides how it is compared. Pure.

mod secret;

use std::collections::BTreeSet;

pub(super) use secret::leaves_foreign;

use self::secret::SecretState;
use super::{
    FieldChange, FieldSetting, Finding, FindingCause, SecretVerdict, SecretWrite, Step, Value, columns,
    row_ref,
};
use crate::model::{
    Actual, Application, Attribute, ClientId, Declared, Field, SecretDeclaration, Stored, StoredFields,
    UserRef,
};
use crate::rules::split_list;

/// The first DOT release that knows the device grant (RFC 8628).
const DEVICE_GRANT_SINCE: &str = "3.2";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Plans the insertion of an application that does not exist. Fields that the file leaves out get DOT's defaults.
pub(super) fn creation(
    client_id: &ClientId,
    declared: &Declared,
    actual: &Actual,
) -> Result<Option<Step>, Vec<Finding>> {
    let mut check = Check::new(client_id, actual);
    check.client_id();
    check.declared(&declared.application);
    let Application {
        name,
        client_type,
        authorization_grant_type,
        redirect_uris,
        post_logout_redirect_uris,
        allowed_origins,
        algorithm,
        skip_authorization,
        hash_client_secret,
        client_secret,
        user,
        columns: _,
    } = &declared.application;
    for (field, value) in
        [(Field::ClientType, client_type), (Field::AuthorizationGrantType, authorization_grant_type)]
    {
        if value.is_none() {
            check.report(None, FindingCause::Required(field));
        }
    }
    if let Some(cause) = columns::unfilled(declared, actual) {
        check.report(None, cause);
    }
    let text = |value: &Option<String>| (Value::Text(value.clone().unwrap_or_default()), value.is_some());
    let uris =
        |value: &Option<Vec<String>>| (Value::Uris(value.clone().unwrap_or_default()), value.is_some());
    let settings = [
        (Field::Name, text(name)),
        (Field::ClientType, text(client_type)),
        (Field::AuthorizationGrantType, text(authorization_grant_type)),
        (Field::RedirectUris, uris(redirect_uris)),
        (Field::PostLogoutRedirectUris, uris(post_logout_redirect_uris)),
        (Field::AllowedOrigins, uris(allowed_origins)),
        (Field::Algorithm, text(algorithm)),
        (
            Field::SkipAuthorization,
            (Value::Flag(skip_authorization.unwrap_or(false)), skip_authorization.is_some()),
        ),
        (
            Field::HashClientSecret,
            (Value::Flag(hash_client_secret.unwrap_or(true)), hash_client_secret.is_some()),
        ),
        (
            Field::ClientSecret,
            (
                Value::Secret {
                    source: match client_secret {
                        Some(SecretDeclaration::Plain(_)) => SecretWrite::Declared,
                        Some(SecretDeclaration::Hash(_)) => SecretWrite::Hash,
                        None if client_type.as_deref() == Some("public") => SecretWrite::Unneeded,
                        Some(SecretDeclaration::Generate | SecretDeclaration::Rotate) | None => {
                            SecretWrite::Generated
                        }
                    },
                    hashed: hash_client_secret.unwrap_or(actual.hashes_secrets)
                        || matches!(client_secret, Some(SecretDeclaration::Hash(_))),
                },
                client_secret.is_some(),
            ),
        ),
        (Field::User, (check.user(user.as_ref()), user.is_some())),
    ];
    let fields = settings
        .into_iter()
        .filter(|(field, _)| actual.columns.contains_key(field))
        .map(|(field, (value, declared))| FieldSetting { field: field.into(), value, declared })
        .chain(columns::settings(declared, actual))
        .collect();
    check.finish(Some(Step::Create { client_id: client_id.clone(), fields }))
}

/// Plans the changes of a row; `None`: it is as it should be.
pub(super) fn update(
    client_id: &ClientId,
    declared: &Declared,
    stored: &Stored,
    actual: &Actual,
    verdict: Option<SecretVerdict>,
) -> Result<Option<Step>, Vec<Finding>> {
    let mut check = Check::new(client_id, actual);
    check.declared(&declared.application);
    if *client_id != stored.client_id {
        check.client_id();
    }
    let Application {
        name,
        client_type,
        authorization_grant_type,
        redirect_uris,
        post_logout_redirect_uris,
        allowed_origins,
        algorithm,
        skip_authorization,
        hash_client_secret,
        client_secret,
        user,
        columns: _,
    } = &declared.application;
    let row: &StoredFields = &stored.fields;
    let owner = check.user(user.as_ref());
    // What the file ignores it does not manage, once the row is there.
    let managed = |field: Field| !declared.ignores(&field.into());
    let user = user.as_ref().filter(|_| managed(Field::User));
    // DOT hashes the column's text when the flag says so, a ciphertext too: with the secret the flag is left alone.
    let is_foreign = row.client_secret.foreign().is_some();
    let hash_client_secret = hash_client_secret.filter(|_| managed(Field::HashClientSecret) && !is_foreign);
    let secret = SecretState {
        declared: client_secret.as_ref().filter(|_| managed(Field::ClientSecret) && !is_foreign),
        verdict,
        hash: hash_client_secret.or(row.hash_client_secret).unwrap_or(actual.hashes_secrets),
        stored: row,
    };
    let texts = [
        (Field::Name, name, Some(&row.name)),
        (Field::ClientType, client_type, Some(&row.client_type)),
        (Field::AuthorizationGrantType, authorization_grant_type, Some(&row.authorization_grant_type)),
    ];
    let lists = [
        (Field::RedirectUris, redirect_uris, Some(&row.redirect_uris)),
        (Field::PostLogoutRedirectUris, post_logout_redirect_uris, row.post_logout_redirect_uris.as_ref()),
        (Field::AllowedOrigins, allowed_origins, row.allowed_origins.as_ref()),
    ];
    let rest = [
        text(
            Field::Algorithm,
            algorithm.as_ref().filter(|_| managed(Field::Algorithm)),
            row.algorithm.as_ref(),
        ),
        flag(
            Field::SkipAuthorization,
            skip_authorization.filter(|_| managed(Field::SkipAuthorization)),
            Some(row.skip_authorization),
        ),
        flag(Field::HashClientSecret, hash_client_secret, row.hash_client_secret),
        secret.compare(),
        user_change(user, owner, row),
    ];
    let texts =
        texts.map(|(field, wanted, stored)| text(field, wanted.as_ref().filter(|_| managed(field)), stored));
    let lists =
        lists.map(|(field, wanted, stored)| uris(field, wanted.as_ref().filter(|_| managed(field)), stored));
    let compared: Vec<Compared> = texts.into_iter().chain(lists).chain(rest).collect();
    let (custom, mut count) = columns::changes(declared, row, actual);
    count += compared.iter().filter(|compared| !matches!(compared, Compared::Unmanaged)).count();
    let changes: Vec<FieldChange> = compared
        .into_iter()
        .filter_map(|compared| match compared {
            Compared::Change(change) => Some(change),
            Compared::Same | Compared::Unmanaged => None,
        })
        .chain(custom)
        .collect();
    if changes.is_empty() && *client_id == stored.client_id {
        return check.finish(None);
    }
    let unchanged = count - changes.len();
    check.finish(Some(Step::Update {
        row: row_ref(stored),
        client_id: client_id.clone(),
        changes,
        unchanged,
        dependents: None,
    }))
}

/// The verdict on one field.
enum Compared {
    Unmanaged,
    Same,
    Change(FieldChange),
}

fn text(field: Field, wanted: Option<&String>, stored: Option<&String>) -> Compared {
    match (wanted, stored) {
        (None, _) => Compared::Unmanaged,
        (Some(wanted), Some(stored)) if wanted == stored => Compared::Same,
        (Some(wanted), stored) => Compared::Change(FieldChange {
            field: field.into(),
            before: stored.map_or(Value::Absent, |text| Value::Text(text.clone())),
            after: Value::Text(wanted.clone()),
        }),
    }
}

fn flag(field: Field, wanted: Option<bool>, stored: Option<bool>) -> Compared {
    match (wanted, stored) {
        (None, _) => Compared::Unmanaged,
        (Some(wanted), Some(stored)) if wanted == stored => Compared::Same,
        (Some(wanted), stored) => Compared::Change(FieldChange {
            field: field.into(),
            before: stored.map_or(Value::Absent, Value::Flag),
            after: Value::Flag(wanted),
        }),
    }
}

/// URI lists are sets: neither order nor repetition nor the kind of white space makes a difference.
fn uris(field: Field, wanted: Option<&Vec<String>>, stored: Option<&String>) -> Compared {
    let Some(wanted) = wanted else { return Compared::Unmanaged };
    let stored: Vec<&str> = stored.map_or_else(Vec::new, |column| split_list(column).collect());
    let wanted_set: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    if wanted_set == stored.iter().copied().collect() {
        return Compared::Same;
    }
    Compared::Change(FieldChange {
        field: field.into(),
        before: Value::Uris(stored.into_iter().map(str::to_owned).collect()),
        after: Value::Uris(wanted.clone()),
    })
}

fn user_change(wanted: Option<&UserRef>, owner: Value, row: &StoredFields) -> Compared {
    match (wanted, &owner) {
        (None, _) => Compared::Unmanaged,
        (Some(_), Value::User { key, .. }) if row.user.as_ref() == Some(key) => Compared::Same,
        (Some(_), _) => Compared::Change(FieldChange {
            field: Field::User.into(),
            before: row
                .user
                .as_ref()
                .map_or(Value::Absent, |key| Value::User { key: key.clone(), username: None }),
            after: owner,
        }),
    }
}

/// Whether the database can hold what the file asks for.
struct Check<'a> {
    client_id: &'a ClientId,
    actual: &'a Actual,
    findings: Vec<Finding>,
}

impl<'a> Check<'a> {
    const fn new(client_id: &'a ClientId, actual: &'a Actual) -> Self {
        Self { client_id, actual, findings: Vec::new() }
    }

    fn report(&mut self, field: Option<Field>, cause: FindingCause) {
        let (client_id, field) = (self.client_id.clone(), field.map(Attribute::from));
        self.findings.push(Finding { client_id, field, cause });
    }

    fn finish(self, step: Option<Step>) -> Result<Option<Step>, Vec<Finding>> {
        if self.findings.is_empty() { Ok(step) } else { Err(self.findings) }
    }

    fn client_id(&mut self) {
        if let Some(cause) = too_long(self.client_id.as_str(), self.actual.client_id_length) {
            self.report(None, cause);
        }
    }

    fn declared(&mut self, application: &Application) {
        let Application {
            name,
            client_type,
            authorization_grant_type,
            redirect_uris,
            post_logout_redirect_uris,
            allowed_origins,
            algorithm,
            skip_authorization,
            hash_client_secret,
            client_secret,
            user,
            columns,
        } = application;
        let written = [
            (Field::Name, name.is_some()),
            (Field::ClientType, client_type.is_some()),
            (Field::AuthorizationGrantType, authorization_grant_type.is_some()),
            (Field::RedirectUris, redirect_uris.is_some()),
            (Field::PostLogoutRedirectUris, post_logout_redirect_uris.is_some()),
            (Field::AllowedOrigins, allowed_origins.is_some()),
            (Field::Algorithm, algorithm.is_some()),
            (Field::SkipAuthorization, skip_authorization.is_some()),
            (Field::HashClientSecret, hash_client_secret.is_some()),
            (Field::ClientSecret, client_secret.is_some()),
            (Field::User, user.is_some()),
        ];
        let columns_here = &self.actual.columns;
        for (field, _) in written.into_iter().filter(|(field, is)| *is && !columns_here.contains_key(field)) {
            self.report(Some(field), FindingCause::NoSuchColumn(field));
        }
        let texts = [
            (Field::Name, name),
            (Field::ClientType, client_type),
            (Field::AuthorizationGrantType, authorization_grant_type),
            (Field::Algorithm, algorithm),
        ];
        for (field, value) in texts {
            let limit = self.actual.columns.get(&field).copied().flatten();
            if let Some(cause) = value.as_ref().and_then(|text| too_long(text, limit)) {
                let unknown_grant = field == Field::AuthorizationGrantType
                    && value.as_deref() == Some(DEVICE_GRANT)
                    && !self.actual.device_grants;
                if !unknown_grant {
                    self.report(Some(field), cause);
                }
            }
        }
        if authorization_grant_type.as_deref() == Some(DEVICE_GRANT) && !self.actual.device_grants {
            let cause = FindingCause::UnknownGrantType { since: DEVICE_GRANT_SINCE };
            self.report(Some(Field::AuthorizationGrantType), cause);
        }
        if let Some(SecretDeclaration::Plain(secret)) = client_secret {
            let limit = self.actual.columns.get(&Field::ClientSecret).copied().flatten();
            if let Some(cause) = too_long(secret.expose(), limit) {
                self.report(Some(Field::ClientSecret), cause);
            }
        }
        if let Some(user) = user
            && !self.actual.users.contains_key(user)
        {
            self.report(Some(Field::User), no_such_user(user, self.actual.nameless_users.as_ref()));
        }
        self.findings.extend(columns::check(self.client_id, columns, self.actual));
    }

    fn user(&self, user: Option<&UserRef>) -> Value {
        let found = user.and_then(|user| Some((user, self.actual.users.get(user)?)));
        let Some((user, key)) = found else { return Value::Absent };
        let username = match user {
            UserRef::Username(name) => Some(name.clone()),
            UserRef::Key(_) => None,
        };
        Value::User { key: key.clone(), username }
    }
}

/// Why no user is found. `nameless`: the table of the users, where it has no names.
fn no_such_user(user: &UserRef, nameless: Option<&String>) -> FindingCause {
    match (user, nameless) {
        (_, None) => FindingCause::NoSuchUser(user.clone()),
        (UserRef::Username(_), Some(table)) => FindingCause::NoUsernames { table: table.clone() },
        (UserRef::Key(key), Some(table)) => {
            FindingCause::NoSuchKey { key: key.clone(), table: table.clone() }
        }
    }
}

/// Lengths count code points, as PostgreSQL's and Django's do.
fn too_long(text: &str, max: Option<u32>) -> Option<FindingCause> {
    let (max, length) = (max?, text.chars().count());
    (length > usize::try_from(max).unwrap_or(usize::MAX)).then_some(FindingCause::TooLong { length, max })
}

//! One application: the file against the row.
//!
//! Every field is compared once, by its [`Kind`]: a new field is compared like the others of its kind. Pure.

mod secret;

pub(super) use secret::{NewRow, leaves_foreign, manages_secret};

use self::secret::SecretState;
use super::{
    FieldChange, FieldSetting, Finding, FindingCause, Owner, RowRef, SecretVerdict, Step, Value, columns,
};
use crate::model::{
    Actual, Application, Attribute, ClientId, Declaration, Declared, Field, Held, Kind, Named, Release,
    SecretDeclaration, Stored, StoredFields, UserRef, UserTable,
};
use crate::rules::split_list;

/// The first DOT release that knows the device grant (RFC 8628).
const DEVICE_GRANT_SINCE: Release = Release::V3_2;
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
    let application = &declared.application;
    let is_missing = |field: &Field| field.is_required() && application.declared(*field).is_none();
    for field in Field::ALL.iter().copied().filter(is_missing) {
        check.report(None, FindingCause::Required(field));
    }
    if let Some(cause) = columns::unfilled(declared, actual) {
        check.report(None, cause);
    }
    let here = Field::ALL.iter().copied().filter(|field| actual.columns.contains_key(field));
    let mut fields: Vec<FieldSetting> = here
        .map(|field| check.setting(field, application))
        .chain(columns::settings(declared, actual))
        .collect();
    // There may be very many steps.
    fields.shrink_to_fit();
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
    let row: &StoredFields = &stored.fields;
    // DOT hashes the column's text when the flag says so, a ciphertext too: with the secret the flag is left alone.
    let is_left = |field: Field| {
        row.client_secret.foreign().is_some()
            && matches!(field, Field::ClientSecret | Field::HashClientSecret)
    };
    // What the file ignores it does not manage, once the row is there.
    let managed = |field: Field| {
        let declaration = declared.application.declared(field)?;
        (!declared.ignores(&field.into()) && !is_left(field)).then_some(declaration)
    };
    let hash = if let Some(Declaration::Flag(hash)) = managed(Field::HashClientSecret) {
        hash
    } else {
        row.hash_client_secret.unwrap_or(actual.hashes_secrets)
    };
    let (mut changes, mut count) = (Vec::new(), 0);
    for field in Field::ALL.iter().copied() {
        let Some(declaration) = managed(field) else { continue };
        if field == Field::ClientSecret && actual.withholds_secrets {
            continue;
        }
        count += 1;
        changes.extend(match (declaration, check.value(declaration)) {
            (Declaration::Secret(declared), _) => {
                SecretState { declared, verdict, hash, stored: row }.change()
            }
            (_, Some(after)) => change(field, held(row, field), after),
            (_, None) => None,
        });
    }
    let (custom, custom_count) = columns::changes(declared, row, actual);
    count += custom_count;
    changes.extend(custom);
    if changes.is_empty() && *client_id == stored.client_id {
        return check.finish(None);
    }
    let unchanged = count - changes.len();
    check.finish(Some(Step::Update {
        row: RowRef::of(stored),
        client_id: client_id.clone(),
        changes,
        unchanged,
        dependents: None,
    }))
}

/// What a row holds, as plans show it.
pub(super) fn held(row: &StoredFields, field: Field) -> Value {
    match row.held(field) {
        Some(Held::Text(text)) => Value::Text(text.clone()),
        Some(Held::Uris(column)) => Value::Uris(split_list(column).map(str::to_owned).collect()),
        Some(Held::Flag(flag)) => Value::Flag(flag),
        Some(Held::Secret(_)) => Value::StoredSecret,
        Some(Held::Owner(Some(key))) => Value::User(Box::new(Owner::of_key(key.clone()))),
        // A list that is NULL is an empty list.
        None if field.kind() == Kind::Uris => Value::Uris(Vec::new()),
        Some(Held::Owner(None)) | None => Value::Absent,
    }
}

/// Compares one field; `None`: it is as it should be.
fn change(field: Field, before: Value, after: Value) -> Option<FieldChange> {
    (!before.is_same(&after)).then(|| FieldChange { field: field.into(), before, after })
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
        for field in Field::ALL.iter().copied() {
            let Some(declaration) = application.declared(field) else { continue };
            if !self.actual.columns.contains_key(&field) {
                self.report(Some(field), FindingCause::NoSuchColumn(field));
            }
            if let Some(cause) = self.unfit(field, declaration) {
                self.report(Some(field), cause);
            }
        }
        self.findings.extend(columns::check(self.client_id, &application.columns, self.actual));
    }

    /// Why the column cannot hold it.
    fn unfit(&self, field: Field, declaration: Declaration<'_>) -> Option<FindingCause> {
        let limit = self.actual.columns.get(&field).copied().flatten();
        match declaration {
            Declaration::Text(DEVICE_GRANT)
                if field == Field::AuthorizationGrantType && !self.actual.device_grants =>
            {
                Some(FindingCause::UnknownGrantType { since: DEVICE_GRANT_SINCE })
            }
            Declaration::Text(text) => too_long(text, limit),
            Declaration::Secret(SecretDeclaration::Plain(secret)) => too_long(secret.expose(), limit),
            Declaration::Owner(user) if !self.actual.users.contains_key(user) => {
                Some(no_such_user(user, self.actual))
            }
            Declaration::Secret(
                SecretDeclaration::Withheld
                | SecretDeclaration::Hash(_)
                | SecretDeclaration::Generate
                | SecretDeclaration::Rotate,
            )
            | Declaration::Uris(_)
            | Declaration::Flag(_)
            | Declaration::Owner(_) => None,
        }
    }

    /// What a new row holds: what the file says, else DOT's default.
    fn setting(&self, field: Field, application: &Application) -> FieldSetting {
        let declaration = application.declared(field);
        let value = declaration.and_then(|declaration| self.value(declaration));
        let value = value.unwrap_or_else(|| match field.kind() {
            Kind::Text => Value::Text(String::new()),
            Kind::Uris => Value::Uris(Vec::new()),
            Kind::Flag { default } => default.map_or(Value::Absent, Value::Flag),
            Kind::Secret => NewRow::of(application).secret(self.actual.hashes_secrets),
            Kind::Owner => Value::Absent,
        });
        FieldSetting { field: field.into(), value, declared: declaration.is_some() }
    }

    /// What is declared, as plans show it; `None`: a secret; [`secret`] says how it is written.
    fn value(&self, declaration: Declaration<'_>) -> Option<Value> {
        Some(match declaration {
            Declaration::Text(text) => Value::Text(text.to_owned()),
            Declaration::Uris(uris) => Value::Uris(uris.to_vec()),
            Declaration::Flag(flag) => Value::Flag(flag),
            Declaration::Secret(_) => return None,
            Declaration::Owner(user) => self.user(user),
        })
    }

    fn user(&self, user: &UserRef) -> Value {
        let Some(key) = self.actual.users.get(user) else { return Value::Absent };
        let (username, by) = match user {
            UserRef::Named(named) if named.is_username() => (Some(named.value.clone()), None),
            UserRef::Named(named) => (None, Some(named.clone())),
            UserRef::Key(_) => (None, None),
        };
        Value::User(Box::new(Owner { key: key.clone(), username, by }))
    }
}

/// Why a user is not found.
fn no_such_user(user: &UserRef, actual: &Actual) -> FindingCause {
    let table = actual.user_table.as_ref();
    let lacks = |column: &str| table.filter(|table| !table.columns.contains(column));
    if let Some(count) = actual.ambiguous_users.get(user) {
        return FindingCause::AmbiguousUser { user: user.clone(), count: *count };
    }
    match user {
        UserRef::Named(named) => match lacks(&named.column) {
            None => FindingCause::NoSuchUser(user.clone()),
            Some(UserTable { name, columns }) => FindingCause::NoUserColumn {
                table: name.clone(),
                column: named.column.clone(),
                known: columns.clone(),
            },
        },
        UserRef::Key(key) => match lacks(Named::USERNAME) {
            None => FindingCause::NoSuchUser(user.clone()),
            Some(table) => FindingCause::NoSuchKey { key: key.clone(), table: table.name.clone() },
        },
    }
}

/// Lengths count code points, as PostgreSQL's and Django's do.
fn too_long(text: &str, max: Option<u32>) -> Option<FindingCause> {
    let (max, length) = (max?, text.chars().count());
    (length > usize::try_from(max).unwrap_or(usize::MAX)).then_some(FindingCause::TooLong { length, max })
}

//! Whether the application can be: DOT's `full_clean()` with what this database and `[provider]` say, and what the
//! planner finds beyond it. All at once, or a plan of one step.
//!
//! Pure: everything that was read is an argument. Never shows a secret, only its length.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::columns;
use super::complaint::Complaint;
use crate::command::findings;
use crate::config::Config;
use crate::db::layout::{Layout, Table};
use crate::hasher::looks_hashed;
use crate::model::{Actual, Application, Attribute, ClientId, Field, SecretDeclaration, TableRole, UserRef};
use crate::plan::{Facts, Finding, FindingCause, Plan, plan};
use crate::rules::{self, Candidate, Cause, ClientIdFacts, Fact, KeyType, Owner, Reason, Schema, Violation};

/// DOT's name of an error that is of no single field.
const ALL: &str = "__all__";

/// An application, and what was read to judge it.
struct Case<'a> {
    config: &'a Config,
    client_id: &'a ClientId,
    application: &'a Application,
    layout: &'a Layout,
    actual: &'a Actual,
}

/// Plans the creation of what `config` declares.
pub(super) fn verdict(config: &Config, layout: &Layout, actual: &Actual) -> Result<Plan, Vec<Complaint>> {
    let mut complaints = Vec::new();
    for (client_id, declared) in &config.desired.applications {
        let case = Case { config, client_id, application: &declared.application, layout, actual };
        complaints.extend(full_clean(&case).iter().map(|violation| complaint(violation, config)));
        complaints.extend(look_alike(&case));
    }
    let facts = Facts { secrets: &BTreeMap::new(), provider: &config.provider, scope: None };
    match plan(&config.desired, actual, &config.policy, &facts) {
        Ok(plan) if complaints.is_empty() => return Ok(plan),
        Ok(_) => {}
        Err(findings) => {
            let found = self::complaints(&findings, &complaints);
            complaints.extend(found);
        }
    }
    Err(complaints)
}

/// The owner as the planner and the database know it: DOT reads ` 007` as 7.
pub(super) fn owner(layout: &Layout, text: &str) -> UserRef {
    let read = layout.users.as_ref().and_then(|users| key_type(users).read(text));
    UserRef::Key(read.unwrap_or_else(|| text.to_owned()))
}

fn full_clean(case: &Case<'_>) -> Vec<Violation> {
    let Case { config, client_id, application, layout, actual } = *case;
    let mut candidate = Candidate::new_in_dot(&config.provider);
    candidate.declare_all(application, &config.provider, |_| true);
    let taken = actual.applications.contains_key(client_id);
    candidate.client_id = Some(ClientIdFacts { text: client_id.as_str(), taken });
    let owner = application.user.as_ref().zip(layout.users.as_ref());
    candidate.user = owner.and_then(|(user, users)| facts(user, users, actual));
    candidate.know(Field::HashClientSecret, Fact::Flag(is_hashed(case)));
    rules::full_clean(&candidate, &config.provider, schema(layout))
}

fn schema(layout: &Layout) -> Schema {
    let table = layout.application();
    let width = |column: &str| {
        let width = table.columns.get(column).and_then(|column| column.max_length);
        width.and_then(|width| usize::try_from(width).ok())
    };
    Schema {
        client_id_length: width("client_id"),
        client_secret_length: width(Field::ClientSecret.column()),
        name_length: width(Field::Name.column()),
        client_jwks_uri_length: width(Field::ClientJwksUri.column()),
        device_grant: layout.table(TableRole::DeviceGrant).is_some(),
    }
}

fn facts<'a>(user: &'a UserRef, users: &'a Table, actual: &Actual) -> Option<Owner<'a>> {
    let UserRef::Key(value) = user else { return None };
    let key = key_type(users);
    Some(if actual.users.contains_key(user) {
        Owner::Found
    } else if key.read(value).is_some() {
        Owner::Missing { column: &users.key, key, value }
    } else {
        Owner::NotAKey { key, value }
    })
}

fn key_type(users: &Table) -> KeyType {
    match users.key_type() {
        "smallint" | "integer" | "bigint" => KeyType::Integer,
        "uuid" => KeyType::Uuid,
        _ => KeyType::Text,
    }
}

/// Whether the secret is stored hashed: DOT 2.4 and later ask the row, the ones before have their own way.
fn is_hashed(case: &Case<'_>) -> bool {
    if case.actual.columns.contains_key(&Field::HashClientSecret) {
        case.application.hash_client_secret.unwrap_or(true)
    } else {
        case.actual.hashes_secrets
    }
}

/// DOT takes the secret for a hash and stores it in clear although hashing is on.
fn look_alike(case: &Case<'_>) -> Option<Complaint> {
    let Some(SecretDeclaration::Plain(secret)) = &case.application.client_secret else { return None };
    let error = looks_hashed(secret.expose()).err().filter(|_| is_hashed(case))?;
    Some(Complaint {
        field: Field::ClientSecret.key().into(),
        message: error.to_string(),
        hint: Some(format!(
            "choose another secret; for one that Django has hashed, declare the application with \
             client_secret = {{ hash = \"…\" }} in {}",
            case.config.source.path().display()
        )),
    })
}

fn complaint(violation: &Violation, config: &Config) -> Complaint {
    let path = config.source.path().display();
    let hint = match &violation.reason {
        Reason::Taken => Some(format!("declare it in {path} and run `oauthctl apply` to change it")),
        Reason::NoRsaKey => {
            Some(format!("if the server has one, write oidc_rsa_private_key = true in [provider] of {path}"))
        }
        Reason::Uri(error) if error.cause == Cause::InvalidScheme => {
            Some(format!("[provider] in {path} says which schemes the server allows"))
        }
        Reason::Uri(error) if error.uri.contains('*') && !config.provider.allow_uri_wildcards => {
            Some(format!(
                "if the server allows wildcards, write allow_uri_wildcards = true in [provider] of {path}"
            ))
        }
        Reason::Hs256NeedsPlainSecret if violation.subject.field() == Some(Field::HashClientSecret) => {
            Some("add --no-hash-client-secret".to_owned())
        }
        _ => None,
    };
    // `full_clean()` says a secret's length and never its text.
    Complaint { field: violation.subject.key().into(), message: violation.to_string(), hint }
}

/// What the planner or the table's constraints have against it, unless DOT has said as much.
pub(super) fn complaints(findings: &[Finding], known: &[Complaint]) -> Vec<Complaint> {
    findings.iter().filter_map(|finding| new(finding, known)).collect()
}

/// What the planner has found, unless DOT has said as much of the field.
fn new(finding: &Finding, complaints: &[Complaint]) -> Option<Complaint> {
    let Finding { client_id: _, field, cause } = finding;
    let field = match (field, cause) {
        (Some(Attribute::Field(field)), _) => Cow::Borrowed(field.key()),
        (None, FindingCause::TooLong { .. }) => Cow::Borrowed("client_id"),
        (Some(column @ Attribute::Column(_)), _) => Cow::Owned(column.to_string()),
        (None, _) => Cow::Borrowed(ALL),
    };
    // DOT does not think of columns that are not there.
    let is_news = matches!(cause, FindingCause::NoSuchColumn(_));
    let is_known = !is_news && complaints.iter().any(|complaint| complaint.field == field);
    let hint = match cause {
        FindingCause::UnfilledColumns { columns, undeclarable } if undeclarable.is_empty() => {
            Some(format!("give them a value, for example {}", columns::flags(columns)))
        }
        FindingCause::Breaks(breach) => Some(findings::way_out(breach)),
        cause => findings::of_a_column(finding.field.as_ref(), cause),
    };
    (!is_known).then(|| Complaint { field, message: cause.to_string(), hint })
}

//! The client secret of one application: whether it is written, from where, and how it is stored. Pure.

use crate::model::{Actual, Application, Declared, Field, SecretDeclaration, Stored, StoredFields};
use crate::plan::{FieldChange, SecretVerdict, SecretWrite, Value};

/// Whether the file says something of a secret that only the project can read or write.
pub fn leaves_foreign(declared: &Declared, stored: &Stored) -> bool {
    let flag = declared.managed_hash_flag();
    let is_other_flag = flag.is_some() && flag != stored.fields.hash_client_secret;
    stored.fields.client_secret.foreign().is_some() && (declared.sets_secret() || is_other_flag)
}

/// Whether the file says something of the secret of a row that is there.
pub fn manages_secret(declared: &Declared) -> bool {
    declared.application.client_secret.is_some() && !declared.ignores(&Field::ClientSecret.into())
}

/// What a new row gets.
pub(super) fn of_a_new_row(application: &Application, actual: &Actual) -> Value {
    let declared = &application.client_secret;
    let uses_none = application.client_type.as_deref() == Some("public")
        || matches!(application.token_endpoint_auth_method.as_deref(), Some("private_key_jwt" | "none"));
    let source = match declared {
        Some(SecretDeclaration::Plain(_) | SecretDeclaration::Withheld) => SecretWrite::Declared,
        Some(SecretDeclaration::Hash(_)) => SecretWrite::Hash,
        None if uses_none => SecretWrite::Unneeded,
        Some(SecretDeclaration::Generate | SecretDeclaration::Rotate) | None => SecretWrite::Generated,
    };
    let hashed = application.hash_client_secret.unwrap_or(actual.hashes_secrets);
    Value::Secret { source, hashed: hashed || source == SecretWrite::Hash }
}

/// A declared secret and the row that holds one.
pub(super) struct SecretState<'a> {
    pub declared: &'a SecretDeclaration,
    pub verdict: Option<SecretVerdict>,
    /// Whether the row is to hold a hash.
    pub hash: bool,
    pub stored: &'a StoredFields,
}

impl SecretState<'_> {
    /// How it is written; `None`: it stays.
    pub(super) fn change(&self) -> Option<FieldChange> {
        let source = match (self.declared, self.verdict) {
            (SecretDeclaration::Hash(hash), _) => {
                (!self.stored.client_secret.is_text(hash.as_str())).then_some(SecretWrite::Hash)
            }
            (SecretDeclaration::Rotate, _) => Some(SecretWrite::Rotated),
            // A secret that cannot be verified is left alone rather than rewritten at every run; the plan says so.
            (SecretDeclaration::Generate | SecretDeclaration::Withheld, _)
            | (SecretDeclaration::Plain(_), Some(SecretVerdict::CannotVerify)) => None,
            (SecretDeclaration::Plain(_), Some(SecretVerdict::Matches)) => {
                (self.stored.client_secret.is_hashed() != self.hash).then_some(SecretWrite::Restored)
            }
            (SecretDeclaration::Plain(_), Some(SecretVerdict::Differs) | None) => Some(SecretWrite::Declared),
        }?;
        Some(FieldChange {
            field: Field::ClientSecret.into(),
            before: Value::StoredSecret,
            after: Value::Secret { source, hashed: self.hash || source == SecretWrite::Hash },
        })
    }
}

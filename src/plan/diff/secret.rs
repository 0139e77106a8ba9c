//! The client secret of one application: whether it is written, from where, and how it is stored. Pure.

use crate::model::{Application, Declared, Field, SecretDeclaration, Stored, StoredFields};
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

/// What decides about the secret of a new row.
#[derive(Default)]
pub struct NewRow<'a> {
    pub declared: Option<&'a SecretDeclaration>,
    pub client_type: Option<&'a str>,
    pub token_endpoint_auth_method: Option<&'a str>,
    pub hash_client_secret: Option<bool>,
}

impl<'a> NewRow<'a> {
    /// A row that a file declares.
    pub fn of(application: &'a Application) -> Self {
        Self {
            declared: application.client_secret.as_ref(),
            client_type: application.client_type.as_deref(),
            token_endpoint_auth_method: application.token_endpoint_auth_method.as_deref(),
            hash_client_secret: application.hash_client_secret,
        }
    }

    /// What it gets. `hashes`: whether DOT stores hashes where nothing is said.
    pub fn secret(&self, hashes: bool) -> Value {
        let uses_none = self.client_type == Some("public")
            || matches!(self.token_endpoint_auth_method, Some("private_key_jwt" | "none"));
        let source = match self.declared {
            Some(SecretDeclaration::Plain(_) | SecretDeclaration::Withheld) => SecretWrite::Declared,
            Some(SecretDeclaration::Hash(_)) => SecretWrite::Hash,
            None if uses_none => SecretWrite::Unneeded,
            Some(SecretDeclaration::Generate | SecretDeclaration::Rotate) | None => SecretWrite::Generated,
        };
        let hashed = self.hash_client_secret.unwrap_or(hashes);
        Value::Secret { source, hashed: hashed || source == SecretWrite::Hash }
    }
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

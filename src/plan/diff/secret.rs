//! The client secret of one application: whether it is written, from where, and how it is stored. Pure.

use super::Compared;
use crate::model::{Declared, Field, SecretDeclaration, Stored, StoredFields};
use crate::plan::{FieldChange, SecretVerdict, SecretWrite, Value};

/// Whether the file says something of a secret that only the project can read or write.
pub(in crate::plan) fn leaves_foreign(declared: &Declared, stored: &Stored) -> bool {
    let managed = |field: Field| !declared.ignores(&field.into());
    let is_declared = match declared.application.client_secret {
        Some(SecretDeclaration::Plain(_) | SecretDeclaration::Hash(_) | SecretDeclaration::Rotate) => {
            managed(Field::ClientSecret)
        }
        Some(SecretDeclaration::Generate) | None => false,
    };
    let flag = declared.application.hash_client_secret.filter(|_| managed(Field::HashClientSecret));
    let is_other_flag = flag.is_some() && flag != stored.fields.hash_client_secret;
    stored.fields.client_secret.foreign().is_some() && (is_declared || is_other_flag)
}

pub(super) struct SecretState<'a> {
    pub declared: Option<&'a SecretDeclaration>,
    pub verdict: Option<SecretVerdict>,
    /// Whether the row is to hold a hash.
    pub hash: bool,
    pub stored: &'a StoredFields,
}

impl SecretState<'_> {
    pub(super) fn compare(&self) -> Compared {
        let write = match (self.declared, self.verdict) {
            (None, _) => return Compared::Unmanaged,
            (Some(SecretDeclaration::Hash(hash)), _) => {
                (!self.stored.client_secret.is_text(hash.as_str())).then_some(SecretWrite::Hash)
            }
            (Some(SecretDeclaration::Rotate), _) => Some(SecretWrite::Rotated),
            // A secret that cannot be verified is left alone rather than rewritten at every run; the plan says so.
            (Some(SecretDeclaration::Generate), _)
            | (Some(SecretDeclaration::Plain(_)), Some(SecretVerdict::CannotVerify)) => None,
            (Some(SecretDeclaration::Plain(_)), Some(SecretVerdict::Matches)) => {
                (self.stored.client_secret.is_hashed() != self.hash).then_some(SecretWrite::Restored)
            }
            (Some(SecretDeclaration::Plain(_)), Some(SecretVerdict::Differs) | None) => {
                Some(SecretWrite::Declared)
            }
        };
        write.map_or(Compared::Same, |write| {
            Compared::Change(FieldChange {
                field: Field::ClientSecret.into(),
                before: Value::StoredSecret,
                after: Value::Secret { source: write, hashed: self.hash || write == SecretWrite::Hash },
            })
        })
    }
}

//! The secrets of a plan: made, hashed, and kept apart from it.
//!
//! A [`Plan`] says where each secret comes from and how it is stored; here the values are made, before any
//! transaction is open, because a hash takes a tenth of a second. Pure: randomness and the threads are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use super::{Plan, SecretVerdict, SecretWrite, Step, Value};
use crate::hasher::{
    Hasher, NotEncoded, OnHash, Salt, Stopped, StoredSecret, Verdict, encode_all, verify_all,
};
use crate::model::{Actual, ClientId, Desired, Field, SecretDeclaration};
use crate::secret::{Entropy, EntropyError, Secret};

/// What the plan's secrets become.
#[derive(Debug, Default)]
pub struct Sealed {
    /// The new values of `client_secret`.
    pub stored: BTreeMap<ClientId, StoredSecret>,
    /// Generated secrets in plain text: to be delivered once, and only after the commit.
    pub generated: Vec<(ClientId, Secret)>,
}

/// Why there are no secrets.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The user asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A secret could not be hashed.
    #[error(transparent)]
    NotEncoded(#[from] NotEncoded),
}

/// How secrets are made.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// `[provider] client_secret_hasher`.
    pub hasher: Hasher,
    /// `[provider] client_secret_generator_length`, in characters.
    pub length: usize,
    /// Threads to hash on.
    pub threads: NonZeroUsize,
}

/// Makes and hashes the secrets of a plan.
///
/// # Errors
/// When the source of randomness fails, the user asks to stop, or a secret cannot be hashed.
pub fn seal(
    plan: &Plan,
    desired: &Desired,
    recipe: Recipe,
    entropy: &mut dyn Entropy,
    progress: OnHash<'_>,
) -> Result<Sealed, SealError> {
    let mut generated: BTreeMap<&ClientId, Secret> = BTreeMap::new();
    let mut unneeded: BTreeSet<&ClientId> = BTreeSet::new();
    let mut wanted = Vec::new();
    for (client_id, source, hashed) in secret_writes(plan) {
        if source.is_made() {
            generated.insert(client_id, Secret::generate(recipe.length, entropy)?);
        }
        if source == SecretWrite::Unneeded {
            unneeded.insert(client_id);
        }
        wanted.push((client_id, hashed));
    }
    let mut stored = BTreeMap::new();
    let mut salts = Vec::new();
    let mut to_hash = Vec::new();
    for (client_id, hashed) in wanted {
        let declared = desired.applications.get(client_id).and_then(|d| d.application.client_secret.as_ref());
        match (generated.get(client_id), declared) {
            (None, Some(SecretDeclaration::Hash(hash))) => {
                stored.insert(client_id.clone(), StoredSecret::from(hash));
            }
            (Some(secret), _) | (None, Some(SecretDeclaration::Plain(secret))) if hashed => {
                salts.push(Salt::generate(entropy)?);
                to_hash.push((client_id, secret));
            }
            (Some(secret), _) | (None, Some(SecretDeclaration::Plain(secret))) => {
                stored.insert(client_id.clone(), StoredSecret::new(secret.expose().to_owned()));
            }
            // A plan without secrets is not executed.
            (
                None,
                Some(SecretDeclaration::Withheld | SecretDeclaration::Generate | SecretDeclaration::Rotate)
                | None,
            ) => {}
        }
    }
    let items: Vec<(&Secret, &Salt)> =
        to_hash.iter().zip(&salts).map(|((_, plain), salt)| (*plain, salt)).collect();
    let hashes = encode_all(recipe.hasher, &items, recipe.threads, progress)??;
    for ((client_id, _), hash) in to_hash.iter().zip(hashes) {
        stored.insert((*client_id).clone(), StoredSecret::from(&hash));
    }
    generated.retain(|client_id, _| !unneeded.contains(client_id));
    let generated = generated.into_iter().map(|(client_id, secret)| (client_id.clone(), secret)).collect();
    Ok(Sealed { stored, generated })
}

/// The secrets that a plan writes: whose, from where, and whether hashed.
fn secret_writes(plan: &Plan) -> impl Iterator<Item = (&ClientId, SecretWrite, bool)> {
    plan.steps.iter().flat_map(|step| {
        let values: Vec<&Value> = match step {
            Step::Create { fields, .. } => fields.iter().map(|setting| &setting.value).collect(),
            Step::Update { changes, .. } => changes.iter().map(|change| &change.after).collect(),
            Step::Adopt { .. } | Step::Delete { .. } => Vec::new(),
        };
        values.into_iter().filter_map(|value| {
            let Value::Secret { source, hashed } = value else { return None };
            Some((step.client_id(), *source, *hashed))
        })
    })
}

/// Verdicts that need not be found again: of these stored values.
#[derive(Debug, Default)]
pub struct Known(BTreeMap<ClientId, (StoredSecret, SecretVerdict)>);

impl Known {
    /// Notes what was made of the declared secrets: it matches them.
    pub fn note(&mut self, sealed: &Sealed) {
        for (client_id, stored) in &sealed.stored {
            self.insert(client_id, stored, SecretVerdict::Matches);
        }
    }

    fn insert(&mut self, client_id: &ClientId, stored: &StoredSecret, verdict: SecretVerdict) {
        self.0.insert(client_id.clone(), (StoredSecret::new(stored.expose().to_owned()), verdict));
    }

    fn find(&self, client_id: &ClientId, stored: &StoredSecret) -> Option<SecretVerdict> {
        let (known, verdict) = self.0.get(client_id)?;
        stored.is_text(known.expose()).then_some(*verdict)
    }
}

/// Verifies every declared plain-text secret whose application exists. Slow by design, so on all threads, and not again
/// what is known.
///
/// # Errors
/// [`Stopped`], where `progress` asked for it.
pub fn verify(
    desired: &Desired,
    actual: &Actual,
    known: &mut Known,
    threads: NonZeroUsize,
    progress: OnHash<'_>,
) -> Result<BTreeMap<ClientId, SecretVerdict>, Stopped> {
    let former: BTreeMap<&ClientId, &ClientId> =
        desired.renamed.iter().map(|(from, to)| (to, from)).collect();
    let mut verdicts = BTreeMap::new();
    let mut ids = Vec::new();
    let mut items: Vec<(&StoredSecret, &Secret)> = Vec::new();
    for (client_id, declared) in &desired.applications {
        let row = actual
            .applications
            .get(client_id)
            .or_else(|| former.get(client_id).and_then(|from| actual.applications.get(*from)));
        let is_ignored = declared.ignores(&Field::ClientSecret.into());
        let (Some(SecretDeclaration::Plain(plain)), Some(row), false) =
            (&declared.application.client_secret, row, is_ignored)
        else {
            continue;
        };
        let stored = &row.fields.client_secret;
        if stored.foreign().is_some() {
            continue;
        }
        if let Some(verdict) = known.find(client_id, stored) {
            verdicts.insert(client_id.clone(), verdict);
        } else {
            ids.push(client_id);
            items.push((stored, plain));
        }
    }
    let found = verify_all(&items, threads, progress)?;
    for ((client_id, (stored, _)), verdict) in ids.into_iter().zip(items).zip(found) {
        let verdict = match verdict {
            Verdict::Matches => SecretVerdict::Matches,
            Verdict::Differs => SecretVerdict::Differs,
            Verdict::CannotVerify { .. } => SecretVerdict::CannotVerify,
        };
        known.insert(client_id, stored, verdict);
        verdicts.insert(client_id.clone(), verdict);
    }
    Ok(verdicts)
}

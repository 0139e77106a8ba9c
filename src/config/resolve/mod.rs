//! What the sections mean: `Document` → the nouns of `model`, with every problem noted.
//!
//! One file for each table of `oauth.toml`. Pure but for `Surroundings`, which is an argument. A section with
//! problems still resolves as far as it can, so that one run finds everything; the caller throws the result away if
//! there was an error.

mod applications;
mod cleanup;
mod columns;
mod conformity;
mod context;
mod database;
mod hooks;
mod lint;
mod policy;
mod provider;
mod references;
mod secrets;
mod users;

pub use conformity::rule_problem;
pub(super) use context::Context;
pub use lint::Manner;
pub(super) use secrets::UNSENDABLE;

use std::collections::BTreeMap;

use self::applications::Declaring;
use super::Database;
use super::document::{Blocks, Document};
use super::places::Places;
use crate::model::{CleanupPolicy, ColumnValue, Desired, Hook, Policy, Provider, References};

/// Everything that the file says, resolved.
pub(super) struct Resolved {
    pub desired: Desired,
    pub default_columns: BTreeMap<String, ColumnValue>,
    pub hooks: Vec<Hook>,
    pub policy: Policy,
    pub cleanup: Option<CleanupPolicy>,
    pub references: References,
    pub provider: Provider,
    pub lint: Manner,
    pub database: Database,
    pub places: Places,
}

/// Applications that are not in the document: hands them over in the order of the file. `None`: they cannot be read.
pub(super) type More<'a> = &'a mut dyn FnMut(&mut dyn FnMut(Blocks)) -> Option<()>;

/// Resolves a document. `None`: [`More`] has given up.
pub(super) fn resolve(document: Document, more: More<'_>, context: &Context<'_>) -> Option<Resolved> {
    let Document {
        // Looked at before anything else.
        required_version: _,
        database,
        provider,
        defaults,
        applications,
        removed,
        renamed,
        hooks,
        policy,
        cleanup,
        lint,
    } = document;
    let mut places = Places::default();
    let database = database::resolve(database, context, &mut places);
    let provider = provider::resolve(provider, context, &mut places);
    let defaults = columns::Defaults::resolve(defaults, context);
    let (declared, disabled) = (BTreeMap::new(), BTreeMap::new());
    let mut declaring = Declaring { defaults: &defaults, context, places: &mut places, declared, disabled };
    declaring.add(applications);
    more(&mut |blocks| declaring.add(blocks))?;
    let Declaring { declared, disabled, .. } = declaring;
    for (client_id, declared) in &declared {
        conformity::check(client_id, declared, &provider, &places, context);
    }
    let (declared, protected) = references::split(declared, disabled, &mut places);
    let desired = references::resolve(declared, removed, renamed, context, &mut places);
    let lint = lint::check(lint, &desired, &provider, &mut places, context);
    let hooks = hooks::resolve(hooks, context);
    let mut policy = policy::resolve(policy, context, &mut places);
    policy.protect.extend(protected);
    let (cleanup, references) = cleanup::resolve(cleanup, context, &mut places);
    let default_columns = defaults.columns;
    Some(Resolved {
        desired,
        default_columns,
        hooks,
        policy,
        cleanup,
        references,
        provider,
        lint,
        database,
        places,
    })
}

//! What a file asks for: what has to be read for it, and a file of one application.

use crate::config::Config;
use crate::db::applications::Mentioned;
use crate::model::{Application, ClientId, Declared, Desired, Policy};

/// What the file mentions.
#[must_use]
pub fn mentioned(desired: &Desired) -> Mentioned {
    let Desired { applications, removed, disabled: _, renamed } = desired;
    let mut mentioned = Mentioned::default();
    mentioned.client_ids.extend(applications.keys().chain(removed).chain(renamed.keys()).cloned());
    mentioned.users.extend(applications.values().filter_map(|declared| declared.application.user.clone()));
    for (name, value) in applications.values().flat_map(|declared| &declared.application.columns) {
        mentioned.columns.entry(name.clone()).or_default().push(value.clone());
    }
    mentioned
}

/// The settings of the file, and the application in place of what it declares. What the file permits and cleans is no
/// business of a command for one application: `prune` would take every other application.
#[must_use]
pub fn with_only(mut file: Config, client_id: &ClientId, application: Application) -> Config {
    let declared = Box::new(Declared { block: client_id.to_string(), application, ..Declared::default() });
    file.desired = Desired { applications: [(client_id.clone(), declared)].into(), ..Desired::default() };
    file.policy = Policy::default();
    file.cleanup = None;
    file
}

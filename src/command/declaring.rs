//! Rows of the database as declarations in the file: for `import`, and for `createapplication --write`.

use super::connected::Connected;
use super::inventory::{self, Inventory, Look};
use super::loading;
use super::reporting;
use super::rewriting::rewrite;
use super::session::Session;
use super::variables::Given;
use crate::config::edit::{Edited, edit};
use crate::config::{self, Config};
use crate::error::{Error, Exit};
use crate::import::{Import, Reason, Remark, Wish, import};
use crate::model::{ClientId, Selection};
use crate::ui::import::Written;
use crate::ui::plan::visible;

/// What a file that `import` makes begins with.
const HEADING: &str = "# Written by `oauthctl import`. A field that is not written here is not managed.\n";

/// Appends one application that has just been created.
pub async fn append(session: &mut Session, connected: &Connected, client_id: &ClientId) -> Result<(), Error> {
    let (mut config, is_there) = loading::if_there(session)?;
    inventory::forget_secrets(&mut config, None);
    let selection = Selection { client_ids: vec![client_id.to_string()], ..Selection::default() };
    let inventory: Inventory = inventory::read(session, connected, &config, &selection, Look::Rows).await?;
    let import = import(inventory.rows, &inventory.custom, &config, &inventory.drift, Wish::default());
    let written = take_in(session, &config, is_there, import, false)?;
    remarks(session, &written);
    if written.added.is_empty() {
        return Err(Error::new(Exit::Failed, "the file cannot declare it"));
    }
    session.ui.status(format_args!("Declared it in {}.", written.path.display()));
    Ok(())
}

/// Refuses before anything is created what could not be appended afterwards.
pub fn check_appendable(config: &Config, client_id: &ClientId) -> Result<(), Error> {
    let desired = &config.desired;
    let path = config.source.path().display();
    let why = if desired.applications.contains_key(client_id) {
        "declares it already"
    } else if config.disables(client_id) {
        "declares it with enabled = false"
    } else if desired.removed.contains(client_id) {
        "lists it under [[removed]]"
    } else if desired.renamed.contains_key(client_id) {
        "renames it"
    } else {
        return Ok(());
    };
    Err(Error::usage(format!("{path} {why}: \"{}\"; nothing was created", visible(client_id.as_str())))
        .hint("leave --write out, or change the file first"))
}

/// Changes the text, makes sure that the result is a valid file, and writes it.
pub fn take_in(
    session: &mut Session,
    config: &Config,
    is_there: bool,
    import: Import,
    dry_run: bool,
) -> Result<Written, Error> {
    let path = config.source.path().to_owned();
    let before = config.source.text();
    let Import { changes, mut remarks, unchanged } = import;
    let added: Vec<ClientId> = changes.add.iter().map(|block| block.client_id.clone()).collect();
    let set = changes.set.iter().map(|set| (set.client_id.clone(), set.field.clone())).collect();
    let start = if is_there { before } else { HEADING };
    let Edited { text, left } =
        edit(start, changes, &config.variables).map_err(|error| Error::from_source(Exit::Failed, &error))?;
    for (client_id, field) in &left {
        let why = "it is written in a form that the new value has no place in; change it by hand".to_owned();
        remarks.push(Remark {
            client_id: client_id.clone(),
            reason: Reason::Kept(field.clone(), why),
            hint: None,
        });
    }
    let after = if text == start { None } else { Some(check(session, text, config, &added)?) };
    let is_written = after.is_some() && !dry_run;
    if let Some(after) = after.as_ref().filter(|_| !dry_run) {
        rewrite(&path, is_there.then_some(before), after.source.text())?;
    }
    let texts = dry_run.then(|| {
        let after = after.as_ref().unwrap_or(config);
        (config.source.legible(), after.source.legible())
    });
    Ok(Written { path, texts, is_written, added, set, left, remarks, unchanged })
}

/// A second look: what is about to be written declares what it should, and validates.
fn check(session: &mut Session, text: String, before: &Config, added: &[ClientId]) -> Result<Config, Error> {
    let path = before.source.path();
    let failed =
        || Error::new(Exit::Failed, format!("{} was not written: it would not be valid", path.display()));
    let given = Given::read(&session.global)?;
    let bytes = text.into_bytes();
    match given.surround(|around| config::load(bytes, path, around, config::Presence::Optional)) {
        Ok(after) => {
            let declared = |config: &Config| config.desired.applications.len();
            let is_complete = declared(&after) == declared(before) + added.len()
                && added.iter().all(|client_id| after.desired.applications.contains_key(client_id));
            if is_complete { Ok(after) } else { Err(failed()) }
        }
        Err(rejected) => {
            reporting::problems(session, &rejected.source, &rejected.problems);
            Err(failed())
        }
    }
}

/// Each remark, with what to do about it where that was not said before.
pub fn remarks(session: &mut Session, written: &Written) {
    let mut hints: Vec<&str> = Vec::new();
    for Remark { client_id, reason, hint } in &written.remarks {
        session.ui.warning(format_args!("{client_id}: {reason}."));
        if let Some(hint) = hint.as_deref().filter(|hint| !hints.contains(hint)) {
            session.ui.hint(hint);
            hints.push(hint);
        }
    }
    if written.remarks.iter().any(|remark| matches!(remark.reason, Reason::Differs(_))) {
        session.ui.hint("--update lets declared applications follow the database");
    }
}

//! The table of applications, or its JSON: what `list` and `import --unmanaged` print.

use super::inventory::Inventory;
use super::session::Session;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::model::{Brief, Kept, Listed};
use crate::plan::drift::Drift;
use crate::ui::inventory::{Entry, Frame};
use crate::ui::{inventory as view, inventory_json};

/// Whether applications that are declared and not there are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Shown,
    /// They are not: whether they would meet the conditions is not known.
    Hidden,
}

/// A kind of row that one of the forms of the list is made of.
pub trait Line: Kept {
    /// The display name, where the row is more than its line.
    fn name(&self) -> &str;

    /// Writes the whole list.
    fn write(
        session: &Session,
        config: &Config,
        inventory: &Inventory<Self>,
        entries: &[Entry<'_, Self>],
    ) -> Result<String, Error>;
}

impl Line for Brief {
    fn name(&self) -> &str {
        &self.name
    }

    fn write(
        session: &Session,
        _config: &Config,
        inventory: &Inventory<Self>,
        entries: &[Entry<'_, Self>],
    ) -> Result<String, Error> {
        let terminal = session.ui.terminal();
        let frame = Frame { width: session.ui.width(), unicode: terminal.unicode, as_of: inventory.as_of };
        Ok(view::table(entries, frame))
    }
}

impl Line for Listed {
    fn name(&self) -> &str {
        &self.stored.fields.name
    }

    fn write(
        _session: &Session,
        config: &Config,
        inventory: &Inventory<Self>,
        entries: &[Entry<'_, Self>],
    ) -> Result<String, Error> {
        let file = has_file(config).then(|| config.source.path());
        inventory_json::list(entries, file, inventory.as_of, inventory.dynamic)
            .map_err(|error| Error::from_source(Exit::Failed, &error))
    }
}

fn has_file(config: &Config) -> bool {
    !config.source.text().is_empty()
}

/// Writes the table or the JSON document.
pub fn answer<R: Line>(
    session: &mut Session,
    config: &Config,
    inventory: &Inventory<R>,
    missing: Missing,
) -> Result<(), Error> {
    let has_file = has_file(config);
    let found = inventory.rows.iter().map(|row| Entry {
        client_id: row.client_id().as_str(),
        row: Some(row),
        name: row.name(),
        usage: inventory.usage(row.key()),
        drift: has_file.then(|| inventory.drift(row.client_id())),
    });
    let absent = inventory.drift.iter().filter_map(|(client_id, drift)| {
        let is_shown = missing == Missing::Shown && *drift == Drift::Missing;
        let declared = config.desired.applications.get(client_id).filter(|_| is_shown)?;
        let name = declared.application.name.as_deref().unwrap_or_default();
        Some(Entry { client_id: client_id.as_str(), row: None, name, usage: None, drift: Some(drift) })
    });
    let mut entries: Vec<Entry<'_, R>> = found.chain(absent).collect();
    entries.sort_by_key(|entry| entry.client_id);
    let text = R::write(session, config, inventory, &entries)?;
    session.answer(&text)
}

//! The table of applications, or its JSON: what `list` and `import --unmanaged` print.

use std::collections::BTreeMap;

use super::Format;
use super::inventory::Inventory;
use super::session::Session;
use crate::config::Config;
use crate::error::{Error, Exit};
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

/// Writes the table or the JSON document.
pub fn answer(
    session: &mut Session,
    config: &Config,
    inventory: &Inventory,
    missing: Missing,
) -> Result<(), Error> {
    let has_file = !config.source.text().is_empty();
    let entries: BTreeMap<&str, Entry<'_>> = inventory
        .rows
        .iter()
        .map(|row| {
            let drift = has_file.then(|| inventory.drift(&row.stored.client_id));
            let usage = inventory.usage.get(&row.stored.key).copied();
            let entry = Entry { row: Some(row), name: &row.stored.fields.name, usage, drift };
            (row.stored.client_id.as_str(), entry)
        })
        .chain(inventory.drift.iter().filter_map(|(client_id, drift)| {
            let is_shown = missing == Missing::Shown && *drift == Drift::Missing;
            let declared = config.desired.applications.get(client_id).filter(|_| is_shown)?;
            let name = declared.application.name.as_deref().unwrap_or_default();
            Some((client_id.as_str(), Entry { row: None, name, usage: None, drift: Some(drift) }))
        }))
        .collect();
    let text = match session.global.format {
        Format::Text | Format::Markdown | Format::Sarif | Format::Github | Format::Gitlab => {
            let terminal = session.ui.terminal();
            let frame =
                Frame { width: session.ui.width(), unicode: terminal.unicode, as_of: inventory.as_of };
            view::table(&entries, frame)
        }
        Format::Json => {
            let file = has_file.then(|| config.source.path());
            inventory_json::list(&entries, file, inventory.as_of, inventory.dynamic)
                .map_err(|error| Error::from_source(Exit::Failed, &error))?
        }
    };
    session.answer(&text)
}

//! `list`: the applications with their live tokens, and how they stand to the file.

use std::collections::BTreeMap;

use clap::Args;

use super::Format;
use super::inventory::{self, FilterArgs, Inventory, Look};
use super::names;
use super::session::Session;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::plan::drift::Drift;
use crate::ui::inventory::{Entry, Frame};
use crate::ui::plan::{plural, visible};
use crate::ui::{inventory as view, inventory_json};

/// The flags of `list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only these applications.
    #[arg(value_name = "CLIENT_ID")]
    client_ids: Vec<String>,
    /// Do not count tokens: on token tables with very many rows that takes its time.
    #[arg(long)]
    no_tokens: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Whether applications that are declared and not there are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// They are.
    Shown,
    /// They are not: nobody can say whether they would meet the conditions.
    Hidden,
}

/// Lists.
pub async fn run(session: &mut Session, args: &ListArgs) -> Result<Exit, Error> {
    let mut config = session.load_without_secrets()?;
    inventory::forget_secrets(&mut config, None);
    let connected = session.connect(&config.database, "list", 1).await?;
    let selection = args.filter.selection(&args.client_ids);
    let look = if args.no_tokens { Look::Rows } else { Look::Tokens };
    let inventory = inventory::read(session, &connected, &config, &selection, look).await?;
    inventory::check_all_found(&connected, &config, &args.client_ids, &inventory).await?;
    names::check_filters(&args.filter, &inventory)?;
    let is_whole = args.client_ids.is_empty() && args.filter.is_empty();
    answer(session, &config, &inventory, if is_whole { Missing::Shown } else { Missing::Hidden })?;
    if session.global.format == Format::Text && is_whole && inventory.dynamic > 0 {
        let count = plural(inventory.dynamic, "dynamically registered application");
        session.ui.status(format_args!("Left out: {count} (--registration-source all)."));
    }
    if let Some(nothing) = names::nothing_matches(&args.filter, &inventory) {
        session.ui.status(nothing);
    }
    if session.global.format == Format::Text {
        tell_foreign(session, &inventory);
    }
    Ok(Exit::Done)
}

/// Names the applications whose secret the project has encrypted.
fn tell_foreign(session: &mut Session, inventory: &Inventory) {
    let rows = inventory.rows.iter().filter(|row| row.stored.fields.client_secret.foreign().is_some());
    let names: Vec<String> = rows.map(|row| visible(row.stored.client_id.as_str())).collect();
    if !names.is_empty() {
        session.ui.status(format_args!("Foreign secrets, encrypted by the project: {}.", names.join(", ")));
    }
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
        Format::Text | Format::Markdown | Format::Sarif | Format::Github => {
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

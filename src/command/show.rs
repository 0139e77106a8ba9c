//! `show`: everything of one application but its secret.

use clap::Args;

use super::Format;
use super::inventory::{self, FilterArgs, Inventory, Look};
use super::loading;
use super::reaching;
use super::session::Session;
use crate::error::{Error, Exit};
use crate::model::{ClientId, Field};
use crate::ui::application::{self as view, Portrait};
use crate::ui::inventory_json;

const EXAMPLES: &str = "\
Examples:
  oauthctl show web
  oauthctl show web --format json";

/// The flags of `show`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ShowArgs {
    /// The application to show.
    client_id: String,
}

/// Prints everything of one application but its secret.
pub async fn run(session: &mut Session, args: &ShowArgs) -> Result<Exit, Error> {
    let client_id = ClientId::new(args.client_id.as_str());
    let mut config = loading::without_secrets(session)?;
    let declared = config.desired.renamed.get(&client_id).unwrap_or(&client_id).clone();
    inventory::forget_secrets(&mut config, Some(&declared));
    let connected = reaching::connect(session, &config, 1).await?;
    let wanted = std::slice::from_ref(&args.client_id);
    let selection = FilterArgs::default().selection(wanted);
    let inventory: Inventory =
        inventory::read(session, &connected, &config, &selection, Look::Closely).await?;
    inventory::check_all_found(&connected, &config, wanted, &inventory).await?;
    let Some(row) = inventory.rows.first() else {
        return Err(Error::new(Exit::Failed, "the application was deleted meanwhile"));
    };
    let key = &row.stored.key;
    let has_file = !config.source.text().is_empty();
    let portrait = Portrait {
        row,
        usage: inventory.usage(key).copied().unwrap_or_default(),
        dependents: inventory.dependents.get(key).copied().unwrap_or_default(),
        recent: inventory.recent.get(key).map_or(&[], Vec::as_slice),
        file: has_file.then(|| config.source.path()),
        drift: inventory.drift(&client_id),
        secret_compared: config.declares(&declared, &Field::ClientSecret.into()).then(|| {
            let declared = config.desired.applications.get(&declared);
            declared.is_some_and(|declared| declared.application.client_secret.is_some())
                && row.stored.fields.client_secret.foreign().is_none()
        }),
        hidden: inventory
            .custom
            .iter()
            .filter(|(name, column)| column.is_confidential(name))
            .map(|(name, _)| name.as_str())
            .collect(),
        as_of: inventory.as_of,
    };
    let text = match session.global.format {
        Format::Text | Format::Markdown | Format::Html | Format::Sarif | Format::Github | Format::Gitlab => {
            view::render(&portrait)
        }
        Format::Json => {
            inventory_json::show(&portrait).map_err(|error| Error::from_source(Exit::Failed, &error))?
        }
    };
    session.tell(&text)?;
    inventory::tell_gaps(session, &inventory);
    Ok(Exit::Done)
}

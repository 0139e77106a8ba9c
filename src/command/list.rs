//! `list`: the applications with their live tokens, and how they differ from the file.

use clap::Args;

use super::Format;
use super::inventory::{self, FilterArgs, Inventory, Look};
use super::listing::{Line, Missing, answer};
use super::loading;
use super::names;
use super::reaching;
use super::session::Session;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::model::{Brief, Field, Kept, Listed};
use crate::ui::plan::{plural, visible};

const EXAMPLES: &str = "\
Examples:
  oauthctl list
  oauthctl list --match 'partner-*' --client-type confidential
  oauthctl list --no-tokens --format json";

/// The flags of `list`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ListArgs {
    /// List only these applications.
    #[arg(value_name = "CLIENT_ID")]
    client_ids: Vec<String>,
    /// Do not count tokens. Counting takes long if there are very many.
    #[arg(long)]
    no_tokens: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Prints the selected applications.
pub async fn run(session: &mut Session, args: &ListArgs) -> Result<Exit, Error> {
    match session.global.format {
        Format::Json => list::<Listed>(session, args).await,
        Format::Text | Format::Markdown | Format::Html | Format::Sarif | Format::Github | Format::Gitlab => {
            list::<Brief>(session, args).await
        }
    }
}

async fn list<R: Line>(session: &mut Session, args: &ListArgs) -> Result<Exit, Error> {
    let mut config = loading::without_secrets(session)?;
    inventory::forget_secrets(&mut config, None);
    let connected = reaching::connect(session, &config, 1).await?;
    let selection = args.filter.selection(&args.client_ids);
    let look = if args.no_tokens { Look::Rows } else { Look::Tokens };
    let inventory: Inventory<R> = inventory::read(session, &connected, &config, &selection, look).await?;
    inventory::check_all_found(&connected, &config, &args.client_ids, &inventory).await?;
    names::check_filters(&args.filter, &inventory)?;
    let is_whole = args.client_ids.is_empty() && args.filter.is_empty();
    answer(session, &config, &inventory, if is_whole { Missing::Shown } else { Missing::Hidden })?;
    if session.global.format == Format::Text && is_whole && inventory.dynamic > 0 {
        let count = plural(inventory.dynamic, "dynamically registered application");
        session.ui.status(format_args!("Left out: {count} (--registration-source all)."));
    }
    inventory::tell_gaps(session, &inventory);
    if let Some(nothing) = names::nothing_matches(&args.filter, &inventory) {
        session.ui.status(nothing);
    }
    if session.global.format == Format::Text {
        tell_foreign(session, &inventory);
        if has_uncompared(&config, &inventory) {
            session.ui.status("Secrets were not compared: `oauthctl plan` and `oauthctl show CLIENT_ID` do.");
        }
    }
    Ok(Exit::Done)
}

/// Whether a declared secret was not compared with the stored one: verifying the hashes of many takes too long. See
/// [`inventory::forget_secrets`].
fn has_uncompared<R: Kept>(config: &Config, inventory: &Inventory<R>) -> bool {
    inventory.rows.iter().any(|row| {
        let client_id = row.client_id();
        let client_id = config.desired.renamed.get(client_id).unwrap_or(client_id);
        let declared = config.desired.applications.get(client_id);
        declared.is_some_and(|declared| declared.application.client_secret.is_none())
            && config.declares(client_id, &Field::ClientSecret.into())
    })
}

/// Names the applications whose secret the project has encrypted.
fn tell_foreign<R: Kept>(session: &mut Session, inventory: &Inventory<R>) {
    let rows = inventory.rows.iter().filter(|row| row.has_foreign_secret());
    let names: Vec<String> = rows.map(|row| visible(row.client_id().as_str())).collect();
    if !names.is_empty() {
        session.ui.status(format_args!("Foreign secrets, encrypted by the project: {}.", names.join(", ")));
    }
}

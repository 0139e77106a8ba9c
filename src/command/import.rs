//! `import`: live applications into the file, everything else in it left alone.

use clap::Args;

use super::Format;
use super::connected::Connected;
use super::declaring::{remarks, take_in};
use super::inventory::{self, FilterArgs, Inventory, Look};
use super::listing::{self, Line, Missing};
use super::loading;
use super::names;
use super::reaching;
use super::session::Session;
use crate::config::Config;
use crate::error::{Error, Exit};
use crate::import::{Wish, import};
use crate::model::{Brief, Kept, Listed};
use crate::ui::import::{self as view, Written};
use crate::ui::plan::plural;

const EXAMPLES: &str = "\
Examples:
  oauthctl import --unmanaged         # what the file does not declare
  oauthctl import --all --dry-run
  oauthctl import web mobile-app";

/// The flags of `import`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// Import these applications.
    #[arg(value_name = "CLIENT_ID", conflicts_with_all = ["all", "globs", "users", "client_types", "grant_types", "sources"])]
    client_ids: Vec<String>,
    /// Import all applications that did not register themselves.
    #[arg(long)]
    all: bool,
    /// List the applications that the file does not declare, and import none.
    #[arg(long, conflicts_with_all = ["all", "update", "full", "with_hashes", "dry_run"])]
    unmanaged: bool,
    /// Show the difference to the file, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    wish: WishArgs,
    #[command(flatten)]
    filter: FilterArgs,
}

/// How much is written.
#[derive(Args, Debug)]
struct WishArgs {
    /// Also write the database's values into the blocks of applications that the file declares already.
    #[arg(long)]
    update: bool,
    /// Also write fields that have DOT's default. Then oauthctl manages them too.
    #[arg(long)]
    full: bool,
    /// Also write the hashes of the secrets, as { hash = "…" }. A secret is never written.
    #[arg(long)]
    with_hashes: bool,
}

/// Imports, or lists what could be.
pub async fn run(session: &mut Session, args: &ImportArgs) -> Result<Exit, Error> {
    let selects = args.all || !args.client_ids.is_empty() || !args.filter.is_empty();
    if !selects && !args.unmanaged {
        return Err(Error::usage("nothing says which applications to import")
            .hint("name client ids, select with --match and the like, or say --all")
            .hint("`oauthctl import --unmanaged` lists what the file does not declare"));
    }
    let (mut config, is_there) = loading::if_there(session)?;
    inventory::forget_secrets(&mut config, None);
    let connected = reaching::connect(session, &config, 1).await?;
    if args.unmanaged {
        return match session.global.format {
            Format::Json => unmanaged::<Listed>(session, args, &connected, &config).await,
            Format::Text
            | Format::Markdown
            | Format::Html
            | Format::Sarif
            | Format::Github
            | Format::Gitlab => unmanaged::<Brief>(session, args, &connected, &config).await,
        };
    }
    let mut inventory: Inventory = found(session, args, &connected, &config, Look::Rows).await?;
    let wish = Wish { full: args.wish.full, hashes: args.wish.with_hashes, update: args.wish.update };
    let rows = std::mem::take(&mut inventory.rows);
    let import = import(rows, &inventory.custom, &config, &inventory.drift, wish);
    let written = take_in(session, &config, is_there, import, args.dry_run)?;
    report(session, args, &written)?;
    if args.all && inventory.dynamic > 0 && session.global.format == Format::Text {
        let count = plural(inventory.dynamic, "dynamically registered application");
        session.ui.status(format_args!("Left out: {count}; --registration-source all includes them."));
    }
    if written.is_written {
        session.ui.next_step("`oauthctl plan` shows whether the database matches the file now");
    }
    Ok(Exit::Done)
}

/// The rows that the flags select.
async fn found<R: Kept>(
    session: &mut Session,
    args: &ImportArgs,
    connected: &Connected,
    config: &Config,
    look: Look,
) -> Result<Inventory<R>, Error> {
    let selection = args.filter.selection(&args.client_ids);
    let inventory = inventory::read(session, connected, config, &selection, look).await?;
    inventory::check_all_found(connected, config, &args.client_ids, &inventory).await?;
    names::check_filters(&args.filter, &inventory)?;
    if let Some(nothing) = names::nothing_matches(&args.filter, &inventory) {
        session.ui.status(nothing);
    }
    Ok(inventory)
}

fn report(session: &mut Session, args: &ImportArgs, written: &Written) -> Result<(), Error> {
    match session.global.format {
        Format::Text | Format::Markdown | Format::Html | Format::Sarif | Format::Github | Format::Gitlab => {
            remarks(session, written);
            let text = if args.dry_run { view::diff(written) } else { view::summary(written) };
            session.tell(&text)
        }
        Format::Json => {
            let json = view::json(written).map_err(|error| Error::from_source(Exit::Failed, &error))?;
            session.tell(&json)
        }
    }
}

/// Lists what the file does not mention.
async fn unmanaged<R: Line>(
    session: &mut Session,
    args: &ImportArgs,
    connected: &Connected,
    config: &Config,
) -> Result<Exit, Error> {
    let mut inventory: Inventory<R> = found(session, args, connected, config, Look::Tokens).await?;
    let Inventory { drift, rows, .. } = &mut inventory;
    rows.retain(|row| !drift.contains_key(row.client_id()));
    listing::answer(session, config, &inventory, Missing::Hidden)?;
    if session.global.format == Format::Json {
        return Ok(Exit::Done);
    }
    if inventory.rows.is_empty() {
        session.ui.status(format_args!("{} declares them all.", config.source.path().display()));
    } else {
        session.ui.hint("`oauthctl import CLIENT_ID…` or `oauthctl import --all` declares them");
    }
    Ok(Exit::Done)
}

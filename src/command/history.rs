//! `history`: the runs that the ledger has noted, and one of them with what it changed.

use std::num::NonZeroU32;

use clap::{Args, Subcommand};

use super::Format;
use super::connected::Connected;
use super::loading;
use super::reaching;
use super::recalling::{self, Recalled};
use super::session::Session;
use crate::error::{Error, Exit};
use crate::ui::{history, history_json};

const EXAMPLES: &str = "\
Examples:
  oauthctl history
  oauthctl history --limit 5 --format json
  oauthctl history show 12";

const SHOW_EXAMPLES: &str = "\
Examples:
  oauthctl history show 12
  oauthctl history show 12 --format json";

/// The flags of `history`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct HistoryArgs {
    #[command(subcommand)]
    one: Option<One>,
    /// Show the last N runs only.
    #[arg(long, value_name = "N", default_value = "20")]
    limit: NonZeroU32,
    /// Show all runs.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// A run to show.
#[derive(Debug, Subcommand)]
enum One {
    /// Show one run, with what it changed.
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// The number of the run, as `oauthctl history` lists it.
        #[arg(value_name = "N")]
        run: i64,
    },
}

/// Prints the runs, or one of them.
pub async fn run(session: &mut Session, args: &HistoryArgs) -> Result<Exit, Error> {
    let config = loading::without_secrets(session)?;
    let connected = reaching::connect(session, &config, 1).await?;
    match &args.one {
        Some(One::Show { run }) => show(session, &connected, *run).await,
        None => list(session, &connected, (!args.all).then_some(args.limit.get())).await,
    }
}

async fn list(session: &mut Session, connected: &Connected, limit: Option<u32>) -> Result<Exit, Error> {
    let runs = recalling::runs(connected, limit).await?;
    if session.global.format == Format::Json {
        let text = history_json::list(&runs).map_err(|error| Error::from_source(Exit::Failed, &error))?;
        session.tell(&text)?;
        return Ok(Exit::Done);
    }
    // Only a terminal has an end of the line.
    let text = history::list(&runs, session.ui.width().unwrap_or(usize::MAX));
    session.tell_whole(&text)?;
    if !runs.is_empty() {
        session.ui.next_step("`oauthctl history show N` shows what a run changed");
    }
    Ok(Exit::Done)
}

async fn show(session: &mut Session, connected: &Connected, run: i64) -> Result<Exit, Error> {
    let Recalled { run, steps, tables: _ } = recalling::run(connected, run).await?;
    if session.global.format == Format::Json {
        let text = history_json::show(&run, steps.as_deref());
        session.tell(&text.map_err(|error| Error::from_source(Exit::Failed, &error))?)?;
        return Ok(Exit::Done);
    }
    session.tell(&history::show(&run, steps.as_deref()))?;
    if steps.as_ref().is_some_and(|steps| !steps.is_empty()) {
        let number = run.id;
        session.ui.next_step(format!("`oauthctl undo {number}` shows what would undo it"));
    }
    Ok(Exit::Done)
}

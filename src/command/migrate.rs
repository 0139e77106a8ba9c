//! `migrate`: oauthctl's own tables, or DOT's in a database that no Django owns; and SQL for the roles of its jobs.

mod definer;

use std::path::{Path, PathBuf};

use clap::Args;

use super::Format;
use super::loading;
use super::reaching;
use super::roles;
use super::session::Session;
use super::values::{self, not_empty};
use super::writable;
use crate::db;
use crate::db::migrations::{self, Migrated};
use crate::error::{Error, Exit};
use crate::ui::report_json;

/// Which tables to make; at least one.
#[expect(clippy::struct_excessive_bools, reason = "flags, each of which stands for itself")]
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub struct What {
    /// Create the tables of DOT 3.4.1, as Django would, in a database without Django's tables.
    #[arg(long)]
    provider: bool,
    /// Create the ledger. It records which file manages which application, and the history of runs.
    #[arg(long)]
    ledger: bool,
    /// Print SQL for a superuser: functions with which a role deletes expired rows without the triggers of foreign keys,
    /// for `fk_checks`. Changes nothing.
    #[arg(long, conflicts_with_all = ["provider", "ledger", "roles"], requires = "role")]
    definer: bool,
    /// Print SQL that makes a role with few privileges for each job, and run nothing, not even --ledger: with it, the roles
    /// may use a ledger that is not there yet.
    #[arg(long, conflicts_with = "provider")]
    roles: bool,
}

const EXAMPLES: &str = "\
Examples:
  oauthctl migrate --ledger
  oauthctl migrate --provider --embedded
  oauthctl migrate --definer --for cleaner > definer.sql
  oauthctl migrate --roles > roles.sql";

/// The flags of `migrate`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct MigrateArgs {
    #[command(flatten)]
    what: What,
    /// Run this SQL file afterwards, if --provider has just created the tables.
    #[arg(long, value_name = "FILE", requires = "provider")]
    seed: Option<PathBuf>,
    /// The role that may call the functions of --definer.
    #[arg(long = "for", id = "role", value_name = "ROLE", value_parser = not_empty, requires = "definer")]
    role: Option<String>,
    /// With --roles: what the names of the roles begin with.
    #[arg(long, value_name = "PREFIX", requires = "roles", default_value = "oauthctl_", value_parser = values::role_prefix)]
    role_prefix: String,
}

/// Makes the tables.
pub async fn run(session: &mut Session, args: &MigrateArgs) -> Result<Exit, Error> {
    if let Some(role) = &args.role {
        return definer::run(session, role).await;
    }
    if args.what.roles {
        return roles::print(session, &args.role_prefix, args.what.ledger).await;
    }
    let config = loading::without_secrets(session)?.database;
    let seed = args.seed.as_deref().map(read_seed).transpose()?;
    // Held until the end: the embedded server stops with its last user.
    let (database, _embedded) = reaching::open(session, &config, 1).await?;
    let mut client = database.get().await?;
    if let Some(why) = db::writable::look(&**client).await? {
        return Err(writable::refused(&why));
    }
    let mut done = report_json::Migrated::default();
    if args.what.provider {
        let schema = config.tables.schema.as_deref().unwrap_or("public");
        let migrated = migrations::migrate_provider(&mut client, schema, session.global.lock_timeout).await?;
        report(session, "The provider schema of DOT 3.4.1", &migrated)?;
        let is_new = !migrated.applied.is_empty();
        done.provider = Some(migrated.applied);
        match (&seed, is_new) {
            (Some((path, sql)), true) => {
                let path = path.display();
                session.ui.status(format_args!("Running the seed file {path}. This may take some time."));
                migrations::seed(&client, sql).await?;
                done.seeded = true;
                session.ui.status("Ran the seed file.");
            }
            (Some(_), false) => {
                session.ui.warning("the tables were there already: the seed file was not run.");
            }
            (None, _) => {}
        }
    }
    if args.what.ledger {
        let migrated = migrations::migrate_ledger(&mut client, session.global.lock_timeout).await?;
        report(session, "The ledger", &migrated)?;
        done.ledger = Some(migrated.applied);
    }
    if session.global.format == Format::Json {
        let text = report_json::migrated(&done).map_err(|error| Error::from_source(Exit::Failed, &error))?;
        session.answer(&text)?;
    } else if done.ledger.is_some() {
        session.ui.next_step("`oauthctl apply` records in the ledger what the file manages");
    } else {
        session.ui.next_step(
            "`oauthctl init` writes a file to start with, `oauthctl apply` creates its applications",
        );
    }
    Ok(Exit::Done)
}

/// The path and the SQL, read before anything is made.
fn read_seed(path: &Path) -> Result<(&Path, String), Error> {
    let sql = std::fs::read_to_string(path)
        .map_err(|error| Error::usage(format!("cannot read the seed file {}: {error}", path.display())))?;
    Ok((path, sql))
}

fn report(session: &mut Session, what: &str, migrated: &Migrated) -> Result<(), Error> {
    if session.global.format == Format::Json {
        return Ok(());
    }
    if migrated.applied.is_empty() {
        session.tell(&format!("{what} is up to date.\n"))
    } else {
        session.tell(&format!("{what} is in place: {}.\n", migrated.applied.join(", ")))
    }
}

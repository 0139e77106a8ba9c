//! Names on the command line that are nowhere: refused before anything is done, with the one that was probably meant.

use std::collections::BTreeSet;

use super::connected::Connected;
use super::inventory::{FilterArgs, Inventory, SEARCHED};
use super::scope::ScopeArgs;
use super::session::Session;
use crate::config::{Config, closest};
use crate::db::patience::Reading;
use crate::db::{applications, tokens};
use crate::error::Error;
use crate::model::{Allow, ClientId, Kept, Prune};
use crate::plan::Plan;
use crate::rules;
use crate::ui::plan::{plural, visible};

/// More names than this are counted, not listed.
const LISTED: usize = 10;

/// Refuses `--target` and `--allow` with client ids that the file does not know. With `prune` only the database knows them
/// all: see [`check_planned`].
///
/// # Errors
/// The first of them.
pub(super) fn check(session: &Session, config: &Config, scope: &ScopeArgs) -> Result<(), Error> {
    let former = scope.targets.iter().find_map(|target| {
        let to = config.desired.renamed.get(&ClientId::new(target.as_str()))?;
        Some((target, to))
    });
    if let Some((from, to)) = former {
        let (from, to) = (visible(from), visible(to.as_str()));
        let file = config.source.path().display();
        return Err(Error::usage(format!(
            "--target {from}: {file} renames it to {to}{}",
            session.verb.unchanged()
        ))
        .hint(format!("write --target {to}")));
    }
    match config.policy.prune {
        Prune::Never => refuse_unknown(session, config, scope, &BTreeSet::new()),
        Prune::Owned | Prune::All => Ok(()),
    }
}

/// The same with the applications of the database that `prune` is about.
///
/// # Errors
/// The first of them.
pub(super) fn check_planned(
    session: &Session,
    config: &Config,
    scope: &ScopeArgs,
    plan: &Plan,
) -> Result<(), Error> {
    let deleted = plan.deletions().map(|row| row.client_id.as_str());
    let unmanaged = plan.unmanaged.iter().map(ClientId::as_str);
    match config.policy.prune {
        Prune::Never => Ok(()),
        Prune::Owned | Prune::All => {
            refuse_unknown(session, config, scope, &deleted.chain(unmanaged).collect())
        }
    }
}

fn refuse_unknown(
    session: &Session,
    config: &Config,
    scope: &ScopeArgs,
    others: &BTreeSet<&str>,
) -> Result<(), Error> {
    let desired = &config.desired;
    let declared: BTreeSet<&str> = desired
        .applications
        .keys()
        .chain(&desired.removed)
        .chain(desired.renamed.keys())
        .chain(&config.policy.protect)
        .map(ClientId::as_str)
        .chain(others.iter().copied())
        .collect();
    match mentioned(scope).into_iter().find(|(_, name)| !declared.contains(name)) {
        Some((flag, name)) => Err(unknown(session, config, &flag, name, &declared)),
        None => Ok(()),
    }
}

/// The client ids that flags name, each with its flag.
fn mentioned(scope: &ScopeArgs) -> Vec<(String, &str)> {
    let targets =
        scope.targets.iter().map(|target| (format!("--target {}", visible(target)), target.as_str()));
    let allowed = scope.allow.iter().filter_map(|allow| match allow {
        Allow::Delete(id) => Some((format!("--allow delete:{}", visible(id.as_str())), id.as_str())),
        Allow::Update(id) => Some((format!("--allow update:{}", visible(id.as_str())), id.as_str())),
        Allow::MaxDeletes(_) | Allow::MaxUpdates(_) | Allow::FkChecksSet | Allow::Rewrite => None,
    });
    targets.chain(allowed).collect()
}

fn unknown(session: &Session, config: &Config, flag: &str, name: &str, known: &BTreeSet<&str>) -> Error {
    let file = config.source.path().display();
    let where_ = match config.policy.prune {
        Prune::Never => format!("{file} mentions no such application"),
        Prune::Owned | Prune::All => format!("neither {file} nor the database knows such an application"),
    };
    Error::usage(format!("{flag}: {where_}{}", session.verb.unchanged())).hint(suggestion(name, known))
}

/// The name that was probably meant, or those that there are.
fn suggestion(name: &str, known: &BTreeSet<&str>) -> String {
    if let Some(meant) = closest(name, known.iter().copied()) {
        return format!("did you mean \"{}\"?", visible(meant));
    }
    let mut names: Vec<String> = known.iter().take(LISTED).map(|name| visible(name)).collect();
    if known.len() > LISTED {
        names.push(format!("{} more", known.len() - LISTED));
    }
    match names.as_slice() {
        [] => "it mentions none; -f names another file".to_owned(),
        names => format!("it knows {}", names.join(", ")),
    }
}

/// Refuses `--exclude-client` with a client id that no application has: its tokens would go all the same. Where policies
/// may hide applications nothing can be said; a run is refused for that.
///
/// # Errors
/// The first of them, or the database's.
pub(super) async fn check_excluded(connected: &Connected, excluded: &[String]) -> Result<(), Error> {
    if excluded.is_empty() || connected.layout.application().row_security {
        return Ok(());
    }
    let wanted: BTreeSet<ClientId> = excluded.iter().map(ClientId::new).collect();
    let mut client = connected.database.get().await?;
    let client = connected.snapshot(&mut client, Reading::Applications).await?;
    let unknown = tokens::unknown_clients(&*client, &connected.layout, &wanted).await?;
    let Some(name) = unknown.first().map(|id| id.as_str().to_owned()) else { return Ok(()) };
    let known = applications::client_ids(&*client, &connected.layout, SEARCHED).await?;
    let message = format!(
        "--exclude-client {}: no application has this client id; nothing was deleted",
        visible(&name)
    );
    Err(Error::usage(message).hint(match closest(&name, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean \"{}\"?", visible(meant)),
        None => "`oauthctl list` shows the applications".to_owned(),
    }))
}

/// Refuses `--client-type` and `--grant-type` with a value that neither DOT nor a row found has.
///
/// # Errors
/// The first of them.
pub(super) fn check_filters<R: Kept>(filter: &FilterArgs, found: &Inventory<R>) -> Result<(), Error> {
    let has_type = |value: &str| found.rows.iter().any(|row| row.client_type() == value);
    let has_grant = |value: &str| found.rows.iter().any(|row| row.authorization_grant_type() == value);
    choice("--client-type", &filter.client_types, &rules::CLIENT_TYPES, has_type)?;
    choice("--grant-type", &filter.grant_types, &rules::grant_types(), has_grant)
}

fn choice(
    flag: &str,
    values: &[String],
    choices: &[&'static str],
    is_used: impl Fn(&str) -> bool,
) -> Result<(), Error> {
    let unknown = values.iter().find(|value| !choices.contains(&value.as_str()) && !is_used(value.as_str()));
    let Some(value) = unknown else { return Ok(()) };
    let message = format!("{flag} {}: DOT knows no such value, and no application has it", visible(value));
    Err(Error::usage(message).hint(match closest(value, choices.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("it is one of {}", choices.join(", ")),
    }))
}

/// "no application matches", where flags selected nothing.
pub(super) fn nothing_matches<R>(filter: &FilterArgs, found: &Inventory<R>) -> Option<String> {
    if filter.is_empty() || !found.rows.is_empty() {
        return None;
    }
    let dynamic = if filter.sources_given() || found.dynamic == 0 {
        String::new()
    } else {
        let count = plural(found.dynamic, "dynamically registered application");
        format!(" ({count} left out; --registration-source all)")
    };
    Some(format!("No application matches{dynamic}."))
}

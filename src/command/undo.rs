//! `undo`: what would undo a run, as a plan and as changes of the file. It only prints.

use std::collections::BTreeSet;

use clap::Args;

use super::Format;
use super::connected::Connected;
use super::intent::Intent;
use super::loading;
use super::overwritten;
use super::reaching;
use super::recalling::{self, Recalled};
use super::references;
use super::reporting;
use super::rights;
use super::session::Session;
use crate::db::applications::{self, Mentioned, Others};
use crate::db::dependents;
use crate::db::error::DbError;
use crate::db::patience::Reading;
use crate::db::rights::{Extent, Task};
use crate::error::{Error, Exit};
use crate::model::words::rfc3339;
use crate::model::{ClientId, Key, NotedRun};
use crate::plan::undo::{Done, Present, Undo, undo};
use crate::plan::{RowRef, Step, Whole};
use crate::ui::{undo as view, undo_json};

const EXAMPLES: &str = "\
Examples:
  oauthctl undo 12
  oauthctl undo 12 --format json";

/// The flags of `undo`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct UndoArgs {
    /// The number of the run, as `oauthctl history` lists it.
    #[arg(value_name = "N")]
    run: i64,
}

/// Prints what would undo a run.
pub async fn run(session: &mut Session, args: &UndoArgs) -> Result<Exit, Error> {
    let config = loading::without_secrets(session)?;
    let mut connected = reaching::connect(session, &config, 1).await?;
    references::declare(session, &mut connected, &config, &[]).await?;
    // A secret cannot be brought back, so none is read.
    applications::withhold_secrets(&mut connected.layout);
    let Recalled { run, steps, tables } = recalling::run(&connected, args.run).await?;
    let Some(done) = steps else { return Err(unknown(&run)) };
    let table = connected.layout.application().qualified_name();
    if let Some(other) = tables.iter().find(|other| **other != table) {
        let message = format!("run {} changed applications in {other}, and these are in {table}", run.id);
        return Err(Error::usage(message).hint("[database.tables] in the file names the tables"));
    }
    let undone = against(&connected, &done).await?;
    let path = config.source.path().display().to_string();
    if session.global.format == Format::Json {
        let text =
            undo_json::render(&run, &undone).map_err(|error| Error::from_source(Exit::Failed, &error))?;
        session.tell(&text)?;
        return Ok(Exit::Done);
    }
    reporting::problems(session, &config.source, &overwritten::problems(&config, &undone.plan));
    session.tell(&view::render(&run, &undone))?;
    // Lines to copy are not broken.
    session.tell_whole(&view::in_file(&undone, &path))?;
    if !undone.plan.is_empty() {
        session.ui.next_step(match &run.commit {
            Some(commit) => format!(
                "give {path} back what commit {} took from it, or write the above; `oauthctl plan` shows whether that is all",
                crate::ui::plan::visible(commit)
            ),
            None => format!("write the above in {path}; `oauthctl plan` shows whether that is all"),
        });
    }
    Ok(Exit::Done)
}

/// The steps of the run are not in the ledger.
fn unknown(run: &NotedRun) -> Error {
    let NotedRun { id, version, .. } = run;
    let message =
        format!("what run {id} changed is not known: oauthctl {version} noted it without its steps");
    Error::new(Exit::Failed, message).hint(
        "`oauthctl migrate --ledger` makes the place for them, and `oauthctl migrate --roles` the privileges; the runs from \
         then on can be undone",
    )
}

/// The inverse of the steps, as the rows are now, with who would notice.
async fn against(connected: &Connected, done: &[Done]) -> Result<Undo, Error> {
    let layout = &connected.layout;
    let mut client = connected.database.get().await?;
    let task = Task { applications: Some(Extent::WithoutSecrets), narrow: true, ..Task::default() };
    rights::require_of(&**client, layout, &task, Exit::Failed).await?;
    let keys: Vec<&Key> = done.iter().filter_map(|done| done.key.as_ref()).collect();
    let client_ids: BTreeSet<ClientId> = done.iter().flat_map(names).collect();
    let mentioned = Mentioned { client_ids, ..Mentioned::default() };
    let snapshot = connected.snapshot(&mut client, Reading::Applications).await?;
    let actual = applications::read(&*snapshot, layout, &mentioned, Others::Counted).await?;
    let rows = applications::read_rows(&*snapshot, layout, &keys).await?;
    snapshot.commit().await.map_err(DbError::during("reading the applications"))?;
    // There is one connection, which is wanted again.
    drop(client);
    let present = Present {
        rows: rows
            .iter()
            .map(|stored| (stored.key.clone(), (RowRef::of(stored), Whole::of(stored, &actual))))
            .collect(),
        names: actual.applications.iter().map(|(name, stored)| (name.clone(), stored.key.clone())).collect(),
        hashes_secrets: actual.hashes_secrets,
    };
    let mut undone = undo(done, &present);
    undone.plan.total = actual.total;
    undone.plan = counted(connected, undone.plan).await?;
    Ok(undone)
}

/// The plan with who depends on what it would change.
async fn counted(connected: &Connected, plan: crate::plan::Plan) -> Result<crate::plan::Plan, Error> {
    let layout = &connected.layout;
    let at_risk: Vec<&Key> = plan.at_risk().map(|row| &row.key).collect();
    if at_risk.is_empty() {
        return Ok(plan);
    }
    let mut client = connected.database.get().await?;
    rights::require_tokens(&**client, layout, Intent::ShowWithoutSecrets).await?;
    let snapshot = connected.snapshot(&mut client, Reading::Everything).await?;
    let (counted_at, counts) = applications::dependents(&*snapshot, layout, &at_risk).await?;
    let keys: Vec<&Key> = plan.deletions().map(|row| &row.key).collect();
    let foreign = dependents::foreign_rows(&*snapshot, layout, &keys)
        .await
        .map_err(DbError::during("looking for rows that refer to what would be deleted"))?;
    drop((at_risk, keys));
    Ok(plan.with_dependents(&counts, rfc3339(counted_at)).with_foreign_rows(&foreign))
}

/// What the row of a step was called before and after it.
fn names(done: &Done) -> Vec<ClientId> {
    let before = done.step.row().map(|row| &row.client_id);
    let after = match &done.step {
        Step::Update { client_id, .. } | Step::Create { client_id, .. } => Some(client_id),
        Step::Adopt { .. } | Step::Delete { .. } => None,
    };
    before.into_iter().chain(after).cloned().collect()
}

//! From a verb to the file that does it.

use super::cli::Verb;
use super::session::Session;
use super::{
    apply, cleartokens, completions, createapplication, doctor, hash_secret, history, import, init, list,
    man, migrate, plan, rotate_secret, schema, show, show_plan, status, undo, validate, version,
};
use super::{format, parsing};
use crate::db::notices;
use crate::error::{Error, Exit};

/// Does what the command line asks for.
///
/// # Errors
/// What the verb could not do, with its exit code and hints.
pub fn run(session: &mut Session, verb: &Verb) -> Result<Exit, Error> {
    format::check(verb.name(), session.global.format)?;
    let result = start(session, verb);
    for warning in notices::take() {
        session.ui.warning(format_args!("{warning}."));
    }
    result
}

fn start(session: &mut Session, verb: &Verb) -> Result<Exit, Error> {
    match verb {
        Verb::Init(args) => init::run(session, args),
        Verb::Validate(args) => validate::run(session, args),
        Verb::Plan(args) => session.block_on(plan::run, args),
        Verb::ShowPlan(args) => show_plan::run(session, args),
        Verb::Apply(args) => session.block_on(apply::run, args),
        Verb::Import(args) => session.block_on(import::run, args),
        Verb::List(args) => session.block_on(list::run, args),
        Verb::Show(args) => session.block_on(show::run, args),
        Verb::Cleartokens(args) => session.block_on(cleartokens::run, args),
        Verb::Createapplication(args) => session.block_on(createapplication::run, args),
        Verb::RotateSecret(args) => session.block_on(rotate_secret::run, args),
        Verb::HashSecret(args) => hash_secret::run(session, args),
        Verb::Status(args) => session.block_on(status::run, args),
        Verb::History(args) => session.block_on(history::run, args),
        Verb::Undo(args) => session.block_on(undo::run, args),
        Verb::Doctor(args) => session.block_on(doctor::run, args),
        Verb::Migrate(args) => session.block_on(migrate::run, args),
        Verb::Schema(args) => schema::run(session, args),
        Verb::Completions(args) => completions::run(session, args, parsing::command()),
        Verb::Man(args) => man::run(session, args, parsing::command()),
        Verb::Version(args) => version::run(session, args),
    }
}

//! `apply --pick`: a person decides about each change; the rest of the verb works with what was picked.

use super::session::Session;
use crate::error::{Error, Exit};
use crate::plan::picking::{Answer, Asking, Picked};
use crate::plan::{Plan, Proposal};
use crate::ui::about::expired_rows;
use crate::ui::picking as view;
use crate::ui::plan::Detail;

/// Refuses where nobody can be asked, before anything is done.
pub fn check(session: &Session) -> Result<(), Error> {
    if session.ui.terminal().interactive {
        return Ok(());
    }
    let message = "apply --pick needs a terminal on which it can ask about each change; nothing was changed";
    Err(Error::new(Exit::Refused, message)
        .hint("--yes makes all changes, and --target CLIENT_ID those of one application"))
}

/// Asks about each step, and about the cleanup. `before`: what was decided about an earlier plan of the same run, and is
/// not asked again.
pub async fn pick(
    session: &mut Session,
    proposal: &Proposal,
    detail: Detail,
    before: Option<&Picked>,
) -> Result<Picked, Error> {
    let plan = &proposal.plan;
    let decided = |step| before.and_then(|before| before.of(step));
    let asks_to_clean = proposal.may_clean() && before.is_none_or(|before| before.cleans.is_none());
    let open = plan.steps.iter().filter(|step| decided(step).is_none()).count();
    let total = open + usize::from(asks_to_clean);
    let (mut asking, mut number) = (Asking::default(), 0);
    let mut picks = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        if let Some(pick) = decided(step) {
            picks.push(pick);
            continue;
        }
        number += 1;
        session.ui.sentence(view::step(plan, step, detail));
        picks.push(decide(session, &mut asking, &view::question("Make this change?", number, total)).await?);
    }
    let mut cleans = before.and_then(|before| before.cleans);
    if let Some(expired) = proposal.expired().filter(|_| asks_to_clean) {
        let question = format!("\nDelete {}?", expired_rows(expired));
        cleans = Some(decide(session, &mut asking, &view::question(&question, total, total)).await?);
    }
    let mut picks = picks.into_iter();
    let (plan, left) = Plan::clone(plan).divide(|_| picks.next().unwrap_or(false));
    Ok(Picked { plan, left, cleans })
}

/// Asks until there is an answer, unless an earlier one was about this too.
async fn decide(session: &mut Session, asking: &mut Asking, question: &str) -> Result<bool, Error> {
    if let Some(decided) = asking.decided() {
        return Ok(decided);
    }
    loop {
        let Some(line) = session.answer_to(question).await? else {
            return Err(Error::new(Exit::Failed, "no answer; nothing was changed"));
        };
        match Answer::of(&line) {
            Some(answer) => return Ok(asking.take(answer)),
            None => session.ui.stderr_line(view::HELP),
        }
    }
}

/// Says what was left out; refuses where nothing is left.
pub fn settle(session: &mut Session, picked: &Picked) -> Result<(), Error> {
    if picked.plan.is_empty() && picked.cleans != Some(true) {
        return Err(Error::new(Exit::Failed, "nothing was picked; nothing was changed"));
    }
    if picked.leaves() {
        session.ui.status(view::left_out(picked));
    }
    Ok(())
}

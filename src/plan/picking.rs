//! Which steps of a plan a person wants: the answers, and the plan that is left of them. Pure.

use super::{Plan, Step, shown};

/// What is typed at the question about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    /// Yes to this one and to all that follow.
    All,
    /// No to this one and to all that follow.
    Quit,
}

impl Answer {
    /// The first letter, or the word; `None`: neither.
    #[must_use]
    pub fn of(line: &str) -> Option<Self> {
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => Some(Self::Yes),
            "n" | "no" => Some(Self::No),
            "a" | "all" => Some(Self::All),
            "q" | "quit" => Some(Self::Quit),
            _ => None,
        }
    }
}

/// One question after the other.
#[derive(Debug, Default)]
pub struct Asking {
    rest: Option<bool>,
}

impl Asking {
    /// What is decided already; `None`: it has to be asked.
    #[must_use]
    pub const fn decided(&self) -> Option<bool> {
        self.rest
    }

    /// Whether the answer picks what was asked about.
    pub const fn take(&mut self, answer: Answer) -> bool {
        match answer {
            Answer::Yes => true,
            Answer::No => false,
            Answer::All => {
                self.rest = Some(true);
                true
            }
            Answer::Quit => {
                self.rest = Some(false);
                false
            }
        }
    }
}

/// What was decided about a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    /// The plan with the steps that were picked.
    pub plan: Plan,
    /// The steps that were left out.
    pub left: Vec<Step>,
    /// Whether expired rows are to be deleted; `None`: it was not asked.
    pub cleans: Option<bool>,
}

impl Picked {
    /// What was decided about a step of another plan, made since; `None`: it was not shown.
    #[must_use]
    pub fn of(&self, step: &Step) -> Option<bool> {
        let is_in = |steps: &[Step]| steps.iter().any(|seen| shown::covers(seen, step));
        if is_in(&self.plan.steps) { Some(true) } else { is_in(&self.left).then_some(false) }
    }

    /// The steps of a plan made after the commit that were not left out.
    #[must_use]
    pub fn unexpected(&self, now: Plan) -> Plan {
        now.divide(|step| self.of(step) != Some(false)).0
    }

    /// Whether anything was left out.
    #[must_use]
    pub fn leaves(&self) -> bool {
        !self.left.is_empty() || self.cleans == Some(false)
    }
}

impl Plan {
    /// The plan with the steps that are picked, in their order, and the other steps.
    #[must_use]
    pub fn divide(mut self, mut is_picked: impl FnMut(&Step) -> bool) -> (Self, Vec<Step>) {
        let (picked, left) = std::mem::take(&mut self.steps).into_iter().partition(|step| is_picked(step));
        self.steps = picked;
        (self, left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClientId;

    fn create(client_id: &str) -> Step {
        Step::Create { client_id: ClientId::new(client_id), fields: Vec::new() }
    }

    fn plan(client_ids: &[&str]) -> Plan {
        Plan { steps: client_ids.iter().map(|client_id| create(client_id)).collect(), ..Plan::default() }
    }

    fn picked(answers: &str) -> Vec<bool> {
        let mut asking = Asking::default();
        let mut answers = answers.split(' ').map(|answer| Answer::of(answer).unwrap());
        let mut decide = || asking.decided().unwrap_or_else(|| asking.take(answers.next().unwrap()));
        (0..4).map(|_| decide()).collect()
    }

    #[test]
    fn all_and_quit_decide_about_the_rest() {
        assert_eq!(picked("y n Yes no"), [true, false, true, false]);
        assert_eq!(picked("n a"), [false, true, true, true]);
        assert_eq!(picked("y q"), [true, false, false, false]);
        for line in ["", "yy", "yes please", "1", "?"] {
            assert_eq!(Answer::of(line), None, "{line}");
        }
    }

    #[test]
    fn a_plan_is_divided_in_its_order() {
        let (taken, left) = plan(&["a", "b", "c", "d"]).divide(|step| step.client_id().as_str() != "b");
        assert_eq!((taken, left), (plan(&["a", "c", "d"]), vec![create("b")]));
    }

    #[test]
    fn what_was_left_out_is_expected_and_nothing_else() {
        let picked = Picked { plan: plan(&["a"]), left: vec![create("b")], cleans: None };
        assert_eq!((picked.of(&create("a")), picked.of(&create("b"))), (Some(true), Some(false)));
        assert_eq!(picked.of(&create("c")), None);
        assert_eq!(picked.unexpected(plan(&["a", "b", "c"])), plan(&["a", "c"]));
        assert!(picked.leaves() && !Picked::default().leaves());
    }
}

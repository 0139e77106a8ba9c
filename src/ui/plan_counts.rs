//! The numbers of a plan for the pages of a forge: GitLab's widget on a merge request, the outputs of a step on GitHub.
//! Pure.

use std::fmt::Write as _;

use serde_json::json;

use super::plan_markdown;
use crate::plan::{Proposal, Summary};

/// The most bytes that GitHub takes for the summary of a step.
pub const SUMMARY_LIMIT: usize = 1 << 20;

/// GitLab's report `terraform`: a rename is an update, and what only the ledger gets is none.
#[must_use]
pub fn gitlab(proposal: &Proposal) -> String {
    let Summary { create, update, rename, adopt: _, delete } = proposal.plan.summary();
    format!("{}\n", json!({ "create": create, "update": update + rename, "delete": delete }))
}

/// The outputs of a step, a line for each. There are only numbers and flags, so that none can forge a line.
#[must_use]
pub fn github_outputs(proposal: &Proposal) -> String {
    let Summary { create, update, rename, adopt, delete } = proposal.plan.summary();
    let mut out = format!("changes={}\nrefused={}\n", !proposal.plan.is_empty(), proposal.refusal.is_some());
    for (name, count) in
        [("create", create), ("update", update), ("rename", rename), ("adopt", adopt), ("delete", delete)]
    {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name}={count}");
    }
    out
}

/// The plan as the summary of a step, in at most this number of bytes; `None`: they do not hold even the counts.
#[must_use]
pub fn github_summary(proposal: &Proposal, bytes: usize) -> Option<String> {
    // A UTF-16 code unit takes three bytes at most.
    let limits = [bytes, bytes / 3];
    let long_enough = limits.into_iter().filter(|limit| *limit >= plan_markdown::SHORTEST_LIMIT);
    long_enough.map(|limit| plan_markdown::render(proposal, limit)).find(|text| text.len() <= bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClientId;
    use crate::plan::{Plan, Step};

    fn creations(count: usize, name: &str) -> Proposal {
        let step =
            |number| Step::Create { client_id: ClientId::new(format!("{name}{number}")), fields: Vec::new() };
        Plan { steps: (0..count).map(step).collect(), ..Plan::default() }.into()
    }

    #[test]
    fn the_numbers_are_those_of_the_plan() {
        assert_eq!(gitlab(&creations(2, "x")), "{\"create\":2,\"delete\":0,\"update\":0}\n");
        let none = github_outputs(&Proposal::default());
        assert_eq!(none, "changes=false\nrefused=false\ncreate=0\nupdate=0\nrename=0\nadopt=0\ndelete=0\n");
        assert!(github_outputs(&creations(2, "x")).starts_with("changes=true\nrefused=false\ncreate=2\n"));
    }

    #[test]
    fn a_summary_fits() {
        for (count, name) in [(1, "x"), (20_000, "x"), (20_000, "日本語の名前日本語の名前日本語の名前")]
        {
            let text = github_summary(&creations(count, name), SUMMARY_LIMIT).unwrap();
            assert!(text.len() <= SUMMARY_LIMIT && text.contains("to create"), "{}", text.len());
        }
        assert_eq!(github_summary(&creations(1, "x"), 100), None);
    }
}

//! What the role may do, by what it is wanted for.

use std::collections::BTreeSet;

use super::{Check, Finding, Purpose, Terms};
use crate::model::health::{Functions, Lacks, LedgerRights, Privileges};
use crate::model::words::listed;

const fn verbs(purpose: Purpose) -> &'static [&'static str] {
    match purpose {
        Purpose::Plan => &["plan", "status"],
        Purpose::PlanWithoutSecrets => &["plan --without-secrets"],
        Purpose::Apply => &["apply"],
        Purpose::Createapplication => &["createapplication"],
        Purpose::RotateSecret => &["rotate-secret"],
        Purpose::Cleartokens => &["cleartokens"],
    }
}

/// Says what is lacking for each verb that the role is wanted for.
pub(super) fn check(privileges: &Privileges, functions: &Functions, terms: &Terms) -> Vec<Finding> {
    let role = &privileges.role;
    let mut findings = Vec::new();
    let (mut enough, mut granted): (Vec<&str>, BTreeSet<String>) = Default::default();
    for purpose in &terms.purposes {
        let mut lacks = privileges.lacks.get(purpose).cloned().unwrap_or_default();
        if *purpose == Purpose::Plan {
            // `status` looks at all that a plan looks at.
            if lacks.is_empty() && !privileges.status.is_empty() {
                enough.push("plan");
                findings.push(only_status(&privileges.status));
                continue;
            }
            lacks = privileges.status.clone();
        }
        if lacks.is_empty() {
            enough.extend(verbs(*purpose));
            continue;
        }
        let mut finding = lacking(&lacks, *purpose);
        if *purpose == Purpose::Plan && !privileges.reads_secrets {
            finding =
                finding.shell("oauthctl plan --without-secrets   # needs no privilege on client_secret");
        }
        // What one purpose has asked for need not be typed again for the next.
        finding.remedies.retain(|remedy| granted.insert(remedy.text().to_owned()));
        findings.push(finding);
    }
    if !enough.is_empty() {
        findings
            .insert(0, Check::Privileges.ok(format!("{role} has the privileges for {}.", listed(&enough))));
    }
    let Lacks { all: users, .. } = &privileges.users;
    for lack in users.iter().filter(|lack| !granted.contains(&lack.grant(role))) {
        findings.push(
            Check::Privileges
                .note(format!("{role} lacks {}.", lack.what()))
                .meaning("`user = { username = … }` in the file cannot be looked up; a primary key works.")
                .sql(lack.grant(role)),
        );
    }
    if terms.purposes.contains(&Purpose::Cleartokens) {
        findings.extend(definer(role, functions));
    }
    if terms.purposes.contains(&Purpose::Cleartokens) && !privileges.superuser {
        findings.extend(opt_in(privileges, functions));
    }
    findings.push(ledger(privileges, terms));
    findings
}

fn lacking(lacks: &Lacks, purpose: Purpose) -> Finding {
    let Lacks { role, all } = lacks;
    let what: Vec<String> = all.iter().map(crate::model::health::Lack::what).collect();
    let found = format!("For {}, {role} lacks {}.", listed(verbs(purpose)), what.join("; "));
    let meaning = if purpose.writes() {
        "The verb refuses before it writes anything."
    } else {
        "The verb fails at the first statement that needs it."
    };
    let finding = Check::Privileges.problem(found).meaning(meaning);
    lacks.grants().into_iter().fold(finding, Finding::sql)
}

/// Tables that no plan by this file looks at.
fn only_status(lacks: &Lacks) -> Finding {
    let what: Vec<String> = lacks.all.iter().map(crate::model::health::Lack::what).collect();
    let finding = Check::Privileges
        .note(format!("{} lacks {}.", lacks.role, what.join("; ")))
        .meaning("`status` counts every table of DOT, so it needs that; `plan` by this file does not.");
    lacks.grants().into_iter().fold(finding, Finding::sql)
}

/// What only the opt-in ways of cleanup need.
fn opt_in(privileges: &Privileges, functions: &Functions) -> Vec<Finding> {
    const REWRITE: &str = "`strategy = \"rewrite\"`";
    let Privileges { role, rewrite, replication_role, .. } = privileges;
    let mut findings = Vec::new();
    if !rewrite.is_empty() {
        let finding = Check::Privileges.note(format!("{role} may not use {REWRITE}."))
            .meaning("Only for a backlog that is mostly dead: it takes an exclusive lock, truncates and puts the survivors back. Everyday cleanup does not need it.");
        findings.push(rewrite.grants().into_iter().fold(finding, Finding::sql));
    }
    if *replication_role != Some(true) && *functions == Functions::Absent {
        let finding = Check::Privileges.note(format!("{role} may not use `fk_checks = \"set\"`."))
            .meaning(match replication_role {
                Some(_) => "It switches the row triggers of foreign keys off for its own transactions, and checks the references set-wise. Everyday cleanup does not need it.",
                None => "It needs the right to set session_replication_role, which PostgreSQL grants to superusers only before version 15.",
            });
        let finding = match replication_role {
            Some(_) => finding.sql(format!("GRANT SET ON PARAMETER session_replication_role TO {role};")),
            None => finding,
        };
        findings.push(finding.shell(print(role)));
    }
    findings
}

/// The functions that do it for the role.
fn definer(role: &str, functions: &Functions) -> Option<Finding> {
    match functions {
        Functions::Absent => None,
        Functions::Fit => Some(
            Check::Privileges
                .ok(format!("{role} may use `fk_checks = \"set\"` through the functions of a superuser.")),
        ),
        Functions::Unfit { reasons, wanted } => {
            let found =
                format!("The functions of `migrate --definer` cannot be used: {}.", reasons.join("; "));
            let finding =
                if *wanted { Check::Privileges.problem(found) } else { Check::Privileges.note(found) };
            let meaning = "`fk_checks = \"set\"` is refused unless the role may set session_replication_role itself; \
                           \"auto\" uses the triggers. Print the file again, and have a superuser run it.";
            Some(finding.meaning(meaning).shell(print(role)))
        }
    }
}

fn print(role: &str) -> String {
    format!("oauthctl migrate --definer --for {role} > definer.sql")
}

/// Without a ledger that the role can use everything goes on but what needs one.
fn ledger(privileges: &Privileges, terms: &Terms) -> Finding {
    let Privileges { role, ledger, ledger_needed, .. } = privileges;
    let (outdated, reading, writing, steps) = match ledger {
        LedgerRights::Absent => return Check::Ledger.note("There is no ledger in this database.")
                .meaning("It is optional: without it there is no `prune = \"owned\"`, no history of runs, and no growth in `status`.")
                .shell("oauthctl migrate --ledger"),
        LedgerRights::There { outdated, reading, writing, steps } => (*outdated, reading, writing, steps),
    };
    let only_reads = !terms.write();
    let (lacks, verb) = if only_reads { (reading, "read") } else { (writing, "write to") };
    if !lacks.is_empty() {
        let found = format!("{role} may not {verb} the ledger.");
        let finding = if *ledger_needed {
            Check::Ledger
                .problem(found)
                .meaning("`prune = \"owned\"` in the file needs it, so `plan` and `apply` refuse.")
        } else if only_reads {
            Check::Ledger
                .note(found)
                .meaning("The verbs warn and go on without: the plan does not know what the file has made.")
        } else {
            Check::Ledger.note(found)
                .meaning("The verbs warn and go on without: runs of this role are not noted, nor what the file has made.")
        };
        return lacks.grants().into_iter().fold(finding, Finding::sql);
    }
    if !only_reads && !steps.is_empty() {
        let finding = Check::Ledger
            .note(format!("{role} may not note in the ledger what a run changes."))
            .meaning("Runs of this role are noted without that, so `undo` does not know them.");
        return steps.grants().into_iter().fold(finding, Finding::sql);
    }
    if outdated {
        Check::Ledger
            .note("The ledger was made by an older version of oauthctl.")
            .meaning(
                "Runs are noted, but not all that this version notes of them: `undo` does not know what they changed, and \
                 `status` may not show how the tables grow.",
            )
            .shell("oauthctl migrate --ledger")
    } else {
        Check::Ledger.ok("The ledger is there.")
    }
}

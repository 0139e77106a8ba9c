//! What the role may do, by what it is wanted for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, Finding, Purpose, Terms};
use crate::model::TableRole;
use crate::model::health::{LedgerRights, Privilege, Privileges, TableRights};
use crate::model::words::listed;

/// What a purpose needs of a table. Deleting an application deletes its tokens, too.
const fn needed(purpose: Purpose, role: TableRole) -> &'static [Privilege] {
    use Privilege::{Delete, Insert, Select, Update};
    match (purpose, role) {
        (Purpose::Plan, _) | (Purpose::Cleartokens, TableRole::Application) => &[Select],
        (Purpose::Apply, TableRole::Application) => &[Select, Insert, Update, Delete],
        (Purpose::Apply | Purpose::Cleartokens, _) => &[Select, Update, Delete],
    }
}

const fn verbs(purpose: Purpose) -> &'static [&'static str] {
    match purpose {
        Purpose::Plan => &["plan", "status"],
        Purpose::Apply => &["apply", "createapplication"],
        Purpose::Cleartokens => &["cleartokens"],
    }
}

/// What is missing on the tables, grouped so that one GRANT has all tables that lack the same.
fn grants(
    tables: &[TableRights],
    needed: impl Fn(TableRole) -> &'static [Privilege],
) -> Vec<(Vec<Privilege>, Vec<String>)> {
    let mut by_privileges: BTreeMap<Vec<Privilege>, Vec<String>> = BTreeMap::new();
    for TableRights { role, table, granted, .. } in tables {
        let missing: Vec<Privilege> =
            needed(*role).iter().copied().filter(|privilege| !granted.contains(privilege)).collect();
        if !missing.is_empty() {
            by_privileges.entry(missing).or_default().push(table.clone());
        }
    }
    by_privileges.into_iter().collect()
}

fn words(privileges: &[Privilege]) -> String {
    privileges.iter().map(|privilege| privilege.sql()).collect::<Vec<_>>().join(", ")
}

/// Compares what is granted with what is needed.
pub(super) fn check(privileges: &Privileges, terms: &Terms) -> Vec<Finding> {
    let Privileges { role, locked_schemas, tables, unreadable_users, .. } = privileges;
    let mut findings = Vec::new();
    let (mut enough, mut granted): (Vec<&str>, BTreeSet<String>) = Default::default();
    for purpose in &terms.purposes {
        let missing = grants(tables, |table| needed(*purpose, table));
        let sequences: Vec<&String> = tables
            .iter()
            .filter(|rights| rights.role == TableRole::Application && *purpose == Purpose::Apply)
            .filter_map(|rights| rights.locked_sequence.as_ref())
            .collect();
        if missing.is_empty() && sequences.is_empty() && locked_schemas.is_empty() {
            enough.extend(verbs(*purpose));
            continue;
        }
        let mut lacks: Vec<String> =
            locked_schemas.iter().map(|schema| format!("USAGE on schema {schema}")).collect();
        lacks.extend(missing.iter().map(|(what, on)| format!("{} on {}", words(what), listed(on))));
        lacks.extend(sequences.iter().map(|sequence| format!("USAGE on sequence {sequence}")));
        let found = format!("For {}, {role} lacks {}.", listed(verbs(*purpose)), lacks.join("; "));
        let mut finding = Finding::problem(Check::Privileges, found)
            .meaning("The verb fails at the first statement that needs it; nothing is half done.");
        for schema in locked_schemas {
            finding = finding.sql(format!("GRANT USAGE ON SCHEMA {schema} TO {role};"));
        }
        for (what, on) in &missing {
            finding = finding.sql(format!("GRANT {} ON {} TO {role};", words(what), on.join(", ")));
        }
        for sequence in sequences {
            finding = finding.sql(format!("GRANT USAGE ON SEQUENCE {sequence} TO {role};"));
        }
        // What one purpose has asked for need not be typed again for the next.
        finding.remedies.retain(|remedy| granted.insert(remedy.text().to_owned()));
        findings.push(finding);
    }
    if !enough.is_empty() {
        findings.insert(0, Finding::ok(Check::Privileges, format!("{role} may run {}.", listed(&enough))));
    }
    if let Some(users) = unreadable_users {
        findings.push(
            Finding::note(Check::Privileges, format!("{role} may not read {users}."))
                .meaning("`user = { username = … }` in the file cannot be looked up; a primary key works.")
                .sql(format!("GRANT SELECT ON {users} TO {role};")),
        );
    }
    if terms.purposes.contains(&Purpose::Cleartokens) && !privileges.superuser {
        findings.extend(opt_in(privileges));
    }
    findings.extend(ledger(privileges, terms));
    findings
}

/// What only the opt-in ways of cleanup need.
fn opt_in(privileges: &Privileges) -> Vec<Finding> {
    const REWRITE: &str = "`strategy = \"rewrite\"`";
    let Privileges { role, tables, temporary, replication_role, .. } = privileges;
    let mut findings = Vec::new();
    let missing = grants(tables, |table| {
        if table == TableRole::Application { &[] } else { &[Privilege::Insert, Privilege::Truncate] }
    });
    if !missing.is_empty() || !*temporary {
        let mut finding = Finding::note(Check::Privileges, format!("{role} may not use {REWRITE}."))
            .meaning("Only for a backlog that is mostly dead: it takes an exclusive lock, truncates and puts the survivors back. Everyday cleanup does not need it.");
        for (what, on) in &missing {
            finding = finding.sql(format!("GRANT {} ON {} TO {role};", words(what), on.join(", ")));
        }
        if !*temporary {
            finding = finding.sql(format!("DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO {role}', current_database()); END $$;"));
        }
        findings.push(finding);
    }
    if *replication_role != Some(true) {
        let finding = Finding::note(Check::Privileges, format!("{role} may not use `fk_checks = \"set\"`."))
            .meaning(match replication_role {
                Some(_) => "It switches the row triggers of foreign keys off for its own transactions, and checks the references set-wise. Everyday cleanup does not need it.",
                None => "It needs the right to set session_replication_role, which PostgreSQL grants to superusers only before version 15.",
            });
        findings.push(match replication_role {
            Some(_) => finding.sql(format!("GRANT SET ON PARAMETER session_replication_role TO {role};")),
            None => finding,
        });
    }
    findings
}

fn ledger(privileges: &Privileges, terms: &Terms) -> Option<Finding> {
    let role = &privileges.role;
    match privileges.ledger {
        LedgerRights::Absent => Some(
            Finding::note(Check::Ledger, "There is no ledger in this database.")
                .meaning("It is optional: without it there is no `prune = \"owned\"`, no history of runs, and no growth in `status`.")
                .shell("oauthctl migrate --ledger"),
        ),
        LedgerRights::Outdated => Some(
            Finding::note(Check::Ledger, "The ledger was made by an older version of oauthctl.")
                .meaning("Runs are noted, but not how large the tables are, so `status` cannot tell how they grow.")
                .shell("oauthctl migrate --ledger"),
        ),
        LedgerRights::Writable => Some(Finding::ok(Check::Ledger, "The ledger is there.")),
        LedgerRights::Locked if terms.purposes.iter().all(|purpose| *purpose == Purpose::Plan) => None,
        LedgerRights::Locked => Some(
            Finding::problem(Check::Ledger, format!("{role} may not write to the ledger."))
                .meaning("Where there is a ledger, every run that changes something is noted there, or it does not begin.")
                .sql(format!("GRANT USAGE ON SCHEMA oauthctl TO {role};"))
                .sql(format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA oauthctl TO {role};")),
        ),
    }
}

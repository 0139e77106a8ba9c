//! What others have tied to DOT's tables: foreign keys, triggers, policies, partitions.

use std::collections::BTreeMap;

use super::indexes::noun;
use super::{Check, Finding};
use crate::model::health::{Referrer, Storage, Trigger};
use crate::model::printable::quote;
use crate::model::words::{listed, plural};
use crate::model::{
    BlockingRows, OnDelete, Release, TableRole, Treatment, is_of_newer_dot, references_block, suggestion,
};

/// Foreign keys of tables that are none of DOT's, and foreign keys that were never validated.
pub(super) fn check(referrers: &[Referrer], blocking: Result<&[BlockingRows], &String>) -> Vec<Finding> {
    let others = || referrers.iter().filter(|referrer| !referrer.own);
    let is_of = |rows: &BlockingRows, referrer: &Referrer| {
        (&rows.constraint, &rows.table) == (&referrer.constraint, &referrer.table)
    };
    let found = blocking.unwrap_or_default();
    let mut findings: Vec<Finding> =
        others().map(|referrer| foreign(referrer, found.iter().find(|rows| is_of(rows, referrer)))).collect();
    // Rows that refer to rows which are deleted along.
    let further = found.iter().filter(|rows| !others().any(|referrer| is_of(rows, referrer)));
    findings.extend(
        further
            .clone()
            .map(|rows| in_the_way(rows, &format!("rows of {} that would be deleted along", rows.to))),
    );
    let open = others().filter(|referrer| referrer.treatment.blocks() && !referrer.declared);
    let open = open.filter_map(|referrer| suggestion(&referrer.table, &referrer.name, referrer.not_null));
    let further = further.filter_map(|rows| suggestion(&rows.table, &rows.name, rows.not_null));
    if let Some(block) = references_block(open.chain(further)) {
        let lines = block.lines().count() - 1;
        let columns = plural(lines as u64, "column");
        let have = if lines == 1 { "has" } else { "have" };
        findings.push(
            Check::References
                .note(format!(
                    "{columns} {have} no entry in [cleanup.references], so rows there prevent deletions."
                ))
                .meaning(
                    "Look up on_delete in Django's model; the database does not have it. Copy into the file:",
                )
                .toml(block),
        );
    }
    if let Err(reason) = blocking
        && !findings.is_empty()
    {
        findings.push(super::unseen(Check::References, reason));
    }
    if findings.is_empty() {
        findings.push(Check::References.ok("No other table refers to DOT's."));
    }
    findings.extend(referrers.iter().filter(|referrer| !referrer.validated).map(|referrer| {
        let Referrer { table, constraint, .. } = referrer;
        Check::References
            .note(format!("{constraint} of {table} was never checked for the rows that were there before."))
            .meaning("Pointers may dangle. Checking reads the table and lets others write meanwhile.")
            .sql(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {};", quote(constraint)))
    }));
    findings
}

fn foreign(referrer: &Referrer, rows: Option<&BlockingRows>) -> Finding {
    let Referrer { constraint, table, column, to, treatment, declared, .. } = referrer;
    let what = noun(*to);
    let found = format!("{table} ({column}) refers to {what}s, by {constraint}.");
    if is_of_newer_dot(table) && treatment.blocks() {
        return Check::References.problem(found).meaning(format!(
            "It is a table of DOT's: {}. Until then {what}s that it refers to are not deleted.",
            Release::UPDATE
        ));
    }
    let why = treatment.reason();
    match (treatment, rows) {
        (Treatment::Delete | Treatment::Link | Treatment::OnDelete(OnDelete::Cascade), _) => {
            Check::References
                .note(found)
                .meaning(format!("Its rows are deleted along with the {what} that they refer to ({why})."))
        }
        (Treatment::Null | Treatment::OnDelete(_), _) => Check::References
            .note(found)
            .meaning(format!("Its column is {} when the {what} is deleted ({why}).", treatment.effect())),
        (Treatment::Refuse, Some(rows)) if rows.rows > 0 => {
            in_the_way(rows, &format!("{what}s that cleanup would delete"))
                .shell(format!("oauthctl cleartokens --skip {}", skip(*to)))
        }
        (Treatment::Refuse, rows) => {
            let now = if rows.is_some() || *to == TableRole::Application {
                ""
            } else {
                " None prevents cleanup now."
            };
            let verb = if *to == TableRole::Application { "`apply`" } else { "Cleanup" };
            let said = if *declared { " as the file says" } else { "" };
            Check::References.note(found).meaning(format!(
                "A row there keeps its {what} from being deleted{said}.{now} {verb} looks for such rows first, and names them when it refuses."
            ))
        }
    }
}

/// Rows that prevent cleanup.
fn in_the_way(rows: &BlockingRows, targets: &str) -> Finding {
    let BlockingRows { table, column, constraint, rows, select, .. } = rows;
    let (verb, they) = if *rows == 1 { ("refers", "it") } else { ("refer", "them") };
    let rows = plural(*rows, "row");
    Check::References
        .problem(format!("{rows} of {table} ({column}) {verb} to {targets}, by {constraint}."))
        .meaning(format!("PostgreSQL would refuse at COMMIT, so cleanup refuses before the first delete. Say in the file what is done with {they}, delete or detach {they}, or leave these tokens out."))
        .sql(select.clone())
}

/// The categories that leave the table's rows alone.
const fn skip(role: TableRole) -> &'static str {
    match role {
        TableRole::Application | TableRole::AccessToken => "access",
        TableRole::RefreshToken => "revoked,orphaned,expired",
        TableRole::IdToken => "id",
        TableRole::Grant => "grants",
        TableRole::DeviceGrant => "device",
        TableRole::ParRequest => "par",
    }
}

/// Triggers and rules.
pub(super) fn triggers(triggers: &[Trigger]) -> Vec<Finding> {
    if triggers.is_empty() {
        return vec![Check::Triggers.ok("DOT's tables have no triggers and no rules but PostgreSQL's own.")];
    }
    let mut unchecked: BTreeMap<&str, (Vec<&str>, Vec<&String>)> = BTreeMap::new();
    let mut findings = Vec::new();
    for trigger in triggers {
        match trigger {
            Trigger::User { table, name, before_delete: false } => findings.push(
                Check::Triggers.note(format!("{table} has a trigger, {name}."))
                    .meaning("It runs for every row that oauthctl or another program writes there; `fk_checks = \"set\"` refuses such tables."),
            ),
            Trigger::User { table, name, before_delete: true } => findings.push(
                Check::Triggers.note(format!("{table} has a trigger, {name}, that runs before each DELETE."))
                    .meaning("If it keeps a row, cleanup fails by name rather than go round in circles.")
                    .sql(format!("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = {}::regclass AND quote_ident(tgname) = {};", super::literal(table), super::literal(name))),
            ),
            Trigger::Rule { table, name } => findings.push(
                Check::Triggers.note(format!("{table} has a rule, {name}."))
                    .meaning("It rewrites statements; if it keeps rows from being deleted, cleanup fails by name.")
                    .sql(format!("SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = {}::regclass AND quote_ident(rulename) = {};", super::literal(table), super::literal(name))),
            ),
            Trigger::Unchecked { table, constraint, triggers } => {
                let (constraints, names) = unchecked.entry(table).or_default();
                constraints.push(constraint.as_str());
                names.extend(triggers);
            }
        }
    }
    findings.extend(unchecked.into_iter().map(|(table, (constraints, names))| {
        let enable: Vec<String> = names.iter().map(|name| format!("ENABLE TRIGGER {name}")).collect();
        let off = listed(&constraints);
        Check::Triggers.problem(format!("The triggers of {table} that check foreign keys are off: {off}."))
        .meaning("Rows can be deleted that others refer to, and nothing notices. Enabling them does not look at what has happened meanwhile.")
        .sql(format!("ALTER TABLE {table} {};", enable.join(", ")))
    }));
    findings
}

pub(super) fn row_security(tables: &[Storage], role: &str) -> Vec<Finding> {
    let names = |hides: bool| -> Vec<&str> {
        tables
            .iter()
            .filter(|table| table.row_security && table.hides_rows == hides)
            .map(|table| table.name.as_str())
            .collect()
    };
    let (hidden, seen) = (names(true), names(false));
    if hidden.is_empty() && seen.is_empty() {
        return vec![Check::RowSecurity.ok("It is off for DOT's tables.")];
    }
    let mut findings = Vec::new();
    if !hidden.is_empty() {
        findings.push(
            Check::RowSecurity.problem(format!("Policies may hide rows of {} from {role}.", listed(&hidden)))
                .meaning("Counts would be too low and rows would stay, so what is about these tables is refused: cleanup, and, where they are applications, whatever writes. The owner of the tables is not subject to it unless it is forced.")
                .sql(format!("ALTER ROLE {role} BYPASSRLS;")),
        );
    }
    if !seen.is_empty() {
        findings
            .push(Check::RowSecurity.ok(format!("It is on for {}; {role} sees every row.", listed(&seen))));
    }
    findings
}

/// Partitioned tables; nothing where there are none.
pub(super) fn partitions(tables: &[Storage]) -> Vec<Finding> {
    tables
        .iter()
        .filter(|table| table.partitioned)
        .map(|table| {
            Check::Partitions.note(format!("{} has {}.", table.name, plural(table.parts.len() as u64, "partition")))
            .meaning("Django knows nothing of partitions. Indexes and VACUUM are per partition, and so is what is said about them here.")
        })
        .collect()
}

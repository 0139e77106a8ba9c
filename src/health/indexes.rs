//! Indexes: those that are broken, those that foreign keys need, and those that some runs would like.

use super::{Check, Finding};
use crate::model::TableRole;
use crate::model::health::{Index, Part, Referrer, Storage};
use crate::model::words::{bytes, grouped, plural};

/// Tables below this are read from end to end quickly, so they need no index: in bytes, and in rows.
const SMALL: (u64, u64) = (1 << 20, 10_000);

/// From about here on a nightly run notices that it reads the whole table.
const LARGE: u64 = 1_000_000;

/// Indexes, as they are and as they could be.
pub(super) fn check(tables: &[Storage], referrers: &[Referrer]) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        parts(tables).flat_map(|(_, part)| part.indexes.iter().filter_map(broken)).collect();
    findings.extend(
        referrers.iter().filter(|referrer| !referrer.indexed).map(|referrer| unindexed(referrer, tables)),
    );
    if findings.is_empty() {
        findings.push(Check::Indexes.ok("None is invalid, and every foreign key to a DOT table has one."));
    }
    findings.extend(cutoffs(tables));
    findings
}

fn parts(tables: &[Storage]) -> impl Iterator<Item = (TableRole, &Part)> {
    tables.iter().flat_map(|table| table.parts.iter().map(|part| (table.role, part)))
}

/// An index that a failed `CREATE INDEX CONCURRENTLY` or `REINDEX … CONCURRENTLY` has left behind.
pub(super) fn broken(index: &Index) -> Option<Finding> {
    let Index { name, valid, building, bytes: size, .. } = index;
    if *valid {
        return None;
    }
    if *building {
        return Some(Check::Indexes.note(format!("{name} is being built at this moment.")));
    }
    let finding = Check::Indexes.problem(format!("{name} ({}) is invalid.", bytes(*size))).meaning(
        "A CREATE INDEX CONCURRENTLY or REINDEX did not finish. Every write maintains the index, and no query uses it.",
    );
    // What REINDEX CONCURRENTLY leaves is a copy of an index that is there.
    let is_copy = ["_ccnew", "_ccold"]
        .iter()
        .any(|mark| name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '"').ends_with(mark));
    Some(if is_copy {
        finding.sql(format!("DROP INDEX CONCURRENTLY {name};"))
    } else {
        finding
            .sql(format!("REINDEX INDEX CONCURRENTLY {name};"))
            .sql(format!("DROP INDEX CONCURRENTLY {name};   -- or this, if it is not needed"))
    })
}

/// A foreign key without an index.
fn unindexed(referrer: &Referrer, tables: &[Storage]) -> Finding {
    let Referrer { constraint, table, column, to, own, partitioned, rows, bytes, .. } = referrer;
    let found = format!("{table} ({column}) has no index for its foreign key {constraint}.");
    let size =
        rows.map_or_else(|| "all of its rows".to_owned(), |rows| format!("about {}", plural(rows, "row")));
    let meaning = format!("PostgreSQL reads {size} for every {} that is deleted.", noun(*to));
    let finding = if *bytes < SMALL.0 && rows.unwrap_or_default() < SMALL.1 {
        Check::Indexes.note(found)
    } else {
        Check::Indexes.problem(found)
    };
    let mut finding = finding.meaning(meaning);
    let parts: Vec<&str> = tables
        .iter()
        .filter(|storage| *own && *partitioned && storage.name == *table)
        .flat_map(|storage| storage.parts.iter().map(|part| part.name.as_str()))
        .collect();
    for part in &parts {
        finding = finding.sql(format!("CREATE INDEX CONCURRENTLY ON {part} ({column});"));
    }
    match (parts.is_empty(), partitioned) {
        (false, _) => finding,
        (true, true) => {
            finding.sql(format!("CREATE INDEX ON {table} ({column});   -- partitioned: locks out writers"))
        }
        (true, false) => finding.sql(format!("CREATE INDEX CONCURRENTLY ON {table} ({column});")),
    }
}

pub(super) const fn noun(role: TableRole) -> &'static str {
    match role {
        TableRole::Application => "application",
        TableRole::AccessToken => "access token",
        TableRole::RefreshToken => "refresh token",
        TableRole::IdToken => "ID token",
        TableRole::Grant => "authorization code",
        TableRole::DeviceGrant => "device grant",
        TableRole::ParRequest => "pushed authorization request",
    }
}

/// The column that cleanup compares with its cutoff. Codes, requests and device grants live for minutes: their tables
/// matter only if cleanup never ran.
const fn cutoff(role: TableRole) -> Option<(&'static str, u64)> {
    match role {
        TableRole::Application => None,
        TableRole::RefreshToken => Some(("revoked", 0)),
        TableRole::AccessToken | TableRole::IdToken => Some(("expires", 0)),
        TableRole::Grant | TableRole::DeviceGrant | TableRole::ParRequest => Some(("expires", LARGE)),
    }
}

/// One note for all: no DOT has these indexes, and not every database needs them.
fn cutoffs(tables: &[Storage]) -> Option<Finding> {
    let missing: Vec<(&str, &Part)> = parts(tables)
        .filter_map(|(role, part)| {
            let (column, least) = cutoff(role)?;
            let there = part.indexes.iter().any(|index| index.leading.as_deref() == Some(column));
            (!there && part.rows.unwrap_or_default() >= least).then_some((column, part))
        })
        .collect();
    let largest = missing.iter().filter_map(|(_, part)| part.rows).max().unwrap_or_default();
    if missing.is_empty() {
        return None;
    }
    let tables =
        if missing.len() == 1 { "1 table has".to_owned() } else { format!("{} tables have", missing.len()) };
    let worth = match largest {
        0 => "These tables are empty, or were never analysed.".to_owned(),
        1..LARGE => format!("With at most {} rows a table, it is hardly worth it.", grouped(largest)),
        _ => format!("The largest table has about {} rows.", grouped(largest)),
    };
    let finding = Check::Indexes.note(format!("{tables} no index on the column that cleanup compares."))
        .meaning(format!(
            "No version of DOT makes one. It helps a nightly run that finds little to delete in a large table, and looking for old rows by hand; it does nothing for a backlog, and every new token has to be put into it. {worth}"
        ));
    Some(missing.into_iter().fold(finding, |finding, (column, part)| {
        let partial = if column == "revoked" { " WHERE revoked IS NOT NULL" } else { "" };
        finding.sql(format!("CREATE INDEX CONCURRENTLY ON {} ({column}){partial};", part.name))
    }))
}

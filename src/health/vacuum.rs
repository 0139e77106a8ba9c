//! Dead rows that are not removed, and old rows that are not frozen.

use time::{Duration, OffsetDateTime};

use super::{Check, Finding};
use crate::model::health::{Autovacuum, Part, Storage};
use crate::model::words::{bytes, grouped};

/// Below this, dead rows do not matter.
const FEW_DEAD: u64 = 10_000;

/// Autovacuum is late if the dead rows are more than this multiple of its trigger…
const LATE: u64 = 2;
/// …and does not run if they are more than this multiple. With PostgreSQL's scale factor of 0.2 that is four fifths of
/// the table.
const ABSENT: u64 = 4;

/// After a large cleanup autovacuum may take so long.
const PATIENCE: Duration = Duration::HOUR;

/// PostgreSQL warns 40 million transactions before 2^31, and stops writing 3 million before.
const WRAPAROUND_NEAR: u64 = 1_000_000_000;

/// A table of this size is worth statistics.
const WORTH_ANALYSING: u64 = 1 << 20;

/// All parts of all tables.
pub(super) fn check(tables: &[Storage], settings: Option<&Autovacuum>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(settings) = settings {
        findings.extend(switched_off(settings));
    }
    for part in tables.iter().flat_map(|table| &table.parts) {
        if part.autovacuum_off {
            findings.push(
                Check::Vacuum
                    .problem(format!("Autovacuum is off for {}.", part.name))
                    .meaning(
                        "Rows that cleanup deletes keep their space, and the planner's statistics grow old.",
                    )
                    .sql(format!("ALTER TABLE {} RESET (autovacuum_enabled);", part.name)),
            );
        }
        findings.extend(dead(part, settings.map(|settings| settings.now)));
        findings.extend(settings.and_then(|settings| old(part, settings)));
        if part.rows.is_none() && part.table_bytes > WORTH_ANALYSING {
            findings.push(
                Check::Vacuum
                    .note(format!("{} was never analysed.", part.name))
                    .meaning("PostgreSQL plans without knowing how many rows there are.")
                    .sql(format!("ANALYZE {};", part.name)),
            );
        }
    }
    if findings.is_empty() {
        findings.push(Check::Vacuum.ok("Autovacuum is on and keeps up with these tables."));
    }
    findings
}

fn switched_off(settings: &Autovacuum) -> Option<Finding> {
    let Autovacuum { on, counting, .. } = settings;
    let setting = match (on, counting) {
        (true, true) => return None,
        (false, _) => "autovacuum",
        (true, false) => "track_counts",
    };
    Some(
        Check::Vacuum
            .problem(format!("{setting} is off on this server."))
            .meaning("Nothing removes dead rows: tables and indexes only grow.")
            .sql(format!("ALTER SYSTEM SET {setting} = on;"))
            .sql("SELECT pg_reload_conf();"),
    )
}

fn dead(part: &Part, now: Option<OffsetDateTime>) -> Option<Finding> {
    let Part { name, dead_rows, dead_limit, table_bytes, vacuumed, autovacuumed, .. } = part;
    if *dead_rows < FEW_DEAD || *dead_rows < dead_limit.saturating_mul(LATE) {
        return None;
    }
    let found = format!(
        "{name} ({}) has about {} dead rows; {} bring autovacuum.",
        bytes(*table_bytes),
        grouped(*dead_rows),
        grouped(*dead_limit)
    );
    let lately = (*vacuumed).max(*autovacuumed).zip(now).is_some_and(|(at, now)| now - at < PATIENCE);
    let (finding, meaning) = if lately || *dead_rows < dead_limit.saturating_mul(ABSENT) {
        (
            Check::Vacuum.note(found),
            "Autovacuum should be here within minutes of a large cleanup. If this stays, it is too slow, or something keeps the rows: see transactions and replication.",
        )
    } else {
        (
            Check::Vacuum.problem(found),
            "Autovacuum does not come, is too slow, or may not remove them: see transactions and replication.",
        )
    };
    Some(finding.meaning(meaning).sql(format!("VACUUM (VERBOSE, ANALYZE) {name};")))
}

fn old(part: &Part, settings: &Autovacuum) -> Option<Finding> {
    let Part { name, xid_age, .. } = part;
    let limit = settings.freeze_max_age;
    if *xid_age <= limit {
        return None;
    }
    let found = format!("The oldest row of {name} is {} transactions old.", grouped(*xid_age));
    let finding = if *xid_age >= WRAPAROUND_NEAR {
        Check::Vacuum.problem(found)
            .meaning("At about 2.1 billion PostgreSQL stops accepting writes. Autovacuum cannot freeze it: look for what holds it back.")
    } else {
        Check::Vacuum.note(found).meaning(format!(
            "Above {} (autovacuum_freeze_max_age) PostgreSQL vacuums it even if autovacuum is off.",
            grouped(limit)
        ))
    };
    Some(finding.sql(format!("VACUUM (FREEZE, VERBOSE) {name};")))
}

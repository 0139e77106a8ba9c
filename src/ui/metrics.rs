//! The health of the token tables in Prometheus's text format (version 0.0.4), for `node_exporter`'s textfile collector.
//!
//! Every family has its HELP and TYPE, and its samples stand together. All are gauges: they are measured, not counted
//! up here. `docs/operations.md` lists the names; they are a contract. Pure.

use std::fmt::Write as _;

use time::OffsetDateTime;

use crate::health::status::{Status, TableStatus};
use crate::model::health::{AgeBand, PastRun};
use crate::model::{Estimate, TableForecast, TableRole};

/// Samples of one name.
struct Family {
    name: &'static str,
    help: &'static str,
    samples: Vec<(Vec<(&'static str, String)>, String)>,
}

impl Family {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, samples: Vec::new() }
    }

    fn sample(&mut self, labels: Vec<(&'static str, String)>, value: impl std::fmt::Display) {
        self.samples.push((labels, value.to_string()));
    }

    /// Nothing where there is no sample.
    fn write(&self, out: &mut String) {
        if self.samples.is_empty() {
            return;
        }
        let Self { name, help, samples } = self;
        let _ = writeln!(out, "# HELP {name} {}", escaped_help(help));
        let _ = writeln!(out, "# TYPE {name} gauge");
        for (labels, value) in samples {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            let _ = writeln!(out, "{name}{{{}}} {value}", labels.join(","));
        }
    }
}

/// A label's value: backslash, quote and newline are escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A help text: backslash and newline are escaped.
fn escaped_help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

/// The whole file.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut out = String::new();
    for family in rows(status).into_iter().chain(forecast(status)).chain(storage(status)).chain(runs(status))
    {
        family.write(&mut out);
    }
    let mut measured = Family::new(
        "oauthctl_status_timestamp_seconds",
        "When this was measured, by the clock of the database.",
    );
    measured.sample(vec![database(status)], seconds(status.as_of));
    measured.write(&mut out);
    out
}

fn database(status: &Status) -> (&'static str, String) {
    ("database", status.database.clone())
}

fn labels(status: &Status, table: &TableStatus) -> Vec<(&'static str, String)> {
    vec![database(status), ("table", table.role.key().to_owned())]
}

fn rows(status: &Status) -> [Family; 5] {
    let mut all = Family::new("oauthctl_rows", "Rows of the token table, counted.");
    let mut live = Family::new(
        "oauthctl_live_rows",
        "Rows that have not expired; of refresh tokens, those neither revoked nor orphaned nor past their lifetime.",
    );
    let mut aged = Family::new(
        "oauthctl_expired_rows",
        "Rows that expired or were revoked at least older_than seconds ago; cumulative, so 0 has all of them.",
    );
    let mut orphaned = Family::new(
        "oauthctl_orphaned_rows",
        "Refresh tokens that are not revoked and have no access token.",
    );
    for table in &status.tables {
        let Some(rows) = table.rows() else { continue };
        all.sample(labels(status, table), rows.total());
        live.sample(labels(status, table), rows.live);
        for band in AgeBand::ALL.iter().copied() {
            let mut labels = labels(status, table);
            labels.push(("older_than", band.begins().to_string()));
            aged.sample(labels, rows.ages.at_least(band));
        }
        if table.role == TableRole::RefreshToken {
            orphaned.sample(vec![database(status)], rows.orphaned);
        }
    }
    let mut reclaimable =
        Family::new("oauthctl_reclaimable_rows", "Rows that a cleanup by the policy would delete now.");
    for (category, rows) in status.reclaimable.exact().iter().flat_map(|tally| tally.iter()) {
        reclaimable.sample(vec![database(status), ("category", category.key().to_owned())], rows);
    }
    [all, live, aged, orphaned, reclaimable]
}

/// What takes the place of counted rows where they were estimated: names of their own, so that no alert takes an estimate
/// for a count.
fn forecast(status: &Status) -> [Family; 2] {
    let mut rows = Family::new(
        "oauthctl_rows_forecast",
        "Estimated rows of the token table: the bounds low and high, and the estimate between them.",
    );
    let mut reclaimable = Family::new(
        "oauthctl_reclaimable_rows_forecast",
        "Estimated rows that a cleanup by the policy would delete now, in the same way.",
    );
    for table in &status.tables {
        let Some(TableForecast { role: _, rows: all, reclaimable: _ }) = &table.forecast else { continue };
        for (bound, number) in bounds(all) {
            rows.sample([labels(status, table), vec![("bound", bound)]].concat(), number);
        }
    }
    for (category, estimate) in status.reclaimable.forecast().iter().flat_map(|forecast| &forecast.rows) {
        for (bound, number) in bounds(estimate) {
            let category = ("category", category.key().to_owned());
            reclaimable.sample(vec![database(status), category, ("bound", bound)], number);
        }
    }
    [rows, reclaimable]
}

fn bounds(rows: &Estimate) -> [(String, u64); 3] {
    let Estimate { estimate, low, high, exact: _ } = rows;
    [("low", low), ("estimate", estimate), ("high", high)].map(|(bound, rows)| (bound.to_owned(), *rows))
}

fn storage(status: &Status) -> [Family; 4] {
    let mut table_bytes =
        Family::new("oauthctl_table_bytes", "Size of the token table with TOAST, without its indexes.");
    let mut index_bytes = Family::new("oauthctl_index_bytes", "Size of the indexes of the token table.");
    let mut dead = Family::new(
        "oauthctl_dead_rows",
        "Dead row versions that VACUUM has not removed, as PostgreSQL estimates.",
    );
    let mut vacuumed = Family::new(
        "oauthctl_last_vacuum_timestamp_seconds",
        "When the token table was last vacuumed, by hand or by autovacuum; absent where it never was.",
    );
    for table in &status.tables {
        let Some(storage) = &table.storage else { continue };
        table_bytes.sample(labels(status, table), storage.table_bytes());
        index_bytes.sample(labels(status, table), storage.index_bytes());
        dead.sample(labels(status, table), storage.dead_rows());
        if let Some((at, _)) = storage.vacuumed() {
            vacuumed.sample(labels(status, table), seconds(at));
        }
    }
    [table_bytes, index_bytes, dead, vacuumed]
}

/// The newest finished run of every verb that the ledger has just shown.
fn runs(status: &Status) -> [Family; 3] {
    let mut ended = Family::new(
        "oauthctl_last_run_timestamp_seconds",
        "When the last run of the verb that the ledger knows ended.",
    );
    let mut succeeded = Family::new(
        "oauthctl_last_run_success",
        "Whether that run succeeded: 1, or 0 if it failed or was stopped.",
    );
    let mut deleted = Family::new("oauthctl_last_run_deleted_rows", "Token rows that that run deleted.");
    let mut seen: Vec<&str> = Vec::new();
    for run in status.runs.iter().flatten() {
        let PastRun { verb, finished: Some(finished), outcome, .. } = run else { continue };
        if seen.contains(&verb.as_str()) {
            continue;
        }
        seen.push(verb);
        let labels = || vec![database(status), ("verb", verb.clone())];
        ended.sample(labels(), seconds(*finished));
        succeeded.sample(labels(), u8::from(outcome.as_deref() == Some("succeeded")));
        deleted.sample(labels(), run.rows());
    }
    [ended, succeeded, deleted]
}

/// Seconds since 1970, to the millisecond.
fn seconds(at: OffsetDateTime) -> String {
    let millis = at.unix_timestamp_nanos() / 1_000_000;
    format!("{}.{:03}", millis.div_euclid(1_000), millis.rem_euclid(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_empty_families_left_out() {
        let mut family = Family::new("x", "A \\ b.");
        let mut out = String::new();
        family.write(&mut out);
        assert_eq!(out, "");
        family.sample(vec![("database", "a\"b\\c\nd".to_owned())], 1);
        family.write(&mut out);
        assert_eq!(out, "# HELP x A \\\\ b.\n# TYPE x gauge\nx{database=\"a\\\"b\\\\c\\nd\"} 1\n");
    }

    #[test]
    fn instants_are_seconds_with_milliseconds() {
        let at = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(1_500);
        assert_eq!(seconds(at), "1.500");
    }
}

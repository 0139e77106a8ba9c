//! What it would cost to delete a backlog, in a sentence and as JSON. Pure.

use serde::Serialize;

use super::tables::title;
use crate::health::backlog::{Cost, Rate};
use crate::model::words::{bytes, listed, span};

/// `A run would take about 63 minutes …`.
#[must_use]
pub fn sentence(cost: &Cost) -> String {
    let Cost { rows: _, time, rate, workers, wal, index_passes } = cost;
    let rate = match rate {
        Rate::Default => format!(
            "{} µs a row with {}, by measurements of oauthctl",
            microseconds(cost),
            super::plan::plural(u64::from(*workers), "worker")
        ),
        Rate::Measured(_) => format!("{} µs a row, as in the last runs", microseconds(cost)),
    };
    let most = index_passes.iter().map(|(_, passes)| *passes).max().unwrap_or_default();
    let vacuum = match most {
        0 | 1 => "VACUUM then reads the indexes once".to_owned(),
        most => {
            let several: Vec<&str> = index_passes
                .iter()
                .filter(|(_, passes)| *passes == most)
                .map(|(role, _)| title(*role))
                .collect();
            format!(
                "VACUUM then reads the indexes of {} {most} times (maintenance_work_mem is too small for once)",
                listed(&several)
            )
        }
    };
    format!(
        "A run would take about {} ({rate}) and write about {} of WAL; {vacuum}.",
        span(*time),
        bytes(*wal)
    )
}

fn microseconds(cost: &Cost) -> String {
    let Cost { rows, time, rate: _, workers: _, wal: _, index_passes: _ } = cost;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let each = time.as_secs_f64() * 1e6 / (*rows).max(1) as f64;
    format!("{each:.0}")
}

/// The same for scripts.
#[derive(Serialize)]
pub(super) struct CostView {
    rows: u64,
    seconds: u64,
    rate: &'static str,
    wal_bytes: u64,
    index_passes: serde_json::Map<String, serde_json::Value>,
}

/// `None`: there is too little to say something.
pub(super) fn view(cost: &Cost) -> CostView {
    let Cost { rows, time, rate, workers: _, wal, index_passes } = cost;
    CostView {
        rows: *rows,
        seconds: time.as_secs(),
        rate: match rate {
            Rate::Default => "default",
            Rate::Measured(_) => "ledger",
        },
        wal_bytes: *wal,
        index_passes: index_passes
            .iter()
            .map(|(role, passes)| (role.key().to_owned(), (*passes).into()))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::TableRole;

    fn cost(rate: Rate, passes: u32) -> Cost {
        Cost {
            rows: 300_000_000,
            time: Duration::from_mins(63),
            rate,
            workers: 2,
            wal: 116 << 30,
            index_passes: vec![(TableRole::AccessToken, 1), (TableRole::RefreshToken, passes)],
        }
    }

    #[test]
    fn the_cost_is_one_sentence() {
        assert_eq!(
            sentence(&cost(Rate::Default, 1)),
            "A run would take about 63 minutes (13 µs a row with 2 workers, by measurements of oauthctl) and write about \
             116 GB of WAL; VACUUM then reads the indexes once."
        );
        assert_eq!(
            sentence(&cost(Rate::Measured(12.6e-6), 3)),
            "A run would take about 63 minutes (13 µs a row, as in the last runs) and write about 116 GB of WAL; VACUUM \
             then reads the indexes of refresh tokens 3 times (maintenance_work_mem is too small for once)."
        );
    }
}

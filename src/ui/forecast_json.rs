//! A forecast, as scripts read it: the same object in the plan, in a dry run and in `status`. Pure.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::{Category, Counted, Estimate, Forecast};

/// Keys `estimate`, `low`, `high` and `exact`, for all rows and for each category, and what they rest on.
#[derive(Serialize, JsonSchema)]
pub(super) struct ForecastView {
    total: Estimate,
    rows: Map<String, Value>,
    blocks: u64,
    blocks_read: u64,
    statistics_age_seconds: Option<u64>,
}

/// `None`: the rows were counted, or not looked at.
pub(super) fn forecast(counted: &Counted) -> Option<ForecastView> {
    let Forecast { rows, total, tables: _, blocks, read, statistics } = counted.forecast()?;
    let each = |(category, rows): &(Category, Estimate)| (category.to_string(), estimate(rows));
    Some(ForecastView {
        total: *total,
        rows: rows.iter().map(each).collect(),
        blocks: *blocks,
        blocks_read: *read,
        statistics_age_seconds: statistics.as_ref().map(Duration::as_secs),
    })
}

/// An estimate with the keys that the documents name.
pub(super) fn estimate(rows: &Estimate) -> Value {
    let Estimate { estimate, low, high, exact } = rows;
    serde_json::json!({ "estimate": estimate, "low": low, "high": high, "exact": exact })
}

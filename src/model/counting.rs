//! How the rows to delete are counted before a cleanup, and how long that may take.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr};

/// How the rows to delete are counted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(const_into_str, serialize_all = "snake_case")]
pub enum CountMethod {
    /// All of them, however long that takes.
    Exact,
    /// From the statistics and a sample, within the budget.
    Forecast,
    /// Not at all.
    Off,
}

/// `count` and `count_budget` of `[cleanup]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    /// `None`: exactly where the budget suffices, otherwise by forecast.
    pub method: Option<CountMethod>,
    /// The most time that counting takes, unless the method is [`CountMethod::Exact`].
    pub budget: Duration,
}

impl Counting {
    pub const DEFAULT_BUDGET: Duration = Duration::from_secs(5);
}

impl Default for Counting {
    fn default() -> Self {
        Self { method: None, budget: Self::DEFAULT_BUDGET }
    }
}

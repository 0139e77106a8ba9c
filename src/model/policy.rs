//! What an operator permits: `[policy]` in the file, `--allow` on the command line.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::application::ClientId;
use super::column::ColumnValue;

/// Which applications that the file does not mention are deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prune {
    /// None; they are listed.
    #[default]
    Never,
    /// Those that the ledger says this file created.
    Owned,
    /// All but dynamically registered ones.
    All,
}

/// The most of something that a plan may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    Count(u64),
    /// A percentage of the applications in the database.
    Percent(u8),
}

impl Limit {
    /// The most deletions, given how many applications the database holds. Percentages round down.
    #[must_use]
    pub const fn of_deletes(self, total: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => total.saturating_mul(percent as u64) / 100,
        }
    }

    /// The most updates. A percentage above zero allows at least one: a file with one application could never change
    /// it.
    #[must_use]
    pub const fn of_updates(self, total: u64) -> u64 {
        match (self, self.of_deletes(total)) {
            (Self::Percent(1..), 0) => 1,
            (Self::Percent(_) | Self::Count(_), limit) => limit,
        }
    }
}

/// One item of `[policy] dynamic`: applications with this value in this column registered themselves.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    pub column: String,
    /// Text, a whole number or a flag.
    pub value: ColumnValue,
}

/// `[policy]`.
#[derive(Clone, Debug)]
pub struct Policy {
    pub prune: Prune,
    /// What the ledger calls the file; `None`: its path, as it was given.
    pub owner: Option<String>,
    /// Applications that survive removal of the block that declares them, and whose clients are not to notice a change.
    pub protect: BTreeSet<ClientId>,
    /// Which applications registered themselves by something else than DOT; one of these is enough.
    pub dynamic: Vec<Mark>,
    /// The most deletions of one plan; `None`: no limit. [`Policy::DEFAULT_MAX_DELETES`] where the file says nothing.
    pub max_deletes: Option<Limit>,
    /// The most updates of one plan; `None`: no limit.
    pub max_updates: Option<Limit>,
}

impl Policy {
    /// Enough for a reviewed change, too few for a file that has lost half of its blocks.
    pub const DEFAULT_MAX_DELETES: Limit = Limit::Count(5);
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            prune: Prune::default(),
            owner: None,
            protect: BTreeSet::new(),
            dynamic: Vec::new(),
            max_deletes: Some(Self::DEFAULT_MAX_DELETES),
            max_updates: None,
        }
    }
}

/// One `--allow`: lets exactly one refused thing through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allow {
    /// `delete:CLIENT_ID`: this deletion, protected or over the limit.
    Delete(ClientId),
    /// `update:CLIENT_ID`: this change of a protected application; by its present client id.
    Update(ClientId),
    /// `max-deletes=N`: up to N deletions.
    MaxDeletes(u64),
    /// `max-updates=N`: up to N updates.
    MaxUpdates(u64),
    /// `fk-checks=set`: cleanup without the foreign keys' triggers.
    FkChecksSet,
    /// `rewrite`: cleanup that locks the token tables and writes them anew.
    Rewrite,
}

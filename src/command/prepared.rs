//! A proposal with everything that is needed to execute it: what [`reconcile`](super::reconcile) makes of a file, and a
//! verb for one application of its arguments.

use std::collections::BTreeMap;

use super::connected::Connected;
use crate::config::Config;
use crate::model::{ForeignRows, Key, Sweep};
use crate::plan::Proposal;

/// A proposal, with what it takes to execute it.
pub struct Prepared {
    /// The connection and the tables.
    pub connected: Connected,
    /// What the file wants.
    pub config: Config,
    /// What to do, and whether that may be done.
    pub proposal: Proposal,
    /// Rows of other tables that refer to what the plan deletes, by the application's key.
    pub foreign: BTreeMap<Key, Vec<ForeignRows>>,
    /// What cleanup will do; empty where there is none.
    pub sweeps: Vec<Sweep>,
}

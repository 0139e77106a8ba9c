//! A database role for one of oauthctl's jobs, as statements that make it.

use serde::Serialize;

/// A role with the privileges of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JobRole {
    /// As SQL writes it.
    pub name: String,
    /// The job, in a few words.
    pub job: &'static str,
    /// Whether the server has a role of this name already.
    pub exists: bool,
    /// `GRANT`s to it, each with its semicolon.
    pub grants: Vec<String>,
}

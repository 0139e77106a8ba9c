//! Flags that several verbs have: what is planned, what is let through, who is asked, and where secrets go.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::names::not_empty;
use super::outputs::Output;
use crate::model::{Allow, ClientId};

/// Flags of verbs that ask, write and deliver secrets.
#[derive(Args, Debug)]
pub struct ConsentArgs {
    /// Do not ask for confirmation.
    #[arg(short, long)]
    pub yes: bool,
    /// Write generated secrets to this new file (mode 0600) instead of the terminal. Its ending says how: .json, .env, or .yaml
    /// for a Kubernetes Secret.
    #[arg(long, value_name = "FILE")]
    pub secrets_out: Option<PathBuf>,
}

impl ConsentArgs {
    /// The file that it writes.
    #[must_use]
    pub fn outputs(&self) -> Vec<Output<'_>> {
        Output::given("--secrets-out", self.secrets_out.as_ref()).into_iter().collect()
    }
}

/// Flags that decide what is planned and what may be done.
#[derive(Args, Clone, Debug, Default)]
pub struct ScopeArgs {
    /// Look at this application only. Repeat the flag for several.
    #[arg(long = "target", value_name = "CLIENT_ID", value_parser = not_empty)]
    pub targets: Vec<String>,
    /// Allow one thing that would be refused: `delete:CLIENT_ID`, `update:CLIENT_ID`, `max-deletes=N`, `max-updates=N`,
    /// `fk-checks=set` or `rewrite`. The refusal names the value to write.
    #[arg(long = "allow", value_name = "WHAT", value_parser = parse_allow)]
    pub allow: Vec<Allow>,
    /// Do not look for expired tokens, and delete none.
    #[arg(long)]
    pub no_cleanup: bool,
    /// Delete what has expired at this instant, in RFC 3339. Default: the time of the database.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    pub as_of: Option<OffsetDateTime>,
}

impl ScopeArgs {
    /// The applications that `--target` names; `None`: all.
    #[must_use]
    pub fn targets(&self) -> Option<BTreeSet<ClientId>> {
        (!self.targets.is_empty()).then(|| self.targets.iter().map(ClientId::new).collect())
    }
}

/// Reads `--allow`.
pub fn parse_allow(text: &str) -> Result<Allow, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is not a number"));
    if let Some(client_id) = text.strip_prefix("delete:").filter(|id| !id.is_empty()) {
        Ok(Allow::Delete(ClientId::new(client_id)))
    } else if let Some(client_id) = text.strip_prefix("update:").filter(|id| !id.is_empty()) {
        Ok(Allow::Update(ClientId::new(client_id)))
    } else if let Some(count) = text.strip_prefix("max-deletes=") {
        number(count).map(Allow::MaxDeletes)
    } else if let Some(count) = text.strip_prefix("max-updates=") {
        number(count).map(Allow::MaxUpdates)
    } else if text == "fk-checks=set" {
        Ok(Allow::FkChecksSet)
    } else if text == "rewrite" {
        Ok(Allow::Rewrite)
    } else {
        Err("write delete:CLIENT_ID, update:CLIENT_ID, max-deletes=N, max-updates=N, fk-checks=set or rewrite".to_owned())
    }
}

/// Reads `--allow` of `cleartokens`, which deletes and updates no application.
pub fn parse_cleanup_allow(text: &str) -> Result<Allow, String> {
    match parse_allow(text) {
        Ok(allow @ (Allow::FkChecksSet | Allow::Rewrite)) => Ok(allow),
        Ok(Allow::Delete(_) | Allow::Update(_) | Allow::MaxDeletes(_) | Allow::MaxUpdates(_)) | Err(_) => {
            Err("write fk-checks=set or rewrite; the others are for plan and apply".to_owned())
        }
    }
}

/// Reads an instant, RFC 3339 with up to microseconds.
pub fn parse_instant(text: &str) -> Result<OffsetDateTime, String> {
    let instant = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "write an RFC 3339 instant, such as 2026-01-31T12:00:00Z".to_owned())?;
    if instant.nanosecond() % 1_000 == 0 {
        Ok(instant)
    } else {
        Err("PostgreSQL keeps microseconds: write at most six digits after the point".to_owned())
    }
}

//! Flags that several verbs have: what is planned, what is let through, who is asked, and where secrets go.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use time::OffsetDateTime;

use super::counting::CountArgs;
use super::outputs::Output;
use super::values::{not_empty, parse_allow, parse_instant};
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
    /// The environment that the database belongs to, such as `staging`: shown with the plan, and part of the marker by which
    /// a comment is found again.
    #[arg(long, value_name = "NAME", value_parser = not_empty)]
    pub label: Option<String>,
    /// Do not look for expired tokens, and delete none.
    #[arg(long)]
    pub no_cleanup: bool,
    /// Delete what has expired at this instant, in RFC 3339. Default: the time of the database.
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    pub as_of: Option<OffsetDateTime>,
    #[command(flatten)]
    pub counting: CountArgs,
}

impl ScopeArgs {
    /// The applications that `--target` names; `None`: all.
    #[must_use]
    pub fn targets(&self) -> Option<BTreeSet<ClientId>> {
        (!self.targets.is_empty()).then(|| self.targets.iter().map(ClientId::new).collect())
    }
}

//! `oauth.toml`: text → what it wants, with every problem at its place.
//!
//! Two stages: `document` says what is written, `resolve` what it means. Both go on after an error, so that one run
//! finds everything. Knows no database: what only a database knows (a column that it lacks, a user that does not
//! exist) comes back later and finds its line through [`Config::place`].

mod choices;
mod client_ids;
mod conceal;
mod document;
pub mod duration;
pub mod edit;
mod given;
mod loaded;
mod mistake;
mod number_or_text;
mod pieces;
mod places;
mod problem;
mod reader;
mod required_version;
mod resolve;
mod schema;
pub mod size;
mod slot;
mod source;
mod suggest;
mod surroundings;
mod syntax;
#[cfg(test)]
mod tests;
mod values;
mod variables;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

pub use client_ids::client_ids;
pub use given::column_value;
pub use places::PlaceOf;
pub use problem::{LIMIT, Mark, Problem, Problems, Severity, Span};
pub use resolve::{Manner, rule_problem};
pub use schema::json_schema;
pub use source::{Position, Source};
pub use suggest::closest;
pub use surroundings::{Presence, Surroundings, describe, read_file};
pub use variables::{PREFIX as VARIABLE_PREFIX, is_name as is_variable_name, named as variables_in};

use crate::model::{
    Attribute, CleanupPolicy, ClientId, ColumnValue, Desired, Field, Hook, Policy, Provider, References,
    SecretDeclaration, TableNames,
};
use crate::secret::Secret;

/// The largest file that is read, in bytes. Ten thousand applications take about four million.
pub const SIZE_LIMIT: u64 = 64 << 20;

/// `[database]`.
#[derive(Debug, Default)]
pub struct Database {
    /// A libpq URL or key=value string, still to be parsed; it may hold a password.
    pub url: Option<Secret>,
    /// Whether the file has a `url` whose variable or file is missing: another database must not take its place.
    pub unresolved: bool,
    /// Where the tables are.
    pub tables: TableNames,
}

/// A file without errors. The default is that of no file at all.
#[derive(Debug, Default)]
pub struct Config {
    /// The file, for showing problems that are found later.
    pub source: Source,
    /// Only warnings: an error rejects the file.
    pub problems: Problems,
    /// `[applications]`, `[[removed]]` and `[[renamed]]`. An application with `enabled = false` is a removed one.
    pub desired: Desired,
    /// `[defaults.columns]`, which the applications above have already.
    pub default_columns: BTreeMap<String, ColumnValue>,
    /// `[[hooks]]`.
    pub hooks: Vec<Hook>,
    pub policy: Policy,
    /// `[cleanup]`; `None`: the table is not there, so plan and apply clean nothing.
    pub cleanup: Option<CleanupPolicy>,
    /// `[cleanup.references]`, whether there is a cleanup or not.
    pub references: References,
    pub provider: Provider,
    /// `[lint]`.
    pub lint: Manner,
    pub database: Database,
    /// The files that it refers to, as seen from here.
    pub files: Vec<PathBuf>,
    /// The variables that it uses, with their values.
    pub variables: BTreeMap<String, String>,
    /// The environment variables that it refers to.
    pub environment: BTreeSet<String>,
    places: places::Places,
}

/// A file with at least one error.
#[derive(Debug)]
pub struct Rejected {
    /// The file, as far as it is text.
    pub source: Source,
    /// Errors, and perhaps warnings.
    pub problems: Problems,
    /// What the file wants, where secrets that no client can send are all that is wrong with it: to look which secrets
    /// were meant, and for nothing else.
    pub flawed: Option<Config>,
}

impl Rejected {
    /// A file of which nothing is known but why.
    #[must_use]
    pub fn unread(path: &Path, problem: Problem) -> Self {
        let mut problems = Problems::default();
        problems.push(problem);
        Self { source: Source::new(path, String::new()), problems, flawed: None }
    }
}

impl Config {
    /// Applications that cleanup never deletes: those that the file mentions for another reason than that they must go.
    #[must_use]
    pub fn spared(&self) -> BTreeSet<ClientId> {
        let Desired { applications, renamed, removed: _, disabled: _ } = &self.desired;
        applications.keys().chain(renamed.keys()).chain(&self.policy.protect).cloned().collect()
    }

    /// All that the file says, for a digest: its text, and the values of the variables in it.
    #[must_use]
    pub fn said(&self) -> Cow<'_, str> {
        let text = self.source.text();
        if self.variables.is_empty() {
            return text.into();
        }
        format!("{text}\0{:?}", self.variables).into()
    }

    /// Whether the application has a block with `enabled = false`.
    #[must_use]
    pub fn disables(&self, client_id: &ClientId) -> bool {
        self.desired.disabled.contains(client_id)
    }

    /// Forgets secrets that no client can send, for verbs that need none of them: they count as not available.
    pub fn forget_unsendable(&mut self) {
        for declared in self.desired.applications.values_mut() {
            let secret = &mut declared.application.client_secret;
            if matches!(secret, Some(SecretDeclaration::Plain(plain)) if plain.check_sendable().is_err()) {
                *secret = None;
            }
        }
    }

    /// Where the file says something; `None` where it does not.
    #[must_use]
    pub fn place(&self, of: PlaceOf<'_>) -> Option<Span> {
        self.places.find(of)
    }

    /// Whether the file has the key, also where what it refers to is not available.
    #[must_use]
    pub fn declares(&self, client_id: &ClientId, attribute: &Attribute) -> bool {
        self.places.has(client_id, attribute)
    }

    /// Whether an application has the key from `[defaults]` only.
    #[must_use]
    pub fn inherits(&self, client_id: &ClientId, attribute: &Attribute) -> bool {
        self.places.inherits(client_id, attribute)
    }
}

/// Reads `oauth.toml`. The error is of the operating system; [`unreadable`] makes a [`Problem`] of it.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_file(path, SIZE_LIMIT)
}

/// The problem of a file that cannot be read at all.
#[must_use]
pub fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let message = format!("{} {}", path.display(), describe(error));
    match error.kind() {
        io::ErrorKind::NotFound => Problem::error("file-not-found", message),
        _ => Problem::error("file-unreadable", message),
    }
}

/// Files longer than this are read in pieces. Of such a file only the first error of its syntax is shown.
const WHOLE_LIMIT: usize = syntax::RECOVERY_LIMIT;

/// About how long a piece is, in bytes.
const PIECE: usize = 1 << 16;

/// Reads what the bytes of a file want, and finds everything that is wrong with it. `path` is for messages, and its
/// directory is where relative secret files are.
pub fn load(
    bytes: Vec<u8>,
    path: &Path,
    surroundings: Surroundings<'_>,
    presence: Presence,
) -> Result<Config, Box<Rejected>> {
    load_in(Sizes { whole: WHOLE_LIMIT, piece: PIECE }, bytes, path, surroundings, presence)
}

/// How a file is read, in bytes.
#[derive(Clone, Copy)]
struct Sizes {
    /// Longer files are cut.
    whole: usize,
    piece: usize,
}

fn load_in(
    sizes: Sizes,
    bytes: Vec<u8>,
    path: &Path,
    surroundings: Surroundings<'_>,
    presence: Presence,
) -> Result<Config, Box<Rejected>> {
    let source = syntax::decode(path, bytes)?;
    let text = source.text();
    let cut = (text.len() > sizes.whole).then(|| pieces::cut(text, sizes.piece)).flatten();
    let cut = cut.and_then(|pieces| loaded::in_pieces(text, pieces, path, surroundings, presence));
    let loaded = match cut.map_or_else(|| loaded::whole(text, path, surroundings, presence), Ok) {
        Ok(loaded) => loaded,
        Err(problems) => {
            let hidden = conceal::in_text(text);
            return Err(Box::new(Rejected { source: source.concealing(hidden), problems, flawed: None }));
        }
    };
    let loaded::Loaded { resolved, hidden, mut problems, files, variables, environment } = loaded;
    let source = source.concealing(hidden);
    let resolve::Resolved {
        desired,
        default_columns,
        hooks,
        policy,
        cleanup,
        references,
        provider,
        lint,
        database,
        places,
    } = resolved;
    if let Some((client_id, name)) = variables::equal_secret(&desired, &variables) {
        let message = format!(
            "the secret of {} is the value of the variable {name}, and variables are printed",
            suggest::quoted(client_id.as_str())
        );
        let place = places.find(PlaceOf::Value(client_id, Field::ClientSecret.into())).unwrap_or_default();
        problems.push(Problem::error("variable-in-secret", message).at(place));
    }
    let rejected = (problems.error_count() > 0).then(|| (source.clone(), problems.clone()));
    let config = Config {
        source,
        problems,
        desired,
        default_columns,
        hooks,
        policy,
        cleanup,
        references,
        provider,
        lint,
        database,
        files,
        variables,
        environment,
        places,
    };
    let Some((source, problems)) = rejected else { return Ok(config) };
    let flawed = problems.has_only_errors_of(resolve::UNSENDABLE).then_some(config);
    Err(Box::new(Rejected { source, problems, flawed }))
}

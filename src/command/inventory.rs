//! What `import`, `list` and `show` look at: the rows that flags select, their use, and how they stand to the file.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use time::OffsetDateTime;

use super::connected::Connected;
use super::desired::mentioned;
use super::environment;
use super::hashing;
use super::session::Session;
use super::values;
use super::values::not_empty;
use crate::config::Config;
use crate::db::applications::{self, Others};
use crate::db::error::DbError;
use crate::db::patience::Reading;
use crate::error::{Error, Exit};
use crate::model::{
    ClientId, CustomColumns, Declared, Dependents, Kept, Key, Listed, Nameless, RecentToken,
    SecretDeclaration, Selection, Usage,
};
use crate::plan::drift::{Drift, drift};
use crate::plan::seal;

/// More client ids than this are not searched for the one that was meant.
pub const SEARCHED: i64 = 20_000;

/// The number of newest tokens that are shown.
const RECENT: i64 = 5;

/// Flags that say which applications are meant. Several conditions add up; a flag that is repeated means any of its
/// values.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Which applications")]
pub struct FilterArgs {
    /// With a client id like this. `*` stands for any text, `?` for one character.
    #[arg(long = "match", value_name = "GLOB", value_parser = not_empty)]
    globs: Vec<String>,
    /// That belong to this user: a username (or, where there are none, an e-mail address) or a primary key.
    #[arg(long = "user", value_name = "USER", value_parser = not_empty)]
    users: Vec<String>,
    /// Of this client type.
    #[arg(long = "client-type", value_name = "TYPE", value_parser = values::selected_client_type())]
    pub client_types: Vec<String>,
    /// With this grant type.
    #[arg(long = "grant-type", value_name = "GRANT", value_parser = values::selected_grant_type())]
    pub grant_types: Vec<String>,
    /// Registered in this way. Without the flag: manual.
    #[arg(long = "registration-source", value_enum, value_name = "SOURCE")]
    sources: Vec<SourceArg>,
}

/// `--registration-source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SourceArg {
    /// By an administrator or a file.
    Manual,
    /// By dynamic client registration (RFC 7591).
    Dcr,
    /// By a client id metadata document.
    Cimd,
    /// Any of these.
    All,
}

impl FilterArgs {
    /// Whether no flag is given.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self { globs, users, client_types, grant_types, sources } = self;
        globs.is_empty()
            && users.is_empty()
            && client_types.is_empty()
            && grant_types.is_empty()
            && sources.is_empty()
    }

    /// Whether `--registration-source` is given.
    #[must_use]
    pub const fn sources_given(&self) -> bool {
        !self.sources.is_empty()
    }

    /// What the flags and the named client ids mean. Who names a client id need not name its source too.
    #[must_use]
    pub fn selection(&self, client_ids: &[String]) -> Selection {
        let any = self.sources.contains(&SourceArg::All) || !client_ids.is_empty();
        let sources = match self.sources.as_slice() {
            _ if any => Vec::new(),
            [] => vec!["manual".to_owned()],
            sources => sources.iter().map(|source| source_name(*source).to_owned()).collect(),
        };
        Selection {
            client_ids: client_ids.to_vec(),
            globs: self.globs.clone(),
            users: self.users.clone(),
            client_types: self.client_types.clone(),
            grant_types: self.grant_types.clone(),
            sources,
        }
    }
}

const fn source_name(source: SourceArg) -> &'static str {
    match source {
        SourceArg::Manual => "manual",
        SourceArg::Dcr => "dcr",
        SourceArg::Cimd => "cimd",
        SourceArg::All => "",
    }
}

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// At the rows.
    Rows,
    /// At their tokens too.
    Tokens,
    /// At a few rows, with everything that refers to them.
    Closely,
}

/// What was found, in one snapshot.
#[derive(Debug)]
pub struct Inventory<R = Listed> {
    /// The instant of the snapshot.
    pub as_of: OffsetDateTime,
    /// The rows, by client id.
    pub rows: Vec<R>,
    /// Whether tokens were counted.
    counted: bool,
    /// Of those that have tokens.
    usage: BTreeMap<Key, Usage>,
    /// The rows that refer to them.
    pub dependents: BTreeMap<Key, Dependents>,
    /// Their newest tokens.
    pub recent: BTreeMap<Key, Vec<RecentToken>>,
    /// How what the file mentions stands to the database.
    pub drift: BTreeMap<ClientId, Drift>,
    /// The columns of the project's own.
    pub custom: CustomColumns,
    /// How many rows were registered dynamically and are not mentioned by the file.
    pub dynamic: u64,
    /// Why the owners have no names.
    pub nameless: Option<Nameless>,
}

impl<R> Inventory<R> {
    /// The tokens of a row; `None`: they were not counted.
    #[must_use]
    pub fn usage(&self, key: &Key) -> Option<&Usage> {
        self.counted.then(|| self.usage.get(key).unwrap_or(&Usage::NONE))
    }

    /// How an application stands to the file.
    #[must_use]
    pub fn drift(&self, client_id: &ClientId) -> &Drift {
        self.drift.get(client_id).unwrap_or(&Drift::Unmanaged)
    }
}

/// Reads the rows in a snapshot in which nothing can be written. A signal ends it.
pub async fn read<R: Kept>(
    session: &Session,
    connected: &Connected,
    config: &Config,
    selection: &Selection,
    look: Look,
) -> Result<Inventory<R>, Error> {
    let interrupted = session.interrupted.clone();
    interrupted.or(snapshot(session, connected, config, selection, look)).await
}

async fn snapshot<R: Kept>(
    session: &Session,
    connected: &Connected,
    config: &Config,
    selection: &Selection,
    look: Look,
) -> Result<Inventory<R>, Error> {
    let layout = &connected.layout;
    let mut client = connected.database.get().await?;
    let reading = if look == Look::Rows { Reading::Applications } else { Reading::Everything };
    let snapshot = connected.snapshot(&mut client, reading).await?;
    let as_of = applications::instant(&*snapshot).await?;
    let actual = applications::read(&*snapshot, layout, &mentioned(&config.desired), Others::Counted).await?;
    let rows: Vec<R> = applications::list(&*snapshot, layout, selection).await?;
    let has_owner = rows.iter().any(Kept::has_owner);
    let nameless = if has_owner { applications::nameless(&*snapshot, layout).await? } else { None };
    let keys: Vec<&Key> = rows.iter().map(Kept::key).collect();
    let (mut usage, mut dependents, mut recent) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let counted = look != Look::Rows;
    if counted {
        usage = applications::usage(&*snapshot, layout, &keys).await?;
    }
    if look == Look::Closely {
        (_, dependents) = applications::dependents(&*snapshot, layout, &keys).await?;
        for key in keys {
            recent.insert(key.clone(), applications::recent_tokens(&*snapshot, layout, key, RECENT).await?);
        }
    }
    snapshot.commit().await.map_err(DbError::during("reading the applications"))?;
    let (mut known, mut watch) = (seal::Known::default(), hashing::watch(session, hashing::VERIFYING));
    let verdicts = seal::verify(&config.desired, &actual, &mut known, environment::threads(), &mut watch);
    drop(watch);
    let secrets = verdicts.map_err(|_| session.interrupted.stopped())?;
    let drift = drift(&config.desired, &actual, &secrets, &config.provider);
    let (custom, dynamic) = (actual.custom, actual.dynamic);
    Ok(Inventory { as_of, rows, counted, usage, dependents, recent, drift, custom, dynamic, nameless })
}

/// Says what of the applications could not be shown.
pub fn tell_gaps<R>(session: &mut Session, inventory: &Inventory<R>) {
    match &inventory.nameless {
        Some(nameless @ Nameless::NoRight { table: _, grant }) => {
            session.ui.warning(format_args!("{nameless}."));
            session.ui.hint(grant);
        }
        Some(nameless @ Nameless::NoColumn { table: _ }) => session.ui.warning(format_args!("{nameless}.")),
        None => {}
    }
}

/// Forgets the plain secrets of the file, so that looking at many applications does not verify them all. A secret that
/// is not at hand counts as not managed in the same way.
pub fn forget_secrets(config: &mut Config, except: Option<&ClientId>) {
    for (client_id, declared) in &mut config.desired.applications {
        let Declared { application, block: _, protect: _, ignore: _ } = &mut **declared;
        let is_plain = matches!(application.client_secret, Some(SecretDeclaration::Plain(_)));
        if is_plain && except != Some(client_id) {
            application.client_secret = None;
        }
    }
}

/// The error for client ids that were named and are not there; nothing if all are.
pub async fn check_all_found<R: Kept>(
    connected: &Connected,
    config: &Config,
    wanted: &[String],
    inventory: &Inventory<R>,
) -> Result<(), Error> {
    let found = |id: &&String| inventory.rows.iter().any(|row| row.client_id().as_str() == id.as_str());
    let missing: Vec<&String> = wanted.iter().filter(|id| !found(id)).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let named: Vec<String> =
        missing.iter().map(|id| format!("\"{}\"", crate::ui::plan::visible(id))).collect();
    let verb = if named.len() == 1 { "application" } else { "applications" };
    let error = Error::new(Exit::Failed, format!("the database has no {verb} {}", named.join(", ")));
    if config.desired.applications.contains_key(&ClientId::new(first.as_str())) {
        let path = config.source.path().display();
        return Err(error.hint(format!("{path} declares it: `oauthctl apply` creates it")));
    }
    let mut client = connected.database.get().await?;
    let snapshot = connected.snapshot(&mut client, Reading::Applications).await?;
    let known = applications::client_ids(&*snapshot, &connected.layout, SEARCHED).await?;
    Err(match crate::config::closest(first, known.iter().map(String::as_str)) {
        Some(meant) => error.hint(format!("did you mean \"{}\"?", crate::ui::plan::visible(meant))),
        None => error.hint("`oauthctl list` shows the applications"),
    })
}

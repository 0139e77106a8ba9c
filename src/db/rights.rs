//! The one table of verb → privileges: what the statements of this crate need of the role, and what it lacks.
//!
//! `plan` warns by it, the verbs that write refuse by it before their first write, and `doctor` shows it. Foreign keys'
//! own look-ups and actions run with the rights of the tables' owners, so nothing is needed for them. A lock on a row
//! needs `UPDATE` on any of its columns. Reads the catalogue only.

mod columns;
mod granted;

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::types::Oid;
use tokio_postgres::{Error, GenericClient};

pub use columns::Columns;
pub(super) use granted::{check, table_of};
use granted::{sequences, temporary};

use super::along::Along;
use super::layout::{Layout, Reference};
use super::{applications, tokens};
use crate::model::health::{Lacks, Privilege};
use crate::model::{Doomed, Field, Named, Sweep, TableRole, Treatment};

/// How much of an application is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// Everything but secrets: a grant on the other columns is enough.
    WithoutSecrets,
}

/// What a verb is going to do.
#[expect(clippy::struct_excessive_bools, reason = "kinds of statements, which do not depend on each other")]
#[derive(Clone, Debug, Default)]
pub struct Task<'a> {
    /// How much is read of applications; `None`: they are not read.
    pub applications: Option<Extent>,
    /// Counts the rows of these tables, and reads whose and how old they are.
    pub tokens: Vec<TableRole>,
    /// Looks up users.
    pub users: bool,
    /// The columns by which it does, beside the key and the username.
    pub user_columns: BTreeSet<String>,
    /// Inserts applications with these columns.
    pub creates: Option<Columns>,
    /// Updates these columns of applications.
    pub updates: Option<Columns>,
    pub locks: bool,
    /// Deletes applications with what depends on them.
    pub deletes: bool,
    /// Deletes rows by these.
    pub sweeps: &'a [Sweep],
    /// Writes the tables of the sweeps anew.
    pub rewrites: bool,
    /// Columns are named wherever a grant on some of them is enough: for roles that are to see no token.
    pub narrow: bool,
}

/// What an estimate of the rows to delete, and the rows of link tables, are told apart by. A grant on a table covers them.
const SYSTEM_COLUMNS: [&str; 2] = ["ctid", "tableoid"];

/// What depends on applications.
pub const DEPENDENTS: [TableRole; 4] =
    [TableRole::AccessToken, TableRole::RefreshToken, TableRole::IdToken, TableRole::Grant];

/// What the statements read of token tables: never a token, a code or a claim.
const READ: [&str; 13] = [
    "expires",
    "application_id",
    "user_id",
    "client_id",
    "created",
    "updated",
    "modified",
    "revoked",
    "scope",
    "status",
    "access_token_id",
    "source_refresh_token_id",
    "id_token_id",
];

/// What sweeps read of applications.
const READ_OF_APPLICATIONS: [&str; 6] =
    ["client_id", "registration_source", "cimd_expires_at", "created", "updated", "skip_authorization"];

/// What the role lacks for a task. `role`: `None` is the one that asks.
pub async fn lacking(
    client: &impl GenericClient,
    layout: &Layout,
    role: Option<&str>,
    task: &Task<'_>,
) -> Result<Lacks, Error> {
    lacking_for_all(client, layout, role, std::slice::from_ref(task)).await
}

/// What a role without any grant lacks for all of these tasks together: what PUBLIC lacks.
pub async fn needed(
    client: &impl GenericClient,
    layout: &Layout,
    tasks: &[Task<'_>],
) -> Result<Lacks, Error> {
    lacking_for_all(client, layout, Some("public"), tasks).await
}

async fn lacking_for_all(
    client: &impl GenericClient,
    layout: &Layout,
    role: Option<&str>,
    tasks: &[Task<'_>],
) -> Result<Lacks, Error> {
    let mut needs = Needs { layout, all: BTreeMap::new(), narrow: BTreeSet::new(), is_narrow: false };
    for task in tasks {
        needs.of(task);
        if !knows_hashing(client, layout, task).await? {
            needs.migrations(client).await?;
        }
    }
    needs.name_columns();
    let mut lacks = check(client, role, &needs.all, &needs.narrow).await?;
    for task in tasks {
        if let Some(columns) = &task.creates {
            lacks.all.extend(sequences(client, layout.application(), role, columns).await?);
        }
        if task.rewrites {
            lacks.all.extend(temporary(client, role).await?);
        }
    }
    Ok(lacks)
}

/// Whether it can be known how this DOT keeps secrets without a look at `django_migrations`.
async fn knows_hashing(client: &impl GenericClient, layout: &Layout, task: &Task<'_>) -> Result<bool, Error> {
    match task.applications {
        Some(_) if layout.application().has("hash_client_secret") => Ok(true),
        Some(Extent::Whole) => shown_by_secrets(client, layout).await,
        Some(Extent::WithoutSecrets) => Ok(false),
        None => Ok(true),
    }
}

/// Needs by table and privilege.
struct Needs<'a> {
    layout: &'a Layout,
    all: BTreeMap<(Oid, Privilege), Columns>,
    /// No more is asked for than the columns: in tables that are not DOT's, and where the others hold secrets.
    narrow: BTreeSet<Oid>,
    /// Whether that holds for all tables.
    is_narrow: bool,
}

impl Needs<'_> {
    fn of(&mut self, task: &Task<'_>) {
        use Privilege::{Delete, Insert, Select, Update};
        let Task {
            applications,
            tokens,
            users,
            user_columns,
            creates,
            updates,
            locks,
            deletes,
            sweeps,
            rewrites,
            narrow,
        } = task;
        self.is_narrow |= *narrow;
        match applications {
            Some(Extent::Whole) => self.need(TableRole::Application, Select, Columns::Whole),
            Some(Extent::WithoutSecrets) => self.read_without_secrets(),
            None => {}
        }
        for role in tokens {
            self.read(*role);
        }
        if *users && let Some(table) = &self.layout.users {
            let names = [table.key.as_str(), Named::USERNAME]
                .into_iter()
                .chain(user_columns.iter().map(String::as_str));
            self.add(table.oid, Select, Columns::these(names.filter(|name| table.has(name))));
            self.narrow.insert(table.oid);
        }
        if let Some(columns) = creates {
            self.need(TableRole::Application, Insert, columns.clone());
        }
        if let Some(columns) = updates {
            self.need(TableRole::Application, Update, columns.clone());
        }
        if *locks || *deletes {
            self.need(TableRole::Application, Update, Columns::Any);
        }
        if *deletes {
            self.need(TableRole::Application, Delete, Columns::Whole);
            self.drain();
            for role in TableRole::ALL.iter().copied() {
                self.foreign(role);
            }
        }
        for sweep in sweeps.iter().filter(|sweep| tokens::supports(self.layout, sweep)) {
            if *rewrites { self.rewrite(sweep) } else { self.sweep(sweep) }
        }
    }

    /// The rows that go with an application, see `dependents::drain`.
    fn drain(&mut self) {
        for role in DEPENDENTS {
            self.delete(role);
        }
        self.need(TableRole::RefreshToken, Privilege::Update, Columns::these(["access_token_id"]));
        self.clear_sources();
    }

    fn sweep(&mut self, sweep: &Sweep) {
        let roles = sweep.tables();
        for role in [TableRole::AccessToken, TableRole::RefreshToken] {
            if reads_sessions(sweep) {
                self.read(role);
            }
        }
        for role in roles {
            if *role != TableRole::Application {
                self.delete(*role);
            }
            self.foreign(*role);
        }
        if roles.contains(&TableRole::RefreshToken) {
            self.clear_sources();
        }
        self.look_up(sweep);
        if roles.contains(&TableRole::Application) {
            let layout = self.layout;
            let marks = layout.marks.iter().map(|mark| mark.column.as_str());
            let read: Vec<&str> = READ_OF_APPLICATIONS.into_iter().chain(marks).collect();
            self.read_columns(TableRole::Application, &read);
            self.need(TableRole::Application, Privilege::Update, Columns::Any);
            self.need(TableRole::Application, Privilege::Delete, Columns::Whole);
            self.need(TableRole::RefreshToken, Privilege::Update, Columns::these(["access_token_id"]));
            self.read(TableRole::DeviceGrant);
            self.read(TableRole::ParRequest);
        }
    }

    fn rewrite(&mut self, sweep: &Sweep) {
        for role in sweep.tables() {
            for privilege in [Privilege::Select, Privilege::Insert, Privilege::Truncate] {
                self.need(*role, privilege, Columns::Whole);
            }
        }
        self.read(TableRole::AccessToken);
        self.read(TableRole::RefreshToken);
        self.look_up(sweep);
    }

    /// The columns of the application table are named: a grant on the table would cover its secrets.
    fn read_without_secrets(&mut self) {
        let table = self.layout.application();
        let secrets = applications::secret_columns(table);
        let shown = table.columns.keys().map(String::as_str).filter(|name| !secrets.contains(*name));
        self.add(table.oid, Privilege::Select, Columns::these(shown));
        self.narrow.insert(table.oid);
    }

    fn delete(&mut self, role: TableRole) {
        self.read(role);
        self.need(role, Privilege::Update, Columns::Any);
        self.need(role, Privilege::Delete, Columns::Whole);
    }

    /// Pointers to refresh tokens that go are cleared in the access tokens.
    fn clear_sources(&mut self) {
        self.need(TableRole::AccessToken, Privilege::Update, Columns::these(["source_refresh_token_id"]));
    }

    fn read(&mut self, role: TableRole) {
        self.read_columns(role, &READ);
        if self.is_narrow {
            self.need(role, Privilege::Select, Columns::these(SYSTEM_COLUMNS));
        }
    }

    /// The end: where columns are to be named, also the one that is enough for a lock on a row.
    fn name_columns(&mut self) {
        if !self.is_narrow {
            return;
        }
        self.narrow.extend(self.all.keys().map(|(oid, _)| *oid));
        let keys: BTreeMap<Oid, &str> =
            self.layout.tables().map(|(_, table)| (table.oid, table.key.as_str())).collect();
        for ((oid, _), columns) in &mut self.all {
            if let (Columns::Any, Some(key)) = (&*columns, keys.get(oid)) {
                *columns = Columns::these([*key]);
            }
        }
    }

    /// Applications that are left alone are found by their client ids.
    fn look_up(&mut self, sweep: &Sweep) {
        if !sweep.excluded.is_empty() {
            self.read_columns(TableRole::Application, &["client_id"]);
        }
    }

    fn read_columns(&mut self, role: TableRole, names: &[&str]) {
        if let Some(table) = self.layout.table(role) {
            let names = names.iter().copied().chain([table.key.as_str()]);
            let there: BTreeSet<String> = names.filter(|name| table.has(name)).map(str::to_owned).collect();
            self.add(table.oid, Privilege::Select, Columns::These(there));
        }
    }

    /// Rows of other tables that may prevent the deletion are looked for first; others go or are changed along. What
    /// PostgreSQL does itself needs no right of the role's.
    fn foreign(&mut self, role: TableRole) {
        let layout = self.layout;
        let Some(table) = layout.table(role) else { return };
        for (_, reference) in Along::new(layout, table).references() {
            let Reference { from, from_column, to, to_column, treatment, .. } = reference;
            let column = || Columns::these([from_column.as_str()]);
            if treatment.is_ours() {
                // Rows that another session has locked are told apart by these.
                self.add(*from, Privilege::Select, Columns::these(SYSTEM_COLUMNS));
            }
            match treatment {
                Treatment::OnDelete(_) => continue,
                Treatment::Refuse => {}
                Treatment::Null => self.add(*from, Privilege::Update, column()),
                Treatment::Delete | Treatment::Link => {
                    self.add(*from, Privilege::Update, Columns::Any);
                    self.add(*from, Privilege::Delete, Columns::Whole);
                }
            }
            self.add(*from, Privilege::Select, column());
            self.add(*to, Privilege::Select, Columns::these([to_column.as_str()]));
            self.narrow.extend([*from, *to].into_iter().filter(|oid| layout.role_of(*oid).is_none()));
        }
    }

    fn need(&mut self, role: TableRole, privilege: Privilege, columns: Columns) {
        if let Some(table) = self.layout.table(role) {
            self.add(table.oid, privilege, columns);
        }
    }

    fn add(&mut self, oid: Oid, privilege: Privilege, columns: Columns) {
        let known = self.all.remove(&(oid, privilege)).unwrap_or(Columns::Any);
        self.all.insert((oid, privilege), known.and(columns));
    }

    /// Before DOT 2.4, and where the stored secrets do not show it, only `django_migrations` says whether secrets are hashed.
    async fn migrations(&mut self, client: &impl GenericClient) -> Result<(), Error> {
        let schema = &self.layout.application().schema;
        if let Some(oid) = table_of(client, schema, "django_migrations").await? {
            self.add(oid, Privilege::Select, Columns::these(["app", "name"]));
            self.narrow.insert(oid);
        }
        Ok(())
    }
}

/// Whether the stored secrets show how this DOT keeps them, as far as the role may read them.
async fn shown_by_secrets(client: &impl GenericClient, layout: &Layout) -> Result<bool, Error> {
    let table = layout.application();
    Ok(may_read_secrets(client, layout, None).await?
        && applications::stored_hashes(client, table).await?.is_some())
}

/// Whether a role may read client secrets. `role`: `None` is the one that asks.
pub async fn may_read_secrets(
    client: &impl GenericClient,
    layout: &Layout,
    role: Option<&str>,
) -> Result<bool, Error> {
    let secret = Columns::these([Field::ClientSecret.column()]);
    let need = ((layout.application().oid, Privilege::Select), secret);
    Ok(check(client, role, &[need].into(), &BTreeSet::new()).await?.is_empty())
}

/// Whether a sweep's condition joins access and refresh tokens.
const fn reads_sessions(sweep: &Sweep) -> bool {
    match sweep.doomed {
        Doomed::Sessions { .. }
        | Doomed::RefreshTokens { .. }
        | Doomed::IdTokens { .. }
        | Doomed::CimdApplications { .. }
        | Doomed::DcrApplications { .. } => true,
        Doomed::Grants { .. } | Doomed::ParRequests { .. } | Doomed::DeviceGrants { .. } => false,
    }
}

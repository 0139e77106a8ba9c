//! The server, the connection to it, and what the role may do there.

use std::collections::BTreeMap;

use strum::EnumString;

use super::{Lacks, Purpose, ReadOnly};
use crate::model::Engine;

/// Who answered, and whom it takes us for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// `server_version`, such as `15.18 (Debian …)`.
    pub version: String,
    /// `server_version_num`, such as 150018.
    pub version_number: i32,
    /// What it is.
    pub engine: Engine,
    /// `version()`: the engine in its own words.
    pub banner: String,
    pub database: String,
    /// The role that statements run as.
    pub role: String,
    /// Whether that is a superuser.
    pub superuser: bool,
    /// What keeps the session from writing; `None`: nothing.
    pub read_only: Option<ReadOnly>,
    /// The database's encoding, such as UTF8.
    pub encoding: String,
    /// The server's address; `None`: a Unix socket.
    pub address: Option<String>,
    /// Extensions of this database that write tables anew.
    pub repackers: Vec<Repacker>,
}

/// An extension that writes a table anew while others use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum Repacker {
    PgRepack,
    PgSqueeze,
}

/// TLS, as the server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// Such as `TLSv1.3`.
    pub version: String,
    /// Such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The key of the cipher.
    pub bits: i32,
}

/// What a role may do with the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerRights {
    /// There is none.
    Absent,
    There {
        /// Whether an older oauthctl made it.
        outdated: bool,
        /// What the role lacks for reading whose the applications are.
        reading: Lacks,
        /// What it lacks for noting runs, and what a file manages.
        writing: Lacks,
        /// What it lacks for noting what runs change.
        steps: Lacks,
    },
}

/// What a role may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privileges {
    /// Which role, as SQL writes it.
    pub role: String,
    /// Whether it may do everything anyway.
    pub superuser: bool,
    /// What it lacks, by what it may be wanted for.
    pub lacks: BTreeMap<Purpose, Lacks>,
    /// What it lacks for `status`, which counts every table, also those that no plan by the file looks at.
    pub status: Lacks,
    /// What it lacks for `strategy = "rewrite"` besides.
    pub rewrite: Lacks,
    /// Whether it may read client secrets.
    pub reads_secrets: bool,
    /// What it lacks for looking up users.
    pub users: Lacks,
    /// Whether it may set `session_replication_role`; `None`: before PostgreSQL 15 only superusers may.
    pub replication_role: Option<bool>,
    pub ledger: LedgerRights,
    /// Whether the file needs the ledger: `prune = "owned"`.
    pub ledger_needed: bool,
}

/// What `django_migrations` says. A hint only: it lists migrations of swapped models too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DjangoHint {
    /// The last migration of `oauth2_provider`.
    pub last: Option<String>,
}

/// The functions of `migrate --definer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Functions {
    /// There are none.
    Absent,
    /// The role may use them.
    Fit,
    Unfit {
        /// Why it may not.
        reasons: Vec<String>,
        /// Whether the file asks for them.
        wanted: bool,
    },
}

//! Why nothing can be written in a session, and what to do about it: in the same words wherever that is said.

use std::fmt;

/// Why nothing can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadOnly {
    /// The server is a standby.
    Standby,
    /// `default_transaction_read_only` is on.
    ByDefault(SetBy),
}

/// Who has set `default_transaction_read_only`. Names are as SQL writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// `ALTER ROLE … SET`.
    Role {
        /// The role that logged in.
        role: String,
    },
    /// `ALTER DATABASE … SET`.
    Database { database: String },
    /// `ALTER ROLE … IN DATABASE … SET`.
    RoleInDatabase {
        /// The role that logged in.
        role: String,
        database: String,
    },
    /// `PGOPTIONS` or `options`, or a pooler.
    Client,
    /// The configuration of the server.
    Server,
}

impl fmt::Display for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self {
            Self::Standby => return f.write_str("this server is a standby, so nothing can be written"),
            Self::ByDefault(SetBy::Role { role }) => format!("for the role {role}"),
            Self::ByDefault(SetBy::Database { database }) => format!("for the database {database}"),
            Self::ByDefault(SetBy::RoleInDatabase { role, database }) => {
                format!("for the role {role} in the database {database}")
            }
            Self::ByDefault(SetBy::Client) => "by the connection's options".to_owned(),
            Self::ByDefault(SetBy::Server) => "in the server's configuration".to_owned(),
        };
        write!(f, "the session is read-only: default_transaction_read_only is on, set {by}")
    }
}

impl ReadOnly {
    /// The statement that ends it, where it is one.
    #[must_use]
    pub fn statement(&self) -> Option<String> {
        let of = match self {
            Self::Standby | Self::ByDefault(SetBy::Client | SetBy::Server) => return None,
            Self::ByDefault(SetBy::Role { role }) => format!("ROLE {role}"),
            Self::ByDefault(SetBy::Database { database }) => format!("DATABASE {database}"),
            Self::ByDefault(SetBy::RoleInDatabase { role, database }) => {
                format!("ROLE {role} IN DATABASE {database}")
            }
        };
        Some(format!("ALTER {of} RESET default_transaction_read_only;"))
    }

    /// What to do where no statement ends it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Standby => {
                "name all hosts of the cluster, and add target_session_attrs=read-write: that finds the primary"
            }
            Self::ByDefault(SetBy::Client) => {
                "leave default_transaction_read_only out of PGOPTIONS and `options`, or name another endpoint"
            }
            Self::ByDefault(SetBy::Server) => {
                "name all hosts of the cluster, and add target_session_attrs=read-write; managed services also set it when the \
                 disk is full"
            }
            Self::ByDefault(SetBy::Role { .. } | SetBy::Database { .. } | SetBy::RoleInDatabase { .. }) => {
                "log in as a role that may write, or reset it"
            }
        }
    }
}

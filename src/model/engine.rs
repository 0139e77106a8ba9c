//! What may answer where PostgreSQL is expected, and what that means for a cleanup. `db::engine` recognises it.

/// The engine behind a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, strum::Display)]
pub enum Engine {
    /// PostgreSQL, or a service that runs it unchanged.
    #[strum(to_string = "PostgreSQL")]
    #[default]
    PostgreSql,
    /// PostgreSQL, run by Amazon RDS.
    #[strum(to_string = "PostgreSQL on Amazon RDS")]
    Rds,
    /// Amazon Aurora: PostgreSQL on shared storage.
    #[strum(to_string = "Amazon Aurora")]
    Aurora,
    /// PostgreSQL with the Citus extension, and those of DOT's tables that Citus manages, as SQL writes them.
    #[strum(to_string = "PostgreSQL with Citus")]
    Citus {
        /// Empty: all are ordinary tables of this node.
        managed: Vec<String>,
    },
    /// `YugabyteDB`.
    #[strum(to_string = "YugabyteDB")]
    Yugabyte,
    /// `CockroachDB`.
    #[strum(to_string = "CockroachDB")]
    Cockroach,
    /// Something that does not call itself PostgreSQL.
    #[strum(to_string = "an unknown engine")]
    Unknown,
}

impl Engine {
    /// The oldest major version of PostgreSQL that the tests pass on.
    pub const OLDEST_TESTED: u32 = 13;

    /// The newest major version that they pass on.
    pub const NEWEST_TESTED: u32 = 18;

    /// Why nothing is deleted here; `None`: the statements hold.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::PostgreSql | Self::Rds | Self::Aurora => None,
            Self::Citus { managed } if managed.is_empty() => None,
            Self::Citus { managed } => Some(format!(
                "Citus distributes {}: rows cannot be locked and looked at again across shards",
                managed.join(", ")
            )),
            Self::Yugabyte | Self::Cockroach | Self::Unknown => Some(format!(
                "this is {self}, not PostgreSQL: its locks and snapshots differ from those that the cleanup relies on"
            )),
        }
    }

    /// Whether `pg_stat_replication` shows its replicas.
    #[must_use]
    pub const fn shows_replicas(&self) -> bool {
        !matches!(self, Self::Aurora)
    }

    /// Whether it is PostgreSQL's own storage and locking, so that everything holds that was tested with PostgreSQL.
    #[must_use]
    pub const fn is_postgresql(&self) -> bool {
        matches!(self, Self::PostgreSql | Self::Rds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_postgresql_is_refused_by_name() {
        for engine in [Engine::PostgreSql, Engine::Rds, Engine::Aurora, Engine::Citus { managed: Vec::new() }]
        {
            assert_eq!(engine.refusal(), None, "{engine}");
        }
        for engine in [Engine::Yugabyte, Engine::Cockroach, Engine::Unknown] {
            assert!(engine.refusal().unwrap().contains(&engine.to_string()), "{engine}");
        }
        let distributed = Engine::Citus { managed: vec!["\"public\".\"x\"".to_owned()] };
        assert!(distributed.refusal().unwrap().starts_with("Citus distributes \"public\".\"x\""));
    }
}

//! Which engine speaks PostgreSQL's protocol here.

use std::fmt;

use crate::model::health::Traits;

/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL itself.
    PostgreSql,
    /// PostgreSQL, run by Amazon RDS.
    Rds,
    /// Amazon Aurora.
    Aurora,
    /// PostgreSQL with the extension `citus`.
    Citus,
    /// `YugabyteDB`.
    Yugabyte,
    /// `CockroachDB`.
    Cockroach,
    /// Something that does not call itself PostgreSQL.
    Unknown,
}

impl Engine {
    /// Recognises it by its own words, its extensions and its functions.
    #[must_use]
    pub fn recognise(traits: &Traits) -> Self {
        let Traits { version, extensions, aurora, rds } = traits;
        if version.starts_with("CockroachDB") {
            Self::Cockroach
        } else if version.contains("-YB-") {
            Self::Yugabyte
        } else if !version.starts_with("PostgreSQL ") {
            Self::Unknown
        } else if extensions.contains("citus") {
            Self::Citus
        } else if *aurora {
            Self::Aurora
        } else if *rds {
            Self::Rds
        } else {
            Self::PostgreSql
        }
    }

    /// Whether it is PostgreSQL's own storage and locking, so that everything holds that was tested with PostgreSQL.
    #[must_use]
    pub const fn is_postgresql(self) -> bool {
        matches!(self, Self::PostgreSql | Self::Rds)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PostgreSql => "PostgreSQL",
            Self::Rds => "PostgreSQL on Amazon RDS",
            Self::Aurora => "Amazon Aurora",
            Self::Citus => "PostgreSQL with Citus",
            Self::Yugabyte => "YugabyteDB",
            Self::Cockroach => "CockroachDB",
            Self::Unknown => "an unknown engine",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_recognised() {
        let plain =
            "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit";
        let with = |version: &str, extensions: &[&str], aurora, rds| {
            let extensions = extensions.iter().map(|name| (*name).to_owned()).collect();
            Engine::recognise(&Traits { version: version.to_owned(), extensions, aurora, rds })
        };
        assert_eq!(with(plain, &["plpgsql"], false, false), Engine::PostgreSql);
        assert_eq!(with(plain, &[], false, true), Engine::Rds);
        assert_eq!(with(plain, &[], true, true), Engine::Aurora);
        assert_eq!(with(plain, &["citus", "plpgsql"], false, false), Engine::Citus);
        let yugabyte =
            "PostgreSQL 11.2-YB-2.20.1.0-b0 on x86_64-pc-linux-gnu, compiled by clang version 16, 64-bit";
        assert_eq!(with(yugabyte, &[], false, false), Engine::Yugabyte);
        let cockroach =
            "CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27 01:53:43, go1.19.10)";
        assert_eq!(with(cockroach, &[], false, false), Engine::Cockroach);
        assert_eq!(with("Materialize v0.1", &[], false, false), Engine::Unknown);
    }
}

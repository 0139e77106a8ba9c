//! What a verb needs of the role and the role lacks, with the statement that grants it.

use std::fmt;

use strum::IntoStaticStr;

use crate::model::printable::printable;
use crate::model::words::listed;

/// What a role is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// `plan`, `status` and the other verbs that only read.
    Plan,
    /// `plan --without-secrets`.
    PlanWithoutSecrets,
    Apply,
    Createapplication,
    RotateSecret,
    Cleartokens,
}

impl Purpose {
    /// Whether the verb writes, so that it has something to refuse.
    #[must_use]
    pub fn writes(self) -> bool {
        match self {
            Self::Plan | Self::PlanWithoutSecrets => false,
            Self::Apply | Self::Createapplication | Self::RotateSecret | Self::Cleartokens => true,
        }
    }
}

/// What one may do with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "UPPERCASE")]
pub enum Privilege {
    Select,
    Insert,
    /// `UPDATE`, which `SELECT … FOR UPDATE` and `LOCK` need too.
    Update,
    Delete,
    Truncate,
}

impl Privilege {
    /// As SQL has it.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        self.into_str()
    }
}

/// Something that is not granted. All names are as SQL writes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// `USAGE` on a schema.
    Schema(String),
    /// The same privileges on some tables.
    Tables {
        privileges: Vec<Privilege>,
        /// The columns that are enough; empty: the tables as a whole.
        columns: Vec<String>,
        tables: Vec<String>,
    },
    /// `USAGE` on a sequence that fills a column. (Identity columns need no right.)
    Sequence(String),
    /// `TEMPORARY` on the database.
    Temporary(String),
}

impl Lack {
    /// What is missing.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Schema(schema) => format!("USAGE on schema {schema}"),
            Self::Tables { privileges, columns, tables } => {
                let of =
                    if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
                format!("{} on {}{of}", words(privileges), listed(tables))
            }
            Self::Sequence(sequence) => format!("USAGE on sequence {sequence}"),
            Self::Temporary(database) => format!("TEMPORARY on database {database}"),
        }
    }

    /// What to type, as a role that may grant it.
    #[must_use]
    pub fn grant(&self, role: &str) -> String {
        printable(&self.statement(role))
    }

    fn statement(&self, role: &str) -> String {
        match self {
            Self::Schema(schema) => format!("GRANT USAGE ON SCHEMA {schema} TO {role};"),
            Self::Tables { privileges, columns, tables } => {
                let of =
                    if columns.is_empty() { String::new() } else { format!(" ({})", columns.join(", ")) };
                let each: Vec<String> = privileges.iter().map(|one| format!("{}{of}", one.sql())).collect();
                format!("GRANT {} ON {} TO {role};", each.join(", "), tables.join(", "))
            }
            Self::Sequence(sequence) => format!("GRANT USAGE ON SEQUENCE {sequence} TO {role};"),
            Self::Temporary(database) => format!("GRANT TEMPORARY ON DATABASE {database} TO {role};"),
        }
    }

    /// Whether nothing can be looked at without it.
    #[must_use]
    pub fn keeps_from_reading(&self) -> bool {
        match self {
            Self::Schema(_) => true,
            Self::Tables { privileges, .. } => privileges.contains(&Privilege::Select),
            Self::Sequence(_) | Self::Temporary(_) => false,
        }
    }
}

fn words(privileges: &[Privilege]) -> String {
    privileges.iter().map(|privilege| privilege.sql()).collect::<Vec<_>>().join(", ")
}

/// All that a role lacks for something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacks {
    /// The role, as SQL writes it.
    pub role: String,
    /// What it lacks; empty: it may.
    pub all: Vec<Lack>,
}

impl Lacks {
    /// Whether the role has everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether tables cannot be read that would have to be.
    #[must_use]
    pub fn keep_from_reading(&self) -> bool {
        self.all.iter().any(Lack::keeps_from_reading)
    }

    /// What to type.
    #[must_use]
    pub fn grants(&self) -> Vec<String> {
        self.all.iter().map(|lack| lack.grant(&self.role)).collect()
    }
}

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lacks: Vec<String> = self.all.iter().map(Lack::what).collect();
        write!(f, "the role {} lacks {}", self.role, lacks.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lack_has_its_grant() {
        let tables = |privileges: &[Privilege], columns: &[&str], tables: &[&str]| Lack::Tables {
            privileges: privileges.to_vec(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            tables: tables.iter().map(|name| (*name).to_owned()).collect(),
        };
        let all = vec![
            Lack::Schema("s".to_owned()),
            tables(&[Privilege::Select], &["id", "username"], &["s.u"]),
            tables(&[Privilege::Update, Privilege::Delete], &[], &["s.a", "s.b"]),
        ];
        let lacks = Lacks { role: "\"a b\"".to_owned(), all };
        assert_eq!(
            lacks.to_string(),
            "the role \"a b\" lacks USAGE on schema s; SELECT on s.u (id, username); UPDATE, DELETE on s.a and s.b"
        );
        assert_eq!(
            lacks.grants(),
            [
                "GRANT USAGE ON SCHEMA s TO \"a b\";",
                "GRANT SELECT (id, username) ON s.u TO \"a b\";",
                "GRANT UPDATE, DELETE ON s.a, s.b TO \"a b\";"
            ]
        );
    }
}

//! Constraints of the application table that a row would break, and those that cannot be tried beforehand.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::application::ClientId;

/// A constraint that a row would break, as far as a look at the database can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Its name; empty where it has none.
    pub constraint: String,
    /// The columns that it is about, and what the row would hold there.
    pub columns: Vec<(String, Tried)>,
    pub rule: Rule,
    /// A trigger that sees the row before the constraint does, and may change it.
    pub trigger: Option<String>,
}

/// What a constraint asks of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The column may not be NULL.
    NotNull,
    /// A CHECK, in PostgreSQL's words.
    Check(String),
    /// The CHECK of the column's domain, in PostgreSQL's words.
    Domain(String),
    /// No other row may have the same.
    Unique(Twin),
    /// The row of another table that it has to refer to.
    Reference {
        /// The table, as SQL writes it.
        table: String,
        columns: Vec<String>,
        /// Lists the rows to which it may refer.
        select: String,
    },
    /// The expression of a CHECK fails for it, in PostgreSQL's words.
    Fails(String),
}

/// Who has the value that would be there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Twin {
    /// An application that keeps it.
    Stored(ClientId),
    /// One that gets it by the same plan.
    Planned(ClientId),
    /// One that the same plan deletes or changes, but later.
    Later(ClientId),
    /// One of several that the same plan gives each other's values. None can be first.
    InCircle {
        has: ClientId,
        /// All of them: each wants what the next one has, and the last one what the first one has.
        circle: Vec<ClientId>,
    },
}

/// What a row would hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    Null,
    /// PostgreSQL's text of it, perhaps shortened.
    Text(String),
    /// The column holds a secret.
    Hidden,
}

/// `algorithm = "HS256", tenant_id = "3"`.
struct Values<'a>(&'a [(String, Tried)]);

impl fmt::Display for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, value)) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            match value {
                Tried::Null => write!(f, "{comma}{name} = NULL")?,
                Tried::Text(text) => write!(f, "{comma}{name} = \"{text}\"")?,
                Tried::Hidden => write!(f, "{comma}{name} (not shown)")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { constraint, columns, rule, trigger } = self;
        let values = Values(columns);
        let with = if columns.is_empty() { "" } else { " with " };
        match rule {
            Rule::NotNull => {
                let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
                write!(f, "column {} is NOT NULL and would get no value", names.join(", "))?;
            }
            Rule::Check(expression) => {
                write!(f, "breaks the constraint \"{constraint}\"{with}{values}: {expression}")?;
            }
            Rule::Domain(expression) => {
                write!(f, "breaks the constraint \"{constraint}\" of a domain{with}{values}: {expression}")?;
            }
            Rule::Unique(twin) => {
                write!(f, "breaks the unique key \"{constraint}\"{with}{values}: ")?;
                match twin {
                    Twin::Stored(other) => write!(f, "application \"{other}\" has the same"),
                    Twin::Planned(other) => write!(f, "application \"{other}\" gets the same"),
                    Twin::Later(other) | Twin::InCircle { has: other, circle: _ } => {
                        write!(f, "application \"{other}\" has the same until a later step of this plan")
                    }
                }?;
            }
            Rule::Reference { table, columns, select: _ } => write!(
                f,
                "breaks the foreign key \"{constraint}\"{with}{values}: {table} has no row with this {}",
                columns.join(", ")
            )?,
            Rule::Fails(why) => {
                write!(f, "the constraint \"{constraint}\" fails{with}{values}: {why}")?;
            }
        }
        match trigger {
            Some(trigger) => write!(f, "; unless the trigger \"{trigger}\" changes the row"),
            None => Ok(()),
        }
    }
}

/// Something of the table that only a write can try.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct NotTried {
    /// `trigger`, `exclusion constraint`, …
    pub kind: Cow<'static, str>,
    pub name: String,
    /// Why not, where that does not lie in its kind.
    pub why: Option<String>,
}

impl fmt::Display for NotTried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, why } = self;
        write!(f, "{kind} {name}")?;
        match why {
            Some(why) => write!(f, " ({why})"),
            None => Ok(()),
        }
    }
}

//! What `doctor` finds: from facts about a database to findings, each with a verdict and what to type.
//!
//! Pure. One file per subject, each with one function from facts to findings; [`examine`] puts them in order. A fact
//! that could not be read is a finding, too. Only what an operator can act on is a problem. Knows no SQL but that
//! which it proposes, no terminal and no exit code.

mod activity;
pub mod backlog;
mod connection;
mod indexes;
mod privileges;
mod references;
mod registrations;
mod schema;
mod sequences;
pub mod space;
pub mod status;
mod stored;
mod upgrade;
mod vacuum;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use strum::IntoStaticStr;

pub use self::upgrade::Upgrade;
pub use crate::model::health::Purpose;
use crate::model::health::{
    Affected, Autovacuum, Beside, DjangoHint, Duplicates, Encryption, Functions, LaggingSequence,
    PlainSecrets, PreparedTransaction, Privileges, Referrer, Registrations, Server, Slot, Standby, Storage,
    Trigger,
};
use crate::model::printable::{literal, printable};
use crate::model::{BlockingRows, TableRole};

/// How good or bad it is, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing breaks.
    Note,
    /// Something does not work, or will not for long.
    Problem,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(const_into_str, serialize_all = "lowercase")]
pub enum Check {
    /// The way to the server.
    Connection,
    /// The server and its engine.
    Server,
    /// Which DOT this is.
    Schema,
    /// What a newer DOT will not serve.
    Upgrade,
    /// Applications that registered themselves.
    Registration,
    /// What the role may do.
    Privileges,
    /// The sequences of the keys.
    Sequences,
    /// Secrets that are not hashed.
    Secrets,
    /// Refresh tokens that share one token.
    Duplicates,
    Ledger,
    Indexes,
    /// Foreign keys of other tables.
    References,
    /// Triggers and rules.
    Triggers,
    #[strum(serialize = "row security")]
    RowSecurity,
    Partitions,
    /// Open transactions and waiting sessions.
    Transactions,
    /// Replication slots and standbys.
    Replication,
    /// Dead rows and old ones.
    Vacuum,
    /// Room that no row needs.
    Space,
}

impl Check {
    /// What people read.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.into_str()
    }

    fn found(self, verdict: Verdict, found: impl Into<String>) -> Finding {
        Finding { check: self, verdict, found: found.into(), meaning: String::new(), remedies: Vec::new() }
    }

    fn ok(self, found: impl Into<String>) -> Finding {
        self.found(Verdict::Ok, found)
    }

    fn note(self, found: impl Into<String>) -> Finding {
        self.found(Verdict::Note, found)
    }

    fn problem(self, found: impl Into<String>) -> Finding {
        self.found(Verdict::Problem, found)
    }
}

/// What to type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "text")]
pub enum Remedy {
    /// In `psql`.
    Sql(String),
    /// In a shell.
    Shell(String),
    /// In `oauth.toml`.
    Toml(String),
}

impl Remedy {
    /// As it is typed.
    #[must_use]
    pub fn text(&self) -> &str {
        let (Self::Sql(text) | Self::Shell(text) | Self::Toml(text)) = self;
        text
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How bad it is.
    pub verdict: Verdict,
    /// What was found: a sentence.
    pub found: String,
    /// What that means for those who run it; empty where `found` says it all.
    pub meaning: String,
    /// What to type, in this order.
    pub remedies: Vec<Remedy>,
}

impl Finding {
    fn meaning(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = meaning.into();
        self
    }

    fn sql(mut self, sql: impl AsRef<str>) -> Self {
        self.remedies.push(Remedy::Sql(printable(sql.as_ref())));
        self
    }

    fn toml(mut self, text: impl Into<String>) -> Self {
        self.remedies.push(Remedy::Toml(text.into()));
        self
    }

    fn shell(mut self, command: impl Into<String>) -> Self {
        self.remedies.push(Remedy::Shell(command.into()));
        self
    }
}

/// Something that was looked at, or why that was not possible.
pub type Look<T> = Result<T, String>;

/// A table's columns, and whether the model is swapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub table: String,
    /// Whether it is not called as DOT would call it.
    pub swapped: bool,
    pub columns: BTreeSet<String>,
}

/// Everything that was looked at.
#[derive(Debug)]
pub struct Facts {
    pub server: Look<Server>,
    pub encryption: Look<Option<Encryption>>,
    /// The tables, or why there are none to work with, and what to type then.
    pub schema: Result<BTreeMap<TableRole, Shape>, NoSchema>,
    /// What `django_migrations` says.
    pub django: Look<DjangoHint>,
    /// Applications that registered themselves by something else than DOT.
    pub registrations: Look<Registrations>,
    /// What the role may do.
    pub privileges: Look<Privileges>,
    /// The functions of `migrate --definer`.
    pub functions: Look<Functions>,
    /// Sequences that are behind their tables.
    pub sequences: Look<Vec<LaggingSequence>>,
    /// Client secrets that should be hashed; `None`: no row says so.
    pub plain_secrets: Look<Option<PlainSecrets>>,
    /// Refresh tokens that share one token; `None`: there can be none.
    pub duplicates: Look<Option<Duplicates>>,
    /// Applications that a newer DOT may not serve; `None`: not asked for.
    pub affected: Option<Look<Vec<Affected>>>,
    /// Sizes, statistics and indexes.
    pub storage: Look<Vec<Storage>>,
    /// Settings of the server.
    pub autovacuum: Look<Autovacuum>,
    /// Foreign keys to the tables.
    pub referrers: Look<Vec<Referrer>>,
    /// Rows of other tables that prevent cleanup.
    pub blocking_rows: Look<Vec<BlockingRows>>,
    /// Triggers and rules.
    pub triggers: Look<Vec<Trigger>>,
    /// Activity of other sessions.
    pub beside: Look<Beside>,
    pub prepared: Look<Vec<PreparedTransaction>>,
    pub slots: Look<Vec<Slot>>,
    pub standbys: Look<Vec<Standby>>,
}

/// Why there are no tables to work with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoSchema {
    pub reason: String,
    /// What may help.
    pub hints: Vec<String>,
}

/// What the findings depend on besides the facts.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What the role is wanted for.
    pub purposes: BTreeSet<Purpose>,
    /// From when on a transaction is too long.
    pub long_transaction: Duration,
}

impl Terms {
    fn write(&self) -> bool {
        self.purposes.iter().any(|purpose| purpose.writes())
    }
}

/// Everything that was found, in the order in which it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// What a newer DOT will not serve; `None`: not asked for, or it could not be read.
    pub upgrades: Option<Vec<Upgrade>>,
}

impl Report {
    /// The findings if no server answers. `reason` names every attempt; `retry` is the result of a second one.
    #[must_use]
    pub fn unreachable(reason: &str, hints: &[String], retry: &str) -> Self {
        let finding = Check::Connection.problem(sentence(reason)).meaning(sentences(hints)).shell(retry);
        Self { findings: vec![finding], upgrades: None }
    }

    /// How many findings of a verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// The worst verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }
}

/// From facts to findings.
#[must_use]
pub fn examine(facts: &Facts, terms: &Terms) -> Report {
    let mut findings = Vec::new();
    let all = &mut findings;
    look(all, Check::Connection, &facts.encryption, |tls| {
        facts.server.as_ref().map(|server| connection::check(server, tls.as_ref())).unwrap_or_default()
    });
    look(all, Check::Server, &facts.server, |server| connection::server(server, terms));
    match &facts.schema {
        Ok(shapes) => all.extend(schema::check(shapes, facts.django.as_ref().ok())),
        Err(missing) => {
            all.push(schema::missing(missing));
            return Report { findings, upgrades: None };
        }
    }
    let upgrades = facts.affected.as_ref().map(|affected| affected.as_deref().map(upgrade::upgrades));
    if let Some(upgrades) = &upgrades {
        match upgrades {
            Ok(upgrades) => all.extend(upgrade::check(upgrades)),
            Err(reason) => all.push(unseen(Check::Upgrade, reason)),
        }
    }
    look(all, Check::Registration, &facts.registrations, registrations::check);
    look(all, Check::Privileges, &facts.privileges, |privileges| {
        privileges::check(privileges, facts.functions.as_ref().unwrap_or(&Functions::Absent), terms)
    });
    look(all, Check::Sequences, &facts.sequences, |behind| sequences::check(behind));
    look(all, Check::Secrets, &facts.plain_secrets, |found| stored::secrets(found.as_ref()));
    look(all, Check::Duplicates, &facts.duplicates, |found| stored::duplicates(found.as_ref()));
    look(all, Check::Indexes, &facts.storage, |tables| {
        indexes::check(tables, facts.referrers.as_deref().unwrap_or_default())
    });
    look(all, Check::References, &facts.referrers, |referrers| {
        references::check(referrers, facts.blocking_rows.as_deref())
    });
    look(all, Check::Triggers, &facts.triggers, |triggers| references::triggers(triggers));
    if let Ok(tables) = &facts.storage {
        let role = facts.privileges.as_ref().map_or("", |privileges| privileges.role.as_str());
        all.extend(references::row_security(tables, role));
        all.extend(references::partitions(tables));
    }
    look(all, Check::Transactions, &facts.beside, |beside| {
        let role = facts.server.as_ref().map_or("", |server| server.role.as_str());
        activity::transactions(beside, facts.prepared.as_deref(), terms, role)
    });
    look(all, Check::Replication, &facts.slots, |slots| {
        activity::replication(slots, facts.standbys.as_deref())
    });
    look(all, Check::Vacuum, &facts.storage, |tables| vacuum::check(tables, facts.autovacuum.as_ref().ok()));
    if let (Ok(tables), Ok(server)) = (&facts.storage, &facts.server) {
        all.extend(space::check(tables, server));
    }
    Report { findings, upgrades: upgrades.and_then(Result::ok) }
}

fn look<T>(all: &mut Vec<Finding>, check: Check, fact: &Look<T>, decide: impl FnOnce(&T) -> Vec<Finding>) {
    match fact {
        Ok(fact) => all.extend(decide(fact)),
        Err(reason) => all.push(unseen(check, reason)),
    }
}

/// An error as a sentence of its own.
fn sentence(reason: &str) -> String {
    let mut characters = reason.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if reason.ends_with(['.', ':']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

fn sentences(hints: &[String]) -> String {
    hints.iter().map(|hint| sentence(hint)).collect::<Vec<_>>().join(" ")
}

/// A fact that could not be read.
fn unseen(check: Check, reason: &str) -> Finding {
    check.note(format!("Could not look: {reason}."))
}

//! The ledger: which applications a file answers for, and the history of runs.
//!
//! Optional; in schema `oauthctl`, which `migrate --ledger` makes (`migrations/ledger/`). Knows no plan and no file.

pub mod steps;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use strum::IntoStaticStr;
use tokio_postgres::types::{Oid, ToSql, Type};
use tokio_postgres::{Error, GenericClient};

use super::layout::Layout;
use super::rights::{Columns, check, table_of};
use super::{Parameter, query};
use crate::model::health::{Lack, Lacks, PastRun, Privilege};
use crate::model::printable::literal;
use crate::model::{ClientId, Key, Ownership, Position, positive_counts};

/// Where it is.
const SCHEMA: &str = "oauthctl";

/// The file, and the run of it, that a change of the ledger belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The name of the file, as the ledger knows it.
    pub name: &'a str,
    pub run: i64,
}

/// A run as the ledger notes it; the default: not at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noted {
    /// Its number; `None`: there is no ledger, or none that this role may write to.
    pub run: Option<i64>,
    /// Whether it decides what the file manages.
    pub manages: bool,
    /// Whether its steps are noted.
    pub has_steps: bool,
}

impl Noted {
    /// The run, if what the file manages is to be noted.
    #[must_use]
    pub fn owner<'a>(&self, name: &'a str) -> Option<Owner<'a>> {
        self.run.filter(|_| self.manages).map(|run| Owner { name, run })
    }

    /// The run, if its steps are to be noted.
    #[must_use]
    pub fn steps(&self) -> Option<i64> {
        self.run.filter(|_| self.has_steps)
    }
}

/// An application that a file answers for.
#[derive(Debug)]
pub struct Managed<'a> {
    pub client_id: &'a ClientId,
    /// Whether the file made it, so that `prune = "owned"` may delete it.
    pub created: bool,
}

/// A run, for those who read the history.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    pub verb: &'a str,
    /// `user@host`.
    pub who: &'a str,
    /// The file's name in the ledger; `None`: it worked from no file.
    pub owner: Option<&'a str>,
    /// SHA-256 of the file, in hexadecimal.
    pub config_digest: Option<&'a str>,
    /// The commit that the file is at, where CI says so.
    pub commit: Option<&'a str>,
}

/// How a run ended: the values that the ledger's column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "lowercase")]
pub enum Ending {
    /// Everything was done.
    Succeeded,
    Failed,
    /// A signal or a limit stopped it.
    Interrupted,
}

/// The ledger's tables, whether the role may use them or not.
#[derive(Clone, Copy, Debug)]
pub struct Ledger {
    managed: Oid,
    run: Oid,
    /// `None`: an older oauthctl made the ledger.
    measurement: Option<Oid>,
    /// `None`: an older oauthctl made the ledger.
    position: Option<Oid>,
    /// `None`: an older oauthctl made the ledger.
    step: Option<Oid>,
}

/// What the ledger is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To read whose the applications are.
    Ownership,
    /// To read the history of runs.
    History,
    /// To note a run.
    Note,
    /// To note a run and what the file manages.
    Manage,
    /// To note where a cleanup stopped.
    Remember,
    /// To note the steps of a run.
    NoteSteps,
    /// To read runs with their steps.
    Recall,
}

impl Use {
    /// The tables, in the order of [`Ledger`], with what is done to them.
    const fn privileges(self) -> [(&'static str, &'static [Privilege]); 5] {
        use Privilege::{Delete, Insert, Select, Update};
        const NONE: &[Privilege] = &[];
        // Without those on the last two tables a run is noted all the same: it prints where it stopped, and warns that it
        // cannot be undone.
        let of: [&[Privilege]; 5] = match self {
            Self::Ownership => [&[Select], NONE, NONE, NONE, NONE],
            Self::History => [NONE, &[Select], &[Select], NONE, NONE],
            Self::Note => [NONE, &[Select, Insert, Update], &[Insert], NONE, NONE],
            Self::Manage => {
                [&[Select, Insert, Update, Delete], &[Select, Insert, Update], &[Insert], NONE, NONE]
            }
            Self::Remember => [NONE, NONE, NONE, &[Select, Insert, Delete], NONE],
            Self::NoteSteps => [NONE, NONE, NONE, NONE, &[Insert]],
            Self::Recall => [NONE, &[Select], NONE, NONE, &[Select]],
        };
        let [managed, run, measurement, position, step] = of;
        [
            ("oauthctl.managed_application", managed),
            ("oauthctl.run", run),
            ("oauthctl.table_measurement", measurement),
            ("oauthctl.cleanup_position", position),
            ("oauthctl.run_step", step),
        ]
    }
}

/// What a new role needs for all of these together, whether the ledger is there by now or not.
#[must_use]
pub fn needed(uses: &[Use]) -> Vec<Lack> {
    let mut by_table: BTreeMap<&str, BTreeSet<Privilege>> = BTreeMap::new();
    for (table, privileges) in uses.iter().flat_map(|wanted| wanted.privileges()) {
        by_table.entry(table).or_default().extend(privileges);
    }
    let tables = by_table.into_iter().filter(|(_, privileges)| !privileges.is_empty());
    let tables = tables.map(|(table, privileges)| Lack::Tables {
        privileges: privileges.into_iter().collect(),
        columns: Vec::new(),
        tables: vec![table.to_owned()],
    });
    std::iter::once(Lack::Schema(SCHEMA.to_owned())).chain(tables).collect()
}

impl Ledger {
    /// Looks for it in the catalogue, which every role may read; `None`: there is none.
    pub async fn find(client: &impl GenericClient) -> Result<Option<Self>, Error> {
        let managed = table_of(client, SCHEMA, "managed_application").await?;
        let run = table_of(client, SCHEMA, "run").await?;
        let measurement = table_of(client, SCHEMA, "table_measurement").await?;
        let position = table_of(client, SCHEMA, "cleanup_position").await?;
        let step = table_of(client, SCHEMA, "run_step").await?;
        Ok(managed.zip(run).map(|(managed, run)| Self { managed, run, measurement, position, step }))
    }

    /// Whether an older oauthctl made it.
    #[must_use]
    pub const fn is_outdated(&self) -> bool {
        self.measurement.is_none() || self.position.is_none() || self.step.is_none()
    }

    /// Whether it has the table for the steps of runs.
    #[must_use]
    pub const fn has_steps(&self) -> bool {
        self.step.is_some()
    }

    /// Whether it has the table for the places at which cleanups stopped.
    #[must_use]
    pub const fn has_positions(&self) -> bool {
        self.position.is_some()
    }

    /// What a role lacks to use it; `role`: `None` is the one that asks.
    pub async fn lacks(
        &self,
        client: &impl GenericClient,
        role: Option<&str>,
        wanted: Use,
    ) -> Result<Lacks, Error> {
        let Self { managed, run, measurement, position, step } = self;
        let tables = [Some(*managed), Some(*run), *measurement, *position, *step];
        let needs: BTreeMap<(Oid, Privilege), Columns> = tables
            .into_iter()
            .zip(wanted.privileges())
            .filter_map(|(table, (_, privileges))| Some((table?, privileges)))
            .flat_map(|(table, privileges)| privileges.iter().map(move |one| ((table, *one), Columns::Whole)))
            .collect();
        check(client, role, &needs, &BTreeSet::new()).await
    }
}

/// Who answers for the applications that are there now.
pub async fn ownership(
    client: &impl GenericClient,
    layout: &Layout,
    owner: &str,
) -> Result<Ownership, Error> {
    let table = layout.application();
    let sql = format!(
        "SELECT a.client_id::text, m.owner, m.origin FROM oauthctl.managed_application m \
         JOIN {table} a ON a.{key}::text = m.application_id WHERE m.application_table = $1",
        table = table.sql(),
        key = table.key_sql(),
    );
    // One database may hold several providers.
    let mut ownership = Ownership { table: table.qualified_name(), ..Ownership::default() };
    for row in client.query_typed(&sql, &[(&ownership.table, Type::TEXT)]).await? {
        let client_id = ClientId::new(row.get::<_, String>(0));
        match (row.get::<_, &str>(1) == owner, row.get::<_, &str>(2)) {
            (true, "created") => drop(ownership.created.insert(client_id)),
            (true, _) => drop(ownership.adopted.insert(client_id)),
            (false, _) => drop(ownership.others.insert(client_id, row.get(1))),
        }
    }
    Ok(ownership)
}

/// The statement with which an operator gives one file's applications in a table to another file.
#[must_use]
pub fn hand_over(from: &str, to: &str, table: &str) -> String {
    format!(
        "UPDATE oauthctl.managed_application SET owner = {} WHERE owner = {} AND application_table = {}",
        literal(to),
        literal(from),
        literal(table)
    )
}

/// Writes down what the file answers for now, in the transaction that makes it true.
pub async fn record(
    client: &impl GenericClient,
    layout: &Layout,
    owner: Owner<'_>,
    managed: &[Managed<'_>],
    gone: &[&Key],
) -> Result<(), Error> {
    let table = layout.application();
    let client_ids: Vec<&str> = managed.iter().map(|managed| managed.client_id.as_str()).collect();
    let origins: Vec<&str> =
        managed.iter().map(|managed| if managed.created { "created" } else { "adopted" }).collect();
    let sql = format!(
        "INSERT INTO oauthctl.managed_application \
           (application_table, application_id, client_id, owner, origin, first_run_id, last_run_id) \
         SELECT $1, a.{key}::text, a.client_id, $2, m.origin, $3, $3 \
         FROM unnest($4::text[], $5::text[]) AS m(client_id, origin) JOIN {table} a ON a.client_id = m.client_id \
         ON CONFLICT (application_table, application_id) DO UPDATE \
           SET client_id = excluded.client_id, last_applied_at = now(), last_run_id = excluded.last_run_id",
        table = table.sql(),
        key = table.key_sql(),
    );
    let name = table.qualified_name();
    let parameters: [Parameter<'_>; 5] = [
        (&name, Type::TEXT),
        (&owner.name, Type::TEXT),
        (&owner.run, Type::INT8),
        (&client_ids, Type::TEXT_ARRAY),
        (&origins, Type::TEXT_ARRAY),
    ];
    client.execute_typed(&sql, &parameters).await?;
    let gone: Vec<&str> = gone.iter().map(|key| key.as_str()).collect();
    let sql =
        "DELETE FROM oauthctl.managed_application WHERE application_table = $1 AND application_id = ANY($2)";
    client.execute_typed(sql, &[(&name, Type::TEXT), (&gone, Type::TEXT_ARRAY)]).await.map(drop)
}

/// Notes that a run begins; returns its number. `has_steps`: whether its steps will be noted.
pub async fn begin(client: &impl GenericClient, run: &Run<'_>, has_steps: bool) -> Result<i64, Error> {
    let Run { verb, who, owner, config_digest, commit } = run;
    // An older ledger has no such column.
    let (column, value) = if has_steps { (", has_steps", ", true") } else { ("", "") };
    let sql = format!(
        "INSERT INTO oauthctl.run (verb, who, version, owner, config_digest, \"commit\"{column}) \
         VALUES ($1, $2, $3, $4, $5, $6{value}) RETURNING id"
    );
    let values: [&(dyn ToSql + Sync); 6] =
        [verb, who, &env!("CARGO_PKG_VERSION"), owner, config_digest, commit];
    query::value(client, &sql, &values.map(|value| (value, Type::TEXT))).await
}

/// Notes how a run ended and what it did.
pub async fn finish(
    client: &impl GenericClient,
    run: i64,
    ending: Ending,
    counts: &Value,
) -> Result<(), Error> {
    let sql =
        "UPDATE oauthctl.run SET finished_at = clock_timestamp(), outcome = $2, counts = $3 WHERE id = $1";
    let parameters: [Parameter<'_>; 3] =
        [(&run, Type::INT8), (&ending.into_str(), Type::TEXT), (counts, Type::JSONB)];
    client.execute_typed(sql, &parameters).await.map(drop)
}

/// Where cleanups of these sweeps stopped, the newest first. A sweep is the name of its table and its own.
pub async fn positions(client: &impl GenericClient, of: &[(&str, &str)]) -> Result<Vec<Position>, Error> {
    let (tables, sweeps): (Vec<&str>, Vec<&str>) = of.iter().copied().unzip();
    let sql = "SELECT sweep, fingerprint, next_key FROM oauthctl.cleanup_position \
               JOIN unnest($1::text[], $2::text[]) AS of (table_name, sweep) USING (table_name, sweep) \
               ORDER BY stopped_at DESC";
    let parameters: [Parameter<'_>; 2] = [(&tables, Type::TEXT_ARRAY), (&sweeps, Type::TEXT_ARRAY)];
    query::rows(client, sql, &parameters, |row| Position {
        sweep: row.get(0),
        fingerprint: row.get(1),
        key: row.get::<_, Option<String>>(2).map(Key::new),
    })
    .await
}

/// Notes where a run of these sweeps stopped, in which table, instead of what was noted before. `None`: it came to its end.
pub async fn remember(
    client: &impl GenericClient,
    run: i64,
    of: &[(&str, &str)],
    stopped: Option<(&str, &Position)>,
) -> Result<(), Error> {
    let (tables, sweeps): (Vec<&str>, Vec<&str>) = of.iter().copied().unzip();
    let sql = "DELETE FROM oauthctl.cleanup_position p USING unnest($1::text[], $2::text[]) AS of (table_name, sweep) \
               WHERE p.table_name = of.table_name AND p.sweep = of.sweep";
    client.execute_typed(sql, &[(&tables, Type::TEXT_ARRAY), (&sweeps, Type::TEXT_ARRAY)]).await?;
    let Some((table, Position { sweep, fingerprint, key })) = stopped else { return Ok(()) };
    let sql = "INSERT INTO oauthctl.cleanup_position (table_name, sweep, fingerprint, next_key, run_id) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (table_name, sweep) DO UPDATE SET \
               fingerprint = excluded.fingerprint, next_key = excluded.next_key, stopped_at = excluded.stopped_at, \
               run_id = excluded.run_id";
    let key = key.as_ref().map(Key::as_str);
    let parameters: [Parameter<'_>; 5] = [
        (&table, Type::TEXT),
        (sweep, Type::TEXT),
        (fingerprint, Type::TEXT),
        (&key, Type::TEXT),
        (&run, Type::INT8),
    ];
    client.execute_typed(sql, &parameters).await.map(drop)
}

/// The last runs, newest first.
pub async fn recent(client: &impl GenericClient, limit: u32) -> Result<Vec<PastRun>, Error> {
    let sql = "SELECT verb, who, started_at, finished_at, outcome, counts FROM oauthctl.run ORDER BY id DESC LIMIT $1";
    query::rows(client, sql, &[(&i64::from(limit), Type::INT8)], |row| {
        let counts: Value = row.get(5);
        PastRun {
            verb: row.get(0),
            who: row.get(1),
            started: query::instant(row, 2),
            finished: query::instant_if_any(row, 3),
            outcome: row.get(4),
            stop: counts["stop"].as_str().map(str::to_owned),
            deleted: positive_counts(&counts["tokens"]),
            applications: positive_counts(&counts["applications"]),
        }
    })
    .await
}

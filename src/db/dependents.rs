//! The rows that refer to applications: counted elsewhere, deleted here, as Django's ORM cascades.
//!
//! Django's constraints have no ON DELETE; the ORM deletes grants, tokens and ID tokens of an application, the access
//! tokens bound to those ID tokens, and sets the two pointers between access and refresh tokens to NULL. Each batch here
//! leaves no pointer dangling, so it may be its own transaction. Knows no plan.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use super::along::{Along, Nest, Statements, rows_of};
use super::layout::{Layout, Table};
use super::query;
use crate::model::printable::quote;
use crate::model::{ForeignRows, ForeignTally, Key, TableRole};

/// The statements that delete what depends on applications.
#[derive(Clone, Debug)]
pub struct Drain {
    steps: Vec<Step>,
    /// What else refers to the applications.
    applications: Statements,
}

/// Those of one table.
#[derive(Clone, Debug)]
struct Step {
    /// Locks rows of applications, `$1`, and returns their keys; at most `$2`.
    lock: String,
    /// What else refers to them.
    along: Statements,
    /// Other rows that go with these, `$1`: locks them and returns their keys; and what else refers to those.
    bound: Option<(String, Statements)>,
    /// Clears the pointers to the rows, `$1`, and deletes them.
    delete: String,
}

/// What a [`Drain`] has deleted.
#[derive(Clone, Debug, Default)]
pub struct Drained {
    /// Rows of DOT's tables.
    pub rows: u64,
    /// Rows of other tables that went or were changed first.
    pub others: ForeignTally,
}

impl Drain {
    /// Writes the statements.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        let roles = [TableRole::RefreshToken, TableRole::AccessToken, TableRole::IdToken, TableRole::Grant];
        Self {
            steps: roles.into_iter().filter_map(|role| step(layout, role)).collect(),
            applications: Along::new(layout, layout.application()).statements(Nest::Set),
        }
    }

    /// Deletes up to `limit` dependent rows of applications, whose keys are as PostgreSQL writes an array. Fewer than
    /// `limit`: none are left.
    pub async fn run(
        &self,
        client: &impl GenericClient,
        applications: &str,
        limit: i64,
    ) -> Result<Drained, Error> {
        let mut drained = Drained::default();
        for Step { lock, along, bound, delete } in &self.steps {
            let left = limit - i64::try_from(drained.rows).unwrap_or(limit);
            if left <= 0 {
                break;
            }
            let keys: String =
                query::value(client, lock, &[(&applications, Type::TEXT), (&left, Type::INT8)]).await?;
            if keys == "{}" {
                continue;
            }
            if let Some((lock, along)) = bound.as_ref().filter(|(_, along)| !along.is_empty()) {
                let bound: String = query::value(client, lock, &[(&keys, Type::TEXT)]).await?;
                drained.others.extend(&along.take(client, &bound).await?);
            }
            drained.others.extend(&along.take(client, &keys).await?);
            drained.rows += client.execute_typed(delete, &[(&keys, Type::TEXT)]).await?;
        }
        Ok(drained)
    }

    /// Deletes or changes what else refers to the applications. To be called before they go.
    pub async fn detach(
        &self,
        client: &impl GenericClient,
        applications: &str,
    ) -> Result<ForeignTally, Error> {
        self.applications.take(client, applications).await
    }
}

/// Deletes up to `limit` dependent rows of one application; returns how many. Fewer than `limit`: none are left.
pub async fn drain(
    client: &impl GenericClient,
    layout: &Layout,
    application: &Key,
    limit: u32,
) -> Result<u64, Error> {
    let application = query::array([application.as_str()]);
    Ok(Drain::new(layout).run(client, &application, i64::from(limit)).await?.rows)
}

/// Deletes or changes what refers to applications, so that they can be deleted.
pub async fn detach(
    client: &impl GenericClient,
    layout: &Layout,
    applications: &[&Key],
) -> Result<ForeignTally, Error> {
    let keys = query::array(applications.iter().map(|key| key.as_str()));
    Along::new(layout, layout.application()).statements(Nest::Set).take(client, &keys).await
}

fn step(layout: &Layout, role: TableRole) -> Option<Step> {
    let table = layout.table(role)?;
    let access = layout.table(TableRole::AccessToken);
    let refresh = layout.table(TableRole::RefreshToken);
    let (name, key) = (table.sql(), table.key_sql());
    let keys = Nest::Set.keys(table);
    let (side_effects, bound) = match (role, access, refresh) {
        (TableRole::RefreshToken, Some(access), _) => {
            let access = access.sql();
            let cleared = format!(
                "cleared AS (UPDATE {access} SET source_refresh_token_id = NULL WHERE source_refresh_token_id {keys})"
            );
            (cleared, None)
        }
        (TableRole::AccessToken, _, Some(refresh)) => (clear_refresh(refresh, &keys), None),
        (TableRole::IdToken, Some(access), Some(refresh)) => {
            let (a, a_key) = (access.sql(), access.key_sql());
            let lock = format!(
                "SELECT coalesce(array_agg(b.k), '{{}}')::text FROM (SELECT {a_key} AS k FROM {a} \
                 WHERE id_token_id {keys} FOR UPDATE) b"
            );
            let both = format!(
                "bound AS (DELETE FROM {a} WHERE id_token_id {keys} RETURNING {a_key} AS key), {}",
                clear_refresh(refresh, "IN (SELECT key FROM bound)")
            );
            (both, Some((lock, Along::new(layout, access).statements(Nest::Set))))
        }
        _ => (String::new(), None),
    };
    let with = if side_effects.is_empty() { side_effects } else { format!("WITH {side_effects} ") };
    Some(Step {
        lock: format!(
            "SELECT coalesce(array_agg(d.k), '{{}}')::text FROM (SELECT {key} AS k FROM {name} \
             WHERE application_id = ANY($1::text::{}[]) LIMIT $2 FOR UPDATE) d",
            layout.application().key_type()
        ),
        along: Along::new(layout, table).statements(Nest::Set),
        bound,
        delete: format!("{with}DELETE FROM {name} WHERE {key} {keys}"),
    })
}

fn clear_refresh(refresh: &Table, access: &str) -> String {
    format!("cleared AS (UPDATE {} SET access_token_id = NULL WHERE access_token_id {access})", refresh.sql())
}

/// Counts the rows of foreign tables that refer to the applications or to their dependent rows, and to what is deleted
/// along. PostgreSQL would refuse to delete what some of them refer to; others it deletes or changes by itself.
pub async fn foreign_rows(
    client: &impl GenericClient,
    layout: &Layout,
    applications: &[&Key],
) -> Result<BTreeMap<Key, Vec<ForeignRows>>, Error> {
    let keys: Vec<&str> = applications.iter().map(|key| key.as_str()).collect();
    let mut found: BTreeMap<Key, Vec<ForeignRows>> = BTreeMap::new();
    for (role, table) in layout.tables() {
        let application = if role == TableRole::Application { table.key.as_str() } else { "application_id" };
        if !table.has(application) {
            continue;
        }
        let along = Along::new(layout, table);
        for (node, reference) in along.references() {
            // What PostgreSQL does with them needs no right of the role's.
            if !along.is_readable(node) {
                for key in applications {
                    found.entry((*key).clone()).or_default().push(rows_of(layout, reference, None));
                }
                continue;
            }
            let sql = format!(
                "SELECT t.{application}::text, count(*) FROM {joined} \
                 WHERE t.{application} = ANY($1::text[]::{key_type}[]) GROUP BY 1",
                application = quote(application),
                joined = along.joined(node).0,
                key_type = layout.application().key_type(),
            );
            for row in client.query_typed(&sql, &[(&keys, Type::TEXT_ARRAY)]).await? {
                let key = Key::new(row.get::<_, String>(0));
                let rows = query::unsigned(row.get(1));
                found.entry(key).or_default().push(rows_of(layout, reference, Some(rows)));
            }
        }
    }
    Ok(found)
}

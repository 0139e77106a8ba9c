//! The steps of runs: written in the transaction that makes them true, and read for the history.

use serde_json::Value;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use crate::db::layout::Layout;
use crate::db::{Parameter, query};
use crate::model::{ClientId, Key, NotedRun};

/// A step as the ledger keeps it. Knows nothing of what a plan is: the values are JSON.
#[derive(Clone, Debug)]
pub struct NotedStep {
    /// The primary key; `None`: of a row that is new, which is found by its client id.
    pub key: Option<Key>,
    /// Its client id after the step.
    pub client_id: ClientId,
    pub step: Value,
    /// The row before and after it.
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// Writes steps of a run down, once all rows but those that go are as they will be. `before`: how many steps of the run
/// come before these.
pub async fn note(
    client: &impl GenericClient,
    layout: &Layout,
    (run, before): (i64, usize),
    steps: &[NotedStep],
) -> Result<(), Error> {
    let table = layout.application();
    let sql = format!(
        "INSERT INTO oauthctl.run_step \
           (run_id, ordinal, application_table, application_id, client_id, step, row_before, row_after) \
         SELECT $1, $8 + s.ordinal - 1, $2, coalesce(s.key, a.{key}::text), s.client_id, s.step, s.before, s.after \
         FROM ROWS FROM (unnest($3::text[]), unnest($4::text[]), unnest($5::jsonb[]), unnest($6::jsonb[]), \
           unnest($7::jsonb[])) WITH ORDINALITY AS s(key, client_id, step, before, after, ordinal) \
         LEFT JOIN {table} a ON s.key IS NULL AND a.client_id = s.client_id",
        table = table.sql(),
        key = table.key_sql(),
    );
    let name = table.qualified_name();
    let keys: Vec<Option<&str>> = steps.iter().map(|step| step.key.as_ref().map(Key::as_str)).collect();
    let client_ids: Vec<&str> = steps.iter().map(|step| step.client_id.as_str()).collect();
    let values: Vec<&Value> = steps.iter().map(|step| &step.step).collect();
    let offset = i64::try_from(before).unwrap_or(i64::MAX);
    let before: Vec<Option<&Value>> = steps.iter().map(|step| step.before.as_ref()).collect();
    let after: Vec<Option<&Value>> = steps.iter().map(|step| step.after.as_ref()).collect();
    let parameters: [Parameter<'_>; 8] = [
        (&run, Type::INT8),
        (&name, Type::TEXT),
        (&keys, Type::TEXT_ARRAY),
        (&client_ids, Type::TEXT_ARRAY),
        (&values, Type::JSONB_ARRAY),
        (&before, Type::JSONB_ARRAY),
        (&after, Type::JSONB_ARRAY),
        (&offset, Type::INT8),
    ];
    client.execute_typed(&sql, &parameters).await.map(drop)
}

/// The steps of a run, in their order, with the table that they are about.
pub async fn of(client: &impl GenericClient, run: i64) -> Result<Vec<(String, NotedStep)>, Error> {
    let sql = "SELECT application_table, application_id, client_id, step, row_before, row_after \
               FROM oauthctl.run_step WHERE run_id = $1 ORDER BY ordinal";
    query::rows(client, sql, &[(&run, Type::INT8)], |row| {
        let step = NotedStep {
            key: row.get::<_, Option<String>>(1).map(Key::new),
            client_id: ClientId::new(row.get::<_, String>(2)),
            step: row.get(3),
            before: row.get(4),
            after: row.get(5),
        };
        (row.get(0), step)
    })
    .await
}

/// Runs, the newest first. `only`: that one. `has_steps`: whether the ledger has a place for steps.
pub async fn runs(
    client: &impl GenericClient,
    has_steps: bool,
    only: Option<i64>,
    limit: Option<u32>,
) -> Result<Vec<NotedRun>, Error> {
    let has_steps = if has_steps { "has_steps" } else { "false" };
    let sql = format!(
        "SELECT id, verb, who, db_user, version, owner, config_digest, \"commit\", started_at, finished_at, outcome, \
         counts, {has_steps} FROM oauthctl.run WHERE $1::bigint IS NULL OR id = $1 ORDER BY id DESC LIMIT $2"
    );
    let limit = limit.map(i64::from);
    query::rows(client, &sql, &[(&only, Type::INT8), (&limit, Type::INT8)], |row| NotedRun {
        id: row.get(0),
        verb: row.get(1),
        who: row.get(2),
        db_user: row.get(3),
        version: row.get(4),
        owner: row.get(5),
        config_digest: row.get(6),
        commit: row.get(7),
        started: query::instant(row, 8),
        finished: query::instant_if_any(row, 9),
        outcome: row.get(10),
        counts: row.get(11),
        has_steps: row.get(12),
    })
    .await
}

//! Which triggers, rules and foreign keys are on the token tables, and what must not be there while they are disabled.

use tokio_postgres::GenericClient;
use tokio_postgres::types::{Oid, Type};

use super::{TokensError, attempt};
use crate::db::error::{DbError, Meaning};
use crate::db::layout::{Layout, Reference, Table};
use crate::db::query;
use crate::model::{OnDelete, Sweep, TableRole};

/// Switches the triggers of the transaction's statements off, those of foreign keys too.
pub(super) const SILENCE: &str = "SET LOCAL session_replication_role = replica";

/// Changes with every trigger that comes, goes, or is switched on or off; a foreign key is a pair of triggers.
const PRINT: &str = "SELECT pg_catalog.md5(pg_catalog.string_agg(t.print, ',' ORDER BY t.print)) FROM ( \
    SELECT 't' || oid || tgenabled::text AS print FROM pg_catalog.pg_trigger WHERE tgrelid = ANY($1) \
    UNION ALL SELECT 'r' || oid || ev_enabled::text FROM pg_catalog.pg_rewrite WHERE ev_class = ANY($1)) t";

/// Why rows cannot be deleted in one of the ways that need consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmetCondition {
    pub what: String,
    /// Whether it is about the role: another role may be able to.
    pub role: bool,
}

impl UnmetCondition {
    /// The table is partitioned.
    pub(super) fn partitioned(table: &Table) -> Option<Self> {
        table.partitioned.then(|| Self::here(format!("{} is partitioned", table.sql())))
    }

    /// A table that is none of DOT's refers to one of the tables.
    pub(super) fn foreign(Reference { from_table, constraint, .. }: &Reference) -> Self {
        Self::here(format!("{from_table} is not one of DOT's tables and refers to them ({constraint})"))
    }

    /// Something about the role, or about what was installed for it.
    pub fn of_role(what: impl Into<String>) -> Self {
        Self { what: what.into(), role: true }
    }

    /// Something about this database, or about the settings.
    pub fn here(what: impl Into<String>) -> Self {
        Self { what: what.into(), role: false }
    }
}

/// Whether a trigger may keep a row of one of the tables from being deleted, without an error.
pub async fn has_vetoes(client: &impl GenericClient, tables: &[&Table]) -> Result<bool, TokensError> {
    // tgtype: 1 row, 2 before, 8 delete, 64 instead of.
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let sql = "WITH RECURSIVE parts AS ( \
                   SELECT unnest($1::oid[]) AS oid \
                   UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN parts p ON i.inhparent = p.oid) \
               SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN parts p ON t.tgrelid = p.oid \
                              WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 11 = 11) \
                   OR EXISTS (SELECT FROM pg_catalog.pg_rewrite JOIN parts p ON ev_class = p.oid WHERE ev_type = '4')";
    query::value(client, sql, &[(&oids, Type::OID_ARRAY)]).await.map_err(looking())
}

/// The user's triggers and rules on some tables, in words.
pub(super) async fn custom(
    client: &impl GenericClient,
    oids: &[Oid],
) -> Result<Vec<UnmetCondition>, TokensError> {
    let sql = "SELECT 'trigger ' || tgname || ' on ' || tgrelid::regclass::text FROM pg_catalog.pg_trigger \
               WHERE tgrelid = ANY($1) AND NOT tgisinternal AND tgenabled <> 'D' \
               UNION ALL SELECT 'rule ' || rulename || ' on ' || ev_class::regclass::text FROM pg_catalog.pg_rewrite \
               WHERE ev_class = ANY($1) ORDER BY 1";
    query::rows(client, sql, &[(&oids, Type::OID_ARRAY)], |row| UnmetCondition::here(row.get::<_, String>(0)))
        .await
        .map_err(looking())
}

/// Foreign keys to some tables that came after the layout was read.
pub(super) async fn new_references(
    client: &impl GenericClient,
    layout: &Layout,
    oids: &[Oid],
) -> Result<Vec<UnmetCondition>, TokensError> {
    let sql = "SELECT conrelid, conname::text, conrelid::regclass::text FROM pg_catalog.pg_constraint \
               WHERE contype = 'f' AND conparentid = 0 AND confrelid = ANY($1) ORDER BY 3, 2";
    let found = query::rows(client, sql, &[(&oids, Type::OID_ARRAY)], |row| {
        let (from, constraint, table): (Oid, String, String) = (row.get(0), row.get(1), row.get(2));
        let known = |reference: &Reference| reference.from == from && reference.constraint == constraint;
        let is_new = !layout.all_references().any(known);
        is_new.then(|| {
            UnmetCondition::here(format!("constraint {constraint} of {table} was made during the run"))
        })
    })
    .await
    .map_err(looking())?;
    Ok(found.into_iter().flatten().collect())
}

/// Token tables on which triggers may stay silent, as they were when that was found out.
#[derive(Clone, Debug)]
pub struct Silent {
    tables: Vec<Oid>,
    print: Option<String>,
}

impl Silent {
    /// Finds out. Run it in a transaction of its own: it tries to switch triggers off.
    ///
    /// # Errors
    /// Inside: every reason why they may not stay silent.
    pub async fn find(
        client: &impl GenericClient,
        layout: &Layout,
        sweeps: &[Sweep],
    ) -> Result<Result<Self, Vec<UnmetCondition>>, TokensError> {
        let oids = switched_off(layout, sweeps);
        // First: a trigger that is added while the rest is read changes the next fingerprint.
        let print = print(client, &oids).await?;
        let mut reasons = unmet(client, layout, sweeps).await?;
        match client.execute_typed(SILENCE, &[]).await.map_err(DbError::during("switching triggers off")) {
            Ok(_) => {}
            Err(error) if *error.meaning() == Meaning::PermissionDenied => {
                reasons.push(UnmetCondition::of_role("the role may not set session_replication_role"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(if reasons.is_empty() { Ok(Self { tables: oids, print }) } else { Err(reasons) })
    }

    /// Fails if anything has come or gone since. The caller's locks keep that from happening until its transaction
    /// ends.
    pub(super) async fn assert_same(&self, client: &impl GenericClient) -> Result<(), TokensError> {
        if print(client, &self.tables).await? == self.print { Ok(()) } else { Err(TokensError::Altered) }
    }
}

/// The tables on which triggers are silent while the sweeps run: DOT's, and those of the project's own whose rows go or
/// are changed along.
fn switched_off(layout: &Layout, sweeps: &[Sweep]) -> Vec<Oid> {
    let tables = touched(layout, sweeps);
    let mut oids: Vec<Oid> = tables.iter().map(|table| table.oid).collect();
    let ours = referring(layout, &tables).filter(|reference| reference.treatment.is_ours());
    oids.extend(ours.map(|reference| reference.from));
    oids.sort_unstable();
    oids.dedup();
    oids
}

/// The foreign keys to some tables.
pub(super) fn referring<'a>(
    layout: &'a Layout,
    tables: &[&Table],
) -> impl Iterator<Item = &'a Reference> + use<'a> {
    let oids: Vec<Oid> = tables.iter().map(|table| table.oid).collect();
    layout.references.iter().filter(move |reference| oids.contains(&reference.to))
}

/// Why triggers may not stay silent while the sweeps run, for every role.
pub(super) async fn unmet(
    client: &impl GenericClient,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<Vec<UnmetCondition>, TokensError> {
    let (tables, oids) = (touched(layout, sweeps), switched_off(layout, sweeps));
    let mut reasons = custom(client, &oids).await?;
    reasons.extend(new_references(client, layout, &oids).await?);
    reasons.extend(tables.iter().filter_map(|table| UnmetCondition::partitioned(table)));
    for reference in referring(layout, &tables) {
        let key = tables.iter().any(|table| table.oid == reference.to && table.key == reference.to_column);
        if layout.role_of(reference.from).is_none() {
            reasons.extend(unverifiable(reference, key));
        } else if reference.on_delete != OnDelete::NoAction || !key {
            let (from, constraint) = (&reference.from_table, &reference.constraint);
            let what = format!("constraint {constraint} of {from} is not as DOT makes it");
            reasons.push(UnmetCondition::here(what));
        }
    }
    Ok(reasons)
}

/// Why a reference of the project's own cannot be verified set by set. One that is verified is like those of DOT's own:
/// rows that this run deletes or changes, and no others that refer to them.
fn unverifiable(reference: &Reference, key: bool) -> Option<UnmetCondition> {
    let Reference { treatment, table, partitioned, .. } = reference;
    let followed = treatment.deletes() && table.referred;
    (!treatment.is_ours() || followed || *partitioned || !key).then(|| UnmetCondition::foreign(reference))
}

/// The tables that the sweeps change.
pub(super) fn touched<'a>(layout: &'a Layout, sweeps: &[Sweep]) -> Vec<&'a Table> {
    let loses = |role: TableRole| sweeps.iter().any(|sweep| sweep.tables().contains(&role));
    // Pointers to refresh tokens are cleared in access tokens.
    let changes = |role| loses(role) || role == TableRole::AccessToken && loses(TableRole::RefreshToken);
    layout.tables().filter(|(role, _)| changes(*role)).map(|(_, table)| table).collect()
}

async fn print(client: &impl GenericClient, oids: &[Oid]) -> Result<Option<String>, TokensError> {
    query::value(client, PRINT, &[(&oids, Type::OID_ARRAY)]).await.map_err(looking())
}

fn looking() -> impl FnOnce(tokio_postgres::Error) -> TokensError {
    attempt("looking for triggers on the token tables")
}

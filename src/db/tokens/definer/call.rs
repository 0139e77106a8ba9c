//! The call of a function for one batch.

use time::OffsetDateTime;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use super::kind::Kind;
use super::{ALTERED, SCHEMA};
use crate::db::Parameter;
use crate::db::along::Along;
use crate::db::error::Meaning;
use crate::db::layout::{Layout, Table};
use crate::db::query::unsigned;
use crate::db::tokens::statement::Values;
use crate::db::tokens::steps::Scope;
use crate::db::tokens::taken::Deleted;
use crate::db::tokens::verified::Gone;
use crate::db::tokens::{Pointers, TokensError, attempt};
use crate::model::{Category, Doomed, ForeignRows, Sweep, TableRole};

/// A function with what it is called with.
#[derive(Debug)]
pub(in crate::db::tokens) struct Call {
    sql: String,
    /// What the rows of the walked table count as.
    category: Option<Category>,
    revoked: Option<OffsetDateTime>,
    idle: Option<OffsetDateTime>,
    expired: Option<OffsetDateTime>,
    orphaned: bool,
    /// The foreign keys of the project's own, in the order in which the function counts their rows.
    others: Vec<ForeignRows>,
}

impl Call {
    /// `None`: applications have no function.
    pub(in crate::db::tokens) fn new(
        layout: &Layout,
        sweep: &Sweep,
        walked: &Table,
        category: Option<Category>,
    ) -> Option<Self> {
        let kind = Kind::of(sweep)?;
        let function = kind.function();
        let (revoked, idle, expired, orphaned) = match sweep.doomed {
            Doomed::Sessions { revoked, idle, expired } => (revoked, idle, expired, false),
            Doomed::RefreshTokens { revoked, orphaned } => (revoked, None, None, orphaned),
            Doomed::IdTokens { expired }
            | Doomed::Grants { expired }
            | Doomed::ParRequests { expired }
            | Doomed::DeviceGrants { expired } => (None, None, Some(expired), false),
            Doomed::CimdApplications { .. } | Doomed::DcrApplications { .. } => return None,
        };
        let refresh = layout.table(TableRole::RefreshToken).filter(|_| kind.clears_pointers());
        let along = |table: &Table| Along::new(layout, table).within_function("v_keys");
        let of_walked = category.map(|_| along(walked)).unwrap_or_default();
        let of_refresh = refresh.map(along).unwrap_or_default();
        Some(Self {
            sql: format!(
                "SELECT o_walked, o_refresh, o_revoked, o_detached, o_others \
                 FROM {SCHEMA}.{function}($1, $2, $3, $4, $5, $6, $7, $8, $9)"
            ),
            category,
            revoked,
            idle,
            expired,
            orphaned,
            others: of_walked.into_iter().chain(of_refresh).map(|(rows, _)| rows).collect(),
        })
    }

    /// Deletes a batch.
    pub(in crate::db::tokens) async fn delete(
        &self,
        client: &impl GenericClient,
        scope: Scope,
        values: Values<'_>,
        pointers: Pointers,
        subject: &str,
    ) -> Result<Gone, TokensError> {
        let (range, keys) = match scope {
            Scope::Window => (Some((values.low, values.high)), None),
            Scope::Keys => (None, Some(values.keys)),
        };
        let (low, high) = (range.map(|(low, _)| low), range.map(|(_, high)| high));
        let clear = pointers == Pointers::Clear;
        let parameters: [Parameter<'_>; 9] = [
            (&low, Type::TEXT),
            (&high, Type::TEXT),
            (&keys, Type::TEXT),
            (&self.revoked, Type::TIMESTAMPTZ),
            (&self.idle, Type::TIMESTAMPTZ),
            (&self.expired, Type::TIMESTAMPTZ),
            (&self.orphaned, Type::BOOL),
            (&clear, Type::BOOL),
            (&values.excluded.clients, Type::TEXT_ARRAY),
        ];
        let called = client.query_typed_one(&self.sql, &parameters).await;
        match called.map_err(attempt(format!("deleting {subject}"))) {
            Ok(row) => Ok(self.read(&row)),
            Err(error) => Err(match error.database() {
                Some(said) if matches!(said.meaning(), Meaning::ForeignKeyViolation(_)) => {
                    TokensError::Referenced { subject: subject.to_owned() }
                }
                Some(said) if said.sqlstate() == Some(ALTERED) => TokensError::Altered,
                Some(_) | None => error,
            }),
        }
    }

    fn read(&self, row: &Row) -> Gone {
        let mut deleted = Deleted { detached: unsigned(row.get(3)), ..Deleted::default() };
        if let Some(category) = self.category {
            deleted.tally.add(category, unsigned(row.get(0)));
        }
        let counts: Vec<i64> = row.get(4);
        for (rows, count) in self.others.iter().zip(counts) {
            deleted.others.add(&ForeignRows { rows: Some(unsigned(count)), ..rows.clone() });
        }
        Gone { deleted, refresh: (row.get(1), row.get(2)) }
    }
}

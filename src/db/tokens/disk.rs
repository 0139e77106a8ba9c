//! The files of the tables that a rewrite replaces, and what they take on disk.

use tokio_postgres::GenericClient;
use tokio_postgres::types::{Oid, Type};

use super::rewrite::Rewrite;
use super::{TokensError, attempt};
use crate::db::query;

impl Rewrite<'_> {
    /// The bytes that the tables take on disk, with their indexes and TOAST.
    ///
    /// # Errors
    /// The server's.
    pub async fn size(&self, client: &impl GenericClient) -> Result<u64, TokensError> {
        let sql =
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM unnest($1::oid[]) t (oid)";
        let bytes = query::value(client, sql, &[(&self.oids(), Type::OID_ARRAY)]).await;
        bytes.map(query::unsigned).map_err(attempt("measuring the token tables"))
    }

    /// The files that hold the tables. Seen from outside they change with the commit, and only with it: a rewrite gives
    /// each table a new one, whose number is never used twice.
    ///
    /// # Errors
    /// The server's.
    pub async fn files(&self, client: &impl GenericClient) -> Result<Vec<Option<Oid>>, TokensError> {
        let sql = "SELECT array_agg(pg_relation_filenode(oid) ORDER BY oid) FROM unnest($1::oid[]) t (oid)";
        let failed = attempt("looking at the files of the token tables");
        query::value(client, sql, &[(&self.oids(), Type::OID_ARRAY)]).await.map_err(failed)
    }
}

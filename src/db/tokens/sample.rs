//! One round of a forecast: some blocks of one table, and of each block two rows, to which the sweep's own conditions are
//! applied.

use tokio_postgres::Row;

use super::passes::Pass;
use crate::model::sample::{Sample, Sums};

/// The rows of a block that are tested. More would cost look-ups in the joined tables, and tell little: rows of one block
/// are much alike.
const TESTED: u32 = 2;

/// The statement of a round. `percent`: the share of the blocks, 0 to 100. `seed`: another one draws other blocks.
///
/// A block is drawn whole by PostgreSQL's `TABLESAMPLE SYSTEM`. The two rows are half a block apart, and the first one
/// depends on the block and the seed, so that every row of a block is as probable as any other.
pub(super) fn round(pass: &Pass<'_>, percent: f64, seed: u32) -> String {
    let Pass { role: _, table, alias, joins, counts } = pass;
    let (table, salt) = (table.sql(), u64::from(seed) * 12_345 + 1);
    let conditions: String = counts
        .iter()
        .enumerate()
        .map(|(position, count)| format!(", count(*) FILTER (WHERE {}) AS h{position}", count.condition))
        .collect();
    let all: Vec<String> = (0..counts.len()).map(|position| format!("h{position}")).collect();
    let sums: String =
        all.iter().cloned().chain([format!("({})", all.join(" + "))]).map(|found| sums(&found)).collect();
    format!(
        "WITH seen AS MATERIALIZED ( \
           SELECT s.tableoid AS part, (s.ctid::text::point)[0]::bigint AS block, array_agg(s.ctid) AS places, \
                  count(*) AS size \
           FROM {table} s TABLESAMPLE SYSTEM ({percent}) REPEATABLE ({seed}) GROUP BY 1, 2), \
         drawn AS ( \
           SELECT b.part, b.block, b.size, least(b.size, {TESTED}) AS tested, \
                  b.places[1 + ((b.start + k * b.size / {TESTED}) % b.size)::int] AS place \
           FROM (SELECT *, (((block * 1103515245 + {salt}) >> 16) & 1073741823) % size AS start FROM seen) b \
           CROSS JOIN generate_series(0, {TESTED} - 1) k WHERE k < b.size), \
         found AS ( \
           SELECT d.part, d.block, d.size::float8 AS x, d.tested::float8 AS tested{conditions} \
           FROM drawn d JOIN {table} {alias} ON {alias}.ctid = d.place AND {alias}.tableoid = d.part{joins} \
           GROUP BY 1, 2, 3, 4) \
         SELECT count(*)::float8, coalesce(sum(tested), 0), coalesce(sum(x), 0), coalesce(sum(x * x), 0){sums} FROM found"
    )
}

/// The four sums of [`Sums`] over a column of `found`.
fn sums(found: &str) -> String {
    format!(
        ", coalesce(sum({found}), 0)::float8, coalesce(sum({found} * x / tested), 0)::float8, \
         coalesce(sum(({found} * x / tested) ^ 2), 0)::float8, coalesce(sum({found} * x * x / tested), 0)::float8"
    )
}

/// What a round has found. `counts`: the number of conditions.
pub(super) fn read(row: &Row, counts: usize, percent: f64) -> Sample {
    let sums = |position: usize| {
        let column = 4 + 4 * position;
        Sums {
            found: row.get(column),
            rows: row.get(column + 1),
            squares: row.get(column + 2),
            products: row.get(column + 3),
        }
    };
    Sample {
        blocks: row.get(0),
        tested: row.get(1),
        rows: row.get(2),
        squares: row.get(3),
        share: percent / 100.0,
        counts: (0..counts).map(sums).collect(),
        total: sums(counts),
    }
}

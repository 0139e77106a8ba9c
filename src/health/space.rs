//! The room that deleted rows leave behind: where it is much, and what gives it back to the disk on this server.

use super::{Check, Finding, Remedy, indexes};
use crate::model::health::{Index, Part, Repacker, Server, Storage};
use crate::model::words::bytes;

/// Tables below this are not worth the work.
const SMALL: u64 = 10 << 20;

/// Fewer deleted rows than this leave no room to speak of.
pub const FEW: u64 = 10_000;

/// `REPACK (CONCURRENTLY)` came with it.
const REPACK: i32 = 190_000;

/// `MAINTAIN` came with it.
const MAINTAIN: i32 = 170_000;

/// Tables of which more than half is empty.
pub(super) fn check(tables: &[Storage], server: &Server) -> Vec<Finding> {
    let parts = tables.iter().flat_map(|table| &table.parts);
    parts.filter_map(|part| Some(finding(part, empty(part)?, server))).collect()
}

/// How many bytes of a table its rows do not need, where that is more than half of it.
fn empty(part: &Part) -> Option<u64> {
    let Part { heap_bytes, needed_bytes, .. } = part;
    let needed = (*needed_bytes)?;
    (*heap_bytes >= SMALL && needed <= heap_bytes / 2).then(|| heap_bytes - needed)
}

fn finding(part: &Part, empty: u64, server: &Server) -> Finding {
    let found =
        format!("{} takes {}, of which about {} are empty.", part.name, bytes(part.heap_bytes), bytes(empty));
    let mut finding = Check::Space.note(found).meaning(
        "PostgreSQL keeps the room for new rows; so do the indexes. These give it back to the disk. All but the rewrite let \
         the server's users work meanwhile.",
    );
    finding.remedies = ways(part, server);
    finding
}

/// What gives the room of a table back to the disk, the best way first.
#[must_use]
pub fn ways(part: &Part, server: &Server) -> Vec<Remedy> {
    let steps = steps(part, server).into_iter().map(|step| Remedy::Sql(step.sql + ";"));
    let repack = |repacker: &Repacker| extension(*repacker, part, server);
    let rewrite = "oauthctl cleartokens --strategy rewrite --allow rewrite";
    let rewrite = (server.version_number < REPACK).then(|| Remedy::Shell(rewrite.to_owned()));
    server.repackers.iter().map(repack).chain(steps).chain(rewrite).collect()
}

/// The command of an extension, which knows its own conditions.
fn extension(repacker: Repacker, part: &Part, server: &Server) -> Remedy {
    match repacker {
        Repacker::PgRepack => Remedy::Shell(format!(
            "pg_repack --dbname={} --table={}",
            shell(&server.database),
            shell(&part.name)
        )),
        Repacker::PgSqueeze => Remedy::Sql(format!(
            "SELECT squeeze.squeeze_table(n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.oid = {}::regclass;",
            crate::model::printable::literal(&part.name)
        )),
    }
}

/// One word of a shell command.
fn shell(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A statement that gives room back while others work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The table or the index, as SQL names it.
    pub of: String,
    pub sql: String,
}

/// What one statement each can do here, in this order: the whole table, or else its indexes.
#[must_use]
pub fn steps(part: &Part, server: &Server) -> Vec<Step> {
    if server.version_number >= REPACK {
        let sql = format!("REPACK (CONCURRENTLY) {}", part.name);
        return vec![Step { of: part.name.clone(), sql }];
    }
    let usable = |index: &&Index| index.valid && index.concurrent;
    let step = |index: &Index| Step {
        of: index.name.clone(),
        sql: format!("REINDEX INDEX CONCURRENTLY {}", index.name),
    };
    part.indexes.iter().filter(usable).map(step).collect()
}

/// How the room comes back that a cleanup has left, in one sentence.
#[must_use]
pub fn advice(server: &Server) -> String {
    let keeps = "PostgreSQL keeps the room of deleted rows for new ones";
    if !keeps_tables(server) {
        return format!("{keeps}. `oauthctl cleartokens --reclaim` gives it back with REPACK (CONCURRENTLY)");
    }
    let tables = if server.repackers.is_empty() {
        "`oauthctl cleartokens --strategy rewrite --allow rewrite` shrinks the tables too, and locks them meanwhile"
    } else {
        "`oauthctl doctor` has the commands of the extension that shrinks the tables too"
    };
    format!(
        "{keeps}. `oauthctl cleartokens --reclaim` shrinks the indexes with REINDEX CONCURRENTLY; {tables}"
    )
}

/// Whether these statements leave the table itself as it is.
#[must_use]
pub const fn keeps_tables(server: &Server) -> bool {
    server.version_number < REPACK
}

/// The indexes that a statement has left behind which did not end, with what removes each.
#[must_use]
pub fn left_behind(tables: &[Storage]) -> Vec<Finding> {
    let parts = tables.iter().flat_map(|table| &table.parts);
    parts.flat_map(|part| part.indexes.iter().filter_map(indexes::broken)).collect()
}

/// Whether it is worth it: a quarter of the rows went, or half of the table is empty.
#[must_use]
pub fn is_worth_it(table: &Storage, deleted: u64) -> bool {
    // The statistics are of before the deletion, or of after it.
    let rows: Option<u64> = table.parts.iter().map(|part| part.rows).sum();
    let quarter = rows.is_none_or(|rows| deleted >= rows / 4);
    (deleted >= FEW && quarter) || table.parts.iter().any(|part| empty(part).is_some())
}

/// What a role lacks that may not write a table anew, and what gives it that.
#[must_use]
pub fn lacks(part: &Part, server: &Server) -> Option<(String, String)> {
    let Part { name, maintained, .. } = part;
    let Server { role, version_number, .. } = server;
    if *maintained {
        return None;
    }
    Some(if *version_number >= MAINTAIN {
        (format!("the role {role} may not MAINTAIN {name}"), format!("GRANT MAINTAIN ON {name} TO {role};"))
    } else {
        (
            format!("the role {role} does not own {name}, as REINDEX asks for before PostgreSQL 17"),
            format!("run it as the owner of {name}, or without --reclaim"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(heap: u64, needed: Option<u64>) -> Part {
        let index = |name: &str, valid, concurrent| Index {
            name: name.to_owned(),
            valid,
            concurrent,
            ..Index::default()
        };
        Part {
            name: "public.t".to_owned(),
            heap_bytes: heap,
            needed_bytes: needed,
            indexes: vec![
                index("public.t_pkey", true, true),
                index("public.t_ccnew", false, true),
                index("public.t_excl", true, false),
            ],
            ..Part::default()
        }
    }

    fn server(version_number: i32, repackers: &[Repacker]) -> Server {
        Server {
            version_number,
            repackers: repackers.to_vec(),
            database: "it's".to_owned(),
            ..Server::default()
        }
    }

    fn table(rows: Option<u64>, heap: u64, needed: u64) -> Storage {
        Storage {
            role: crate::model::TableRole::AccessToken,
            name: "public.t".to_owned(),
            partitioned: false,
            row_security: false,
            hides_rows: false,
            parts: vec![Part { rows, ..part(heap, Some(needed)) }],
        }
    }

    #[test]
    fn half_a_table_is_much() {
        assert_eq!(empty(&part(100 << 20, Some(50 << 20))), Some(50 << 20));
        assert_eq!(empty(&part(100 << 20, Some(51 << 20))), None);
        assert_eq!(empty(&part(9 << 20, Some(0))), None);
        assert_eq!(empty(&part(100 << 20, None)), None);
    }

    #[test]
    fn a_quarter_of_the_rows_is_worth_it() {
        let full = |rows| table(rows, 100 << 20, 90 << 20);
        assert!(is_worth_it(&full(Some(40_000)), 10_000));
        assert!(!is_worth_it(&full(Some(40_004)), 10_000));
        assert!(!is_worth_it(&full(Some(4_000)), 9_999));
        assert!(is_worth_it(&full(None), 10_000));
        assert!(is_worth_it(&table(Some(1), 100 << 20, 1 << 20), 0));
    }

    #[test]
    fn each_server_has_its_ways() {
        let of = |version, repackers: &[Repacker]| -> Vec<String> {
            let ways = ways(&part(1, None), &server(version, repackers));
            ways.iter().map(|way| way.text().to_owned()).collect()
        };
        let rewrite = "oauthctl cleartokens --strategy rewrite --allow rewrite";
        assert_eq!(of(180_000, &[]), ["REINDEX INDEX CONCURRENTLY public.t_pkey;", rewrite]);
        assert_eq!(of(190_000, &[]), ["REPACK (CONCURRENTLY) public.t;"]);
        let both = of(150_000, &[Repacker::PgRepack, Repacker::PgSqueeze]);
        assert_eq!(both[0], r"pg_repack --dbname='it'\''s' --table='public.t'");
        assert!(both[1].starts_with("SELECT squeeze.squeeze_table("), "{both:?}");
        assert_eq!(both[2..], ["REINDEX INDEX CONCURRENTLY public.t_pkey;", rewrite]);
    }
}

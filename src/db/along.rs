//! The rows of the project's own that refer to rows which go: found, and deleted or changed first.
//!
//! From one of DOT's tables the foreign keys are followed as long as rows are deleted by them, so this is a tree; what
//! is done at each is decided in the [`Layout`]. The deepest rows go first. Everything is done for a list of keys of the
//! one table: one statement for each foreign key, whatever the number of rows. Begins and ends no transaction.

use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Error, GenericClient};

use super::layout::{Layout, Reference, Table};
use super::{Parameter, query};
use crate::model::printable::quote;
use crate::model::{ForeignRows, ForeignTally, Treatment};

/// What refers to the rows of one table, and to the rows that go with these.
#[derive(Clone, Debug)]
pub struct Along<'a> {
    layout: &'a Layout,
    table: &'a Table,
    /// Each after its parent.
    nodes: Vec<Node<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Node<'a> {
    reference: &'a Reference,
    /// The node whose rows its rows refer to; `None`: those of the table.
    parent: Option<usize>,
}

/// How a column is compared with the column of the rows that it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nest {
    /// With a list, which an index takes whatever joins are switched off. For a transaction that reads no table as a
    /// whole: there, the list would be read again for each row.
    List,
    /// As the planner likes.
    Set,
}

impl Nest {
    /// Compares with the keys of a table, `$1` as PostgreSQL writes an array.
    #[must_use]
    pub fn keys(self, table: &Table) -> String {
        self.compared_with(&format!("$1::text::{}[]", table.key_type()))
    }

    /// Compares with an array, as SQL writes it.
    fn compared_with(self, keys: &str) -> String {
        match self {
            Self::List => format!("= ANY({keys})"),
            Self::Set => format!("IN (SELECT unnest({keys}))"),
        }
    }

    /// Compares with the column of a query.
    fn of(self, query: &str) -> String {
        match self {
            Self::List => format!("= ANY(ARRAY({query}))"),
            Self::Set => format!("IN ({query})"),
        }
    }
}

impl<'a> Along<'a> {
    /// Follows the foreign keys.
    #[must_use]
    pub fn new(layout: &'a Layout, table: &'a Table) -> Self {
        let mut along = Self { layout, table, nodes: Vec::new() };
        along.follow(table.oid, None);
        along
    }

    fn follow(&mut self, to: Oid, parent: Option<usize>) {
        for reference in self.layout.foreign_references(to) {
            let is_same = |node: &Node<'_>| {
                let known = node.reference;
                node.parent == parent
                    && (known.from, &known.from_column, &known.to_column)
                        == (reference.from, &reference.from_column, &reference.to_column)
            };
            if self.nodes.iter().any(is_same) {
                continue;
            }
            // What PostgreSQL deletes may lead back; it follows that itself.
            let leads_back =
                reference.from == self.table.oid || self.path(parent).any(|on| on == reference.from);
            self.nodes.push(Node { reference, parent });
            if reference.treatment.deletes() && !leads_back {
                self.follow(reference.from, Some(self.nodes.len() - 1));
            }
        }
    }

    /// The tables between a node and the root.
    fn path(&self, from: Option<usize>) -> impl Iterator<Item = Oid> {
        let chain = std::iter::successors(from, |node| self.nodes.get(*node).and_then(|node| node.parent));
        chain.filter_map(|node| self.nodes.get(node)).map(|node| node.reference.from)
    }

    /// The foreign keys, with their numbers.
    pub fn references(&self) -> impl Iterator<Item = (usize, &'a Reference)> + '_ {
        self.nodes.iter().map(|node| node.reference).enumerate()
    }

    /// Whether this role may read what leads to the rows of a node.
    #[must_use]
    pub fn is_readable(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| {
            node.reference.readable && node.parent.is_none_or(|parent| self.is_readable(parent))
        })
    }

    /// The rows `alias` that a node is about. `root` compares with a column of the rows of the table.
    fn condition(&self, node: usize, alias: &str, nest: Nest, root: &dyn Fn(&str) -> String) -> String {
        let Some(Node { reference, parent }) = self.nodes.get(node) else { return "false".to_owned() };
        let compared = match parent.and_then(|at| Some((at, self.nodes.get(at)?))) {
            None => root(&reference.to_column),
            Some((at, above)) => {
                let (name, to) = (format!("q{at}"), quote(&reference.to_column));
                let condition = self.condition(at, &name, nest, root);
                let set = format!(
                    "SELECT {name}.{to} FROM {} {name} WHERE {condition}",
                    above.reference.from_table
                );
                nest.of(&set)
            }
        };
        format!("{alias}.{} {compared}", quote(&reference.from_column))
    }

    /// `FROM` and `WHERE` of the rows `f` of a node. `set` selects a column of the rows of the table that go.
    #[must_use]
    pub fn rows(&self, node: usize, set: &dyn Fn(&str) -> String) -> String {
        let table = self.nodes.get(node).map_or("", |node| node.reference.from_table.as_str());
        let condition = self.condition(node, "f", Nest::Set, &|column| format!("IN ({})", set(column)));
        format!("FROM {table} f WHERE {condition}")
    }

    /// The table as `t`, joined with the rows of a node and of those above it; the name of the former.
    #[must_use]
    pub fn joined(&self, node: usize) -> (String, String) {
        let Some(Node { reference, parent }) = self.nodes.get(node) else {
            return (format!("{} t", self.table.sql()), "t".to_owned());
        };
        let (above, name) = match parent {
            Some(parent) => self.joined(*parent),
            None => (format!("{} t", self.table.sql()), "t".to_owned()),
        };
        let (from, to) = (quote(&reference.from_column), quote(&reference.to_column));
        let alias = format!("f{node}");
        (format!("{above} JOIN {} {alias} ON {alias}.{from} = {name}.{to}", reference.from_table), alias)
    }

    /// The statements, for lists of keys.
    #[must_use]
    pub fn statements(&self, nest: Nest) -> Statements {
        self.statements_for(nest, &nest.keys(self.table))
    }

    /// What is done to the rows that refer to the keys in a variable of a function, the deepest rows first.
    #[must_use]
    pub fn within_function(&self, variable: &str) -> Vec<(ForeignRows, String)> {
        let Statements { take, free: _ } =
            self.statements_for(Nest::List, &Nest::List.compared_with(variable));
        take.into_iter().map(|(rows, _, sql)| (rows, sql)).collect()
    }

    fn statements_for(&self, nest: Nest, keys: &str) -> Statements {
        let key = self.table.key_sql();
        let root = |column: &str| {
            if column == self.table.key {
                return keys.to_owned();
            }
            nest.of(&format!("SELECT t.{} FROM {} t WHERE t.{key} {keys}", quote(column), self.table.sql()))
        };
        let mut statements = Statements::default();
        for (node, reference) in self.references() {
            let (from, column) = (&reference.from_table, quote(&reference.from_column));
            let condition = self.condition(node, "x", nest, &root);
            let sql = match reference.treatment {
                Treatment::Refuse => continue,
                Treatment::Null => format!("UPDATE {from} x SET {column} = NULL WHERE {condition}"),
                Treatment::Delete | Treatment::Link => format!("DELETE FROM {from} x WHERE {condition}"),
                Treatment::OnDelete(_) => format!("SELECT count(*) FROM {from} x WHERE {condition}"),
            };
            statements.take.insert(0, (rows_of(self.layout, reference, None), self.is_readable(node), sql));
            if reference.treatment.is_ours() {
                let (joined, rows) = self.joined(node);
                statements.free.push(format!(
                    "WITH m AS MATERIALIZED (SELECT x.tableoid AS o, x.ctid AS c FROM {from} x WHERE {condition} \
                     FOR UPDATE SKIP LOCKED) \
                     SELECT coalesce(array_agg(k.{key}), '{{}}')::text, count(*) FROM {table} k \
                     WHERE k.{key} {keys} AND k.{key} NOT IN (SELECT t.{key} FROM {joined} \
                     WHERE t.{key} {keys} AND ({rows}.tableoid, {rows}.ctid) NOT IN (SELECT o, c FROM m))",
                    table = self.table.sql(),
                ));
            }
        }
        statements
    }
}

/// What is done to the rows that refer to rows with given keys.
#[derive(Clone, Debug, Default)]
pub struct Statements {
    /// Deletes, changes or counts, the deepest first; whether this role may count.
    take: Vec<(ForeignRows, bool, String)>,
    /// Locks the referring rows. Returns the keys whose referring rows could all be locked, and their number.
    free: Vec<String>,
}

impl Statements {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.take.is_empty()
    }

    /// Deletes or changes what refers to the rows with these keys, as PostgreSQL writes an array, and counts what
    /// PostgreSQL is going to delete or change. To be called before these rows go.
    pub async fn take(&self, client: &impl GenericClient, keys: &str) -> Result<ForeignTally, Error> {
        let mut taken = ForeignTally::default();
        if keys == "{}" {
            return Ok(taken);
        }
        for (rows, readable, sql) in &self.take {
            let parameters: [Parameter<'_>; 1] = [(&keys, Type::TEXT)];
            let count = match rows.treatment {
                Treatment::OnDelete(_) if !readable => None,
                Treatment::OnDelete(_) => {
                    Some(query::unsigned(query::value(client, sql, &parameters).await?))
                }
                Treatment::Refuse | Treatment::Null | Treatment::Delete | Treatment::Link => {
                    Some(client.execute_typed(sql, &parameters).await?)
                }
            };
            taken.add(&ForeignRows { rows: count, ..rows.clone() });
        }
        Ok(taken)
    }

    /// Locks the rows that refer to these keys, without waiting. Returns the keys whose referring rows no other session
    /// has locked, and their number.
    pub async fn free(
        &self,
        client: &impl GenericClient,
        keys: String,
        count: i64,
    ) -> Result<(String, i64), Error> {
        let mut free = (keys, count);
        for sql in &self.free {
            let row = client.query_typed_one(sql, &[(&free.0, Type::TEXT)]).await?;
            free = (row.get(0), row.get(1));
        }
        Ok(free)
    }
}

/// Rows of a foreign key.
#[must_use]
pub fn rows_of(layout: &Layout, reference: &Reference, rows: Option<u64>) -> ForeignRows {
    ForeignRows {
        table: reference.from_table.clone(),
        column: reference.from_column.clone(),
        constraint: reference.constraint.clone(),
        on_delete: reference.on_delete,
        treatment: reference.treatment,
        rows,
        name: reference.file_name(&layout.application().schema),
        not_null: reference.not_null,
        declared: reference.declared,
    }
}

//! What is asked of each kind of constraint.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use super::ask::{Answer, Question, ask, ask_among_all};
use super::catalogue::{Check, Column, Foreign, Unique};
use super::circle::circle;
use super::rows::{NUMBER, PlannedRow, ROWS, Rows};
use crate::db::error::DbError;
use crate::db::layout::Table;
use crate::model::printable::{literal, quote};
use crate::model::{Breach, ClientId, Field, Key, NotTried, Rule, Tried, Twin};

/// What came of the trial.
#[derive(Debug, Default)]
pub struct Trial {
    /// What a row would break, with its position among the rows.
    pub breaches: Vec<(usize, Breach)>,
    pub not_tried: Vec<NotTried>,
}

const CHECK: &str = "check constraint";

/// Why a constraint on a column that is not read is not tried.
const WITHHELD: &str = "this plan does not read the secret";

/// As many rows for which an expression fails are looked for, one by one; more are not shown anyway.
const MOST_FAILING: usize = 50;

/// As many rows are asked about at once where no other row matters.
const AT_ONCE: usize = 1000;

/// Asks, and collects what comes of it.
pub(super) struct Questions<'a, C, R> {
    pub client: &'a C,
    pub table: &'a Table,
    pub rows: &'a Rows<'a, R>,
    /// Rows that go when all others are written.
    pub deleted: &'a [&'a Key],
    pub trial: Trial,
}

impl<C: GenericClient, R: PlannedRow> Questions<'_, C, R> {
    /// Names what only a write can try.
    pub fn name(&mut self, kind: &'static str, names: Vec<String>) {
        self.trial.not_tried.extend(names.into_iter().map(|name| NotTried {
            kind: kind.into(),
            name,
            why: None,
        }));
    }

    fn not_tried(&mut self, kind: &'static str, name: &str, why: impl Into<String>) {
        self.trial.not_tried.push(NotTried {
            kind: kind.into(),
            name: name.to_owned(),
            why: Some(why.into()),
        });
    }

    fn breach(&mut self, number: i64, constraint: &str, columns: Vec<(String, Tried)>, rule: Rule) {
        let Ok(position) = usize::try_from(number - 1) else { return };
        let breach = Breach { constraint: constraint.to_owned(), columns, rule, trigger: None };
        self.trial.breaches.push((position, breach));
    }

    fn has_secret(&self, columns: &[String]) -> bool {
        columns.iter().any(|column| self.rows.hides(column))
    }

    /// The columns with the values that the answer has at `position`.
    fn values(&self, columns: &[String], row: &Row, position: usize) -> Vec<(String, Tried)> {
        let values: Vec<Option<String>> = row.get(position);
        let tried = |(name, value): (&String, Option<String>)| {
            let hidden = || if self.rows.hides(name) { Tried::Hidden } else { Tried::Null };
            (name.clone(), value.map_or_else(hidden, Tried::Text))
        };
        columns.iter().zip(values).map(tried).collect()
    }

    /// The rows of a selection whose values in these columns are all known. Others are named, if a secret that is made only
    /// when it is written is the reason; what PostgreSQL makes itself is passed over.
    fn known(
        &mut self,
        kind: &'static str,
        name: &str,
        columns: &[String],
        is_asked: impl Fn(&R) -> bool,
    ) -> Vec<i64> {
        let (known, unknown): (Vec<i64>, Vec<i64>) = self
            .rows
            .numbers(is_asked)
            .into_iter()
            .partition(|number| columns.iter().all(|column| self.rows.knows(*number, column)));
        let secret = Field::ClientSecret.column();
        let is_secret = columns.iter().any(|column| column == secret);
        let is_withheld = columns.iter().any(|column| self.table.withheld.contains(column));
        if !unknown.is_empty() && is_withheld {
            self.not_tried(kind, name, WITHHELD);
        } else if !unknown.is_empty() && is_secret {
            self.not_tried(kind, name, "the secret is not known before it is written");
        } else if !unknown.is_empty() && kind == CHECK {
            self.not_tried(kind, name, "PostgreSQL makes a value that it looks at");
        }
        known
    }

    /// NOT NULL, for all columns at once, and for one row of each shape: a value of a cell is never NULL.
    pub async fn not_null(&mut self, columns: &[Column]) -> Result<(), DbError> {
        let columns: Vec<&Column> =
            columns.iter().filter(|column| column.not_null && !column.generated).collect();
        let cases: Vec<String> = columns
            .iter()
            .map(|Column { name, .. }| {
                format!("CASE WHEN {} IS NULL THEN {} END", quote(name), literal(name))
            })
            .collect();
        let select = format!(
            " SELECT {NUMBER}, array_remove(ARRAY[{}]::text[], NULL) FROM {ROWS} WHERE {NUMBER} = ANY($2)",
            cases.join(", ")
        );
        let numbers = self.rows.samples();
        let columns: Vec<String> = columns.into_iter().map(|column| column.name.clone()).collect();
        // The expression of a default may fail, and may look at anything.
        let question = Question { select: &select, columns: &columns, more: &[], secret: true };
        let found = match ask(self.client, self.rows, question, &numbers).await? {
            Answer::Rows(found) => found,
            Answer::Refused(why) | Answer::Fails(why) => {
                self.not_tried("not-null constraints of", &self.table.name, why);
                return Ok(());
            }
        };
        for row in found {
            let sample: i64 = row.get(0);
            for name in row.get::<_, Vec<String>>(1) {
                let alike = self.rows.knows(sample, &name).then(|| self.rows.alike(sample));
                for number in alike.into_iter().flatten() {
                    self.breach(number, "", vec![(name.clone(), Tried::Null)], Rule::NotNull);
                }
            }
        }
        Ok(())
    }

    /// A CHECK holds unless it is false.
    pub async fn check(&mut self, check: Check) -> Result<(), DbError> {
        let Check { name, condition, definition, columns, domain, volatile } = check;
        let shown = self.rows.plain(&columns);
        if volatile {
            self.not_tried(CHECK, &name, "it calls a volatile function");
            return Ok(());
        }
        let numbers = self.known(CHECK, &name, &columns, |_| true);
        let condition = match columns.as_slice() {
            // A domain's is about VALUE.
            [column] if domain => {
                format!("(SELECT {condition} FROM (SELECT {} AS value) d)", quote(column))
            }
            _ => format!("({condition})"),
        };
        let select = format!(
            " SELECT {NUMBER}, {values} FROM {ROWS} AS {alias} WHERE {NUMBER} = ANY($2) AND NOT {condition}",
            values = self.rows.values(&shown),
            alias = quote(&self.table.name),
        );
        if numbers.is_empty() {
            return Ok(());
        }
        let rule = if domain { Rule::Domain(definition) } else { Rule::Check(definition) };
        let secret = self.has_secret(&shown);
        let question = Question { select: &select, columns: &columns, more: &[], secret };
        self.ask_in_parts(&name, question, (&shown, &rule), &numbers).await
    }

    /// Asks about a part of the rows after the other; where the expression fails for one of them, about each half, until
    /// the row is found.
    async fn ask_in_parts(
        &mut self,
        name: &str,
        question: Question<'_>,
        (shown, rule): (&[String], &Rule),
        numbers: &[i64],
    ) -> Result<(), DbError> {
        let mut failing: Vec<(i64, String)> = Vec::new();
        let mut left: Vec<Vec<i64>> = numbers.chunks(AT_ONCE).rev().map(<[i64]>::to_vec).collect();
        while let Some(mut numbers) = left.pop() {
            if failing.len() == MOST_FAILING {
                self.not_tried(CHECK, name, format!("it fails for {MOST_FAILING} other rows"));
                break;
            }
            match ask(self.client, self.rows, question, &numbers).await? {
                Answer::Rows(found) => self.breaks(name, shown, found, rule),
                Answer::Refused(why) => self.not_tried(CHECK, name, why),
                Answer::Fails(why) => {
                    if let [number] = numbers.as_slice() {
                        failing.push((*number, why));
                    } else {
                        left.push(numbers.split_off(numbers.len() / 2));
                        left.push(numbers);
                    }
                }
            }
        }
        self.fails(name, shown, failing).await
    }

    /// The rows for which an expression fails, with their values.
    async fn fails(
        &mut self,
        name: &str,
        shown: &[String],
        failing: Vec<(i64, String)>,
    ) -> Result<(), DbError> {
        if failing.is_empty() {
            return Ok(());
        }
        let select =
            format!(" SELECT {NUMBER}, {} FROM {ROWS} WHERE {NUMBER} = ANY($2)", self.rows.values(shown));
        let numbers: Vec<i64> = failing.iter().map(|(number, _)| *number).collect();
        let question = Question { select: &select, columns: shown, more: &[], secret: true };
        let found = match ask(self.client, self.rows, question, &numbers).await? {
            Answer::Rows(found) => found,
            // The row itself cannot be made, so the constraint is not to blame.
            Answer::Refused(why) | Answer::Fails(why) => {
                self.not_tried(CHECK, name, why);
                return Ok(());
            }
        };
        let mut whys: BTreeMap<i64, String> = failing.into_iter().collect();
        for row in found {
            if let Some(why) = whys.remove(&row.get(0)) {
                self.breaks(name, shown, vec![row], &Rule::Fails(why));
            }
        }
        Ok(())
    }

    fn breaks(&mut self, name: &str, columns: &[String], found: Vec<Row>, rule: &Rule) {
        for row in found {
            let values = self.values(columns, &row, 1);
            self.breach(row.get(0), name, values, rule.clone());
        }
    }

    /// A unique key, as it is looked at while the rows are written one after the other.
    pub async fn unique(&mut self, unique: Unique) -> Result<(), DbError> {
        const KIND: &str = "unique key";
        let Unique { name, columns: used, keys, equal, condition, nulls_equal, deferred } = unique;
        let columns = self.rows.plain(&used);
        let is_touched =
            |row: &R| row.key().is_none() || columns.iter().any(|column| row.cell(column).is_some());
        let numbers = self.known(KIND, &name, &columns, is_touched);
        if numbers.is_empty() {
            return Ok(());
        }
        if columns.iter().any(|column| self.table.withheld.contains(column)) {
            self.not_tried(KIND, &name, WITHHELD);
            return Ok(());
        }
        // Which rows no longer have what they have, from which step on.
        let mut moved: BTreeMap<&str, i64> = BTreeMap::new();
        for number in self.rows.numbers(is_touched) {
            if let Some(key) = self.rows.row(number).and_then(PlannedRow::key) {
                moved.insert(key.as_str(), number);
            }
        }
        moved.extend(self.deleted.iter().map(|key| (key.as_str(), i64::MAX)));
        let (moved, when): (Vec<&str>, Vec<i64>) = moved.into_iter().unzip();
        let named: Vec<String> =
            keys.iter().enumerate().map(|(position, key)| format!("{key} AS k{position}")).collect();
        let same: Vec<String> = equal
            .iter()
            .enumerate()
            .map(|(k, equal)| {
                let nulls = format!(" OR a.k{k} IS NULL AND b.k{k} IS NULL");
                format!("(a.k{k} {equal} b.k{k}{})", if nulls_equal { nulls.as_str() } else { "" })
            })
            .collect();
        let select = format!(
            ", a AS MATERIALIZED (SELECT {NUMBER} AS n, {values} AS shown, {named} FROM {ROWS} AS {alias} \
               WHERE {NUMBER} = ANY($2) AND {condition}), \
             b AS (SELECT {key}::text AS key, client_id::text AS client_id, {named} FROM {table} AS {alias} \
               WHERE {condition}) \
             SELECT a.n, a.shown, b.client_id, m.n, NULL::int8, \
               m.key IS NULL OR m.n > a.n AND (NOT {deferred} OR m.n = {last}) FROM a JOIN b ON {same} \
             LEFT JOIN unnest($3::text[], $4::int8[]) AS m(key, n) ON m.key = b.key WHERE m.n IS DISTINCT FROM a.n \
             UNION ALL SELECT a.n, a.shown, NULL, NULL, min(b.n), true FROM a JOIN a AS b ON b.n < a.n AND {same} GROUP BY 1, 2 \
             ORDER BY 1, 3, 5",
            values = self.rows.values(&columns),
            named = named.join(", "),
            alias = quote(&self.table.name),
            condition = condition.as_deref().unwrap_or("true"),
            key = self.table.key_sql(),
            table = self.table.sql(),
            same = same.join(" AND "),
            last = i64::MAX,
        );
        let more = [(&moved as _, Type::TEXT_ARRAY), (&when as _, Type::INT8_ARRAY)];
        let used = [used, columns.clone()].concat();
        let secret = self.has_secret(&columns);
        let question = Question { select: &select, columns: &used, more: &more, secret };
        let found = match ask(self.client, self.rows, question, &numbers).await? {
            Answer::Rows(found) => found,
            Answer::Refused(why) | Answer::Fails(why) => {
                self.not_tried(KIND, &name, why);
                return Ok(());
            }
        };
        // Who wants what another planned row has now.
        let wants: BTreeMap<i64, i64> =
            found.iter().filter_map(|row| Some((row.get(0), row.get::<_, Option<i64>>(3)?))).collect();
        for row in found.into_iter().filter(|row| row.get(5)) {
            let number: i64 = row.get(0);
            let twin = match (row.get::<_, Option<i64>>(4), row.get::<_, Option<String>>(2)) {
                (Some(number), _) => self.client_id(number).map(Twin::Planned),
                (None, Some(other)) => Some(match row.get::<_, Option<i64>>(3) {
                    None => Twin::Stored(ClientId::new(other)),
                    Some(later) => self.later(later, ClientId::new(other), &circle(&wants, number)),
                }),
                (None, None) => None,
            };
            let Some(twin) = twin else { continue };
            let values = self.values(&columns, &row, 1);
            self.breach(number, &name, values, Rule::Unique(twin));
        }
        Ok(())
    }

    fn client_id(&self, number: i64) -> Option<ClientId> {
        self.rows.row(number).map(|row| row.client_id().clone())
    }

    /// The application that has a value until a later step, by the name that it has after the plan.
    fn later(&self, number: i64, stored: ClientId, circle: &[i64]) -> Twin {
        let has = self.client_id(number).unwrap_or(stored);
        if circle.is_empty() {
            return Twin::Later(has);
        }
        Twin::InCircle { has, circle: circle.iter().filter_map(|number| self.client_id(*number)).collect() }
    }

    /// A foreign key. The owner is looked up by itself.
    pub async fn foreign(&mut self, key: Foreign) -> Result<(), DbError> {
        const KIND: &str = "foreign key";
        let Foreign { name, columns, table, to, own, equal, full } = key;
        if columns == [Field::User.column()] {
            return Ok(());
        }
        let shown = self.rows.plain(&columns);
        let numbers = self.known(KIND, &name, &columns, |row| {
            row.key().is_none() || shown.iter().any(|column| row.cell(column).is_some())
        });
        if numbers.is_empty() {
            return Ok(());
        }
        let given: Vec<String> =
            columns.iter().map(|column| format!("x.{} IS NOT NULL", quote(column))).collect();
        let same: Vec<String> = columns
            .iter()
            .zip(&to)
            .zip(&equal)
            .map(|((column, to), equal)| format!("r.{} {equal} x.{}", quote(to), quote(column)))
            .collect();
        let same = same.join(" AND ");
        let among = |rows: &str| format!("NOT EXISTS (SELECT FROM {rows} r WHERE {same})");
        let select = format!(
            " SELECT {NUMBER}, {values} FROM {ROWS} x WHERE {NUMBER} = ANY($2) AND ({given}) AND {there}{planned}",
            values = self.rows.values(&shown),
            given = given.join(if full { " OR " } else { " AND " }),
            there = among(&table),
            planned = if own { format!(" AND {}", among(ROWS)) } else { String::new() },
        );
        let secret = self.has_secret(&shown);
        let used = [columns.as_slice(), &shown, if own { &to } else { &[] }].concat();
        let question = Question { select: &select, columns: &used, more: &[], secret };
        let answer = if own {
            ask_among_all(self.client, self.rows, question, &numbers).await?
        } else {
            ask(self.client, self.rows, question, &numbers).await?
        };
        match answer {
            Answer::Rows(found) => {
                let columns: Vec<String> = to.iter().map(|column| quote(column)).collect();
                let select = format!("SELECT {} FROM {table}", columns.join(", "));
                self.breaks(&name, &shown, found, &Rule::Reference { table, columns: to, select });
            }
            Answer::Refused(why) | Answer::Fails(why) => self.not_tried(KIND, &name, why),
        }
        Ok(())
    }
}

//! Walking a table by its primary key, in windows of a given number of rows.
//!
//! Keys are ordered by the column's own operators, so any key that PostgreSQL can index will do, gaps cost nothing, and
//! a window never holds more rows than it was asked to. Each step reads the index only.

use tokio_postgres::GenericClient;

use super::excluded::Excluded;
use super::statement::{Bind, Binds, Sql, Values};
use super::{TokensError, attempt};
use crate::db::ON_PRIMARY;
use crate::db::layout::Table;
use crate::db::query::array;
use crate::model::Key;

/// A range of keys, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first key.
    pub low: Key,
    /// The last key.
    pub high: Key,
    /// Only these of them, in order; `None`: all.
    pub keys: Option<Vec<Key>>,
}

impl Window {
    /// Some keys, in order; `None`: there are none.
    #[must_use]
    pub fn of_keys(keys: Vec<Key>) -> Option<Self> {
        let (low, high) = (keys.first()?.clone(), keys.last()?.clone());
        Some(Self { low, high, keys: Some(keys) })
    }

    /// Splits off the first `count` keys; without keys of its own, and where there are no more, the window stays whole.
    #[must_use]
    pub fn split(self, count: usize) -> (Self, Option<Self>) {
        match self.keys {
            Some(mut keys) if keys.len() > count.max(1) => {
                let tail = Self::of_keys(keys.split_off(count.max(1)));
                let high = keys.last().map_or(self.high, Key::clone);
                (Self { low: self.low, high, keys: Some(keys) }, tail)
            }
            keys => (Self { keys, ..self }, None),
        }
    }
}

/// The part of a table that is still to be walked.
#[derive(Debug)]
pub struct Walk {
    table: String,
    ends: Sql,
    first: Sql,
    last: Sql,
    lowest: Sql,
    edge: Sql,
    after: Sql,
}

/// A row of the table is in the window.
pub(super) fn within(alias: &str, table: &Table, binds: &mut Binds) -> String {
    between(&format!("{alias}.{}", table.key_sql()), table, binds)
}

/// A column, that has keys of the table in it, has one of the window.
pub(super) fn between(column: &str, table: &Table, binds: &mut Binds) -> String {
    let low = binds.key(Bind::Low, table.key_type());
    let high = binds.key(Bind::High, table.key_type());
    format!("{column} >= {low} AND {column} <= {high}")
}

impl Walk {
    pub(super) fn new(table: &Table) -> Self {
        let (name, key) = (table.sql(), table.key_sql());
        Self {
            table: name.clone(),
            ends: Sql::new(|_| {
                // Qualified, or ORDER BY would mean the text that is selected.
                format!(
                    "{ON_PRIMARY} SELECT (SELECT t.{key}::text FROM {name} t ORDER BY t.{key} LIMIT 1), \
                            (SELECT t.{key}::text FROM {name} t ORDER BY t.{key} DESC LIMIT 1)"
                )
            }),
            first: Sql::new(|_| {
                format!("{ON_PRIMARY} SELECT t.{key}::text FROM {name} t ORDER BY t.{key} LIMIT 1")
            }),
            last: Sql::new(|_| {
                format!("{ON_PRIMARY} SELECT t.{key}::text FROM {name} t ORDER BY t.{key} DESC LIMIT 1")
            }),
            lowest: Sql::new(|binds| {
                let keys = binds.keys(Bind::Keys, table.key_type());
                format!("SELECT k::text FROM unnest({keys}) AS of (k) ORDER BY of.k LIMIT 1")
            }),
            edge: Sql::new(|binds| {
                let within = within("t", table, binds);
                let rows = binds.get(Bind::Rows);
                format!(
                    "{ON_PRIMARY} SELECT t.{key}::text FROM {name} t WHERE {within} ORDER BY t.{key} OFFSET {rows} LIMIT 2"
                )
            }),
            after: Sql::new(|binds| {
                let low = binds.key(Bind::Low, table.key_type());
                let high = binds.key(Bind::High, table.key_type());
                format!(
                    "SELECT t.{key}::text FROM {name} t WHERE t.{key} > {low} AND t.{key} <= {high} \
                     ORDER BY t.{key} LIMIT 1"
                )
            }),
        }
    }

    /// The whole table as it is now; `None`: it is empty.
    pub async fn whole(&self, client: &impl GenericClient) -> Result<Option<Window>, TokensError> {
        let none = Excluded::default();
        let row = self.ends.one(client, Values::new(&none)).await.map_err(self.failed())?;
        let ends: (Option<String>, Option<String>) = (row.get(0), row.get(1));
        Ok(ends.0.zip(ends.1).map(|(low, high)| Window {
            low: Key::new(low),
            high: Key::new(high),
            keys: None,
        }))
    }

    /// The part of the table from one key to another, both included; `None`: it is empty. To look for the first key is to
    /// read all index entries of rows that are gone, until they are vacuumed: with `from` it is not looked for.
    pub async fn part(
        &self,
        client: &impl GenericClient,
        from: Option<&Key>,
        until: Option<&Key>,
    ) -> Result<Option<Window>, TokensError> {
        if from.is_none() && until.is_none() {
            return self.whole(client).await;
        }
        let low = match from {
            Some(key) => Some(key.clone()),
            None => self.end(client, &self.first).await?,
        };
        let high = match until {
            Some(key) => Some(key.clone()),
            None => self.end(client, &self.last).await?,
        };
        Ok(low.zip(high).map(|(low, high)| Window { low, high, keys: None }))
    }

    async fn end(&self, client: &impl GenericClient, sql: &Sql) -> Result<Option<Key>, TokensError> {
        let none = Excluded::default();
        let rows = sql.all(client, Values::new(&none)).await.map_err(self.failed())?;
        Ok(rows.first().map(|row| Key::new(row.get::<_, String>(0))))
    }

    /// The lowest of some keys: only the server can compare them.
    pub async fn lowest(
        &self,
        client: &impl GenericClient,
        keys: &[Key],
    ) -> Result<Option<Key>, TokensError> {
        let (none, keys) = (Excluded::default(), array(keys.iter().map(Key::as_str)));
        let values = Values { keys: &keys, ..Values::new(&none) };
        let rows = self.lowest.all(client, values).await.map_err(self.failed())?;
        Ok(rows.first().map(|row| Key::new(row.get::<_, String>(0))))
    }

    /// Cuts a window of `rows` rows off the front: the window, and what is left.
    pub async fn cut(
        &self,
        client: &impl GenericClient,
        rest: Window,
        rows: u32,
    ) -> Result<(Window, Option<Window>), TokensError> {
        let none = Excluded::default();
        let values = Values {
            low: rest.low.as_str(),
            high: rest.high.as_str(),
            rows: i64::from(rows.saturating_sub(1)),
            ..Values::new(&none)
        };
        let mut edge = self.edge.all(client, values).await.map_err(self.failed())?.into_iter();
        let key = |row: tokio_postgres::Row| Key::new(row.get::<_, String>(0));
        Ok(match (edge.next().map(key), edge.next().map(key)) {
            (Some(last), Some(next)) => (
                Window { low: rest.low, high: last, keys: None },
                Some(Window { low: next, high: rest.high, keys: None }),
            ),
            _ => (rest, None),
        })
    }

    /// What is left of a window after a key.
    pub(super) async fn after(
        &self,
        client: &impl GenericClient,
        window: &Window,
        key: &str,
    ) -> Result<Option<Window>, TokensError> {
        let none = Excluded::default();
        let values = Values { low: key, high: window.high.as_str(), ..Values::new(&none) };
        let rows = self.after.all(client, values).await.map_err(self.failed())?;
        Ok(rows.first().map(|row| Window {
            low: Key::new(row.get::<_, String>(0)),
            high: window.high.clone(),
            keys: None,
        }))
    }

    fn failed(&self) -> impl FnOnce(tokio_postgres::Error) -> TokensError + use<> {
        attempt(format!("walking {}", self.table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_split_in_order() {
        let keys = |texts: &[&str]| texts.iter().map(|text| Key::new(*text)).collect::<Vec<_>>();
        let window = Window::of_keys(keys(&["1", "2", "3"])).unwrap();
        let (head, tail) = window.split(2);
        assert_eq!((head.high, head.keys), (Key::new("2"), Some(keys(&["1", "2"]))));
        assert_eq!(tail, Window::of_keys(keys(&["3"])));
        // At least one row, or the walk would never end.
        assert_eq!(tail.clone().unwrap().split(0), (tail.unwrap(), None));
        let range = Window { low: Key::new("1"), high: Key::new("9"), keys: None };
        assert_eq!(range.clone().split(1), (range, None));
        assert_eq!(Window::of_keys(Vec::new()), None);
    }
}

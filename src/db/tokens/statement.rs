//! SQL text whose placeholders are known by what they stand for.
//!
//! Keys travel as PostgreSQL's text and are cast to the column's type on the server, so that bigint, UUID and varchar
//! keys are one and the same here. Values are always parameters; identifiers come from the layout.

use time::OffsetDateTime;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient, Row};

use super::excluded::Excluded;
use crate::db::Parameter;
use crate::db::query::{self, Expected};
use crate::model::printable;
use crate::model::words::rfc3339;

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bind {
    /// The first key of a window.
    Low,
    /// The last key of a window.
    High,
    /// A number of rows.
    Rows,
    Instant(OffsetDateTime),
    /// The keys of the rows that are looked at.
    Keys,
    /// What is known of each of them.
    Flags,
    /// Those of them that cannot go now.
    Blocked,
    /// The keys of the applications that are left alone.
    ExcludedKeys,
    /// Their client ids.
    ExcludedClients,
    /// The client ids of the applications that are not deleted.
    SparedClients,
}

/// Collects placeholders while a text is written, or writes the values themselves, or variables of a function.
#[derive(Debug, Default)]
pub(super) struct Binds {
    known: Vec<Bind>,
    /// Set: for people to type.
    literals: Option<Excluded>,
    /// Set: for the body of a function, whose variables have the types of the columns.
    variables: Option<fn(Bind) -> &'static str>,
    /// The variable that says whether orphaned refresh tokens are wanted.
    orphaned: Option<&'static str>,
}

impl Binds {
    /// Writes the variables of a function instead of placeholders.
    pub(super) fn variables(names: fn(Bind) -> &'static str, orphaned: &'static str) -> Self {
        Self { variables: Some(names), orphaned: Some(orphaned), ..Self::default() }
    }

    /// What else has to hold for an orphaned refresh token: in a function, that the caller wants them.
    pub(super) fn and_orphaned(&self) -> String {
        self.orphaned.map(|variable| format!(" AND {variable}")).unwrap_or_default()
    }

    /// The placeholder of a value, the same one for the same value.
    pub(super) fn get(&mut self, bind: Bind) -> String {
        if let Some(literals) = &self.literals {
            return literal(bind, literals);
        }
        if let Some(names) = self.variables {
            return names(bind).to_owned();
        }
        let position = self.known.iter().position(|known| *known == bind).unwrap_or_else(|| {
            self.known.push(bind);
            self.known.len() - 1
        });
        format!("${}", position + 1)
    }

    /// The placeholder of a key, cast to the key's type.
    pub(super) fn key(&mut self, bind: Bind, sql_type: &str) -> String {
        self.cast(bind, sql_type)
    }

    /// The placeholder of an array of keys.
    pub(super) fn keys(&mut self, bind: Bind, sql_type: &str) -> String {
        self.cast(bind, &format!("{sql_type}[]"))
    }

    fn cast(&mut self, bind: Bind, sql_type: &str) -> String {
        let placeholder = self.get(bind);
        if self.variables.is_some() { placeholder } else { format!("{placeholder}::text::{sql_type}") }
    }
}

/// A finished statement.
#[derive(Clone, Debug)]
pub(super) struct Sql {
    text: String,
    binds: Vec<Bind>,
}

/// The values of one execution. Arrays of keys are in PostgreSQL's text form, `{1,2,3}`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub low: &'a str,
    pub high: &'a str,
    pub rows: i64,
    pub keys: &'a str,
    pub flags: &'a str,
    pub blocked: &'a str,
    pub excluded: &'a Excluded,
}

impl<'a> Values<'a> {
    /// No values but the excluded applications.
    pub(super) const fn new(excluded: &'a Excluded) -> Self {
        Self { low: "", high: "", rows: 0, keys: "{}", flags: "{}", blocked: "{}", excluded }
    }
}

impl Sql {
    /// Writes a statement.
    pub(super) fn new(write: impl FnOnce(&mut Binds) -> String) -> Self {
        let mut binds = Binds::default();
        let text = write(&mut binds);
        Self { text, binds: binds.known }
    }

    /// Writes a statement with its values in it, as people type it: the very text that runs, but for these. Of windows and
    /// batches there are no values, so it has none.
    pub(super) fn typed(write: impl FnOnce(&mut Binds) -> String, excluded: &Excluded) -> String {
        write(&mut Binds { literals: Some(excluded.clone()), ..Binds::default() }) + ";"
    }

    /// Runs it; it returns one row.
    pub(super) async fn one(&self, client: &impl GenericClient, values: Values<'_>) -> Result<Row, Error> {
        client.query_typed_one(&self.text, &parameters(&self.binds, &values)).await
    }

    /// Runs it; it returns any number of rows.
    pub(super) async fn all(
        &self,
        client: &impl GenericClient,
        values: Values<'_>,
    ) -> Result<Vec<Row>, Error> {
        client.query_typed(&self.text, &parameters(&self.binds, &values)).await
    }

    /// What the planner expects of it. It is not run.
    pub(super) async fn explained(
        &self,
        client: &impl GenericClient,
        values: Values<'_>,
    ) -> Result<Expected, Error> {
        query::expected(client, &self.text, &parameters(&self.binds, &values)).await
    }

    /// Runs it; it returns how many rows it touched.
    pub(super) async fn execute(
        &self,
        client: &impl GenericClient,
        values: Values<'_>,
    ) -> Result<u64, Error> {
        client.execute_typed(&self.text, &parameters(&self.binds, &values)).await
    }
}

/// A value as SQL writes it.
fn literal(bind: Bind, excluded: &Excluded) -> String {
    let array = |texts: &[String]| {
        let each: Vec<String> = texts.iter().map(|text| printable::literal(text)).collect();
        format!("ARRAY[{}]", each.join(", "))
    };
    match bind {
        Bind::Instant(instant) => {
            format!("{}::timestamptz", printable::literal(&rfc3339(instant)))
        }
        Bind::ExcludedKeys => printable::literal(&excluded.keys),
        Bind::ExcludedClients => array(&excluded.clients),
        Bind::SparedClients => array(&excluded.spared),
        Bind::Low | Bind::High | Bind::Rows | Bind::Keys | Bind::Flags | Bind::Blocked => "NULL".to_owned(),
    }
}

/// Values with the types that they are sent as.
fn parameters<'a>(binds: &'a [Bind], values: &'a Values<'a>) -> Vec<Parameter<'a>> {
    binds
        .iter()
        .map(|bind| -> Parameter<'a> {
            match bind {
                Bind::Low => (&values.low, Type::TEXT),
                Bind::High => (&values.high, Type::TEXT),
                Bind::Rows => (&values.rows, Type::INT8),
                Bind::Instant(instant) => (instant, Type::TIMESTAMPTZ),
                Bind::Keys => (&values.keys, Type::TEXT),
                Bind::Flags => (&values.flags, Type::TEXT),
                Bind::Blocked => (&values.blocked, Type::TEXT),
                Bind::ExcludedKeys => (&values.excluded.keys, Type::TEXT),
                Bind::ExcludedClients => (&values.excluded.clients, Type::TEXT_ARRAY),
                Bind::SparedClients => (&values.excluded.spared, Type::TEXT_ARRAY),
            }
        })
        .collect()
}

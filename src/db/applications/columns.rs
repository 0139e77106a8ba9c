//! The columns of the project's own: what they are, what PostgreSQL makes of values for them, and its form of what is
//! stored.
//!
//! Everything is text in one form, under all settings of the session: instants in UTC and RFC 3339, JSON as `jsonb`
//! prints it. Names and types come from the catalogue, values are parameters.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use super::Mentioned;
use crate::db::error::{DbError, is_about_a_value};
use crate::db::layout::{Column, Layout, Table};
use crate::db::{Parameter, query, savepoint};
use crate::model::printable::quote;
use crate::model::{ColumnKind, ColumnOwner, CustomColumn, CustomColumns, Maintained, Moment, column_owner};

/// The number of rows in which the most frequent value is looked for.
const LOOKED_AT: u32 = 10_000;

/// What PostgreSQL makes of values: by column and given text.
pub(super) type Renderings = BTreeMap<(String, String), Result<String, String>>;

/// The columns of the application table that neither DOT nor the primary key has.
fn own(table: &Table) -> impl Iterator<Item = &Column> {
    table
        .columns
        .values()
        .filter(|column| column.name != table.key && column_owner(&column.name) == ColumnOwner::Project)
}

fn custom(column: &Column) -> CustomColumn {
    CustomColumn {
        kind: kind(column),
        sql_type: if column.full_type == "bpchar" {
            "character".to_owned()
        } else {
            column.full_type.clone()
        },
        max_length: column.max_length,
        not_null: column.not_null,
        filled: column.filled,
        generated: column.generated,
        default: None,
        usual: None,
    }
}

pub(super) fn kind(column: &Column) -> ColumnKind {
    match column.base_type.as_str() {
        "smallint" => ColumnKind::Integer(i16::MIN.into(), i16::MAX.into()),
        "integer" => ColumnKind::Integer(i32::MIN.into(), i32::MAX.into()),
        "bigint" => ColumnKind::Integer(i64::MIN, i64::MAX),
        "numeric" => ColumnKind::Decimal,
        "real" | "double precision" => ColumnKind::Float,
        "boolean" => ColumnKind::Flag,
        "timestamp with time zone" => ColumnKind::Moment(Moment::Instant),
        "timestamp without time zone" => ColumnKind::Moment(Moment::Local),
        "date" => ColumnKind::Moment(Moment::Date),
        "time without time zone" => ColumnKind::Moment(Moment::Time),
        "json" | "jsonb" => ColumnKind::Json,
        "text" | "character varying" | "bpchar" | "citext" => ColumnKind::Text,
        _ => ColumnKind::Other,
    }
}

/// An expression as text in the one form.
fn rendered(kind: ColumnKind, value: &str) -> String {
    match kind {
        ColumnKind::Moment(Moment::Instant) => format!(
            "CASE WHEN isfinite({value}) THEN (to_jsonb({value} AT TIME ZONE 'UTC') #>> '{{}}') || 'Z' ELSE \
             {value}::text END"
        ),
        ColumnKind::Moment(_) => format!("to_jsonb({value}) #>> '{{}}'"),
        ColumnKind::Json => format!("{value}::jsonb::text"),
        _ => format!("{value}::text"),
    }
}

/// What a column of the project's own can hold; `None`: there is no such one.
#[must_use]
pub fn kind_of(table: &Table, name: &str) -> Option<ColumnKind> {
    own(table).find(|column| column.name == name).map(kind)
}

/// When Django writes the column by itself.
pub(super) fn maintained(table: &Table, column: &Column) -> Option<Maintained> {
    let is_own = column.name != table.key && column_owner(&column.name) == ColumnOwner::Project;
    if is_own { custom(column).maintained(&column.name) } else { None }
}

/// Columns that a new row gets an empty text in.
pub(super) fn left_empty(table: &Table) -> impl Iterator<Item = &str> {
    own(table)
        .map(|column| (column, column.name.as_str()))
        .filter_map(|(column, name)| custom(column).is_left_empty(name).then_some(name))
}

/// The columns that probably hold a secret.
pub(super) fn confidential(table: &Table) -> impl Iterator<Item = &Column> {
    own(table).filter(|column| custom(column).is_confidential(&column.name))
}

/// The columns that are read with a row, by name.
pub(super) fn readable(table: &Table) -> Vec<&Column> {
    own(table).filter(|column| !custom(column).is_confidential(&column.name)).collect()
}

/// One text array with their values, in that order; NULL where there is none.
pub(super) fn select(table: &Table) -> String {
    let values: Vec<String> = readable(table)
        .into_iter()
        .map(|column| rendered(kind(column), &format!("t.{}", quote(&column.name))))
        .collect();
    if values.is_empty() { "NULL::text[]".to_owned() } else { format!("ARRAY[{}]", values.join(", ")) }
}

/// The columns, and what PostgreSQL makes of the values that the file has for them.
pub(super) async fn read(
    client: &impl GenericClient,
    layout: &Layout,
    mentioned: &Mentioned,
) -> Result<(CustomColumns, Renderings), DbError> {
    let table = layout.application();
    let (mut columns, mut renderings) = (CustomColumns::new(), Renderings::new());
    for column in own(table) {
        let mut described = custom(column);
        let literal = column.default.as_deref().and_then(literal);
        if !described.is_confidential(&column.name) {
            let declared = mentioned.columns.get(&column.name).into_iter().flatten();
            let texts: BTreeSet<String> = declared
                .filter_map(|value| described.kind.accept(value).ok())
                .filter(|text| fits(text, described.max_length))
                .chain(literal.clone())
                .collect();
            let answers = ask(client, column, &texts.into_iter().collect::<Vec<_>>()).await?;
            described.default =
                literal.and_then(|literal| answers.get(&literal).cloned()).and_then(Result::ok);
            renderings.extend(answers.into_iter().map(|(text, is)| ((column.name.clone(), text), is)));
        }
        columns.insert(column.name.clone(), described);
    }
    Ok((columns, renderings))
}

/// Notes what most of the rows have in the columns that a new one needs a value for: one query, however many rows
/// there are. `which`: a condition on the rows `t`.
pub(super) async fn read_usual(
    client: &impl GenericClient,
    table: &Table,
    which: &str,
    columns: &mut CustomColumns,
) -> Result<(), DbError> {
    let asked: Vec<(&str, String)> = columns
        .iter()
        .filter(|(name, column)| column.must_be_given(name) && !column.is_confidential(name))
        .map(|(name, column)| (name.as_str(), rendered(column.kind, &format!("t.{}", quote(name)))))
        .collect();
    if asked.is_empty() {
        return Ok(());
    }
    // What each row has but once, such as a key, is no example, unless there is one row only.
    let one = |(_, value): &(&str, String)| {
        format!(
            "(SELECT g.value FROM (SELECT {value} AS value, count(*) AS n, sum(count(*)) OVER () AS total FROM sample t GROUP BY 1) g \
              WHERE g.n > 1 OR g.total = 1 ORDER BY g.n DESC, g.value COLLATE \"C\" LIMIT 1)"
        )
    };
    let examples = asked.iter().map(one).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "WITH sample AS (SELECT {read} FROM {table} t WHERE {which} LIMIT {LOOKED_AT}) SELECT ARRAY[{examples}]::text[]",
        read = asked.iter().map(|(name, _)| format!("t.{}", quote(name))).collect::<Vec<_>>().join(", "),
        table = table.sql(),
    );
    let usual = query::value::<Vec<Option<String>>>(client, &sql, &[]).await;
    let usual = usual.map_err(DbError::during("looking at what most applications have"))?;
    let names: Vec<String> = asked.iter().map(|(name, _)| (*name).to_owned()).collect();
    for (name, usual) in names.iter().zip(usual) {
        if let Some(column) = columns.get_mut(name) {
            column.usual = usual;
        }
    }
    Ok(())
}

/// A cast cuts text that is too long, so the length is checked elsewhere.
fn fits(text: &str, max: Option<u32>) -> bool {
    max.is_none_or(|max| text.chars().count() <= usize::try_from(max).unwrap_or(usize::MAX))
}

/// All at once; where one is refused, each on its own.
async fn ask(
    client: &impl GenericClient,
    column: &Column,
    texts: &[String],
) -> Result<BTreeMap<String, Result<String, String>>, DbError> {
    if texts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    if let Ok(answers) = cast(client, column, &texts).await? {
        return Ok(answers.into_iter().map(|(text, rendered)| (text, Ok(rendered))).collect());
    }
    let mut answers = BTreeMap::new();
    for text in texts {
        let answer = match cast(client, column, &[text]).await? {
            Ok(rendered) => Ok(rendered.into_iter().map(|(_, rendered)| rendered).collect()),
            Err(why) => Err(why),
        };
        answers.insert(text.to_owned(), answer);
    }
    Ok(answers)
}

/// PostgreSQL's words where it refuses one of the values.
async fn cast(
    client: &impl GenericClient,
    column: &Column,
    texts: &[&str],
) -> Result<Result<Vec<(String, String)>, String>, DbError> {
    let attempted = format!("looking at the values of column {}", quote(&column.name));
    let sql = format!(
        "SELECT x.given, {rendered} FROM (SELECT given, given::{full_type} AS value FROM unnest($1::text[]) AS g(given)) x",
        rendered = rendered(kind(column), "x.value"),
        full_type = column.full_type,
    );
    let parameters: [Parameter<'_>; 1] = [(&texts, Type::TEXT_ARRAY)];
    match savepoint::ask(client, &attempted, "", (&sql, &parameters)).await? {
        Ok(rows) => Ok(Ok(rows.into_iter().map(|row| (row.get(0), row.get(1))).collect())),
        // The words may quote the value: it is the file's, which has no secrets in such columns.
        Err(error) => match error.as_db_error().filter(|error| is_about_a_value(error.code())) {
            Some(refusal) => Ok(Err(refusal.message().to_owned())),
            None => Err(DbError::new(attempted, error)),
        },
    }
}

/// The text of a default that is a plain value: a number, `true`, `false` or a string, perhaps cast. Anything else
/// would have to be executed to be known.
fn literal(expression: &str) -> Option<String> {
    if let Some(rest) = expression.strip_prefix('\'') {
        let mut text = String::new();
        let mut chars = rest.chars();
        loop {
            match chars.next()? {
                '\'' if chars.as_str().starts_with('\'') => {
                    chars.next();
                    text.push('\'');
                }
                '\'' => break,
                c => text.push(c),
            }
        }
        let cast = chars.as_str();
        let is_cast = cast.strip_prefix("::").is_some_and(|name| {
            name.chars().all(|c| {
                c.is_alphanumeric() || matches!(c, '_' | ' ' | '.' | '"' | '(' | ')' | ',' | '[' | ']')
            })
        });
        return (cast.is_empty() || is_cast).then_some(text);
    }
    let plain = expression.trim_start_matches('(').split(')').next().unwrap_or_default();
    let is_plain = matches!(plain, "true" | "false") || plain.parse::<f64>().is_ok_and(f64::is_finite);
    is_plain.then(|| plain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn only_plain_defaults_are_known() {
        for (expression, text) in [
            ("'it''s'::character varying", Some("it's")),
            ("'{}'::jsonb", Some("{}")),
            ("false", Some("false")),
            ("7", Some("7")),
            ("'-1'::integer", Some("-1")),
            ("(-1)", Some("-1")),
            ("(0)::numeric", Some("0")),
            ("'x'::text COLLATE \"C\"", Some("x")),
            ("nextval('s'::regclass)", None),
            ("now()", None),
            ("('a'::text || 'b'::text)", None),
            ("'a'::text || f()", None),
            ("CURRENT_TIMESTAMP", None),
        ] {
            assert_eq!(literal(expression).as_deref(), text, "{expression}");
        }
    }
}

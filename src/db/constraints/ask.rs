//! One question about the rows, under a savepoint: what the server refuses to answer ends nothing else.
//!
//! The expressions are the project's, and so may be functions that they call. What calls a volatile function is not asked
//! at all; a function that is marked as stable or immutable runs in a transaction that can write nothing, for a limited
//! time, and its settings are undone.

use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use super::rows::{PlannedRow, Rows};
use crate::db::error::DbError;
use crate::db::{Parameter, savepoint};

const ATTEMPTED: &str = "trying the constraints of the application table";

/// A limit for sessions that have none.
const LIMIT: &str = "SELECT pg_catalog.set_config('statement_timeout', '30s', true) \
                     WHERE pg_catalog.current_setting('statement_timeout') = '0'";

/// A query over the rows: `$1` are the rows, `$2` the numbers of those that are meant; `more` comes after these.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub select: &'a str,
    /// The columns that it looks at.
    pub columns: &'a [String],
    pub more: &'a [Parameter<'a>],
    /// Whether it looks at a secret, which a function could put into an error.
    pub secret: bool,
}

/// What came of a question.
pub(super) enum Answer {
    /// The rows that break the constraint.
    Rows(Vec<Row>),
    /// A value of one of the rows makes the expression fail, in PostgreSQL's words.
    Fails(String),
    /// It cannot be asked, or takes too long.
    Refused(String),
}

/// Asks with all planned rows at hand.
pub(super) async fn ask_among_all<R: PlannedRow>(
    client: &impl GenericClient,
    rows: &Rows<'_, R>,
    question: Question<'_>,
    numbers: &[i64],
) -> Result<Answer, DbError> {
    let all = rows.numbers(|_| true);
    ask_with(client, &rows.sql(question.columns), &rows.json(&all, question.columns), (question, numbers))
        .await
}

/// Asks what has nothing to do with other planned rows, and sends only these.
pub(super) async fn ask<R: PlannedRow>(
    client: &impl GenericClient,
    rows: &Rows<'_, R>,
    question: Question<'_>,
    numbers: &[i64],
) -> Result<Answer, DbError> {
    ask_with(client, &rows.sql(question.columns), &rows.json(numbers, question.columns), (question, numbers))
        .await
}

async fn ask_with(
    client: &impl GenericClient,
    sql: &str,
    json: &str,
    (Question { select, columns: _, more, secret }, numbers): (Question<'_>, &[i64]),
) -> Result<Answer, DbError> {
    let sql = format!("{sql}{select}");
    let mut parameters: Vec<Parameter<'_>> = vec![(&json, Type::TEXT), (&numbers, Type::INT8_ARRAY)];
    parameters.extend_from_slice(more);
    let error = match savepoint::ask(client, ATTEMPTED, LIMIT, (&sql, &parameters)).await? {
        Ok(found) => return Ok(Answer::Rows(found)),
        Err(error) => DbError::new(ATTEMPTED, error),
    };
    let error = if secret && error.is_of_a_function() { error.without_words() } else { error };
    let why = error.message().to_owned();
    let is_of_a_value = error.is_about_a_value() || error.is_raised();
    Ok(if is_of_a_value { Answer::Fails(why) } else { Answer::Refused(why) })
}

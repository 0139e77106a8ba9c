//! Applications that a column says to have registered themselves, and that DOT does not know as such.

use tokio_postgres::{Error, GenericClient};

use crate::db::layout::{Layout, Marked, Table};
use crate::db::query::unsigned;
use crate::db::source::unnoted;
use crate::model::health::{Registration, announces_registration};
use crate::model::printable::{literal, quote};

/// Those by the columns of the file, and by flags whose name says so.
pub async fn registrations(client: &impl GenericClient, layout: &Layout) -> Result<Vec<Registration>, Error> {
    let table = layout.application();
    let is_declared = |name: &str| layout.marks.iter().any(|mark| mark.column == name);
    let announced = table
        .columns
        .values()
        .filter(|column| column.base_type == "boolean" && announces_registration(&column.name))
        .filter(|column| !is_declared(&column.name))
        .map(|column| Marked { column: column.name.clone(), text: "true".to_owned() });
    let marks: Vec<Marked> = layout.marks.iter().cloned().chain(announced).collect();
    if marks.is_empty() {
        return Ok(Vec::new());
    }
    let counts: Vec<String> =
        marks.iter().map(|mark| format!("count(*) FILTER (WHERE {})", unnoted(layout, mark))).collect();
    let sql = format!("SELECT {} FROM {} t", counts.join(", "), table.sql());
    let row = client.query_typed_one(&sql, &[]).await?;
    let found = marks.into_iter().enumerate().map(|(position, mark)| Registration {
        applications: unsigned(row.get(position)),
        declared: is_declared(&mark.column),
        backfill: backfill(table, &mark),
        column: mark.column,
    });
    Ok(found.filter(|registration| registration.applications > 0).collect())
}

/// The statement that records it where DOT looks. Not for metadata documents: DOT expects an expiry with these, and would
/// fetch them.
fn backfill(table: &Table, Marked { column, text }: &Marked) -> Option<String> {
    let is_document = column.to_lowercase().contains("cimd");
    (table.has("registration_source") && !is_document).then(|| {
        format!(
            "UPDATE {} SET registration_source = 'dcr' WHERE {} = {} AND registration_source IN ('manual', '');",
            table.sql(),
            quote(column),
            literal(text)
        )
    })
}

//! The values of a plan as the writer sends them.

use super::error::ApplyError;
use super::request::Request;
use crate::db::applications::Cell;
use crate::model::ClientId;
use crate::plan::Value;

/// A value for a row of the application. Secrets are not in the plan, but beside it.
pub(super) fn cell<'a>(
    request: &Request<'a>,
    client_id: &ClientId,
    value: &Value,
) -> Result<Cell<'a>, ApplyError> {
    Ok(match value {
        Value::Absent => Cell::Null,
        Value::Text(text) | Value::Literal(text) => Cell::Text(text.clone()),
        Value::Flag(flag) => Cell::Text(flag.to_string()),
        Value::Uris(uris) => Cell::Text(uris.join(" ")),
        Value::User(owner) => Cell::Text(owner.key.as_str().to_owned()),
        Value::StoredSecret | Value::Secret { .. } => Cell::Secret(
            request.secrets.get(client_id).ok_or_else(|| ApplyError::Unsealed(client_id.clone()))?,
        ),
    })
}

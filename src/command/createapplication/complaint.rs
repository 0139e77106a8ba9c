//! Why an application cannot be created, in DOT's form.

use std::borrow::Cow;

/// A line under `Please correct the following errors:`.
#[derive(Debug)]
pub(super) struct Complaint {
    /// DOT's name of the field; `columns.NAME` for a column of the project's own.
    pub field: Cow<'static, str>,
    /// DOT's message where the rule is DOT's.
    pub message: String,
    /// What to do about it, where that is not plain.
    pub hint: Option<String>,
}

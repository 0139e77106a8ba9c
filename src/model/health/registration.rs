//! Applications that registered themselves without DOT's knowing it.

/// A column that says of applications that they registered themselves, while DOT's own says otherwise or is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub column: String,
    /// The number of applications that it marks.
    pub applications: u64,
    /// Whether `[policy] dynamic` names it.
    pub declared: bool,
    /// The statement that records it in `registration_source`; `None`: there is no such column, or DOT would take them
    /// for something else.
    pub backfill: Option<String>,
}

/// What `[policy] dynamic` and the names of columns say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registrations {
    /// Why marks of the file cannot be looked for.
    pub wrong: Vec<String>,
    pub found: Vec<Registration>,
}

/// Whether a flag of this name probably says that an application registered itself: `is_dcr_client`,
/// `dynamically_registered`.
#[must_use]
pub fn announces_registration(name: &str) -> bool {
    name.split('_')
        .any(|word| matches!(word.to_lowercase().as_str(), "dcr" | "cimd" | "dynamic" | "dynamically"))
}

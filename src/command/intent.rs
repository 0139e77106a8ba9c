//! What a plan is made for.

/// Decides whether what would prevent `apply` is a warning or a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// `plan`: it is shown. In a pull request the role is often one that may only read, so what it lacks is a warning.
    Show,
    /// `apply`: it is executed.
    Execute,
}

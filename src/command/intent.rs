//! What a plan is made for.

/// Decides whether what would prevent `apply` is a warning or a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// `plan`: it is shown. In a pull request the role is often one that may only read, so what it lacks is a warning.
    Show,
    /// `plan --without-secrets`: the same, and no client secret is read.
    ShowWithoutSecrets,
    /// `apply`: it is executed.
    Execute,
    /// `apply --pick`: a part of it is executed, so what only the whole would break is no reason to end.
    Pick,
}

impl Intent {
    /// Whether the plan is shown and no more.
    #[must_use]
    pub const fn shows(self) -> bool {
        match self {
            Self::Show | Self::ShowWithoutSecrets => true,
            Self::Execute | Self::Pick => false,
        }
    }
}

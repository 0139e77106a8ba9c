//! The verbs by name: what help, messages and `application_name` call them.

use strum::{IntoStaticStr, VariantArray};

/// A verb without its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(const_into_str, serialize_all = "kebab-case")]
pub enum VerbName {
    Init,
    Validate,
    Plan,
    ShowPlan,
    Apply,
    Import,
    List,
    Show,
    Cleartokens,
    Createapplication,
    RotateSecret,
    HashSecret,
    Status,
    History,
    Undo,
    Doctor,
    Migrate,
    Schema,
    Completions,
    Man,
    Version,
}

impl VerbName {
    /// Whether it may change a database or a file that others read.
    #[must_use]
    pub const fn changes(self) -> bool {
        match self {
            Self::Init
            | Self::Apply
            | Self::Import
            | Self::Cleartokens
            | Self::Createapplication
            | Self::RotateSecret
            | Self::Migrate => true,
            Self::Validate
            | Self::Plan
            | Self::ShowPlan
            | Self::List
            | Self::Show
            | Self::HashSecret
            | Self::Status
            | Self::History
            | Self::Undo
            | Self::Doctor
            | Self::Schema
            | Self::Completions
            | Self::Man
            | Self::Version => false,
        }
    }

    /// How a message ends that stops the verb before its first change. Of a verb that never changes anything, there is
    /// nothing to say.
    #[must_use]
    pub const fn unchanged(self) -> &'static str {
        if self.changes() { "; nothing was changed" } else { "" }
    }

    /// As users type it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

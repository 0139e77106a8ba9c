//! A column of the project's own, as the catalogue has it: what it holds, and who gives a new row its value.

use std::collections::BTreeMap;

use super::column::{ColumnKind, ColumnValue, Moment};
use super::confidential::announces_secret;

/// A column of the project's own, as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomColumn {
    /// What it can hold.
    pub kind: ColumnKind,
    /// Its type, as people write it.
    pub sql_type: String,
    /// The longest text that it takes, in code points.
    pub max_length: Option<u32>,
    /// `NOT NULL`.
    pub not_null: bool,
    /// Whether PostgreSQL fills it when an INSERT leaves it out.
    pub filled: bool,
    /// Whether PostgreSQL alone writes it.
    pub generated: bool,
    /// Its default in PostgreSQL's form, where that is a plain value.
    pub default: Option<String>,
    /// What most rows have, in PostgreSQL's form; `None`: nothing is common, or it was not asked for.
    pub usual: Option<String>,
}

/// When Django writes a timestamp by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintained {
    /// `auto_now_add`: when the row is inserted.
    OnCreate,
    /// `auto_now`: whenever the row is saved.
    OnSave,
}

impl CustomColumn {
    /// Whether it probably holds a secret: neither read nor written then, because plans are shown.
    #[must_use]
    pub fn is_confidential(&self, name: &str) -> bool {
        matches!(self.kind, ColumnKind::Text | ColumnKind::Other | ColumnKind::Json) && announces_secret(name)
    }

    /// When Django writes it by itself; judged by its name, its type and the lack of a default.
    #[must_use]
    pub fn maintained(&self, name: &str) -> Option<Maintained> {
        // A DateTimeField is this type, whatever USE_TZ says; auto_now is Python's, so the database has no default.
        if self.filled || self.kind != ColumnKind::Moment(Moment::Instant) {
            return None;
        }
        match name {
            _ if name.starts_with("created") => Some(Maintained::OnCreate),
            _ if name.starts_with("updated") || name.starts_with("modified") => Some(Maintained::OnSave),
            _ => None,
        }
    }

    /// Whether a new row gets an empty text: it may not be NULL, and what it is for is a secret, which no file can say.
    #[must_use]
    pub fn is_left_empty(&self, name: &str) -> bool {
        self.is_required() && self.kind == ColumnKind::Text && self.is_confidential(name)
    }

    /// Whether a new row needs a value for it from the file.
    #[must_use]
    pub fn must_be_given(&self, name: &str) -> bool {
        self.is_required() && self.maintained(name).is_none() && !self.is_left_empty(name)
    }

    /// Whether no row can be without a value that someone gives it.
    const fn is_required(&self) -> bool {
        self.not_null && !self.filled
    }
}

/// The columns of the project's own, by name.
pub type CustomColumns = BTreeMap<String, CustomColumn>;

/// A column that a new row needs a value for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfilled {
    pub name: String,
    /// What it can hold.
    pub kind: ColumnKind,
    /// What most rows have, in PostgreSQL's form.
    pub usual: Option<String>,
}

impl Unfilled {
    /// What most rows have, as a file can say it.
    #[must_use]
    pub fn usual(&self) -> Option<ColumnValue> {
        self.usual.as_deref().and_then(|text| self.kind.read(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: ColumnKind) -> CustomColumn {
        CustomColumn {
            kind,
            sql_type: String::new(),
            max_length: None,
            not_null: true,
            filled: false,
            generated: false,
            default: None,
            usual: None,
        }
    }

    #[test]
    fn names_that_announce_a_secret_count_for_what_can_hold_one() {
        assert!(column(ColumnKind::Text).is_confidential("Webhook_Secret"));
        assert!(column(ColumnKind::Json).is_confidential("api_token"));
        assert!(column(ColumnKind::Other).is_confidential("hmac_key"));
        assert!(!column(ColumnKind::Flag).is_confidential("secret_rotates"));
        assert!(!column(ColumnKind::Text).is_confidential("tokens_colour"));
    }

    #[test]
    fn django_keeps_up_timestamps_without_a_default() {
        let instant = column(ColumnKind::Moment(Moment::Instant));
        for (name, maintained) in [
            ("created", Some(Maintained::OnCreate)),
            ("created_at", Some(Maintained::OnCreate)),
            ("updated_at", Some(Maintained::OnSave)),
            ("modified", Some(Maintained::OnSave)),
            ("last_modified", None),
            ("expires", None),
        ] {
            assert_eq!(instant.maintained(name), maintained, "{name}");
            assert_eq!(instant.must_be_given(name), maintained.is_none(), "{name}");
        }
        assert_eq!(CustomColumn { filled: true, ..instant }.maintained("modified"), None);
        for kind in [ColumnKind::Text, ColumnKind::Integer(0, 9), ColumnKind::Moment(Moment::Date)] {
            assert_eq!(column(kind).maintained("modified"), None);
        }
    }

    #[test]
    fn only_text_can_be_left_empty() {
        assert!(column(ColumnKind::Text).is_left_empty("client_secret_plain"));
        assert!(!column(ColumnKind::Text).must_be_given("client_secret_plain"));
        assert!(column(ColumnKind::Text).must_be_given("logo"));
        assert!(!column(ColumnKind::Json).is_left_empty("api_token"));
        let nullable = CustomColumn { not_null: false, ..column(ColumnKind::Text) };
        assert!(!nullable.is_left_empty("client_secret_plain"));
    }
}

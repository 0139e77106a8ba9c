//! Applications as an inventory has them: a row with its owner, and what is known of its use.

use time::OffsetDateTime;

use super::actual::{Origin, Stored};
use super::application::{ClientId, Named};
use super::key::Key;

/// Which applications to look at. An empty list is no condition; conditions add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// These client ids, with any registration source.
    pub client_ids: Vec<String>,
    /// Client ids like one of these: `*` is any text, `?` any character.
    pub globs: Vec<String>,
    /// Owned by one of these: primary keys or names.
    pub users: Vec<String>,
    /// Of one of these client types.
    pub client_types: Vec<String>,
    /// With one of these grant types.
    pub grant_types: Vec<String>,
    /// Registered like this: `manual`, `dcr`, `cimd`. Empty: any.
    pub sources: Vec<String>,
}

/// Whose an application is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The primary key.
    pub key: Key,
    /// Whether there is such a user.
    pub exists: bool,
    /// The username; where the user model has none, the e-mail address.
    pub name: Option<Named>,
    /// Whether no other user has the name, so that it names this one.
    pub is_unique: bool,
}

/// Why owners are shown by their primary keys only.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nameless {
    #[error("owners are shown by primary key: this role may not read their names in {table}")]
    NoRight {
        table: String,
        /// What to type.
        grant: String,
    },
    #[error("owners are shown by primary key: {table} has neither a column username nor email")]
    NoColumn { table: String },
}

/// A row of the application table.
#[derive(Debug)]
pub struct Listed {
    pub stored: Stored,
    /// When it was made.
    pub created: Option<OffsetDateTime>,
    /// When DOT last saved it.
    pub updated: Option<OffsetDateTime>,
    /// Whose it is.
    pub owner: Option<Owner>,
}

/// What a table of applications shows of a row: a tenth of it, because there may be very many.
#[derive(Debug)]
pub struct Brief {
    pub client_id: ClientId,
    pub key: Key,
    pub name: Box<str>,
    pub client_type: Box<str>,
    pub authorization_grant_type: Box<str>,
    pub origin: Origin,
    /// The owner's name; without one, the primary key.
    pub owner: Option<Box<str>>,
    /// Whether the project has encrypted the client secret.
    pub has_foreign_secret: bool,
}

/// How much of a row is kept.
pub trait Kept: Sized {
    /// Keeps what is needed.
    fn keep(row: Listed) -> Self;
    fn client_id(&self) -> &ClientId;
    fn key(&self) -> &Key;
    fn client_type(&self) -> &str;
    fn authorization_grant_type(&self) -> &str;
    fn has_owner(&self) -> bool;
    /// Whether the project has encrypted the client secret.
    fn has_foreign_secret(&self) -> bool;
}

impl Kept for Listed {
    fn keep(row: Listed) -> Self {
        row
    }

    fn client_id(&self) -> &ClientId {
        &self.stored.client_id
    }

    fn key(&self) -> &Key {
        &self.stored.key
    }

    fn client_type(&self) -> &str {
        &self.stored.fields.client_type
    }

    fn authorization_grant_type(&self) -> &str {
        &self.stored.fields.authorization_grant_type
    }

    fn has_owner(&self) -> bool {
        self.owner.is_some()
    }

    fn has_foreign_secret(&self) -> bool {
        self.stored.fields.client_secret.foreign().is_some()
    }
}

impl Kept for Brief {
    fn keep(row: Listed) -> Self {
        let has_foreign_secret = row.has_foreign_secret();
        let Listed { stored: Stored { client_id, key, origin, fields, .. }, owner, .. } = row;
        let owner = owner.map(|owner| match owner.name {
            Some(named) => named.value.into(),
            None => owner.key.as_str().into(),
        });
        Self {
            client_id,
            key,
            name: fields.name.into(),
            client_type: fields.client_type.into(),
            authorization_grant_type: fields.authorization_grant_type.into(),
            origin,
            owner,
            has_foreign_secret,
        }
    }

    fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    fn key(&self) -> &Key {
        &self.key
    }

    fn client_type(&self) -> &str {
        &self.client_type
    }

    fn authorization_grant_type(&self) -> &str {
        &self.authorization_grant_type
    }

    fn has_owner(&self) -> bool {
        self.owner.is_some()
    }

    fn has_foreign_secret(&self) -> bool {
        self.has_foreign_secret
    }
}

/// Rows of a token table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All of them.
    pub total: u64,
    /// Those that a server still accepts: not expired, or, for refresh tokens, not revoked.
    pub live: u64,
    /// When the newest one was made or changed.
    pub last: Option<OffsetDateTime>,
}

impl Tokens {
    const NONE: Self = Self { total: 0, live: 0, last: None };
}

/// What an application is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub access: Tokens,
    pub refresh: Tokens,
}

impl Usage {
    /// That of an application without tokens.
    pub const NONE: Self = Self { access: Tokens::NONE, refresh: Tokens::NONE };

    /// When a token of either kind was last made or changed.
    #[must_use]
    pub fn last(&self) -> Option<OffsetDateTime> {
        self.access.last.max(self.refresh.last)
    }
}

/// A token, without the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentToken {
    /// Whether it is a refresh token; else an access token.
    pub is_refresh: bool,
    /// When it was made.
    pub created: OffsetDateTime,
    /// When an access token expires.
    pub expires: Option<OffsetDateTime>,
    /// When a refresh token was revoked.
    pub revoked: Option<OffsetDateTime>,
}

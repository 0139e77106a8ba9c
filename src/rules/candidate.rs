//! An application as the rules see it: what is known of its fields, from the model's defaults, a row or a file.

use std::collections::BTreeMap;
use std::slice;

use super::KeyType;
use crate::hasher::looks_hashed;
use crate::model::{Application, ClientId, Declaration, Field, Held, Kind, Provider, SecretDeclaration};

/// One application as DOT would see it when it saves the row. A rule that needs something which is not known is passed
/// over. Start from nothing, from DOT's defaults or from a row, and add what a file declares.
#[derive(Clone, Debug, Default)]
pub struct Candidate<'a> {
    /// The identifier, and whether another row has it.
    pub client_id: Option<ClientIdFacts<'a>>,
    /// The owner; `None` also where there is none.
    pub user: Option<Owner<'a>>,
    facts: BTreeMap<Field, Fact<'a>>,
}

/// What is known of one field.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    Text(&'a str),
    /// A list, element by element or as one text: it is split where DOT splits it.
    Uris(&'a [String]),
    Flag(bool),
    /// Its length, and whether it is a hash.
    Secret(SecretFacts),
}

/// A client id and what the database says of it.
#[derive(Clone, Copy, Debug)]
pub struct ClientIdFacts<'a> {
    pub text: &'a str,
    /// Whether another row has it.
    pub taken: bool,
}

/// A secret, as far as rules need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretFacts {
    /// In characters; of the plain text, where DOT is given that.
    pub length: usize,
    /// Whether Django's `identify_hasher` takes it for a hash.
    pub hashed: bool,
}

impl SecretFacts {
    /// A secret of this text.
    pub(crate) fn of(text: &str, hashed: bool) -> Self {
        Self { length: text.chars().count(), hashed }
    }

    /// A secret that will be made.
    fn made(provider: &Provider) -> Self {
        Self { length: usize::from(provider.client_secret_generator_length.get()), hashed: false }
    }
}

/// An owner that was named by its primary key.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// There is such a user.
    Found,
    /// There is none.
    Missing {
        /// The name of the user model's primary key.
        column: &'a str,
        key: KeyType,
        value: &'a str,
    },
    /// No key of any user.
    NotAKey {
        /// The type that it would have to have.
        key: KeyType,
        value: &'a str,
    },
}

impl<'a> Candidate<'a> {
    /// An application of which only the identifier is known.
    #[must_use]
    pub fn of(client_id: &'a ClientId) -> Self {
        let client_id = ClientIdFacts { text: client_id.as_str(), taken: false };
        Self { client_id: Some(client_id), ..Self::default() }
    }

    /// A row of which nothing is said: the model's defaults, without a client id (DOT generates one).
    #[must_use]
    pub fn new_in_dot(provider: &Provider) -> Self {
        let mut candidate = Self::default();
        for field in Field::ALL.iter().copied() {
            let fact = match field.kind() {
                Kind::Text => Fact::Text(""),
                Kind::Uris => Fact::Uris(&[]),
                Kind::Flag { default: Some(default) } => Fact::Flag(default),
                Kind::Secret => Fact::Secret(SecretFacts::made(provider)),
                Kind::Flag { default: None } | Kind::Owner => continue,
            };
            candidate.know(field, fact);
        }
        candidate
    }

    /// Puts a fact in the place of what was known.
    pub fn know(&mut self, field: Field, fact: Fact<'a>) {
        self.facts.insert(field, fact);
    }

    /// The same candidate without a field, or with nothing known of it.
    pub fn forget(&mut self, field: Field) {
        self.facts.remove(&field);
    }

    /// Adds what a row holds. Owners are not judged: they are there.
    pub fn hold(&mut self, field: Field, held: Held<'a>) {
        let fact = match held {
            Held::Text(text) => Fact::Text(text),
            Held::Uris(column) => Fact::Uris(slice::from_ref(column)),
            Held::Flag(flag) => Fact::Flag(flag),
            Held::Secret(secret) => Fact::Secret(SecretFacts::of(secret.expose(), secret.is_hashed())),
            Held::Owner(_) => return,
        };
        self.know(field, fact);
    }

    /// Adds what a file declares of one field. Only a database knows its users: see [`Candidate::user`].
    fn declare(&mut self, field: Field, declaration: Declaration<'a>, provider: &Provider) {
        let fact = match declaration {
            Declaration::Text(text) => Fact::Text(text),
            Declaration::Uris(uris) => Fact::Uris(uris),
            Declaration::Flag(flag) => Fact::Flag(flag),
            Declaration::Secret(SecretDeclaration::Plain(secret)) => {
                let text = secret.expose();
                Fact::Secret(SecretFacts::of(text, looks_hashed(text).is_err()))
            }
            Declaration::Secret(SecretDeclaration::Hash(hash)) => {
                Fact::Secret(SecretFacts::of(hash.as_str(), true))
            }
            // A row that is there keeps the secret that it has.
            Declaration::Secret(SecretDeclaration::Generate) if self.facts.contains_key(&field) => return,
            // Nothing is known of it, so no rule may judge the one that it replaces.
            Declaration::Secret(SecretDeclaration::Withheld) => return self.forget(field),
            Declaration::Secret(SecretDeclaration::Rotate | SecretDeclaration::Generate) => {
                Fact::Secret(SecretFacts::made(provider))
            }
            Declaration::Owner(_) => return,
        };
        self.know(field, fact);
    }

    /// Adds all that a file declares, of the fields that count.
    pub fn declare_all(
        &mut self,
        application: &'a Application,
        provider: &Provider,
        counts: impl Fn(Field) -> bool,
    ) {
        for field in Field::ALL.iter().copied().filter(|field| counts(*field)) {
            if let Some(declaration) = application.declared(field) {
                self.declare(field, declaration, provider);
            }
        }
    }

    pub(super) fn text(&self, field: Field) -> Option<&'a str> {
        if let Some(Fact::Text(text)) = self.facts.get(&field) { Some(text) } else { None }
    }

    pub(super) fn uris(&self, field: Field) -> Option<&'a [String]> {
        if let Some(Fact::Uris(uris)) = self.facts.get(&field) { Some(uris) } else { None }
    }

    pub(super) fn flag(&self, field: Field) -> Option<bool> {
        if let Some(Fact::Flag(flag)) = self.facts.get(&field) { Some(*flag) } else { None }
    }

    pub(super) fn secret(&self) -> Option<SecretFacts> {
        let Some(Fact::Secret(secret)) = self.facts.get(&Field::ClientSecret) else { return None };
        Some(*secret)
    }
}

//! One row as lines of the file.

use super::Wish;
use crate::config::edit::{Line, Written};
use crate::config::{Config, Problem, rule_problem};
use crate::hasher::{Algorithm, EncodedHash, StoredSecret};
use crate::model::{
    Attribute, ClientId, ColumnValue, CustomColumn, CustomColumns, Field, Held, Kind, Listed, Owner,
};
use crate::rules::{Candidate, Fact, Schema, SecretFacts, Subject, full_clean, split_list};

/// The lines of an application, in the order of [`Field::ALL`]. What the file may not hold is left out with a reason.
///
/// # Errors
/// Why no file can declare it.
pub fn describe(
    row: &Listed,
    custom: &CustomColumns,
    config: &Config,
    wish: Wish,
) -> Result<Vec<Line>, String> {
    let (client_id, provider) = (&row.stored.client_id, &config.provider);
    let mut lines: Vec<Line> =
        Field::ALL.iter().copied().filter_map(|field| line(row, field, wish)).collect();
    lines.extend(custom.iter().filter_map(|(name, column)| {
        self::column(row, name, column, config.default_columns.get(name), wish)
    }));
    // Fields that are left out take other rules with them, never bring new ones: this ends.
    loop {
        let found = full_clean(&candidate(client_id, &lines), provider, Schema::default());
        let Some(violation) = found.first() else { return Ok(lines) };
        let Problem { message, hint, .. } = rule_problem(violation, provider);
        let subject = violation.subject;
        let why = clause(&message, subject);
        let is_about = |line: &&mut Line| match (line, subject) {
            (Line::Field(Attribute::Field(field), _), Subject::Field(wrong)) => *field == wrong,
            _ => false,
        };
        let Some(line) = lines.iter_mut().find(is_about) else {
            return Err(message.trim_end_matches('.').to_owned());
        };
        if let Line::Field(field, value) = line {
            *line = Line::Omitted { field: field.clone(), value: Some(value.clone()), why, hint };
        }
    }
}

/// A sentence of DOT as part of a longer one, which names the field and ends with a full stop itself.
fn clause(sentence: &str, subject: Subject) -> String {
    let named = format!("`{subject}`: ");
    let clause = sentence.strip_prefix(&named).unwrap_or(sentence);
    clause.strip_suffix('.').unwrap_or(clause).to_owned()
}

/// What the file would say of one field; `None`: nothing.
fn line(row: &Listed, field: Field, wish: Wish) -> Option<Line> {
    let (value, is_default) = match row.stored.fields.held(field)? {
        Held::Text(text) => (Written::Text(text.clone()), text.is_empty()),
        Held::Uris(column) => {
            let uris = distinct(column);
            let is_default = uris.is_empty();
            (Written::Uris(uris), is_default)
        }
        Held::Flag(flag) => (Written::Flag(flag), field.kind() == Kind::Flag { default: Some(flag) }),
        Held::Secret(stored) => return wish.hashes.then(|| secret(stored)).flatten(),
        Held::Owner(_) => return row.owner.as_ref().map(owner),
    };
    (field.is_required() || wish.full || !is_default).then_some(Line::Field(field.into(), value))
}

/// What the file would say of a column of the project's own; `None`: nothing. `said`: what it says already for all.
fn column(
    row: &Listed,
    name: &str,
    column: &CustomColumn,
    said: Option<&ColumnValue>,
    wish: Wish,
) -> Option<Line> {
    let text = row.stored.fields.columns.get(name)?.as_deref();
    // Django's next save would make another value of it.
    if column.generated || column.maintained(name).is_some() {
        return None;
    }
    let field = Attribute::Column(name.to_owned());
    let omitted = |why: &str| {
        let (field, why) = (field.clone(), why.to_owned());
        Some(Line::Omitted { field, value: None, why, hint: None })
    };
    let Some(text) = text else {
        return said.and_then(|_| {
            omitted("it is NULL, which a file cannot say; [defaults.columns] has a value for it")
        });
    };
    if let Some(said) = said {
        if column.kind.accept(said).is_ok_and(|said| column.kind.same(&said, text))
            || column.kind.read(text).as_ref() == Some(said)
        {
            return None;
        }
    } else if !wish.full {
        // What PostgreSQL computes for each new row is nothing that a file should hold.
        let is_default = match &column.default {
            Some(default) => column.kind.same(default, text),
            None => column.filled,
        };
        if is_default {
            return None;
        }
    }
    match column.kind.read(text) {
        Some(value) => Some(Line::Field(field, Written::Column(value))),
        None => omitted("TOML cannot say what it holds"),
    }
}

/// The elements of a URI column, each once, in their order.
fn distinct(column: &str) -> Vec<String> {
    let mut uris: Vec<String> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    uris.extend(split_list(column).filter(|uri| seen.insert(*uri)).map(str::to_owned));
    uris
}

fn owner(owner: &Owner) -> Line {
    let Owner { key, exists, name, is_unique } = owner;
    let key = Written::UserKey(key.as_str().to_owned());
    if !exists {
        let why = "there is no such user".to_owned();
        return Line::Omitted { field: Field::User.into(), value: Some(key), why, hint: None };
    }
    let name = name.as_ref().filter(|name| *is_unique && !name.value.is_empty());
    Line::Field(Field::User.into(), name.map_or(key, |name| Written::User(name.clone())))
}

/// A hash that is safe to keep in a repository; `None`: there is no secret at all.
fn secret(stored: &StoredSecret) -> Option<Line> {
    if stored.expose().is_empty() {
        return None;
    }
    let omitted =
        |why: String| Line::Omitted { field: Field::ClientSecret.into(), value: None, why, hint: None };
    if let Some(cipher) = stored.foreign() {
        return Some(omitted(format!("it is foreign: the project has encrypted it ({})", cipher.name())));
    }
    if !stored.is_hashed() {
        return Some(omitted(
            "it is stored in clear, and a secret is never written into the file".to_owned(),
        ));
    }
    Some(match EncodedHash::parse(stored.expose()) {
        Ok(hash) if matches!(hash.algorithm(), Algorithm::Md5 | Algorithm::Sha1) => omitted(format!(
            "a {} hash is guessed too fast to be kept in a file; rotate the secret",
            hash.algorithm().name()
        )),
        Ok(hash) => Line::Field(Field::ClientSecret.into(), Written::Hash(hash)),
        Err(error) => omitted(error.to_string()),
    })
}

/// The lines as validation will read them. Owners are not judged.
fn candidate<'a>(client_id: &'a ClientId, lines: &'a [Line]) -> Candidate<'a> {
    let mut candidate = Candidate::of(client_id);
    for line in lines {
        let Line::Field(Attribute::Field(field), value) = line else { continue };
        let fact = match value {
            Written::Text(text) => Fact::Text(text),
            Written::Uris(uris) => Fact::Uris(uris),
            Written::Flag(flag) => Fact::Flag(*flag),
            Written::Hash(hash) => Fact::Secret(SecretFacts::of(hash.as_str(), true)),
            Written::User(_) | Written::UserKey(_) | Written::Column(_) => continue,
        };
        candidate.know(*field, fact);
    }
    candidate
}

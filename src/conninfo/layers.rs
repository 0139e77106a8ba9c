//! The connection string over the service file over the `PG*` variables: which value of each option counts.
//!
//! Values stay texts in a [`Secret`], because any of them may hold a password. An empty environment variable counts
//! as one that is not set, except where libpq makes it an error.

use std::collections::BTreeMap;

use super::error::{ConninfoError, Place};
use super::keywords::{self, KEYWORDS};
use super::pairs::{self, Pair};
use super::surroundings::Surroundings;
use super::{Given, Sources, service, uri};
use crate::secret::Secret;

/// A value and where it was written.
#[derive(Debug)]
pub struct Value {
    pub text: Secret,
    /// Where it was written.
    pub place: Place,
}

/// The value of each option that was given anywhere.
#[derive(Debug)]
pub struct Layers {
    values: BTreeMap<&'static str, Value>,
    /// The uppermost layer that says anything about which database it is.
    pub origin: Place,
}

impl Layers {
    /// The value, unless it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|value| !value.text.expose().is_empty())
    }

    /// The text, unless it is missing or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|value| value.text.expose())
    }

    /// The value, which may be empty.
    pub fn get_even_empty(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    fn set(&mut self, name: &'static str, text: String, place: &Place) {
        self.values.insert(name, Value { text: Secret::new(text), place: place.clone() });
    }
}

/// Options that say which database it is, as opposed to how to talk to it.
const LOCATING: [&str; 5] = ["host", "hostaddr", "port", "dbname", "user"];

/// Reads all layers.
pub fn collect(sources: &Sources<'_>, around: &dyn Surroundings) -> Result<Layers, ConninfoError> {
    let mut layers = Layers { values: BTreeMap::new(), origin: Place::Default };
    let variable = around.var("DATABASE_URL");
    let from_environment = variable.as_deref().map(|text| Given { label: "DATABASE_URL", text });
    let candidates = [sources.command_line, from_environment, sources.file];
    if let Some(given) = candidates.into_iter().flatten().find(|given| !given.text.trim().is_empty()) {
        connection_string(given, &mut layers)?;
        layers.origin = Place::Text(given.label.to_owned());
    }
    service_file(&mut layers, around)?;
    environment(&mut layers, around)?;
    Ok(layers)
}

fn connection_string(given: Given<'_>, layers: &mut Layers) -> Result<(), ConninfoError> {
    let place = Place::Text(given.label.to_owned());
    // A URL often comes out of a file with its line end.
    let text = given.text.trim();
    let parsed = if uri::recognised(text) {
        uri::parse(text)
    } else if let Some((scheme, _)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) {
        Err(format!("it starts with {scheme}:// instead of postgres:// or postgresql://"))
    } else {
        pairs::parse(text)
    };
    let pairs = parsed.map_err(|what| ConninfoError::Syntax { place: place.clone(), what })?;
    for Pair { keyword, value, blurred } in pairs {
        let (keyword, value) = modern(keyword, value);
        let Some(known) = keywords::find(&keyword) else {
            return Err(keywords::unknown(&keyword, &place, blurred));
        };
        known.check(&value, &place)?;
        layers.set(known.name, value, &place);
    }
    Ok(())
}

fn is_scheme(text: &str) -> bool {
    text.len() <= 30 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// `requiressl` is what `sslmode` was called before PostgreSQL 8.0.
fn modern(keyword: String, value: String) -> (String, String) {
    if keyword == "requiressl" {
        let mode = if value.starts_with('1') { "require" } else { "prefer" };
        return ("sslmode".to_owned(), mode.to_owned());
    }
    (keyword, value)
}

fn service_file(layers: &mut Layers, around: &dyn Surroundings) -> Result<(), ConninfoError> {
    let variable = |name| around.var(name).filter(|value| !value.is_empty());
    let (name, asked_in) = match layers.get("service") {
        Some(value) => (value.text.expose().to_owned(), value.place.clone()),
        None => match variable("PGSERVICE") {
            Some(name) => (name, Place::Variable("PGSERVICE")),
            None => return Ok(()),
        },
    };
    let file = layers.text("servicefile").map(str::to_owned).or_else(|| variable("PGSERVICEFILE"));
    let (file, lines) = service::find(&name, &asked_in, file.as_deref(), around)?;
    let place = Place::Service { name, file };
    for (option, text) in lines {
        let known = keywords::find(&option).ok_or_else(|| keywords::unknown(&option, &place, false))?;
        known.check(&text, &place)?;
        // As in libpq, the first value of the section counts.
        if !layers.values.contains_key(known.name) {
            layers.set(known.name, text, &place);
        }
    }
    if layers.origin == Place::Default {
        layers.origin = place;
    }
    Ok(())
}

fn environment(layers: &mut Layers, around: &dyn Surroundings) -> Result<(), ConninfoError> {
    for keyword in KEYWORDS {
        let Some(variable) = keyword.variable else { continue };
        if layers.values.contains_key(keyword.name) {
            continue;
        }
        let Some(text) = around.var(variable) else { continue };
        let place = Place::Variable(variable);
        keyword.check(&text, &place)?;
        if layers.origin == Place::Default && LOCATING.contains(&keyword.name) && !text.is_empty() {
            layers.origin = place.clone();
        }
        layers.set(keyword.name, text, &place);
    }
    // The variable that sslmode's replaced.
    if !layers.values.contains_key("sslmode")
        && around.var("PGREQUIRESSL").is_some_and(|value| value.starts_with('1'))
    {
        layers.set("sslmode", "require".to_owned(), &Place::Variable("PGREQUIRESSL"));
    }
    Ok(())
}

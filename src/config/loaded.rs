//! Text → what it wants: all at once, or a large file piece by piece.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use super::document::{Document, Part};
use super::pieces::Pieces;
use super::problem::{Problems, Span};
use super::reader::{self, Notes};
use super::required_version;
use super::resolve::{self, Context, Resolved};
use super::surroundings::{Presence, Surroundings};
use super::syntax::{self, Parsed};
use super::variables::Variables;

/// What a text wants, and what is wrong with it.
pub(super) struct Loaded {
    pub resolved: Resolved,
    /// What no one may see of the text.
    pub hidden: Vec<Span>,
    pub problems: Problems,
    /// The files that it refers to.
    pub files: Vec<PathBuf>,
    /// The variables that it uses, with their values.
    pub variables: BTreeMap<String, String>,
    /// The environment variables that it refers to.
    pub environment: BTreeSet<String>,
}

/// Reads the whole text. The error: why it makes no sense.
pub(super) fn whole(
    text: &str,
    path: &Path,
    surroundings: Surroundings<'_>,
    presence: Presence,
) -> Result<Loaded, Problems> {
    let mut problems = Problems::default();
    let Some(Parsed { document, hidden }) = syntax::parse(text, &mut problems) else { return Err(problems) };
    if let Some(problem) = required_version::unmet(&document, env!("CARGO_PKG_VERSION")) {
        let mut only = Problems::default();
        only.push(problem);
        return Err(only);
    }
    let (problems, files, environment) = (RefCell::new(problems), RefCell::default(), RefCell::default());
    let variables = Variables::new(surroundings);
    let notes = Notes { problems: &problems, offset: 0, variables: Some(&variables) };
    let read: Document = reader::read(&document, notes);
    drop(document);
    let context = Context {
        problems: &problems,
        files: &files,
        environment: &environment,
        surroundings,
        presence,
        directory: path.parent().unwrap_or(Path::new("")),
    };
    let resolved = resolve::resolve(read, &mut |_| Some(()), &context);
    let (problems, files) = (problems.into_inner(), files.into_inner());
    let environment = environment.into_inner();
    match resolved {
        Some(resolved) => {
            let variables = variables.into_used();
            Ok(Loaded { resolved, hidden, problems, files, variables, environment })
        }
        None => Err(problems),
    }
}

/// Reads the pieces of a text, one after the other. `None`: they are not sound, and perhaps neither is the text.
pub(super) fn in_pieces(
    text: &str,
    pieces: Pieces,
    path: &Path,
    surroundings: Surroundings<'_>,
    presence: Presence,
) -> Option<Loaded> {
    let Pieces { settings, applications } = pieces;
    let (problems, files, environment) = (RefCell::default(), RefCell::default(), RefCell::default());
    let variables = Variables::new(surroundings);
    let Parsed { document, mut hidden } = syntax::parse_sound(&settings)?;
    // An application that no header begins, or a file for another version.
    if document.get_ref().get("applications").is_some()
        || required_version::unmet(&document, env!("CARGO_PKG_VERSION")).is_some()
    {
        return None;
    }
    let notes = Notes { problems: &problems, offset: 0, variables: Some(&variables) };
    let read: Document = reader::read(&document, notes);
    drop(document);
    drop(settings);
    let context = Context {
        problems: &problems,
        files: &files,
        environment: &environment,
        surroundings,
        presence,
        directory: path.parent().unwrap_or(Path::new("")),
    };
    let mut known = BTreeSet::new();
    let more: resolve::More<'_> = &mut |add| {
        for piece in &applications {
            let parsed = syntax::parse_sound(text.get(piece.clone())?)?;
            let notes = Notes { offset: piece.start, ..notes };
            hidden.extend(parsed.hidden.into_iter().map(|span| notes.place(span)));
            let Part { applications } = reader::read(&parsed.document, notes);
            let names = parsed.document.get_ref().get("applications")?.get_ref().as_table()?;
            // An application in two pieces. Two names with one digest are read as if they were one.
            if names.keys().any(|name| !known.insert(digest(name.get_ref()))) {
                return None;
            }
            add(applications);
        }
        Some(())
    };
    let resolved = resolve::resolve(read, more, &context)?;
    let (problems, files, environment) =
        (problems.into_inner(), files.into_inner(), environment.into_inner());
    Some(Loaded { resolved, hidden, problems, files, variables: variables.into_used(), environment })
}

fn digest(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

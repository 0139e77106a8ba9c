//! What the file, and `--reference`, say of the project's own references: laid over the tables, or wrong at its line.

use super::connected::Connected;
use super::reporting;
use super::session::Session;
use crate::config::{Config, PlaceOf, Problem, Problems, closest};
use crate::db::error::DbError;
use crate::error::Error;
use crate::model::visible::visible;
use crate::model::{ReferenceFault, ReferenceName, ReferenceRule, References};

/// Reads `TABLE.COLUMN=RULE`.
pub fn parse(text: &str) -> Result<(ReferenceName, ReferenceRule), String> {
    const FORM: &str = "write TABLE.COLUMN=null, =delete or =refuse";
    let (name, rule) = text.rsplit_once('=').ok_or(FORM)?;
    Ok((ReferenceName::new(name).ok_or(FORM)?, rule.parse().map_err(|_| FORM)?))
}

/// Lays what is declared over the layout. `flags` are those of `--reference`, and win.
pub async fn declare(
    session: &mut Session,
    connected: &mut Connected,
    config: &Config,
    flags: &[(ReferenceName, ReferenceRule)],
) -> Result<(), Error> {
    let mut declared: References = config.references.clone();
    declared.extend(flags.iter().cloned());
    if declared.is_empty() {
        return Ok(());
    }
    let client = connected.database.get().await?;
    let faults = connected.layout.declare(&**client, &declared).await;
    let faults = faults.map_err(DbError::during("looking for the references that are declared"))?;
    if faults.is_empty() {
        return Ok(());
    }
    let is_flag = |name: &ReferenceName| flags.iter().any(|(flag, _)| flag == name);
    let (by_flag, in_file): (Vec<_>, Vec<_>) = faults.into_iter().partition(|(name, _)| is_flag(name));
    if in_file.is_empty() {
        return Err(refuse_flags(session, &by_flag));
    }
    Err(refuse(session, config, &in_file))
}

/// The same of flags, about which the file knows nothing.
fn refuse_flags(session: &Session, faults: &[(ReferenceName, ReferenceFault)]) -> Error {
    let said: Vec<String> = faults.iter().map(|(name, fault)| said(name, fault)).collect();
    let error = Error::usage(format!("--reference {}{}", said.join("; "), session.verb.unchanged()));
    let hints = faults.iter().filter_map(|(name, fault)| hint(name, fault));
    hints.map(|hint| visible(&hint)).fold(error, Error::hint)
}

fn said(name: &ReferenceName, fault: &ReferenceFault) -> String {
    format!("{}: {}", visible(name.as_str()), visible(&fault.to_string()))
}

/// Shows what does not fit this database, at the lines that say it.
pub fn refuse(session: &mut Session, config: &Config, faults: &[(ReferenceName, ReferenceFault)]) -> Error {
    let mut problems = Problems::default();
    for (name, fault) in faults {
        let problem = Problem::error("database", said(name, fault));
        let problem = problem.at(config.place(PlaceOf::Reference(name)));
        problems.push(match hint(name, fault) {
            Some(hint) => problem.hint(visible(&hint)),
            None => problem,
        });
    }
    reporting::problems(session, &config.source, &problems);
    let count = crate::ui::plan::plural(problems.error_count(), "problem");
    let unchanged = session.verb.unchanged();
    Error::usage(format!("this database does not have the references as declared: {count}{unchanged}"))
}

fn hint(name: &ReferenceName, fault: &ReferenceFault) -> Option<String> {
    let meant = |wanted: &str, known: &[String], what: &str| match closest(
        wanted,
        known.iter().map(String::as_str),
    ) {
        Some(meant) => Some(format!("did you mean `{meant}`?")),
        None if known.is_empty() => None,
        None => Some(format!("{what} {}", known.join(", "))),
    };
    match fault {
        ReferenceFault::NoSuchTable { known, .. } => {
            meant(name.as_str(), known, "these refer to what is deleted:")
                .or_else(|| Some("leave it out".to_owned()))
        }
        ReferenceFault::NoSuchColumn { column, known, .. } => meant(column, known, "it has"),
        ReferenceFault::Elsewhere { known } => {
            meant(name.as_str(), known, "these do:").or_else(|| Some("leave it out".to_owned()))
        }
        ReferenceFault::Own { .. } => Some("leave it out".to_owned()),
        ReferenceFault::Twice { .. } => Some("leave one of them out".to_owned()),
        ReferenceFault::NotNull => {
            Some("write \"delete\" if Django's on_delete is CASCADE, or \"refuse\"".to_owned())
        }
        ReferenceFault::Composite { .. } => Some("write \"refuse\", or leave it out".to_owned()),
        ReferenceFault::Circle { .. } => {
            Some("write \"refuse\" for one of them, or \"null\" if its column takes it".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_a_column_and_a_rule() {
        let parsed = parse("site.device.token_id=null").unwrap();
        assert_eq!((parsed.0.as_str(), parsed.1), ("site.device.token_id", ReferenceRule::Null));
        for text in ["", "a.b", "a=null", "a.b=", "a.b=Null", "a.b=cascade", "=null", ".b=null"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

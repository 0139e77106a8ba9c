//! Applications that registered themselves by something else than DOT's own view.

use super::{Check, Finding};
use crate::model::health::{Registration, Registrations};
use crate::model::words::{grouped, listed};

/// Marks of the file that are wrong, what they find, and columns that the file does not name.
pub(super) fn check(registrations: &Registrations) -> Vec<Finding> {
    let Registrations { wrong, found } = registrations;
    let (declared, others): (Vec<&Registration>, Vec<&Registration>) =
        found.iter().partition(|registration| registration.declared);
    let mut findings: Vec<Finding> = wrong
        .iter()
        .map(|why| {
            Check::Registration
                .problem(format!("{why}."))
                .meaning("Every verb that reads applications ends at that line of the file.")
        })
        .collect();
    if !declared.is_empty() {
        let found =
            format!("As [policy] dynamic says, applications registered themselves: {}.", counts(&declared));
        findings.push(Check::Registration.ok(found));
    }
    if !others.is_empty() {
        findings.push(unknown(&others));
    }
    findings
}

fn unknown(found: &[&Registration]) -> Finding {
    let finding = Check::Registration
        .note(format!(
            "Applications seem to have registered themselves, and DOT does not note it: {}.",
            counts(found)
        ))
        .meaning(
            "oauthctl takes them for applications that people made: `import --all` imports them, and prune = \"all\" deletes \
             them. Say it in oauth.toml, or where DOT looks (registration_source).",
        )
        .toml(setting(found));
    found.iter().filter_map(|registration| registration.backfill.clone()).fold(finding, Finding::sql)
}

fn counts(found: &[&Registration]) -> String {
    let each: Vec<String> = found
        .iter()
        .map(|Registration { column, applications, .. }| format!("{} by {column}", grouped(*applications)))
        .collect();
    listed(&each)
}

/// The block of the file. These columns are flags.
fn setting(found: &[&Registration]) -> String {
    let items: Vec<String> = found
        .iter()
        .map(|registration| {
            let column = toml_edit::Value::from(registration.column.as_str());
            format!("{{ column = {}, value = true }}", column.to_string().trim())
        })
        .collect();
    match items.as_slice() {
        [one] => format!("[policy]\ndynamic = {one}"),
        several => format!("[policy]\ndynamic = [{}]", several.join(", ")),
    }
}

//! What a database cannot give or would refuse, as problems at the lines of the file that asked for it.
//!
//! Pure: finds places and words. Shows nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::edit::{column_lines, columns_table};
use crate::config::{self, Config, PlaceOf, Problem, Problems, Severity};
use crate::db::ledger;
use crate::lint;
use crate::model::printable::printable;
use crate::model::shell_word;
use crate::model::visible::visible;
use crate::model::words::plural;
use crate::model::{
    Actual, Attribute, Breach, ClientId, ColumnOwner, Field, Named, Rule, SecretDeclaration, Tried, Twin,
    UserRef, column_owner,
};
use crate::plan::{Finding, FindingCause, Plan};
use crate::rules::{Reason, Violation};

/// The findings in the order of the planner. `owner`: what the ledger calls the file.
pub(super) fn problems(config: &Config, findings: &[Finding], owner: &str) -> Problems {
    let mut found: Vec<Problem> = Vec::new();
    // What [defaults] says wrong is said once: its position, and how many applications have it.
    let mut of_defaults: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for finding in findings {
        let mut problem = problem(config, finding, owner);
        problem.span = config.place(place(finding));
        let Finding { client_id, field, cause } = finding;
        if let Some(attribute) = field.as_ref().filter(|field| config.inherits(client_id, field)) {
            let said = format!("{attribute}: {cause}");
            let (_, count) = of_defaults.entry(said).or_insert((found.len(), 0));
            *count += 1;
            if *count > 1 {
                continue;
            }
            problem.message = format!("application \"{client_id}\", {attribute} of [defaults]: {cause}");
            let header = config.place(PlaceOf::Application(client_id));
            problem.related =
                header.map(|span| config::Mark { span, label: "the application that has it".to_owned() });
        }
        found.push(problem);
    }
    for (position, count) in of_defaults.into_values().filter(|(_, count)| *count > 1) {
        if let Some(problem) = found.get_mut(position) {
            let others = plural(count - 1, "other application");
            problem.message = format!("{} (and for {others})", problem.message);
        }
    }
    let mut problems = Problems::default();
    for problem in found {
        problems.push(problem);
    }
    problems
}

/// Advice on declared columns that Django maintains: what is written there does not stay. Once for each line.
pub(super) fn maintained(config: &Config, columns: &[(ClientId, String)]) -> Problems {
    let (mut problems, mut of_defaults) = (Problems::default(), BTreeSet::new());
    for (client_id, name) in columns {
        let attribute = Attribute::Column(name.clone());
        let is_inherited = config.inherits(client_id, &attribute);
        if is_inherited && !of_defaults.insert(name) {
            continue;
        }
        let whose =
            if is_inherited { "defaults.".to_owned() } else { format!("application \"{client_id}\", ") };
        let message = format!(
            "{whose}{attribute}: Django maintains this timestamp, so what is written here counts for a new row only"
        );
        let problem = Problem::warning("maintained-column", message);
        let problem = problem.hint("delete the line: a new row gets the time at which it is made");
        problems.push(problem.at(config.place(PlaceOf::Key(client_id, attribute))));
    }
    problems
}

/// The same as warnings.
pub(super) fn doubts(config: &Config, findings: &[Finding], owner: &str) -> Problems {
    let mut problems = Problems::default();
    for finding in findings {
        let problem = problem(config, finding, owner).at(config.place(place(finding)));
        problems.push(Problem { severity: Severity::Warning, ..problem });
    }
    problems
}

/// A warning for each declared secret that is left alone because the project has encrypted the stored one.
pub(super) fn foreign(config: &Config, plan: &Plan) -> Problems {
    let mut problems = Problems::default();
    for client_id in &plan.foreign {
        let message = format!(
            "application \"{client_id}\": the stored secret is foreign, so it is neither compared nor replaced, and \
             hash_client_secret stays as it is: the project has encrypted it"
        );
        let hint =
            "leave client_secret and hash_client_secret to the project, which has the key: delete them here";
        let problem = Problem::warning("foreign-secret", message).hint(hint);
        let secret = Attribute::from(Field::ClientSecret);
        let is_written = config.declares(client_id, &secret);
        let field = if is_written { secret } else { Field::HashClientSecret.into() };
        problems.push(problem.at(config.place(PlaceOf::Key(client_id, field))));
    }
    problems
}

/// Advice on the rows of declared applications. It is read before the plan, which may change some of them.
pub(super) fn advice(config: &Config, actual: &Actual) -> Problems {
    let mut problems = Problems::default();
    for (client_id, declared) in &config.desired.applications {
        let former = config.desired.renamed.iter().find(|(_, to)| *to == client_id).map(|(from, _)| from);
        let row = actual.applications.get(client_id).or_else(|| actual.applications.get(former?));
        let Some(row) = row else { continue };
        let advice = lint::advise_on_row(declared, &row.fields);
        if let Some(problem) = advice.and_then(|advice| config.lint.of_row(client_id, advice)) {
            problems.push(problem.at(config.place(PlaceOf::ClientId(client_id))));
        }
    }
    problems
}

fn place(finding: &Finding) -> PlaceOf<'_> {
    let Finding { client_id, field, cause } = finding;
    match (field, cause) {
        (_, FindingCause::RenameCollision { .. }) => PlaceOf::Renamed(client_id),
        (Some(Attribute::Field(field)), FindingCause::Rule(Violation { index: Some(index), .. })) => {
            PlaceOf::Item(client_id, *field, *index)
        }
        (
            Some(attribute),
            FindingCause::NoSuchColumn(_)
            | FindingCause::NoSuchCustomColumn { .. }
            | FindingCause::GeneratedColumn
            | FindingCause::ConfidentialColumn,
        ) => PlaceOf::Key(client_id, attribute.clone()),
        (Some(attribute), _) => PlaceOf::Value(client_id, attribute.clone()),
        (None, _) => PlaceOf::ClientId(client_id),
    }
}

fn problem(config: &Config, finding: &Finding, owner: &str) -> Problem {
    let Finding { client_id, field, cause } = finding;
    let message = match field {
        Some(field) => format!("application \"{client_id}\", {field}: {cause}"),
        None => format!("application \"{client_id}\": {cause}"),
    };
    let problem = Problem::error("database", message);
    match cause {
        FindingCause::Rule(violation) => {
            let problem = config::rule_problem(violation, &config.provider);
            match signing_hash(config, client_id, violation) {
                Some(way_out) => problem.hint(way_out),
                None => problem,
            }
        }
        FindingCause::OwnedByAnother { owner: other, table } => problem.hint(format!(
            "if that is this file under another name, say so once: {}",
            printable(&ledger::hand_over(other, owner, table))
        )),
        FindingCause::UnfilledColumns { columns, undeclarable } if undeclarable.is_empty() => {
            let block =
                config.desired.applications.get(client_id).map_or("", |declared| declared.block.as_str());
            problem.hint(format!(
                "give them a value, for example\n{}\n{}",
                columns_table(block),
                column_lines(columns)
            ))
        }
        FindingCause::UnfilledColumns { .. }
        | FindingCause::NoSuchCustomColumn { .. }
        | FindingCause::GeneratedColumn
        | FindingCause::ConfidentialColumn => match of_a_column(field.as_ref(), cause) {
            Some(hint) => problem.hint(hint),
            None => problem,
        },
        FindingCause::NoSuchColumn(_) => {
            problem.hint("leave it out, or upgrade Django OAuth Toolkit and run `manage.py migrate` first")
        }
        FindingCause::UnknownGrantType { .. } => problem.hint(
            "choose another grant type, or upgrade Django OAuth Toolkit and run `manage.py migrate` first",
        ),
        FindingCause::NoSuchUser(UserRef::Named(named)) => {
            let is_email = named.column == Named::EMAIL;
            let case = if is_email { "; small and capital letters differ" } else { "" };
            let create = "create the user in Django first, name another one, or leave `user` out";
            problem.hint(format!("{create}{case}"))
        }
        FindingCause::AmbiguousUser { .. } => {
            problem.hint("write the primary key of the one that is meant: for example `user = \"1\"`")
        }
        FindingCause::NoSuchUser(UserRef::Key(_)) => {
            problem.hint("`user` is a primary key; write { username = \"NAME\" } for a name, or leave it out")
        }
        FindingCause::NoUserColumn { column, known, .. } => problem.hint(other_name(column, known)),
        FindingCause::NoSuchKey { table, .. } => problem.hint(format!(
            "`user` is a primary key of {table}; write one that is there, or leave `user` out"
        )),
        FindingCause::Required(field) => problem.hint(format!("write for example {}", example(*field))),
        FindingCause::RenameCollision { .. } => problem
            .hint("if it has been renamed already, delete this table; else remove one of the two first"),
        FindingCause::Breaks(breach) => problem.hint(way_out(breach)),
        FindingCause::Refused(_) => problem.hint(OWN_CONSTRAINT),
        // The message says what the column takes.
        FindingCause::TooLong { .. }
        | FindingCause::Misfit { .. }
        | FindingCause::ColumnRefuses { .. }
        | FindingCause::ColumnAlters { .. } => problem,
    }
}

/// What to do about a column that cannot have the value that the file or a flag gives it, or none.
pub(super) fn of_a_column(attribute: Option<&Attribute>, cause: &FindingCause) -> Option<String> {
    match cause {
        FindingCause::NoSuchCustomColumn { known } => Some(other_column(attribute, known)),
        FindingCause::GeneratedColumn => Some("leave it out".to_owned()),
        FindingCause::UnfilledColumns { columns: _, undeclarable } => Some(format!(
            "give {} a default in the database, or create the application with Django",
            visible(&undeclarable.join(", "))
        )),
        FindingCause::ConfidentialColumn => Some(format!(
            "leave {} to the project; text that may not be NULL is left empty in a new row",
            visible(attribute.map_or("it", Attribute::column))
        )),
        _ => None,
    }
}

/// The way from a stored hash to a key that can sign, where the file has everything else: the hash is in the row.
fn signing_hash(config: &Config, client_id: &ClientId, violation: &Violation) -> Option<String> {
    let Violation { subject, reason, index: _ } = violation;
    let key = match reason {
        Reason::Hs256NeedsPlainSecret => Field::Algorithm,
        Reason::SecretJwtNeedsPlainSecret => Field::TokenEndpointAuthMethod,
        _ => return None,
    };
    if subject.field() != Some(Field::ClientSecret) {
        return None;
    }
    let application = &config.desired.applications.get(client_id)?.application;
    match &application.client_secret {
        // The file's own text or hash is at fault, not the row.
        Some(SecretDeclaration::Plain(_) | SecretDeclaration::Withheld | SecretDeclaration::Hash(_)) => None,
        Some(SecretDeclaration::Generate | SecretDeclaration::Rotate) | None => Some(format!(
            "the secret that is stored is a hash and cannot be read back: declare the secret with {{ env = \"NAME\" }} or \
             {{ file = \"PATH\" }}; or leave `{key}` out, apply with hash_client_secret = false, run \
             `oauthctl rotate-secret {client_id}`, and then put `{key}` back"
        )),
    }
}

const OWN_CONSTRAINT: &str =
    "the constraint is the project's own: `\\d+ TABLE` in psql shows it; change the file or the constraint";

/// What to type where a constraint would be broken.
pub(super) fn way_out(breach: &Breach) -> String {
    let shown = breach.columns.iter().filter(|(_, value)| *value != Tried::Hidden);
    let keys: Vec<String> =
        shown.filter_map(|(column, _)| key(column)).map(|key| format!("`{key}`")).collect();
    match (&breach.rule, keys.is_empty()) {
        (Rule::Unique(Twin::Later(other)), _) => format!("first `{}`, then the rest", apply_only(other)),
        (Rule::Unique(Twin::InCircle { has: _, circle }), _) => out_of_circle(circle, &keys),
        (Rule::Reference { select, .. }, _) => {
            format!("insert that row first, or write one that exists: `{select}` in psql")
        }
        (_, true) => OWN_CONSTRAINT.to_owned(),
        (Rule::NotNull, false) => format!("write {}", keys.join(" or ")),
        (Rule::Unique(_), false) => format!("write another value for {}", keys.join(" or ")),
        (Rule::Check(_) | Rule::Domain(_) | Rule::Fails(_), false) => {
            format!("write a value that it allows for {}", keys.join(" or "))
        }
    }
}

fn apply_only(client_id: &ClientId) -> String {
    format!("oauthctl apply --target {}", shell_word(client_id.as_str()))
}

/// Applications that give each other their values: the first one gets another value meanwhile.
fn out_of_circle(circle: &[ClientId], keys: &[String]) -> String {
    let Some((first, others)) = circle.split_first() else { return String::new() };
    let keys = if keys.is_empty() { "the column".to_owned() } else { keys.join(" or ") };
    let each: Vec<String> = others.iter().rev().map(|other| format!("`{}`", apply_only(other))).collect();
    format!(
        "they cannot all be written at once: (1) in [applications.{name}], write a temporary value for {keys} and run \
         `{only}`; (2) write the wanted value again and run {}, then `oauthctl apply`",
        each.join(", then "),
        name = visible(first.as_str()),
        only = apply_only(first),
    )
}

/// What the file calls a column; `None`: no file can give it a value.
fn key(column: &str) -> Option<String> {
    match column_owner(column) {
        ColumnOwner::Dot(key) => key.map(str::to_owned),
        ColumnOwner::Project => Some(format!("columns.{column}")),
    }
}

/// A line for a field without which no application can be created.
const fn example(field: Field) -> &'static str {
    match field {
        Field::ClientType => "client_type = \"confidential\"",
        _ => "authorization_grant_type = \"authorization-code\"",
    }
}

/// Another column that users can be found by.
fn other_name(column: &str, known: &BTreeSet<String>) -> String {
    const KEY: &str = "the primary key of the user: for example `user = \"1\"`";
    match config::closest(column, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{}`?", visible(meant)),
        None if known.contains(Named::EMAIL) => format!("write {{ email = \"…\" }}, or {KEY}"),
        None => format!("write {KEY}"),
    }
}

/// The column that was meant, or those that there are.
fn other_column(attribute: Option<&Attribute>, known: &[String]) -> String {
    let name = attribute.map_or("", Attribute::column);
    match config::closest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{}`?", visible(meant)),
        None if known.is_empty() => {
            "the table has DOT's columns only; [database.tables] names the table of a swapped model"
                .to_owned()
        }
        None => format!("it has {}", visible(&known.join(", "))),
    }
}

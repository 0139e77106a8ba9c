//! The steps of a plan in a page, and who depends on the applications that they change.

use super::fields::{changes, settings, whole};
use crate::model::{Dependents, ForeignRows};
use crate::plan::{DeleteReason, Plan, Step};
use crate::ui::html::{Column, code, number, paragraph, plain, table, text};
use crate::ui::plan::{dies_with, in_use, plural};

/// What happens to an application, as the counts of a plan tell it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Delete,
    Create,
    Update,
    Rename,
    Adopt,
}

impl Action {
    pub(super) const ALL: [Self; 5] = [Self::Delete, Self::Create, Self::Update, Self::Rename, Self::Adopt];

    pub(super) fn of(step: &Step) -> Self {
        match step {
            Step::Update { row, client_id, .. } if row.client_id != *client_id => Self::Rename,
            Step::Update { .. } => Self::Update,
            Step::Create { .. } => Self::Create,
            Step::Adopt { .. } => Self::Adopt,
            Step::Delete { .. } => Self::Delete,
        }
    }

    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Create => "create",
            Self::Update => "update",
            Self::Rename => "rename",
            Self::Adopt => "adopt",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Delete | Self::Create | Self::Update | Self::Rename => self.key(),
            Self::Adopt => "record in the ledger",
        }
    }

    /// Before the action, for those who see no colour.
    const fn sign(self) -> &'static str {
        match self {
            Self::Delete => "−",
            Self::Create => "+",
            Self::Update => "~",
            Self::Rename | Self::Adopt => "=",
        }
    }
}

/// In the order in which they will be made.
pub(super) fn steps(plan: &Plan) -> String {
    (1..).zip(&plan.steps).map(|(place, step)| article(plan, step, place)).collect()
}

fn article(plan: &Plan, step: &Step, place: usize) -> String {
    let action = Action::of(step);
    let (key, title, sign) = (action.key(), action.title(), action.sign());
    let breaks = step.may_break_clients();
    let data = if breaks { " data-breaks" } else { "" };
    // Of an update, the line that breaks says so itself.
    let says = breaks && !matches!(step, Step::Update { row, client_id, .. } if row.client_id == *client_id);
    let mark = if says { " <span class=\"breaks\">! may break clients</span>" } else { "" };
    let name = code(step.client_id().as_str());
    let row = step.row().map(|row| format!(" <small class=\"quiet\">id {}</small>", code(row.key.as_str())));
    format!(
        "<article class=\"step {key}\" id=\"step-{place}\" data-action=\"{key}\"{data}>\n\
         <h3><span>{sign} {title}</span> {name}{}{mark}</h3>\n{}</article>\n",
        row.unwrap_or_default(),
        details(plan, step)
    )
}

fn details(plan: &Plan, step: &Step) -> String {
    let (before, after) = plan.rows_of(step);
    match step {
        Step::Create { client_id: _, fields } => settings(fields),
        Step::Update { row, client_id, changes: fields, unchanged, dependents } => {
            let renamed = if row.client_id == *client_id {
                String::new()
            } else {
                format!("<p>Renamed from {}.</p>\n", code(row.client_id.as_str()))
            };
            let used = dependents.as_ref().map(|dependents| sentence(&in_use(dependents)));
            let same = plural(*unchanged as u64, "managed field");
            let kept = if *unchanged > 0 { format!("{same} unchanged.") } else { String::new() };
            let after = after.map(|row| whole(&row, "The application after the change"));
            renamed
                + &changes(fields)
                + &used.unwrap_or_default()
                + &quiet(&kept)
                + &after.unwrap_or_default()
        }
        Step::Adopt { row: _ } => {
            paragraph("It exists already; the ledger will record that this file manages it.")
        }
        Step::Delete { row: _, name, reason, dependents, others } => {
            let why = match reason {
                DeleteReason::Removed => "Named in [[removed]].",
                DeleteReason::Disabled => "Its block has enabled = false.",
                DeleteReason::Pruned => "Not in the file, and prune asks.",
            };
            let name = if name.is_empty() { String::new() } else { format!("\"{name}\". ") };
            let lost: String = dies_with(dependents, others).iter().map(|line| sentence(line)).collect();
            let before = before.map(|row| whole(&row, "What the application holds now"));
            paragraph(&format!("{name}{why}")) + &lost + &before.unwrap_or_default()
        }
    }
}

/// A line of the text, with its sign.
fn sentence(styled: &str) -> String {
    let line = plain(styled);
    let breaks = line.starts_with('!');
    let line = line.trim_start_matches(['!', '#', ' ']);
    if breaks { format!("<p class=\"breaks\">! {}</p>\n", text(line)) } else { quiet(line) }
}

fn quiet(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!("<p class=\"quiet\">{}</p>\n", text(words)) }
}

/// Of every step that somebody may notice: tokens, users and rows of other tables.
pub(super) fn reach(plan: &Plan) -> String {
    let mut tokens = Vec::new();
    let mut rows = Vec::new();
    for (place, step) in (1..).zip(&plan.steps) {
        let link = || format!("<a href=\"#step-{place}\">{}</a>", code(step.client_id().as_str()));
        match step {
            Step::Update { dependents: Some(dependents), .. } => tokens.push(dependent(link(), dependents)),
            Step::Delete { dependents, others, .. } => {
                tokens.push(dependent(link(), dependents));
                rows.extend(others.iter().map(|others| foreign(link(), others)));
            }
            Step::Create { .. } | Step::Adopt { .. } | Step::Update { dependents: None, .. } => {}
        }
    }
    let own = [
        Column::Words("Application"),
        Column::Number("Access tokens"),
        Column::Number("live"),
        Column::Number("Refresh tokens"),
        Column::Number("live"),
        Column::Number("ID tokens"),
        Column::Number("Codes"),
        Column::Number("live"),
        Column::Number("Users"),
    ];
    let others = [
        Column::Words("Application"),
        Column::Words("Table and column"),
        Column::Words("Constraint"),
        Column::Number("Rows"),
        Column::Words("What happens to them"),
    ];
    table("Tokens and users of the applications that change", &own, &tokens)
        + &table("Rows of other tables", &others, &rows)
}

fn dependent(application: String, dependents: &Dependents) -> Vec<String> {
    let Dependents {
        access_tokens,
        access_tokens_live,
        refresh_tokens,
        refresh_tokens_live,
        id_tokens,
        grants,
        grants_live,
        users,
    } = *dependents;
    let numbers = [
        access_tokens,
        access_tokens_live,
        refresh_tokens,
        refresh_tokens_live,
        id_tokens,
        grants,
        grants_live,
        users,
    ];
    [application].into_iter().chain(numbers.map(number)).collect()
}

fn foreign(application: String, others: &ForeignRows) -> Vec<String> {
    let ForeignRows {
        table,
        column,
        constraint,
        on_delete: _,
        treatment,
        rows,
        name: _,
        not_null: _,
        declared: _,
    } = others;
    vec![
        application,
        code(&format!("{table}.{column}")),
        code(constraint),
        rows.map_or_else(|| "not counted".to_owned(), number),
        text(&format!("{} ({})", treatment.effect(), treatment.reason())),
    ]
}

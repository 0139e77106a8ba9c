//! `docs/dot-versions.md`, made from what the code knows of each DOT.

use std::fmt::Write as _;
use std::path::Path;

use oauthctl::model::{Category, Field, Release, TableRole};
use oauthctl::rules;

use crate::session::accept_or_compare;

#[test]
fn the_page_of_the_versions_is_what_the_code_knows() {
    accept_or_compare(Path::new("docs/dot-versions.md"), &page());
}

fn page() -> String {
    let mut page = String::from(
        "# DOT versions\n\n\
         oauthctl works with the tables of DOT 1.5 to 3.4.1 and of DOT's main branch as of 2026-08-22. It looks at the tables and\n\
         columns of the database, not at a version number: a swapped model may be older than the rest. This page is generated from\n\
         the code.\n\n\
         ## What each version brought\n\n\
         | DOT | fields | tables | cleanup categories |\n|---|---|---|---|\n",
    );
    for release in Release::ALL {
        let fields =
            names(Field::ALL.iter().filter(|field| field.since() == *release).map(|field| field.key()));
        let tables =
            names(TableRole::ALL.iter().filter(|role| role.since() == *release).map(|role| role.key()));
        let categories = names(
            Category::ALL
                .iter()
                .filter(|category| category.since() == *release)
                .map(|category| category.key()),
        );
        if !(fields.is_empty() && tables.is_empty() && categories.is_empty()) {
            let _ = writeln!(page, "| {} | {fields} | {tables} | {categories} |", release.number());
        }
    }
    page.push_str(
        "\nA field of a later version is a problem at its line in the file. A category of a later version finds no rows; `dcr`\n\
         does, in any version, if `dynamic` in [`[policy]`](file-format.md#policy) names a column that marks the applications.\n\n\
         ## What DOT's own commands delete\n\n\
         oauthctl deletes these rows in the database of every version that has them. `cleartokens` and\n\
         `clearcimdapplications` of DOT do so from this version on:\n\n\
         | category | what | deleted by DOT since |\n|---|---|---|\n",
    );
    for category in Category::ALL {
        let since = category.deleted_since().map_or("never", Release::number);
        let _ = writeln!(page, "| `{}` | {} | {since} |", category.key(), category.title());
    }
    page.push_str(
        "\n## Rules\n\n\
         Applications are checked by the rules of DOT 3.4.1, with those of the main branch for its fields, whatever the version of\n\
         the database is: a value that a newer DOT refuses may work with an older one, and causes an error at the next upgrade.\n\
         These rules came after DOT 1.5:\n\n\
         | since | rule |\n|---|---|\n",
    );
    for (release, rule) in rules::HISTORY {
        let _ = writeln!(page, "| {} | {rule} |", release.number());
    }
    page.push_str(
        "\nThe main branch also lets a server replace the validators of redirect URIs and origins: see `uri_rules` in\n\
         [the file](file-format.md#provider). What DOT 4.0 will refuse is reported by `oauthctl doctor --upgrade 4.0`\n\
         ([`doctor`](operations.md#doctor)).\n\n\
         ## A DOT that is newer\n\n\
         Tables that are named as Django names those of DOT's models, and that oauthctl does not know, are taken for tables of a\n\
         newer DOT. `doctor` names them and the last migration that Django recorded. Rows to which such a table refers are not\n\
         deleted until oauthctl is updated. An entry in `[cleanup.references]` is possible, but only DOT's code says which is right.\n",
    );
    page
}

fn names<'a>(keys: impl Iterator<Item = &'a str>) -> String {
    keys.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

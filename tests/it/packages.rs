//! The databases of real packages: their schemas as their own migrations leave them (tests/data/schema/packages), the verbs
//! that read, and the table in docs/packages.md. `tests/packages` tries the packages themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde::Deserialize;
use serde_json::{Value, json};

use super::support::rows::statement;
use super::support::{Database, Sandbox, Template, environment};

/// What tests/conformance/packages/packages.toml says of a package, as far as it is needed here.
#[derive(Debug, Deserialize)]
struct Package {
    title: String,
    about: String,
    install: Vec<String>,
    #[serde(default)]
    keeps_schema: Option<bool>,
    #[serde(default)]
    algorithm: String,
    #[serde(default)]
    provider: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    tables: BTreeMap<String, String>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    #[serde(default)]
    refused: BTreeMap<String, Refusal>,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    why: String,
}

fn packages() -> Vec<(String, Package)> {
    let text = fs::read_to_string("tests/conformance/packages/packages.toml").unwrap();
    let table: toml::Table = text.parse().unwrap();
    let packages = table.into_iter().filter(|(name, _)| name != "default");
    packages.map(|(name, value)| (name, value.try_into().unwrap())).collect()
}

impl Package {
    /// What the file has to say because of the package: its tables, other settings, and the columns without which no
    /// application can be created.
    fn settings(&self) -> String {
        let keys: Vec<String> = self.tables.keys().map(|model| format!("`{model}`")).collect();
        let tables = (!keys.is_empty()).then(|| format!("`[database.tables]`: {}", keys.join(", ")));
        let file: toml::Table = format!("{}\n[provider]\n{}", self.file, self.provider).parse().unwrap();
        let others = file.iter().flat_map(|(table, keys)| {
            keys.as_table().unwrap().keys().map(move |key| format!("`{key}` in `[{table}]`"))
        });
        let columns: Vec<String> = self.columns.keys().map(|name| format!("`{name}`")).collect();
        let columns =
            (!columns.is_empty()).then(|| format!("`columns` of a new application: {}", columns.join(", ")));
        let all: Vec<String> = tables.into_iter().chain(others).chain(columns).collect();
        if all.is_empty() { "–".to_owned() } else { all.join("<br>") }
    }

    fn table(&self, model: &str) -> String {
        let default = format!("oauth2_provider_{}", model.replace('_', ""));
        self.tables.get(model).cloned().unwrap_or(default)
    }
}

/// Inserts a row with what is given, and something in every other column that needs a value or is among `also`. A key is
/// always the first one. References are not checked: what the others refer to is not here.
fn fill(database: &Database, table: &str, given: &Value, also: &[&str]) {
    let columns = database.rows(format!(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = '{table}'"
    ));
    let mut row = given.clone();
    for column in columns {
        let [Some(name), Some(kind), Some(nullable)] = column.as_slice() else { panic!("{column:?}") };
        if row.get(name).is_some() || (nullable == "YES" && !also.contains(&name.as_str())) {
            continue;
        }
        row[name] = match kind.as_str() {
            "boolean" => json!(false),
            "uuid" => json!("00000000-0000-0000-0000-000000000001"),
            "timestamp with time zone" => json!("2024-01-01T00:00:00Z"),
            "jsonb" => json!({}),
            "ARRAY" => json!([]),
            "smallint" | "integer" | "bigint" => json!(1),
            _ => json!(""),
        };
    }
    let insert = statement(table, &row);
    let used = format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1)");
    database
        .execute(format!("BEGIN; SET LOCAL session_replication_role = replica; {insert}; {used}; COMMIT"));
}

/// The tables of a package with an application, a session that has expired, and a row in every table that refers to them.
fn world(name: &str, package: &Package) -> (Database, Sandbox) {
    let schema = fs::read_to_string(format!("tests/data/schema/packages/{name}.sql")).unwrap();
    let database = Database::create(Template::Empty);
    database.execute(schema);
    let application = json!({
        "client_id": "web", "name": "Web", "client_type": "confidential", "algorithm": package.algorithm,
        "authorization_grant_type": "client-credentials", "registration_source": "manual", "hash_client_secret": true,
    });
    fill(&database, &package.table("application"), &application, &[]);
    let of = ["application_id", "user_id", "id_token_id", "access_token_id"];
    let models = ["id_token", "access_token", "refresh_token", "grant"].map(|model| package.table(model));
    for table in &models {
        fill(&database, table, &json!({ "resource": [], "revoked": "2024-01-01T00:00:00Z" }), &of);
    }
    let targets = format!("'{}', '{}'", models.join("', '"), package.table("application"));
    let referring = database.rows(format!(
        "SELECT o.relname, min(a.attname) FROM pg_constraint c JOIN pg_class o ON o.oid = c.conrelid \
         JOIN pg_class t ON t.oid = c.confrelid JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum = ANY (c.conkey) \
         WHERE c.contype = 'f' AND t.relname IN ({targets}) AND o.relname NOT IN ({targets}) GROUP BY 1"
    ));
    for row in referring.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>()) {
        fill(&database, &row[0], &json!({}), &[&row[1]]);
    }
    let sandbox = Sandbox::with(&database);
    let tables: String =
        package.tables.iter().map(|(model, table)| format!("{model} = '{table}'\n")).collect();
    let file = format!("[provider]\n{}\n[database.tables]\n{tables}\n{}", package.provider, package.file);
    sandbox.write("oauth.toml", file);
    (database, sandbox)
}

#[test]
fn every_verb_that_reads_works_on_the_schema_of_every_package() {
    for (name, package) in packages().into_iter().filter(|(_, package)| package.keeps_schema != Some(false)) {
        let (_database, sandbox) = world(&name, &package);
        // Autovacuum is off on the server of the tests.
        let doctor = sandbox.oauthctl(&["doctor", "--format", "json"]).exits(1);
        let doctor: Value = serde_json::from_slice(&doctor.raw_stdout).unwrap();
        let findings = doctor["findings"].as_array().unwrap().iter();
        let problems: Vec<_> = findings
            .filter(|finding| finding["verdict"] == "problem" && finding["check"] != "vacuum")
            .collect();
        assert_eq!(problems.is_empty(), !package.refused.contains_key("doctor"), "{name}: {problems:#?}");
        for verb in [&["list"][..], &["show", "web"], &["status"]] {
            let output = sandbox.oauthctl(verb).exits(0);
            assert!(output.stdout.contains("web") || verb[0] == "status", "{name}\n{output}");
        }
        sandbox.oauthctl(&["import", "--all"]).exits(0);
        sandbox.oauthctl(&["validate"]).exits(0);
        sandbox.oauthctl(&["plan", "--detailed-exitcode"]).exits(0);
        let dry_run = ["cleartokens", "--dry-run", "--refresh-token-expire", "1h", "--format", "json"];
        let counted = sandbox.oauthctl(&dry_run).exits(0);
        let counted: Value = serde_json::from_slice(&counted.raw_stdout).unwrap();
        for category in ["revoked", "access", "id", "grants"] {
            assert_eq!(counted["to_delete"][category], 1, "{name} {category}: {counted}");
        }
    }
}

#[test]
fn the_page_about_packages_is_what_is_expected_of_them() {
    let mut table =
        "| package | tried with | what is special | what the file has to say | what does not work, and why |\n|---|---|---|---|---|\n"
            .to_owned();
    for (_, package) in packages() {
        let settings = package.settings();
        let Package { title, about, install, refused, notes, .. } = package;
        let with: Vec<&str> = install
            .iter()
            .filter(|one| one.starts_with("django-oauth-toolkit==") || one.starts_with("Django=="))
            .map(String::as_str)
            .collect();
        let with =
            with.join(", ").replace("django-oauth-toolkit==", "DOT ").replace("==", " ").replace(".*", "");
        let mut not: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (verb, refusal) in &refused {
            not.entry(&refusal.why).or_default().push(format!("`{verb}`"));
        }
        let refused = not.iter().map(|(why, verbs)| format!("{}: {why}.", verbs.join(", ")));
        let all: Vec<String> = refused.chain(notes).collect();
        let all = if all.is_empty() { "–".to_owned() } else { all.join("<br>") };
        let _ = writeln!(table, "| {title} | {with} | {about} | {settings} | {all} |");
    }
    let page = fs::read_to_string("docs/packages.md").unwrap();
    let (head, rest) = page.split_once("| package |").expect("the table");
    let foot = rest.split_once("\n\n").map_or("", |(_, foot)| foot);
    let made = format!("{head}{table}\n{foot}");
    if environment("OAUTHCTL_ACCEPT_DOCS").is_some() {
        fs::write("docs/packages.md", made).unwrap();
    } else {
        assert_eq!(page, made, "OAUTHCTL_ACCEPT_DOCS=1 writes it");
    }
}

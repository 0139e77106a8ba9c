//! The text of the functions.

use crate::db::along::Along;
use crate::db::layout::{Layout, Table};
use crate::db::tokens::predicate::Tables;
use crate::db::tokens::statement::Binds;
use crate::db::tokens::steps::{Scope, Writer};
use crate::model::printable::{literal, printable};

use super::kind::{Kind, asked, gone, refresh};
use super::{ALTERED, Bounds, SCHEMA, print};

/// The parameters of every function: the ends of a range of keys or a list of keys, the cutoffs, whether orphaned
/// refresh tokens go, whether pointers are set to NULL, and the client ids of the applications whose rows stay.
pub(super) const PARAMETERS: &str = "p_low text, p_high text, p_keys text, p_revoked timestamptz, p_idle timestamptz, \
    p_expired timestamptz, p_orphaned boolean, p_clear boolean, p_excluded text[]";

/// The same, to tell the function from others of its name.
pub(super) const TYPES: &str =
    "text, text, text, timestamptz, timestamptz, timestamptz, boolean, boolean, text[]";

/// What every function returns: rows of the walked table; refresh tokens, and how many of them were revoked; pointers
/// that became NULL; rows of the project's own tables, by foreign key.
const RESULTS: &str = "OUT o_walked bigint, OUT o_refresh bigint, OUT o_revoked bigint, OUT o_detached bigint, OUT o_others bigint[]";

/// A function of the file.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub name: String,
    /// Its text, which the server keeps as it is.
    pub source: String,
    pub place: Place,
}

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The role calls it.
    Outer,
    /// An outer one calls it.
    Inner,
    /// The inner ones call it.
    Fingerprint,
}

impl Function {
    /// Its name and the types of its parameters.
    pub(super) fn signature(&self) -> String {
        let types = if self.place == Place::Fingerprint { "text[]" } else { TYPES };
        format!("{SCHEMA}.{}({types})", self.name)
    }

    /// What it sets while it runs, as the catalogue writes it: nothing of the caller's session decides what its text
    /// means.
    pub(super) const fn settings(&self) -> &'static [&'static str] {
        const OWN: &[&str] = &["search_path=pg_catalog, pg_temp", "standard_conforming_strings=on"];
        const SILENT: &[&str] = &[
            "search_path=pg_catalog, pg_temp",
            "standard_conforming_strings=on",
            "session_replication_role=replica",
        ];
        match self.place {
            Place::Outer => SILENT,
            Place::Inner | Place::Fingerprint => OWN,
        }
    }

    /// The statement that makes it.
    pub(super) fn create(&self) -> String {
        let Self { name, source, place } = self;
        let settings: Vec<String> = self
            .settings()
            .iter()
            .map(|setting| format!("    SET {}", setting.replacen('=', " = ", 1)))
            .collect();
        let several = || {
            format!(
                "\n    {},\n    {}",
                PARAMETERS.replace(", ", ",\n    "),
                RESULTS.replace(", OUT", ",\n    OUT")
            )
        };
        let (parameters, properties) = match place {
            Place::Outer => (several(), "\nLANGUAGE sql VOLATILE SECURITY DEFINER"),
            Place::Inner => (several(), "\nLANGUAGE plpgsql VOLATILE SECURITY DEFINER"),
            Place::Fingerprint => ("p_tables text[]".to_owned(), " RETURNS text\nLANGUAGE plpgsql VOLATILE"),
        };
        let (settings, tag) = (settings.join("\n"), tag(source));
        format!(
            "CREATE FUNCTION {SCHEMA}.{name}({parameters}){properties}\n{settings}\nAS {tag}{source}{tag};"
        )
    }
}

/// A quote that does not stand in the text.
fn tag(source: &str) -> String {
    let numbered = (1..).map(|number: u32| format!("$oauthctl{number}$"));
    let mut tags = std::iter::once("$oauthctl$".to_owned()).chain(numbered);
    tags.find(|tag| !source.contains(tag)).unwrap_or_default()
}

/// The function that computes fingerprints.
pub(super) fn fingerprint() -> Function {
    Function { name: print::FUNCTION.to_owned(), source: print::source(), place: Place::Fingerprint }
}

/// The two functions of a kind; `None`: this DOT lacks its table. `schema`: the fingerprint of the tables.
pub(super) fn functions(layout: &Layout, kind: Kind, bounds: &Bounds, schema: &str) -> Option<[Function; 2]> {
    let inner =
        Function { name: kind.inner(), source: inner(layout, kind, bounds, schema)?, place: Place::Inner };
    let outer =
        Function { name: kind.function().to_owned(), source: outer(&inner.name), place: Place::Outer };
    Some([inner, outer])
}

/// The one that the role calls: a superuser's, with nothing in it but a call.
fn outer(inner: &str) -> String {
    format!(
        "\n    SELECT i.o_walked, i.o_refresh, i.o_revoked, i.o_detached, i.o_others FROM {SCHEMA}.{inner}(\n        \
         p_low, p_high, p_keys, p_revoked, p_idle, p_expired, p_orphaned, p_clear, p_excluded) i\n"
    )
}

/// The one that does the work, with the rights of a role that may do nothing else.
fn inner(layout: &Layout, kind: Kind, bounds: &Bounds, schema: &str) -> Option<String> {
    let table = kind.table(layout)?;
    let tables = Tables::new(layout, true)?;
    let sweep = kind.sweep();
    let writer = Writer::new(tables, &sweep, table);
    let mut parts = vec![
        format!("\n-- {}\n#variable_conflict use_variable\nDECLARE", bounds.line()),
        variables(table, &tables, &clients(bounds)),
        "BEGIN".to_owned(),
        ISOLATION.to_owned(),
        limits(bounds),
        unchanged(layout, kind, schema),
        excluded(layout),
    ];
    parts.extend(steps(layout, kind, &writer, &tables));
    parts.push("END\n".to_owned());
    Some(parts.join("\n"))
}

/// Each statement has to see what was committed before it.
const ISOLATION: &str =
    "    o_walked := 0; o_refresh := 0; o_revoked := 0; o_detached := 0; o_others := '{}';
    -- Each statement has to see what was committed before it.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'this function works in READ COMMITTED only';
    END IF;";

/// Variables with the types of the columns.
fn variables(table: &Table, tables: &Tables<'_>, clients: &str) -> String {
    let (key, refresh) = (table.key_type(), tables.refresh.key_type());
    let application = tables.layout.application().key_type();
    let lines = [
        format!("v_low {key} := p_low"),
        format!("v_high {key} := p_high"),
        format!("v_asked {key}[] := p_keys"),
        format!("v_gone {key}[] := '{{}}'"),
        "v_flags boolean[] := '{}'".to_owned(),
        format!("v_refresh {refresh}[] := '{{}}'"),
        format!("v_clients text[] := {clients} || coalesce(p_excluded, '{{}}')"),
        format!("v_excluded {application}[] := '{{}}'"),
        "v_found boolean".to_owned(),
        "v_rows bigint".to_owned(),
    ];
    lines.map(|line| format!("    {line};")).join("\n")
}

/// Locks the tables and compares them with those that the function was printed for.
fn unchanged(layout: &Layout, kind: Kind, schema: &str) -> String {
    let locked: Vec<String> = kind.changed(layout).iter().map(|table| table.sql()).collect();
    format!(
        "    -- Until the transaction ends, no session changes a trigger, a column or a foreign key of these tables.\n    \
         LOCK TABLE {} IN ROW EXCLUSIVE MODE;\n    \
         IF {}\n            IS DISTINCT FROM {} THEN\n        \
         RAISE EXCEPTION 'the tables are not those that this function was printed for'\n            \
         USING ERRCODE = '{ALTERED}';\n    END IF;",
        locked.join(", "),
        print::called(layout, kind),
        literal(schema),
    )
}

/// The keys of the applications that are left alone.
fn excluded(layout: &Layout) -> String {
    let application = layout.application();
    let (table, key) = (application.sql(), application.key_sql());
    format!(
        "    IF cardinality(v_clients) > 0 THEN\n        IF row_security_active({}) THEN\n            \
         RAISE EXCEPTION 'row-level security may hide applications that are left alone';\n        END IF;\n        \
         v_excluded := ARRAY(SELECT t.{key} FROM {table} t WHERE t.client_id = ANY(v_clients));\n    END IF;",
        literal(&table)
    )
}

/// The applications whose rows stay for every caller.
fn clients(bounds: &Bounds) -> String {
    let each: Vec<String> = bounds.excluded.iter().map(|id| printable(&literal(id))).collect();
    format!("ARRAY[{}]::text[]", each.join(", "))
}

/// Refuses cutoffs that are too late. A cutoff that is NULL deletes nothing.
fn limits(bounds: &Bounds) -> String {
    let refuse = |condition: &str, what: &str| {
        format!("    IF {condition} THEN\n        RAISE EXCEPTION '{what}';\n    END IF;\n")
    };
    let by_age = |parameter: &str, age: Option<u64>, what: &str| match age {
        Some(age) => refuse(
            &format!("{parameter} > now() - make_interval(secs => {age})"),
            &format!("{what} younger than {age} seconds stay"),
        ),
        None => refuse(&format!("{parameter} IS NOT NULL"), &format!("{what} of any age stay")),
    };
    by_age("p_revoked", bounds.revoked_after, "revoked refresh tokens")
        + &by_age("p_idle", bounds.idle_after, "refresh tokens whose access tokens have expired")
        + refuse("p_expired > now()", "what expires in the future stays").trim_end()
}

/// The deletion, what goes along, and the check.
fn steps(layout: &Layout, kind: Kind, writer: &Writer<'_>, tables: &Tables<'_>) -> Vec<String> {
    let walks = writer.category().is_some();
    let takes = writer.takes_refresh_tokens();
    let mut steps = Vec::new();
    let binds = |names| Binds::variables(names, "p_orphaned");
    if walks {
        let rows = |scope| writer.verified_rows(scope, &mut binds(asked));
        let into = "INTO o_walked, v_gone, v_flags";
        steps.push(either(&rows(Scope::Window), &rows(Scope::Keys), into));
    }
    if takes {
        let names = if walks { gone } else { asked };
        let rows = |scope| writer.verified_refresh(scope, &mut binds(names));
        let into = "INTO o_refresh, o_revoked, v_refresh";
        steps.push(either(&rows(Scope::Window), &rows(Scope::Keys), into));
        let clear = writer.verified_clear(&mut binds(refresh));
        steps.push(format!(
            "    IF p_clear AND o_refresh > 0 THEN\n        {clear};\n        \
             GET DIAGNOSTICS o_detached = ROW_COUNT;\n    END IF;"
        ));
    }
    let table = kind.table(layout).filter(|_| walks);
    for (table, variable) in [(table, "v_gone"), (Some(tables.refresh).filter(|_| takes), "v_refresh")] {
        for (_, sql) in table.iter().flat_map(|table| Along::new(layout, table).within_function(variable)) {
            steps.push(format!(
                "    v_rows := 0;\n    IF cardinality({variable}) > 0 THEN\n        {sql};\n        \
                 GET DIAGNOSTICS v_rows = ROW_COUNT;\n    END IF;\n    o_others := o_others || v_rows;"
            ));
        }
    }
    steps.push(
        "    -- Nothing is written from here on; each statement has a newer snapshot than every lock."
            .to_owned(),
    );
    let checks = [
        (table, "v_gone", gone as fn(_) -> _),
        (Some(tables.refresh).filter(|_| takes), "v_refresh", refresh),
    ];
    for (table, variable, names) in checks {
        let Some(refers) = table.and_then(|table| writer.refers_to(table, &mut binds(names))) else {
            continue;
        };
        steps.push(format!(
            "    IF cardinality({variable}) > 0 THEN\n        {refers}\n        INTO v_found;\n        \
             IF v_found THEN\n            \
             RAISE EXCEPTION 'other rows refer to them' USING ERRCODE = 'foreign_key_violation';\n        END IF;\n    END IF;"
        ));
    }
    steps
}

/// The statement for a range of keys, and that for a list of keys.
fn either(range: &str, list: &str, into: &str) -> String {
    let (range, list) = (in_lines(range), in_lines(list));
    format!(
        "    IF p_keys IS NULL THEN\n        {range}\n        {into};\n    ELSE\n        {list}\n        {into};\n    END IF;"
    )
}

/// A statement in several lines, for people to read; what is quoted is not touched.
fn in_lines(sql: &str) -> String {
    const BREAKS: [&str; 6] =
        [" WHERE ", " AND NOT EXISTS ", " AND (", " OR (", " RETURNING ", " SELECT count("];
    let (mut text, mut quoted, mut rest) = (String::with_capacity(sql.len()), None, sql);
    while let Some(c) = rest.chars().next() {
        if quoted.is_none() && BREAKS.iter().any(|found| rest.starts_with(found)) {
            text.push_str("\n            ");
        } else {
            text.push(c);
        }
        quoted = match quoted {
            None if c == '"' || c == '\'' => Some(c),
            Some(quote) if quote == c => None,
            same => same,
        };
        rest = &rest[c.len_utf8()..];
    }
    text
}

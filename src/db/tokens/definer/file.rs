//! The file that `migrate --definer` prints: everything in one transaction, as a superuser.

use std::collections::BTreeSet;

use tokio_postgres::GenericClient;

use super::body::{Function, Place, fingerprint as print, functions};
use super::kind::Kind;
use super::{OWNER, SCHEMA, Terms};
use crate::db::layout::{Layout, Table};
use crate::db::query;
use crate::db::tokens::triggers::{UnmetCondition, referring, unmet};
use crate::db::tokens::{TokensError, attempt};
use crate::model::printable::{literal, printable, quote};
use crate::model::{Sweep, Treatment};

/// Writes the file for the sweeps of a policy. Reads the catalogue only.
///
/// # Errors
/// Inside: every reason why triggers may not stay silent on these tables.
pub async fn write(
    client: &impl GenericClient,
    layout: &Layout,
    sweeps: &[Sweep],
    terms: Terms<'_>,
) -> Result<Result<String, Vec<UnmetCondition>>, TokensError> {
    let kinds = Kind::of_all(sweeps);
    let wanted: Vec<Sweep> = kinds.iter().map(|kind| kind.sweep()).collect();
    let mut reasons = unmet(client, layout, &wanted).await?;
    reasons.extend(hidden(layout, &kinds));
    if !reasons.is_empty() {
        return Ok(Err(reasons));
    }
    let mut all = vec![print()];
    for kind in &kinds {
        let schema = fingerprint(client, layout, *kind).await?;
        all.extend(functions(layout, *kind, terms.bounds, &schema).into_iter().flatten());
    }
    let database: String = query::value(client, "SELECT pg_catalog.current_database()::text", &[])
        .await
        .map_err(attempt("asking for the name of the database"))?;
    Ok(Ok(text(&database, terms, &all, &grants(layout, &kinds))))
}

/// The fingerprint of the tables of a function, as they are now.
pub(super) async fn fingerprint(
    client: &impl GenericClient,
    layout: &Layout,
    kind: Kind,
) -> Result<String, TokensError> {
    let print: Option<String> = query::value(client, &super::print::query(layout, kind), &[])
        .await
        .map_err(attempt("looking at the token tables"))?;
    Ok(print.unwrap_or_default())
}

/// The functions work for a role that policies apply to: it would not see every row.
fn hidden(layout: &Layout, kinds: &[Kind]) -> Vec<UnmetCondition> {
    let tables: Vec<_> = kinds.iter().flat_map(|kind| kind.changed(layout)).collect();
    let own = tables.iter().filter(|table| table.row_security).map(|table| table.sql());
    // Those of the applications would hide which are left alone.
    let own = own.chain(Some(layout.application()).filter(|table| table.row_security).map(Table::sql));
    let others = referring(layout, &tables).filter(|reference| reference.row_security);
    let all: BTreeSet<String> = own.chain(others.map(|reference| reference.from_table.clone())).collect();
    all.into_iter()
        .map(|table| UnmetCondition::here(format!("row-level security is on for {table}")))
        .collect()
}

/// What the role of the inner functions may do.
fn grants(layout: &Layout, kinds: &[Kind]) -> Vec<String> {
    let owner = quote(OWNER);
    let mut schemas = BTreeSet::from([layout.application().schema.as_str()]);
    let mut grants = BTreeSet::new();
    for kind in kinds {
        let tables = kind.changed(layout);
        for table in &tables {
            schemas.insert(table.schema.as_str());
            grants.insert(format!("GRANT SELECT, UPDATE, DELETE ON {} TO {owner};", table.sql()));
        }
        for reference in referring(layout, &tables) {
            schemas.insert(reference.schema.as_str());
            let (from, column) = (&reference.from_table, quote(&reference.from_column));
            grants.insert(format!("GRANT SELECT ({column}) ON {from} TO {owner};"));
            match reference.treatment {
                Treatment::Null => grants.insert(format!("GRANT UPDATE ({column}) ON {from} TO {owner};")),
                Treatment::Delete | Treatment::Link => {
                    grants.insert(format!("GRANT DELETE ON {from} TO {owner};"))
                }
                Treatment::Refuse | Treatment::OnDelete(_) => false,
            };
        }
    }
    let application = layout.application();
    grants.insert(format!(
        "GRANT SELECT ({}, client_id) ON {} TO {owner};",
        application.key_sql(),
        application.sql()
    ));
    let usage =
        schemas.into_iter().map(|schema| format!("GRANT USAGE ON SCHEMA {} TO {owner};", quote(schema)));
    usage.chain(grants).collect()
}

fn text(database: &str, terms: Terms<'_>, functions: &[Function], grants: &[String]) -> String {
    let (role, owner) = (quote(terms.role), quote(OWNER));
    let role = printable(&role);
    let mut parts = vec![header(database, &role), guards(database), earlier()];
    parts.push(format!("GRANT USAGE ON SCHEMA {SCHEMA} TO {role}, {owner};"));
    parts.push(
        std::iter::once("-- What the inner functions need, and no more.".to_owned())
            .chain(grants.iter().map(|grant| printable(grant)))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    for function in functions {
        let signature = function.signature();
        let mut lines = vec![function.create()];
        lines.push(format!("REVOKE ALL ON FUNCTION {signature} FROM PUBLIC;"));
        lines.push(match function.place {
            Place::Outer => format!("GRANT EXECUTE ON FUNCTION {signature} TO {role};"),
            Place::Inner => format!("ALTER FUNCTION {signature} OWNER TO {owner};"),
            Place::Fingerprint => format!("GRANT EXECUTE ON FUNCTION {signature} TO {owner};"),
        });
        parts.push(lines.join("\n"));
    }
    parts.push("COMMIT;".to_owned());
    parts.join("\n\n") + "\n"
}

fn header(database: &str, role: &str) -> String {
    let database = printable(&quote(database));
    format!(
        "-- Functions with which {role} deletes expired rows of Django OAuth Toolkit in the database {database}, without the\n\
         -- triggers of foreign keys: `fk_checks = \"set\"` in [cleanup]. Written by `oauthctl migrate --definer`.\n\
         --\n\
         -- Read it, then run it once as a superuser:\n\
         --     psql -v ON_ERROR_STOP=1 -f FILE\n\
         -- Run it again after a migration of these tables, or a change of [cleanup]; `oauthctl doctor` says when. To remove it:\n\
         --     DROP SCHEMA {SCHEMA} CASCADE; DROP OWNED BY {OWNER}; DROP ROLE {OWNER};\n\
         --\n\
         -- What {role} can do with it: delete rows that have expired, and nothing that refers to them stays behind. The\n\
         -- conditions, the least ages and the applications that are left alone stand in the functions. The caller gives a\n\
         -- range of keys and cutoffs, and gets counts.\n\
         BEGIN;\n\
         SET LOCAL search_path = pg_catalog, pg_temp;\n\
         SET LOCAL standard_conforming_strings = on;"
    )
}

/// Removes every function of an earlier file: what is no longer wanted must not stay with the limits of that time.
fn earlier() -> String {
    format!(
        "DO $drop$\nDECLARE\n    f regprocedure;\nBEGIN\n    \
         FOR f IN SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = {}::regnamespace LOOP\n        \
         EXECUTE format('DROP FUNCTION %s', f);\n    END LOOP;\nEND\n$drop$;",
        literal(SCHEMA)
    )
}

/// Refuses to install where another role could change the functions afterwards.
fn guards(database: &str) -> String {
    let database = printable(&literal(database));
    format!(
        "DO $guard$\nBEGIN\n    \
         IF current_database() <> {database} THEN\n        \
         RAISE EXCEPTION 'this file was printed for another database';\n    END IF;\n    \
         IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN\n        \
         RAISE EXCEPTION 'a superuser has to run this file';\n    END IF;\n    \
         BEGIN\n        CREATE ROLE {OWNER} NOLOGIN;\n    \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;\n    END;\n    \
         IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = {owner}\n               \
         AND (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolbypassrls\n                    \
         OR EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = r.oid AND m.member <> 10))) THEN\n        \
         RAISE EXCEPTION 'the role {OWNER} may log in, has rights of its own or has members';\n    END IF;\n    \
         IF EXISTS (SELECT FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner\n               \
         WHERE n.nspname = {schema} AND NOT r.rolsuper) THEN\n        \
         RAISE EXCEPTION 'the schema {SCHEMA} belongs to a role that is not a superuser';\n    END IF;\nEND\n$guard$;\n\
         CREATE SCHEMA IF NOT EXISTS {SCHEMA};\n\
         DO $guard$\nBEGIN\n    \
         IF EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a JOIN pg_roles r ON r.oid = a.grantee\n               \
         WHERE n.nspname = {schema} AND a.privilege_type = 'CREATE' AND NOT r.rolsuper)\n        \
         OR has_schema_privilege('public', {schema}, 'CREATE') THEN\n        \
         RAISE EXCEPTION 'others than superusers may create objects in the schema {SCHEMA}';\n    END IF;\nEND\n$guard$;",
        owner = literal(OWNER),
        schema = literal(SCHEMA),
    )
}

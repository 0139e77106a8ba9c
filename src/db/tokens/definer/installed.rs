//! What is installed, and whether it is what this program would print now.

use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};

use super::body::{Function, Place, fingerprint as print, functions};
use super::file::fingerprint;
use super::kind::Kind;
use super::{Bounds, OWNER, SCHEMA};
use crate::db::layout::Layout;
use crate::db::query;
use crate::db::tokens::{TokensError, attempt};
use crate::model::Sweep;

/// Functions that may be called for every sweep of a run that deletes tokens.
#[derive(Clone, Copy, Debug)]
pub struct Definer(());

/// What is there.
#[derive(Clone, Debug, Default)]
pub enum Found {
    /// No function at all.
    #[default]
    Absent,
    /// They cannot be used, for these reasons.
    Unfit(Vec<String>),
    Fit(Definer),
}

/// A function as the catalogue has it.
struct Installed {
    name: String,
    source: String,
    settings: Vec<String>,
    /// What it may be by the role with whose rights it runs: a superuser, or one without login, rights and members.
    fit_for: Vec<Place>,
    /// Whether the role that asks may call it.
    callable: bool,
    /// Whether PUBLIC may.
    public: bool,
}

impl Found {
    /// Compares what is installed with what would be printed now, and with what a run deletes. `role`: who is to call it,
    /// not quoted; `None`: the role that asks.
    pub async fn find(
        client: &impl GenericClient,
        layout: &Layout,
        sweeps: &[Sweep],
        role: Option<&str>,
    ) -> Result<Self, TokensError> {
        let installed = read(client, role).await?;
        if installed.is_empty() {
            return Ok(Self::Absent);
        }
        let mut reasons = Vec::new();
        let mut bounds = None;
        for kind in Kind::of_all(sweeps).into_iter().filter(|kind| kind.table(layout).is_some()) {
            let fit = check(client, layout, kind, &installed).await?;
            match fit {
                Ok(found) => bounds = Some(found),
                Err(reason) => reasons.push(reason),
            }
        }
        if let Some(bounds) = bounds {
            let now =
                crate::db::session::now(client).await.map_err(attempt("reading the database's clock"))?;
            reasons.extend(bounds.unmet(sweeps, now));
        }
        reasons.dedup();
        Ok(if reasons.is_empty() { Self::Fit(Definer(())) } else { Self::Unfit(reasons) })
    }
}

/// Whether the two functions of a kind are what would be printed now; with what stands in them.
async fn check(
    client: &impl GenericClient,
    layout: &Layout,
    kind: Kind,
    installed: &[Installed],
) -> Result<Result<Bounds, String>, TokensError> {
    let name = format!("{SCHEMA}.{}", kind.function());
    let find = |wanted: &str| installed.iter().find(|function| function.name == wanted);
    let (Some(outer), Some(inner)) = (find(kind.function()), find(&kind.inner())) else {
        return Ok(Err(format!("there is no function {name}")));
    };
    if !outer.callable {
        return Ok(Err(format!("the role may not call {name}")));
    }
    let bounds = inner.source.lines().nth(1).and_then(|line| Bounds::read(line.strip_prefix("-- ")?));
    let Some(bounds) = bounds else {
        return Ok(Err(format!("{name} is not what this version of oauthctl prints")));
    };
    let schema = fingerprint(client, layout, kind).await?;
    let Some([inner_now, outer_now]) = functions(layout, kind, &bounds, &schema) else {
        return Ok(Err(format!("there is no table for {name}")));
    };
    if !inner.source.contains(&format!("IS DISTINCT FROM '{schema}'")) {
        return Ok(Err(format!("the tables have changed since {name} was printed")));
    }
    let print_now = print();
    let same = outer.is(&outer_now)
        && inner.is(&inner_now)
        && find(&print_now.name).is_some_and(|function| function.is(&print_now));
    Ok(if same {
        Ok(bounds)
    } else {
        Err(format!("{name} is not what this version of oauthctl prints for these tables and references"))
    })
}

impl Installed {
    fn of(row: &Row) -> Self {
        Self {
            name: row.get(0),
            source: row.get(1),
            settings: row.get(2),
            fit_for: [(Place::Outer, 3), (Place::Inner, 4), (Place::Fingerprint, 5)]
                .into_iter()
                .filter_map(|(place, column)| row.get::<_, bool>(column).then_some(place))
                .collect(),
            callable: row.get(6),
            public: row.get(7),
        }
    }

    /// Whether it is what the file makes.
    fn is(&self, printed: &Function) -> bool {
        let Self { name, source, settings, fit_for, callable: _, public } = self;
        let Function { name: wanted, source: text, place } = printed;
        let expected = printed.settings();
        let same_settings = expected.len() == settings.len()
            && expected.iter().all(|setting| settings.iter().any(|set| set == setting));
        name == wanted && source == text && same_settings && fit_for.contains(place) && !public
    }
}

async fn read(client: &impl GenericClient, role: Option<&str>) -> Result<Vec<Installed>, TokensError> {
    let sql = "SELECT p.proname::text, p.prosrc, coalesce(p.proconfig, '{}'), \
                   p.prosecdef AND r.rolsuper, \
                   p.prosecdef AND r.rolname = $2 AND NOT r.rolcanlogin AND NOT r.rolsuper AND NOT EXISTS ( \
                       SELECT FROM pg_catalog.pg_auth_members m WHERE m.roleid = r.oid AND m.member <> 10), \
                   NOT p.prosecdef AND r.rolsuper, \
                   has_function_privilege(coalesce($3::text::name, current_user), p.oid, 'EXECUTE') \
                       AND has_schema_privilege(coalesce($3::text::name, current_user), n.oid, 'USAGE'), \
                   EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0) \
               FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
               JOIN pg_catalog.pg_roles r ON r.oid = p.proowner \
               WHERE n.nspname = $1 ORDER BY 1";
    let parameters: [crate::db::Parameter<'_>; 3] =
        [(&SCHEMA, Type::TEXT), (&OWNER, Type::TEXT), (&role, Type::TEXT)];
    query::rows(client, sql, &parameters, Installed::of)
        .await
        .map_err(attempt(format!("looking at the functions of the schema {SCHEMA}")))
}

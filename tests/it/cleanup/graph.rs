//! Token graphs as a database holds them: read, compared, and cleaned by the book.
//!
//! [`Graph::cleared`] is DOT 3.4.1's `clear_expired()` on values, step by step in DOT's own order (dot reference: the
//! steps A to G): what the tests compare a database with. It shares nothing with the code under test.

use std::collections::{BTreeMap, BTreeSet};

use oauthctl::model::{Category, CleanupPolicy, TableNames, TableRole};
use time::{Duration, OffsetDateTime};

use super::draft::Schema;
use crate::support::{Database, Template};

/// A refresh token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refresh {
    pub access: Option<String>,
    pub revoked: Option<OffsetDateTime>,
    pub application: String,
    /// All other columns.
    pub rest: String,
}

/// An access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub source: Option<String>,
    pub id_token: Option<String>,
    pub expires: OffsetDateTime,
    pub application: Option<String>,
    pub rest: String,
}

/// Anything else that expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    pub expires: OffsetDateTime,
    /// Its key, or its client id in the tables that have that.
    pub application: Option<String>,
    pub rest: String,
}

/// All rows of a database, by primary key as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    pub refresh: BTreeMap<String, Refresh>,
    pub access: BTreeMap<String, Access>,
    pub others: BTreeMap<TableRole, BTreeMap<String, Other>>,
}

/// The tables that are neither refresh nor access tokens.
pub const OTHERS: [TableRole; 4] =
    [TableRole::IdToken, TableRole::Grant, TableRole::ParRequest, TableRole::DeviceGrant];

/// The names of a template's tables.
pub fn names(template: Template) -> TableNames {
    let mut names = TableNames::default();
    if template == Template::Swapped341 {
        names.swapped = [
            (TableRole::Application, "oauth_clients"),
            (TableRole::AccessToken, "myauth_accesstoken"),
            (TableRole::RefreshToken, "myauth_refreshtoken"),
            (TableRole::IdToken, "myauth_idtoken"),
        ]
        .map(|(role, name)| (role, name.to_owned()))
        .into();
    }
    names
}

/// The table of `AUTH_USER_MODEL`.
pub fn users(template: Template) -> &'static str {
    if template == Template::Swapped341 { "myauth_user" } else { "auth_user" }
}

impl Graph {
    /// Reads all rows.
    pub fn read(database: &Database, template: Template) -> Self {
        let schema = Schema::of(database, template);
        let pointers = |role: TableRole| match role {
            TableRole::RefreshToken => ("access_token_id", "NULL", "revoked", "application_id"),
            TableRole::AccessToken => ("source_refresh_token_id", "id_token_id", "expires", "application_id"),
            TableRole::IdToken | TableRole::Grant => ("NULL", "NULL", "expires", "application_id"),
            _ => ("NULL", "NULL", "expires", "client_id"),
        };
        // One query: a snapshot, and one connection.
        let roles: Vec<TableRole> = TableRole::ALL
            .iter()
            .copied()
            .filter(|role| *role != TableRole::Application && schema.has(*role))
            .collect();
        let queries: Vec<String> = roles
            .iter()
            .enumerate()
            .map(|(position, role)| {
                let (one, other, instant, application) = pointers(*role);
                format!(
                    "SELECT {position}, t.id::text, (to_jsonb(t) - '{one}')::text, {one}::text, {other}::text, \
                     extract(epoch FROM {instant})::text, {application}::text FROM {} t",
                    schema.table(*role)
                )
            })
            .collect();
        let mut graph = Self::default();
        for role in OTHERS.into_iter().filter(|role| schema.has(*role)) {
            graph.others.insert(role, BTreeMap::new());
        }
        for row in database.rows(queries.join(" UNION ALL ")) {
            let [position, key, rest, one, other, at, application] = row.try_into().unwrap();
            let (key, rest) = (key.unwrap(), rest.unwrap());
            let at = at.map(|epoch| instant(&epoch));
            match roles[position.unwrap().parse::<usize>().unwrap()] {
                TableRole::RefreshToken => {
                    let application = application.unwrap();
                    let row = Refresh { access: one, revoked: at, application, rest };
                    graph.refresh.insert(key, row);
                }
                TableRole::AccessToken => {
                    let row =
                        Access { source: one, id_token: other, expires: at.unwrap(), application, rest };
                    graph.access.insert(key, row);
                }
                role => {
                    let row = Other { expires: at.unwrap(), application, rest };
                    graph.others.get_mut(&role).unwrap().insert(key, row);
                }
            }
        }
        graph
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.refresh.len() + self.access.len() + self.others.values().map(BTreeMap::len).sum::<usize>()
    }

    /// Panics unless this is a state between `before` and `after`: nothing gone that stays in the end, nothing changed
    /// but pointers, no pointer without a row.
    pub fn assert_between(&self, before: &Self, after: &Self) {
        self.assert_whole();
        for (key, row) in &self.refresh {
            assert_eq!(row, &before.refresh[key]);
        }
        for (key, row) in &self.access {
            let was = &before.access[key];
            let source = row.source.clone().or_else(|| was.source.clone());
            assert_eq!(&Access { source, ..row.clone() }, was, "access token {key}");
        }
        for (role, rows) in &self.others {
            for (key, row) in rows {
                assert_eq!(row, &before.others[role][key], "{role} {key}");
            }
        }
        assert!(after.refresh.keys().all(|key| self.refresh.contains_key(key)), "a refresh token is lost");
        assert!(after.access.keys().all(|key| self.access.contains_key(key)), "an access token is lost");
        for (role, rows) in &after.others {
            assert!(rows.keys().all(|key| self.others[role].contains_key(key)), "a {role} row is lost");
        }
        for (key, row) in &after.access {
            assert!(
                row.source.is_none() || row.source == self.access[key].source,
                "pointer of access token {key}"
            );
        }
    }

    /// Panics where a pointer has no row.
    pub fn assert_whole(&self) {
        for (key, row) in &self.refresh {
            assert!(
                row.access.iter().all(|access| self.access.contains_key(access)),
                "refresh token {key}: {row:?}"
            );
        }
        let ids = &self.others[&TableRole::IdToken];
        for (key, row) in &self.access {
            assert!(
                row.source.iter().all(|source| self.refresh.contains_key(source)),
                "access token {key}: {row:?}"
            );
            assert!(row.id_token.iter().all(|id| ids.contains_key(id)), "access token {key}: {row:?}");
        }
    }

    /// What DOT 3.4.1 leaves of it. `excluded`: keys and client ids of applications that are left alone.
    pub fn cleared(&self, policy: &CleanupPolicy, now: OffsetDateTime, excluded: &BTreeSet<String>) -> Self {
        let mut graph = self.clone();
        let on = |category: Category| {
            let chosen = if policy.only.is_empty() {
                category != Category::Device || policy.device_grants
            } else {
                policy.only.contains(&category)
            };
            chosen && !policy.skip.contains(&category)
        };
        let kept = |application: &Option<String>| {
            application.as_ref().is_some_and(|application| excluded.contains(application))
        };
        let lifetime = policy.refresh_token_expire.filter(|age| !age.is_zero());
        let revoked_by = if policy.refresh_token_reuse_protection {
            lifetime.map(|age| now - age)
        } else {
            Some(now - policy.refresh_token_grace_period)
        };
        if let Some(cutoff) = revoked_by.filter(|_| on(Category::Revoked)) {
            graph.delete_refresh(|row, _| {
                row.revoked.is_some_and(|revoked| revoked <= cutoff) && !kept(&Some(row.application.clone()))
            });
        }
        if on(Category::Orphaned) {
            graph.delete_refresh(|row, _| {
                row.revoked.is_none() && row.access.is_none() && !kept(&Some(row.application.clone()))
            });
        }
        if let Some(age) = lifetime.filter(|_| on(Category::Expired)) {
            graph.delete_refresh(|row, access| {
                row.revoked.is_none()
                    && row.access.as_ref().is_some_and(|key| access[key].expires <= now - age)
                    && !kept(&Some(row.application.clone()))
            });
        }
        if on(Category::Access) {
            let held: BTreeSet<String> =
                graph.refresh.values().filter_map(|row| row.access.clone()).collect();
            graph
                .access
                .retain(|key, row| row.expires >= now || held.contains(key) || kept(&row.application));
        }
        let held: BTreeSet<String> = graph.access.values().filter_map(|row| row.id_token.clone()).collect();
        for (category, role) in [
            (Category::Id, TableRole::IdToken),
            (Category::Grants, TableRole::Grant),
            (Category::Par, TableRole::ParRequest),
            (Category::Device, TableRole::DeviceGrant),
        ] {
            if let Some(rows) = graph.others.get_mut(&role).filter(|_| on(category)) {
                rows.retain(|key, row| {
                    row.expires >= now
                        || (role == TableRole::IdToken && held.contains(key))
                        || kept(&row.application)
                });
            }
        }
        graph
    }

    /// The ORM's deletion: pointers to the rows become NULL.
    fn delete_refresh(&mut self, doomed: impl Fn(&Refresh, &BTreeMap<String, Access>) -> bool) {
        let gone: BTreeSet<String> = self
            .refresh
            .iter()
            .filter(|(_, row)| doomed(row, &self.access))
            .map(|(key, _)| key.clone())
            .collect();
        self.refresh.retain(|key, _| !gone.contains(key));
        for row in self.access.values_mut() {
            row.source = row.source.take().filter(|source| !gone.contains(source));
        }
    }
}

fn instant(epoch: &str) -> OffsetDateTime {
    let (seconds, micros) = epoch.split_once('.').unwrap_or((epoch, "0"));
    let micros: i64 = format!("{micros:0<6}").parse().unwrap();
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds.parse().unwrap()) + Duration::microseconds(micros)
}

//! Which rows are doomed, in SQL.
//!
//! The meaning is DOT 3.4.1's `clear_expired()`: `<=` for refresh tokens, `<` for everything else. Rows have the
//! aliases `r` (refresh token), `a` (access token), `i` (ID token) and `t` (anything else). In a join of `a` and `r`,
//! `r` refers to `a`; the foreign key's column is unique, so there is one at most.

use time::OffsetDateTime;

use super::statement::{Bind, Binds};
use crate::db::layout::{Layout, Table};
use crate::db::source::source;
use crate::model::{Category, Doomed, REGISTRATION_SCOPE, Sweep, TableRole};

/// The tables that predicates name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables<'a> {
    pub layout: &'a Layout,
    pub refresh: &'a Table,
    pub access: &'a Table,
    /// Whether some applications are left alone.
    pub excluding: bool,
}

impl<'a> Tables<'a> {
    /// `None`: the layout lacks a table that every DOT has, which [`Layout::probe`] refuses.
    pub(super) fn new(layout: &'a Layout, excluding: bool) -> Option<Self> {
        let refresh = layout.table(TableRole::RefreshToken)?;
        let access = layout.table(TableRole::AccessToken)?;
        Some(Self { layout, refresh, access, excluding })
    }

    /// `a` and the `r` that refers to it, if there is one.
    pub(super) fn sessions(&self) -> String {
        format!(
            "{} a LEFT JOIN {} r ON r.access_token_id = a.{}",
            self.access.sql(),
            self.refresh.sql(),
            self.access.key_sql()
        )
    }

    /// The row does not belong to an application that is left alone.
    pub(super) fn included(&self, alias: &str, binds: &mut Binds) -> String {
        if !self.excluding {
            return "true".to_owned();
        }
        let keys = binds.keys(Bind::ExcludedKeys, self.layout.application().key_type());
        format!("({alias}.application_id = ANY({keys})) IS NOT TRUE")
    }

    /// The application `t` has no row `x` of which a condition holds.
    fn nothing_of(&self, role: TableRole, condition: &str) -> String {
        let Some(table) = self.layout.table(role) else { return "true".to_owned() };
        let (table, key) = (table.sql(), self.layout.application().key_sql());
        format!("NOT EXISTS (SELECT FROM {table} x WHERE x.application_id = t.{key} AND {condition})")
    }

    /// The same for the tables that name the application by its client id.
    fn included_client(&self, binds: &mut Binds) -> String {
        if !self.excluding {
            return "true".to_owned();
        }
        format!("t.client_id <> ALL({}::text[])", binds.get(Bind::ExcludedClients))
    }
}

/// Which dynamically registered applications are unused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unused {
    /// Registered before this.
    registered: OffsetDateTime,
    /// And not before this.
    oldest: Option<OffsetDateTime>,
    /// Nothing is pending beyond this.
    now: OffsetDateTime,
}

/// The cutoffs of several sweeps at once, or of one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cutoffs {
    /// Refresh tokens revoked by then.
    pub revoked: Option<OffsetDateTime>,
    /// Of those, only the ones whose access token expired before then.
    pub revoked_with_expired: Option<OffsetDateTime>,
    /// Refresh tokens without an access token.
    pub orphaned: bool,
    /// Refresh tokens whose access token expired by then.
    pub idle: Option<OffsetDateTime>,
    /// Access tokens expired before then.
    pub access: Option<OffsetDateTime>,
    pub id: Option<OffsetDateTime>,
    pub grants: Option<OffsetDateTime>,
    /// Pushed authorization requests.
    pub par: Option<OffsetDateTime>,
    pub device: Option<OffsetDateTime>,
    /// Applications of metadata documents.
    pub cimd: Option<OffsetDateTime>,
    /// Dynamically registered applications.
    pub dcr: Option<Unused>,
}

impl Cutoffs {
    /// Adds those of a sweep.
    pub(super) fn add(&mut self, sweep: &Sweep) {
        match sweep.doomed {
            Doomed::Sessions { revoked, idle, expired } => {
                if self.revoked.is_none() {
                    self.revoked = revoked;
                    self.revoked_with_expired = expired;
                }
                self.idle = idle;
                self.access = expired;
            }
            Doomed::RefreshTokens { revoked, orphaned } => {
                if revoked.is_some() {
                    self.revoked = revoked;
                    self.revoked_with_expired = None;
                }
                self.orphaned = orphaned;
            }
            Doomed::IdTokens { expired } => self.id = Some(expired),
            Doomed::Grants { expired } => self.grants = Some(expired),
            Doomed::ParRequests { expired } => self.par = Some(expired),
            Doomed::DeviceGrants { expired } => self.device = Some(expired),
            Doomed::CimdApplications { expired } => self.cimd = Some(expired),
            Doomed::DcrApplications { registered, oldest, now } => {
                self.dcr = Some(Unused { registered, oldest, now });
            }
        }
    }

    /// Those of one sweep.
    pub(super) fn of(sweep: &Sweep) -> Self {
        let mut cutoffs = Self::default();
        cutoffs.add(sweep);
        cutoffs
    }

    /// `r` is revoked for long enough.
    pub(super) fn revoked(&self, tables: &Tables<'_>, binds: &mut Binds) -> Option<String> {
        let cutoff = binds.get(Bind::Instant(self.revoked?));
        let expired = self
            .revoked_with_expired
            .map(|instant| format!(" AND a.expires < {}", binds.get(Bind::Instant(instant))))
            .unwrap_or_default();
        Some(format!("(r.revoked <= {cutoff}{expired} AND {})", tables.included("r", binds)))
    }

    /// `r` has no access token.
    pub(super) fn orphaned(&self, tables: &Tables<'_>, binds: &mut Binds) -> Option<String> {
        self.orphaned.then(|| {
            let included = tables.included("r", binds);
            let wanted = binds.and_orphaned();
            format!("(r.revoked IS NULL AND r.access_token_id IS NULL AND {included}{wanted})")
        })
    }

    /// `r`'s access token `a` expired long enough ago.
    pub(super) fn idle(&self, tables: &Tables<'_>, binds: &mut Binds) -> Option<String> {
        let cutoff = binds.get(Bind::Instant(self.idle?));
        let (key, included) = (tables.refresh.key_sql(), tables.included("r", binds));
        // Where there is no refresh token, an outer join's `r.revoked` is NULL as well.
        Some(format!("(r.{key} IS NOT NULL AND r.revoked IS NULL AND a.expires <= {cutoff} AND {included})"))
    }

    /// `r`, joined with `a`, is doomed in any way.
    pub(super) fn refresh(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        let ways = [self.revoked(tables, binds), self.idle(tables, binds), self.orphaned(tables, binds)];
        any(ways.into_iter().flatten())
    }

    /// `r` is doomed for reasons that do not depend on `a`.
    pub(super) fn refresh_alone(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        any([self.revoked(tables, binds), self.orphaned(tables, binds)].into_iter().flatten())
    }

    /// `a` goes once no refresh token refers to it.
    pub(super) fn expired(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        expired("a", self.access, binds, |binds| {
            let registration = self.with_application(tables, binds);
            tables.included("a", binds) + &registration
        })
    }

    /// In a count of several sweeps: registration access tokens go with their unused application, before access tokens
    /// are looked at.
    fn with_application(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        let Some(unused) = self.dcr(tables, binds) else { return String::new() };
        let application = tables.layout.application();
        format!(
            " AND (a.scope <> '{REGISTRATION_SCOPE}' OR a.application_id IS NULL OR a.application_id NOT IN \
             (SELECT t.{} FROM {} t WHERE {unused}))",
            application.key_sql(),
            application.sql()
        )
    }

    /// `a` is deleted before the run ends: it is expired, and its refresh token goes too if there is one.
    pub(super) fn access(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        let expired = self.expired(tables, binds);
        let refresh = self.refresh(tables, binds);
        format!("({expired} AND (r.{} IS NULL OR {refresh}))", tables.refresh.key_sql())
    }

    /// `i` goes once no access token refers to it.
    pub(super) fn id(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        expired("i", self.id, binds, |binds| tables.included("i", binds))
    }

    /// `t`, an authorization code, goes.
    pub(super) fn grant(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        expired("t", self.grants, binds, |binds| tables.included("t", binds))
    }

    /// `t`, a pushed authorization request, goes.
    pub(super) fn par(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        expired("t", self.par, binds, |binds| tables.included_client(binds))
    }

    /// `t`, a device grant, goes.
    pub(super) fn device(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        expired("t", self.device, binds, |binds| tables.included_client(binds))
    }

    /// `t`, an application, goes.
    pub(super) fn application(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        any(self.applications(tables, binds).into_iter().map(|(_, way)| way))
    }

    /// The same for each category on its own. They have no row in common.
    pub(super) fn applications(&self, tables: &Tables<'_>, binds: &mut Binds) -> Vec<(Category, String)> {
        let cimd = self.cimd(tables, binds).map(|way| (Category::Cimd, way));
        let dcr = self.dcr(tables, binds).map(|way| (Category::Dcr, way));
        [cimd, dcr].into_iter().flatten().collect()
    }

    /// `t` is expired by its metadata document, and nothing of it lives: DOT 3.4.1's `clearcimdapplications`. A refresh
    /// token that is not revoked counts as live at any age, unless this run deletes it.
    fn cimd(&self, tables: &Tables<'_>, binds: &mut Binds) -> Option<String> {
        let now = binds.get(Bind::Instant(self.cimd?));
        let spared = binds.get(Bind::SparedClients);
        let expires = format!("x.expires > {now}");
        let mut parts = vec![
            format!("t.registration_source = 'cimd' AND t.cimd_expires_at < {now}"),
            format!("t.client_id <> ALL({spared}::text[])"),
        ];
        for role in [TableRole::AccessToken, TableRole::IdToken, TableRole::Grant] {
            parts.push(tables.nothing_of(role, &expires));
        }
        let key = tables.layout.application().key_sql();
        let (refresh, access, a_key) = (tables.refresh.sql(), tables.access.sql(), tables.access.key_sql());
        let gone = self.refresh(tables, binds);
        parts.push(if gone == "false" {
            tables.nothing_of(TableRole::RefreshToken, "x.revoked IS NULL")
        } else {
            format!(
                "NOT EXISTS (SELECT FROM {refresh} r LEFT JOIN {access} a ON a.{a_key} = r.access_token_id \
                 WHERE r.application_id = t.{key} AND r.revoked IS NULL AND {gone} IS NOT TRUE)"
            )
        });
        Some(format!("({})", parts.join(" AND ")))
    }

    /// `t` registered itself, long enough ago, and there is no sign that a user ever authorised it: no code, no token
    /// of any age but the one that came with the registration, and nothing under way.
    fn dcr(&self, tables: &Tables<'_>, binds: &mut Binds) -> Option<String> {
        let unused = self.unused(tables, binds)?;
        let Some(oldest) = self.dcr?.oldest else { return Some(format!("({unused})")) };
        Some(format!("({unused} AND t.created >= {})", binds.get(Bind::Instant(oldest))))
    }

    /// `t` would go if it were not so old that a regular run would have deleted it before.
    pub(super) fn spared_by_age(&self, tables: &Tables<'_>, binds: &mut Binds) -> Option<String> {
        let oldest = binds.get(Bind::Instant(self.dcr?.oldest?));
        Some(format!("({} AND t.created < {oldest})", self.unused(tables, binds)?))
    }

    fn unused(&self, tables: &Tables<'_>, binds: &mut Binds) -> Option<String> {
        let Unused { registered, oldest: _, now } = self.dcr?;
        let (registered, now) = (binds.get(Bind::Instant(registered)), binds.get(Bind::Instant(now)));
        let spared = binds.get(Bind::SparedClients);
        let has_updated = tables.layout.application().has("updated");
        let changed = if has_updated { format!(" AND t.updated < {registered}") } else { String::new() };
        let mut parts = vec![
            format!("{} = 'dcr' AND t.created < {registered}{changed}", source(tables.layout)),
            format!("NOT t.skip_authorization AND t.client_id <> ALL({spared}::text[])"),
            tables.nothing_of(TableRole::RefreshToken, "true"),
            tables.nothing_of(TableRole::AccessToken, &format!("x.scope <> '{REGISTRATION_SCOPE}'")),
            tables.nothing_of(TableRole::IdToken, "true"),
            tables.nothing_of(TableRole::Grant, "true"),
        ];
        let pending = [
            (TableRole::DeviceGrant, format!("(x.expires > {now} OR x.status = 'authorized')")),
            (TableRole::ParRequest, format!("x.expires > {now}")),
        ];
        for (role, pending) in pending {
            if let Some(table) = tables.layout.table(role) {
                let table = table.sql();
                parts.push(format!(
                    "NOT EXISTS (SELECT FROM {table} x WHERE x.client_id = t.client_id AND {pending})"
                ));
            }
        }
        Some(parts.join(" AND "))
    }
}

/// A row has expired before the cutoff, and something else holds; without a cutoff no row has.
fn expired(
    alias: &str,
    cutoff: Option<OffsetDateTime>,
    binds: &mut Binds,
    and: impl FnOnce(&mut Binds) -> String,
) -> String {
    let Some(instant) = cutoff else { return "false".to_owned() };
    let cutoff = binds.get(Bind::Instant(instant));
    format!("({alias}.expires < {cutoff} AND {})", and(binds))
}

/// Any of the ways.
pub(super) fn any(ways: impl Iterator<Item = String>) -> String {
    let ways: Vec<String> = ways.collect();
    if ways.is_empty() { "false".to_owned() } else { format!("({})", ways.join(" OR ")) }
}

//! Which rows are doomed, in SQL.
//!
//! The meaning is DOT 3.4.1's `clear_expired()`: `<=` for refresh tokens, `<` for everything else. Rows have the
//! aliases `r` (refresh token), `a` (access token), `i` (ID token) and `t` (anything else). In a join of `a` and `r`,
//! `r` refers to `a`; the foreign key's column is unique, so there is one at most.

use time::OffsetDateTime;

use super::statement::{Bind, Binds};
use crate::db::layout::{Layout, Table};
use crate::model::{Doomed, Sweep, TableRole};

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

    /// The same for the tables that name the application by its client id.
    fn included_client(&self, binds: &mut Binds) -> String {
        if !self.excluding {
            return "true".to_owned();
        }
        format!("t.client_id <> ALL({}::text[])", binds.get(Bind::ExcludedClients))
    }
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
    /// ID tokens.
    pub id: Option<OffsetDateTime>,
    /// Authorization codes.
    pub grants: Option<OffsetDateTime>,
    /// Pushed authorization requests.
    pub par: Option<OffsetDateTime>,
    /// Device grants.
    pub device: Option<OffsetDateTime>,
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
            format!("(r.revoked IS NULL AND r.access_token_id IS NULL AND {included})")
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
        any(ways)
    }

    /// `r` is doomed, whatever `a` is.
    pub(super) fn refresh_alone(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        any([self.revoked(tables, binds), self.orphaned(tables, binds), None])
    }

    /// `a` goes once no refresh token refers to it.
    pub(super) fn expired(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        let Some(instant) = self.access else { return "false".to_owned() };
        let cutoff = binds.get(Bind::Instant(instant));
        format!("(a.expires < {cutoff} AND {})", tables.included("a", binds))
    }

    /// `a` goes by the end of the run: it is expired, and its refresh token goes too if there is one.
    pub(super) fn access(&self, tables: &Tables<'_>, binds: &mut Binds) -> String {
        let expired = self.expired(tables, binds);
        let refresh = self.refresh(tables, binds);
        format!("({expired} AND (r.{} IS NULL OR {refresh}))", tables.refresh.key_sql())
    }

    /// `i` goes once no access token refers to it.
    pub(super) fn id(instant: OffsetDateTime, tables: &Tables<'_>, binds: &mut Binds) -> String {
        let cutoff = binds.get(Bind::Instant(instant));
        format!("(i.expires < {cutoff} AND {})", tables.included("i", binds))
    }

    /// `t`, an authorization code, goes.
    pub(super) fn grant(instant: OffsetDateTime, tables: &Tables<'_>, binds: &mut Binds) -> String {
        let cutoff = binds.get(Bind::Instant(instant));
        format!("(t.expires < {cutoff} AND {})", tables.included("t", binds))
    }

    /// `t`, a pushed authorization request or a device grant, goes.
    pub(super) fn by_client(instant: OffsetDateTime, tables: &Tables<'_>, binds: &mut Binds) -> String {
        let cutoff = binds.get(Bind::Instant(instant));
        format!("(t.expires < {cutoff} AND {})", tables.included_client(binds))
    }
}

/// Any of the ways.
pub(super) fn any(ways: [Option<String>; 3]) -> String {
    let ways: Vec<String> = ways.into_iter().flatten().collect();
    if ways.is_empty() { "false".to_owned() } else { format!("({})", ways.join(" OR ")) }
}

//! The kinds of sweeps that have a function, and the names of its variables.

use time::OffsetDateTime;

use crate::db::layout::{Layout, Table};
use crate::db::tokens::statement::Bind;
use crate::model::{Doomed, Sweep, TableRole};

/// What a function deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Sessions,
    RefreshTokens,
    IdTokens,
    Grants,
    ParRequests,
    DeviceGrants,
}

/// Stand for the cutoffs while the text of a function is written.
const REVOKED: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const IDLE: OffsetDateTime = REVOKED.saturating_add(time::Duration::SECOND);
const EXPIRED: OffsetDateTime = IDLE.saturating_add(time::Duration::SECOND);

impl Kind {
    /// That of a sweep; `None`: applications are deleted row by row.
    pub(super) const fn of(sweep: &Sweep) -> Option<Self> {
        Some(match sweep.doomed {
            Doomed::Sessions { .. } => Self::Sessions,
            Doomed::RefreshTokens { .. } => Self::RefreshTokens,
            Doomed::IdTokens { .. } => Self::IdTokens,
            Doomed::Grants { .. } => Self::Grants,
            Doomed::ParRequests { .. } => Self::ParRequests,
            Doomed::DeviceGrants { .. } => Self::DeviceGrants,
            Doomed::CimdApplications { .. } | Doomed::DcrApplications { .. } => return None,
        })
    }

    /// Those of some sweeps, each once.
    pub(super) fn of_all(sweeps: &[Sweep]) -> Vec<Self> {
        let mut kinds: Vec<Self> = sweeps.iter().filter_map(Self::of).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// The name of the function.
    pub(super) const fn function(self) -> &'static str {
        match self {
            Self::Sessions => "delete_sessions",
            Self::RefreshTokens => "delete_refresh_tokens",
            Self::IdTokens => "delete_id_tokens",
            Self::Grants => "delete_grants",
            Self::ParRequests => "delete_par_requests",
            Self::DeviceGrants => "delete_device_grants",
        }
    }

    /// The name of the function that it calls.
    pub(super) fn inner(self) -> String {
        format!("inner_{}", self.function())
    }

    /// A sweep of this kind, with the stand-ins for its cutoffs.
    pub(super) fn sweep(self) -> Sweep {
        let (revoked, idle, expired) = (Some(REVOKED), Some(IDLE), EXPIRED);
        let doomed = match self {
            Self::Sessions => Doomed::Sessions { revoked, idle, expired: Some(expired) },
            Self::RefreshTokens => Doomed::RefreshTokens { revoked, orphaned: true },
            Self::IdTokens => Doomed::IdTokens { expired },
            Self::Grants => Doomed::Grants { expired },
            Self::ParRequests => Doomed::ParRequests { expired },
            Self::DeviceGrants => Doomed::DeviceGrants { expired },
        };
        Sweep { doomed, excluded: std::collections::BTreeSet::new() }
    }

    /// The table that is walked; `None`: this DOT has none.
    pub(super) fn table(self, layout: &Layout) -> Option<&Table> {
        layout.table(self.sweep().role())
    }

    /// Whether pointers to its rows are set to NULL.
    pub(super) const fn clears_pointers(self) -> bool {
        matches!(self, Self::Sessions | Self::RefreshTokens)
    }

    /// The tables that it locks: those that lose rows, and the access tokens whose pointers are set to NULL.
    pub(super) fn changed(self, layout: &Layout) -> Vec<&Table> {
        let (sweep, pointers) = (self.sweep(), self.clears_pointers());
        let changes =
            |role: TableRole| sweep.tables().contains(&role) || (pointers && role == TableRole::AccessToken);
        layout.tables().filter(|(role, _)| changes(*role)).map(|(_, table)| table).collect()
    }
}

/// The variable of a value while the keys are those that the caller gives.
pub(super) fn asked(bind: Bind) -> &'static str {
    variable(bind, "v_asked")
}

/// The same while the keys are those of the rows that were deleted from the walked table.
pub(super) fn gone(bind: Bind) -> &'static str {
    variable(bind, "v_gone")
}

/// The same while the keys are those of the deleted refresh tokens.
pub(super) fn refresh(bind: Bind) -> &'static str {
    variable(bind, "v_refresh")
}

fn variable(bind: Bind, keys: &'static str) -> &'static str {
    match bind {
        Bind::Low => "v_low",
        Bind::High => "v_high",
        Bind::Instant(instant) if instant == REVOKED => "p_revoked",
        Bind::Instant(instant) if instant == IDLE => "p_idle",
        Bind::Instant(_) => "p_expired",
        Bind::Keys => keys,
        Bind::Flags => "v_flags",
        Bind::ExcludedKeys => "v_excluded",
        Bind::ExcludedClients => "v_clients",
        // None of these statements has them.
        Bind::Rows | Bind::Blocked | Bind::SparedClients => "NULL",
    }
}

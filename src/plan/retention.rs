//! Policy and instant → sweeps: what may go, with fixed cutoffs, in the order in which it goes.
//!
//! The meaning is that of DOT 3.4.1's `clear_expired()` on every schema. The order is not DOT's: a refresh token that
//! is deleted takes its access token along before the revoked tokens are looked at, so that pointers are only ever
//! cleared on access tokens that stay. The end state is the same, also after an interruption: which rows are doomed
//! depends on nothing that another batch changes, except that an access token is freed by its refresh token's going
//! and an ID token by its access token's, and those come later in the same batch or in a later sweep.
//! Applications frame all that: dynamically registered ones are judged first, while what was issued to them is still
//! there to tell a dormant one from one that was never used; those of metadata documents last, when the dormant
//! refresh tokens that would keep them are gone.
//! Has no clock: the instant is an argument. Knows no SQL.

use std::collections::BTreeSet;
use std::time::Duration;

use time::{OffsetDateTime, UtcOffset};

use crate::model::{Category, CleanupPolicy, DcrPolicy, Doomed, Sweep, TableRole};

/// Python's `datetime.min`, 0001-01-01 UTC, in seconds since 1970. No cutoff is earlier.
const EARLIEST: i64 = -62_135_596_800;

/// Makes the sweeps for the tables that this database has.
#[must_use]
pub fn sweeps(policy: &CleanupPolicy, as_of: OffsetDateTime, available: &BTreeSet<TableRole>) -> Vec<Sweep> {
    let now = to_micros(as_of);
    let wanted = categories(policy, available);
    let when = |category: Category| wanted.contains(&category).then_some(now);

    let dcr = when(Category::Dcr).and_then(|now| {
        policy.dcr.map(|DcrPolicy { min_age, max_age, dormant }| Doomed::DcrApplications {
            registered: before(now, min_age),
            oldest: max_age.filter(|_| !dormant).map(|age| before(now, age)),
            now,
        })
    });
    let revoked = when(Category::Revoked).and_then(|_| revoked_cutoff(policy, now));
    let idle = when(Category::Expired).and_then(|_| idle_cutoff(policy, now));
    let expired = when(Category::Access);
    let orphaned = wanted.contains(&Category::Orphaned);

    let sessions = (idle.is_some() || expired.is_some()).then_some(Doomed::Sessions {
        revoked: expired.and(revoked),
        idle,
        expired,
    });
    let refresh = (revoked.is_some() || orphaned).then_some(Doomed::RefreshTokens { revoked, orphaned });
    [
        dcr,
        sessions,
        refresh,
        when(Category::Id).map(|expired| Doomed::IdTokens { expired }),
        when(Category::Grants).map(|expired| Doomed::Grants { expired }),
        when(Category::Par).map(|expired| Doomed::ParRequests { expired }),
        when(Category::Device).map(|expired| Doomed::DeviceGrants { expired }),
        when(Category::Cimd).map(|expired| Doomed::CimdApplications { expired }),
    ]
    .into_iter()
    .flatten()
    .map(|doomed| {
        let mut sweep = Sweep { doomed, excluded: policy.exclude_clients.clone() };
        if sweep.role() == TableRole::Application {
            sweep.excluded.extend(policy.declared.iter().cloned());
        }
        sweep
    })
    .collect()
}

/// The categories that the policy asks for and the database has tables for.
#[must_use]
pub fn categories(policy: &CleanupPolicy, available: &BTreeSet<TableRole>) -> BTreeSet<Category> {
    Category::ALL
        .iter()
        .copied()
        .filter(|category| {
            let asked = if policy.only.is_empty() {
                match category {
                    Category::Device => policy.device_grants,
                    Category::Cimd => policy.cimd_applications,
                    Category::Dcr => policy.dcr.is_some(),
                    Category::Revoked
                    | Category::Orphaned
                    | Category::Expired
                    | Category::Access
                    | Category::Id
                    | Category::Grants
                    | Category::Par => true,
                }
            } else {
                policy.only.contains(category)
            };
            asked && !policy.skip.contains(category) && available.contains(&category.role())
        })
        .collect()
}

/// What a run without a refresh-token lifetime leaves behind, for the warning that DOT 3.4.1 gives too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLifetime {
    /// Refresh tokens go only when they are revoked or orphaned.
    KeepsIdle,
    /// Under reuse protection revoked ones stay as well, because they are what a replay is recognised by.
    KeepsIdleAndRevoked,
}

/// Whether refresh tokens are kept for ever, and which.
#[must_use]
pub fn no_lifetime(policy: &CleanupPolicy) -> Option<NoLifetime> {
    match (lifetime(policy), policy.refresh_token_reuse_protection) {
        (Some(_), _) => None,
        (None, false) => Some(NoLifetime::KeepsIdle),
        (None, true) => Some(NoLifetime::KeepsIdleAndRevoked),
    }
}

/// DOT: a falsy `REFRESH_TOKEN_EXPIRE_SECONDS` is off.
fn lifetime(policy: &CleanupPolicy) -> Option<Duration> {
    policy.refresh_token_expire.filter(|lifetime| !lifetime.is_zero())
}

/// DOT 3.4.0's rule: now, less the grace period; under reuse protection now less the lifetime, and without one never.
fn revoked_cutoff(policy: &CleanupPolicy, now: OffsetDateTime) -> Option<OffsetDateTime> {
    if policy.refresh_token_reuse_protection {
        return idle_cutoff(policy, now);
    }
    Some(before(now, policy.refresh_token_grace_period))
}

fn idle_cutoff(policy: &CleanupPolicy, now: OffsetDateTime) -> Option<OffsetDateTime> {
    lifetime(policy).map(|lifetime| before(now, lifetime))
}

/// `now - age` in whole microseconds, the age rounded as Python's `timedelta(seconds=…)` rounds it, half to even.
fn before(now: OffsetDateTime, age: Duration) -> OffsetDateTime {
    let (whole, rest) = (age.as_nanos() / 1_000, age.as_nanos() % 1_000);
    let micros = if rest > 500 || (rest == 500 && whole % 2 == 1) { whole + 1 } else { whole };
    let earliest = OffsetDateTime::UNIX_EPOCH.saturating_add(time::Duration::seconds(EARLIEST));
    i64::try_from(micros)
        .ok()
        .and_then(|micros| now.checked_sub(time::Duration::microseconds(micros)))
        .map_or(earliest, |instant| instant.max(earliest))
}

fn to_micros(instant: OffsetDateTime) -> OffsetDateTime {
    let utc = instant.to_offset(UtcOffset::UTC);
    utc.replace_nanosecond(utc.nanosecond() / 1_000 * 1_000).unwrap_or(utc)
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;

    use super::*;
    use crate::model::ClientId;

    const HOUR: Duration = Duration::from_hours(1);

    fn instant(text: &str) -> OffsetDateTime {
        OffsetDateTime::parse(text, &Rfc3339).unwrap()
    }

    fn now() -> OffsetDateTime {
        instant("2026-01-02T03:04:05.600000Z")
    }

    fn everything() -> BTreeSet<TableRole> {
        TableRole::ALL.iter().copied().collect()
    }

    fn doomed(policy: &CleanupPolicy) -> Vec<Doomed> {
        sweeps(policy, now(), &everything()).into_iter().map(|sweep| sweep.doomed).collect()
    }

    fn only(categories: &[Category]) -> CleanupPolicy {
        CleanupPolicy {
            only: categories.iter().copied().collect(),
            refresh_token_expire: Some(HOUR),
            ..CleanupPolicy::default()
        }
    }

    /// The cutoffs of a policy: revoked and idle.
    fn cutoffs(
        expire: Option<u64>,
        grace: u64,
        reuse: bool,
    ) -> (Option<OffsetDateTime>, Option<OffsetDateTime>) {
        let policy = CleanupPolicy {
            refresh_token_expire: expire.map(Duration::from_secs),
            refresh_token_grace_period: Duration::from_secs(grace),
            refresh_token_reuse_protection: reuse,
            ..CleanupPolicy::default()
        };
        match doomed(&policy)[..2] {
            [Doomed::Sessions { revoked, idle, .. }, Doomed::RefreshTokens { revoked: again, .. }] => {
                assert_eq!(revoked, again);
                (revoked, idle)
            }
            ref other => panic!("{other:?}"),
        }
    }

    #[test]
    fn cutoffs_are_those_of_dot() {
        let hour_ago = Some(now() - HOUR);
        let grace_ago = Some(now() - Duration::from_mins(2));
        assert_eq!(cutoffs(None, 0, false), (Some(now()), None));
        assert_eq!(cutoffs(Some(0), 0, false), (Some(now()), None));
        assert_eq!(cutoffs(Some(3600), 0, false), (Some(now()), hour_ago));
        assert_eq!(cutoffs(Some(3600), 120, false), (grace_ago, hour_ago));
        assert_eq!(cutoffs(None, 120, false), (grace_ago, None));
        assert_eq!(cutoffs(Some(3600), 120, true), (hour_ago, hour_ago));
        assert_eq!(cutoffs(None, 120, true), (None, None));
    }

    #[test]
    fn the_instant_is_cut_to_microseconds_and_ages_are_rounded() {
        let policy = CleanupPolicy {
            refresh_token_expire: Some(Duration::from_nanos(1_500)),
            ..CleanupPolicy::default()
        };
        let as_of = instant("2026-01-02T05:04:05.600000999+02:00");
        let Doomed::Sessions { idle, expired, .. } = sweeps(&policy, as_of, &everything())[0].doomed else {
            panic!("sessions come first");
        };
        assert_eq!(expired, Some(now()));
        assert_eq!(idle, Some(now() - Duration::from_micros(2)));
    }

    #[test]
    fn an_age_beyond_the_calendar_is_the_beginning_of_time() {
        let earliest = instant("0001-01-01T00:00:00Z");
        assert_eq!(cutoffs(Some(u64::MAX), 0, false), (Some(now()), Some(earliest)));
        assert_eq!(cutoffs(Some(100_000_000_000), 0, false), (Some(now()), Some(earliest)));
    }

    #[test]
    fn tables_that_are_not_there_are_not_swept() {
        let available = everything()
            .into_iter()
            .filter(|role| !matches!(role, TableRole::ParRequest | TableRole::IdToken))
            .collect();
        let policy = CleanupPolicy { device_grants: true, ..CleanupPolicy::default() };
        let roles: Vec<TableRole> = sweeps(&policy, now(), &available).iter().map(Sweep::role).collect();
        assert_eq!(
            roles,
            [TableRole::AccessToken, TableRole::RefreshToken, TableRole::Grant, TableRole::DeviceGrant]
        );
    }

    #[test]
    fn categories_select_the_passes() {
        let (at, hour_ago) = (Some(now()), Some(now() - HOUR));
        assert_eq!(
            doomed(&only(&[Category::Revoked])),
            [Doomed::RefreshTokens { revoked: at, orphaned: false }]
        );
        assert_eq!(
            doomed(&only(&[Category::Orphaned])),
            [Doomed::RefreshTokens { revoked: None, orphaned: true }]
        );
        assert_eq!(
            doomed(&only(&[Category::Expired])),
            [Doomed::Sessions { revoked: None, idle: hour_ago, expired: None }]
        );
        assert_eq!(
            doomed(&only(&[Category::Access])),
            [Doomed::Sessions { revoked: None, idle: None, expired: at }]
        );
        assert_eq!(
            doomed(&only(&[Category::Revoked, Category::Expired])),
            [
                Doomed::Sessions { revoked: None, idle: hour_ago, expired: None },
                Doomed::RefreshTokens { revoked: at, orphaned: false }
            ]
        );
        assert_eq!(
            doomed(&only(&[Category::Revoked, Category::Access])),
            [
                Doomed::Sessions { revoked: at, idle: None, expired: at },
                Doomed::RefreshTokens { revoked: at, orphaned: false }
            ]
        );
        assert_eq!(doomed(&only(&[Category::Device])), [Doomed::DeviceGrants { expired: now() }]);
        let skipping = CleanupPolicy {
            skip: [Category::Access, Category::Revoked, Category::Orphaned, Category::Id].into(),
            ..CleanupPolicy::default()
        };
        assert_eq!(
            doomed(&skipping),
            [Doomed::Grants { expired: now() }, Doomed::ParRequests { expired: now() }]
        );
    }

    #[test]
    fn device_grants_go_only_when_asked() {
        assert!(
            !doomed(&CleanupPolicy::default())
                .iter()
                .any(|doomed| matches!(doomed, Doomed::DeviceGrants { .. }))
        );
        let policy = CleanupPolicy { device_grants: true, ..CleanupPolicy::default() };
        assert_eq!(doomed(&policy).last(), Some(&Doomed::DeviceGrants { expired: now() }));
    }

    #[test]
    fn applications_frame_the_tokens() {
        let policy = CleanupPolicy {
            cimd_applications: true,
            dcr: Some(DcrPolicy { min_age: HOUR, max_age: Some(2 * HOUR), dormant: false }),
            exclude_clients: [ClientId::new("kept")].into(),
            declared: [ClientId::new("declared")].into(),
            ..CleanupPolicy::default()
        };
        let all = sweeps(&policy, now(), &everything());
        let (first, last) = (all.first().unwrap(), all.last().unwrap());
        let unused = |oldest| Doomed::DcrApplications { registered: now() - HOUR, oldest, now: now() };
        assert_eq!(first.doomed, unused(Some(now() - 2 * HOUR)));
        let dormant = DcrPolicy { min_age: HOUR, max_age: Some(2 * HOUR), dormant: true };
        let backlog = CleanupPolicy { dcr: Some(dormant), ..policy.clone() };
        assert_eq!(doomed(&backlog).first(), Some(&unused(None)));
        assert_eq!(last.doomed, Doomed::CimdApplications { expired: now() });
        for sweep in &all {
            let spared = sweep.excluded.contains(&ClientId::new("declared"));
            assert_eq!(spared, sweep.role() == TableRole::Application, "{sweep}");
            assert!(sweep.excluded.contains(&ClientId::new("kept")), "{sweep}");
        }
        assert!(doomed(&only(&[Category::Dcr])).is_empty(), "there is no age to go by");
    }

    #[test]
    fn a_missing_lifetime_is_noticed() {
        let without = CleanupPolicy::default();
        assert_eq!(no_lifetime(&without), Some(NoLifetime::KeepsIdle));
        let reuse = CleanupPolicy { refresh_token_reuse_protection: true, ..without.clone() };
        assert_eq!(no_lifetime(&reuse), Some(NoLifetime::KeepsIdleAndRevoked));
        assert_eq!(no_lifetime(&CleanupPolicy { refresh_token_expire: Some(HOUR), ..reuse }), None);
    }
}

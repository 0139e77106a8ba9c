//! Which position of an earlier run still means something: one of the same sweep, policy and table.
//!
//! Pure: policy and tables in, digest and verdict out. The instant of a run is no part of the digest, because rows that have
//! expired since are found when the run wraps around.

use crate::model::{CleanupPolicy, ClientId, Key, Position, Sweep, digest};

/// How many hexadecimal digits of the digest are kept: it tells policies apart, and is typed by people.
const DIGITS: usize = 8;

/// How positions of a sweep are called.
#[must_use]
pub fn name(sweep: &Sweep) -> String {
    sweep.categories().iter().map(|category| category.key()).collect::<Vec<_>>().join("+")
}

/// A digest of what decides which rows of a table go. `table`: with its schema.
#[must_use]
pub fn fingerprint(policy: &CleanupPolicy, table: &str, key_type: &str) -> String {
    let CleanupPolicy {
        refresh_token_expire,
        refresh_token_grace_period,
        refresh_token_reuse_protection,
        // The sweep says which categories are deleted.
        only: _,
        skip: _,
        device_grants: _,
        cimd_applications: _,
        dcr: _,
        // Applications have no positions.
        declared: _,
        exclude_clients,
        pace: _,
        counting: _,
    } = policy;
    let expire = refresh_token_expire.map(|expire| expire.as_nanos());
    let grace = refresh_token_grace_period.as_nanos();
    let reuse = refresh_token_reuse_protection;
    let excluded: Vec<&str> = exclude_clients.iter().map(ClientId::as_str).collect();
    let text = format!("{expire:?} {grace} {reuse} {excluded:?} {table:?} {key_type:?}");
    digest(&text).chars().take(DIGITS).collect()
}

/// Whether keys of this type are remembered: numbers and UUIDs. Text could be a token, which no file and no output may
/// have.
#[must_use]
pub fn is_rememberable(key_type: &str) -> bool {
    matches!(key_type, "bigint" | "integer" | "smallint" | "uuid")
}

/// Whether a run of this sweep may begin at the position.
#[must_use]
pub fn fits(position: &Position, sweep: &Sweep, fingerprint: &str, key_type: &str) -> bool {
    let Position { sweep: named, fingerprint: of, key } = position;
    let is_key = |key: &Key| match key_type {
        "uuid" => key.as_str().len() == 36 && key.as_str().chars().all(|c| c.is_ascii_hexdigit() || c == '-'),
        _ => key.as_str().parse::<i64>().is_ok(),
    };
    is_rememberable(key_type) && *named == name(sweep) && of == fingerprint && key.as_ref().is_none_or(is_key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use time::OffsetDateTime;

    use super::*;
    use crate::model::Doomed;

    fn sweep() -> Sweep {
        let expired = Some(OffsetDateTime::UNIX_EPOCH);
        let doomed = Doomed::Sessions { revoked: None, idle: None, expired };
        Sweep { doomed, excluded: BTreeSet::new() }
    }

    #[test]
    fn a_position_of_another_policy_table_or_sweep_does_not_fit() {
        let policy = CleanupPolicy::default();
        let own = fingerprint(&policy, "public.t", "bigint");
        let position = |text: &str| text.parse::<Position>().unwrap();
        assert!(fits(&position(&format!("access:{own}:5")), &sweep(), &own, "bigint"));
        assert!(fits(&position(&format!("access:{own}:")), &sweep(), &own, "bigint"));
        assert!(!fits(&position(&format!("id:{own}:5")), &sweep(), &own, "bigint"));
        assert!(!fits(&position("access:00000000:5"), &sweep(), &own, "bigint"));
        assert!(!fits(&position(&format!("access:{own}:5")), &sweep(), &own, "uuid"));
        assert!(!fits(&position(&format!("access:{own}:x")), &sweep(), &own, "bigint"));
        assert!(!fits(&position(&format!("access:{own}:5")), &sweep(), &own, "character varying(9)"));
        let others = [
            CleanupPolicy { refresh_token_expire: Some(Duration::from_secs(5)), ..policy.clone() },
            CleanupPolicy { refresh_token_grace_period: Duration::from_secs(5), ..policy.clone() },
            CleanupPolicy { refresh_token_reuse_protection: true, ..policy.clone() },
            CleanupPolicy { exclude_clients: [ClientId::new("a")].into(), ..policy.clone() },
        ];
        for other in others {
            assert_ne!(fingerprint(&other, "public.t", "bigint"), own);
        }
        assert_ne!(fingerprint(&policy, "other.t", "bigint"), own);
        assert_ne!(fingerprint(&policy, "public.t", "integer"), own);
    }
}

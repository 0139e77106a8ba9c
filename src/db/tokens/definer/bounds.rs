//! What a function deletes at most, whatever it is asked for.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::model::words::listed;
use crate::model::{CleanupPolicy, ClientId, Doomed, Sweep};

/// An older cutoff than this many seconds ago is before the first year that DOT knows.
const MOST_SECONDS: u64 = 60_000_000_000;

/// What stands in the functions: cutoffs by age, and applications whose rows stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Refresh tokens go once they have been revoked for this long, in seconds; `None`: they never do.
    pub revoked_after: Option<u64>,
    /// Refresh tokens that are not revoked go once their access tokens have been expired for this long, in seconds;
    /// `None`: they never do.
    pub idle_after: Option<u64>,
    /// The client ids of the applications whose rows stay.
    pub excluded: BTreeSet<String>,
}

impl Bounds {
    /// Those of a policy.
    #[must_use]
    pub fn of(policy: &CleanupPolicy) -> Self {
        let seconds = |age: Duration| age.as_secs().min(MOST_SECONDS);
        let idle_after = policy.refresh_token_expire.map(seconds);
        let revoked_after = if policy.refresh_token_reuse_protection {
            idle_after
        } else {
            Some(seconds(policy.refresh_token_grace_period))
        };
        let excluded = policy.exclude_clients.iter().map(|client| client.as_str().to_owned()).collect();
        Self { revoked_after, idle_after, excluded }
    }

    /// One line of ASCII, to be read back from the text of a function.
    pub(super) fn line(&self) -> String {
        // A structure of numbers and texts always has a JSON form.
        let json = serde_json::to_string(self).unwrap_or_default();
        let mut line = String::with_capacity(json.len());
        for c in json.chars() {
            if c.is_ascii() {
                line.push(c);
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a `String` cannot fail.
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
        line
    }

    /// Reads that line.
    pub(super) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// What the sweeps would delete and these bounds do not allow, or the other way round. `now`: the server's.
    pub(super) fn unmet(&self, sweeps: &[Sweep], now: OffsetDateTime) -> Vec<String> {
        let mut unmet = Vec::new();
        let (mut revoked, mut idle, mut expired) = (None, None, None);
        for sweep in sweeps {
            let excluded: BTreeSet<&str> = sweep.excluded.iter().map(ClientId::as_str).collect();
            let kept: Vec<&str> =
                self.excluded.iter().map(String::as_str).filter(|id| !excluded.contains(id)).collect();
            if !kept.is_empty() && unmet.is_empty() {
                unmet.push(format!("it leaves all rows of {} alone, and this run does not", listed(&kept)));
            }
            match sweep.doomed {
                Doomed::Sessions { revoked: by, idle: since, expired: before } => {
                    revoked = revoked.max(by);
                    idle = idle.max(since);
                    expired = expired.max(before);
                }
                Doomed::RefreshTokens { revoked: by, orphaned: _ } => revoked = revoked.max(by),
                Doomed::IdTokens { expired: before }
                | Doomed::Grants { expired: before }
                | Doomed::ParRequests { expired: before }
                | Doomed::DeviceGrants { expired: before } => expired = expired.max(Some(before)),
                Doomed::CimdApplications { .. } | Doomed::DcrApplications { .. } => {}
            }
        }
        let what = |age: Option<u64>, cutoff: Option<OffsetDateTime>, what: &str| {
            let wanted = cutoff?;
            let Some(age) = age else { return Some(format!("it deletes no {what}")) };
            let latest = now.checked_sub(time::Duration::seconds(i64::try_from(age).unwrap_or(i64::MAX)))?;
            let age = humantime::format_duration(Duration::from_secs(age));
            (wanted > latest).then(|| format!("it deletes {what} only after {age}, and this run earlier"))
        };
        unmet.extend(what(self.revoked_after, revoked, "revoked refresh tokens"));
        unmet.extend(what(self.idle_after, idle, "refresh tokens that are not revoked"));
        if expired.is_some_and(|cutoff| cutoff > now) {
            unmet.push("it deletes nothing that expires in the future, and this run does".to_owned());
        }
        unmet
    }
}

/// What the file that is printed is for.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub bounds: &'a Bounds,
    /// The role that may call the functions, not quoted.
    pub role: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_ascii_and_reads_back() {
        let excluded = ["größe \u{202e}\n".to_owned(), "a\"b' 😀 $oauthctl$ --".to_owned()];
        let bounds = Bounds { revoked_after: Some(0), idle_after: None, excluded: excluded.into() };
        let line = bounds.line();
        assert!(line.is_ascii() && !line.contains(['\n', '\r']), "{line}");
        assert_eq!(Bounds::read(&line), Some(bounds));
        assert_eq!(Bounds::read("{}"), None);
    }
}

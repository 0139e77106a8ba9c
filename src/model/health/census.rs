//! How many rows there are, how old those are that have expired, and what the ledger remembers.

use strum::VariantArray;
use time::OffsetDateTime;

use crate::model::TableRole;

/// How long ago a row expired or was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, VariantArray)]
pub enum AgeBand {
    /// Less than an hour ago.
    Hour,
    /// Less than a day ago.
    Day,
    /// Less than 7 days ago.
    Week,
    /// Less than 30 days ago.
    Month,
    /// Less than 90 days ago.
    Quarter,
    /// Less than 365 days ago.
    Year,
    Older,
}

impl AgeBand {
    /// All, youngest first.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The age at which the band begins, in seconds.
    #[must_use]
    pub const fn begins(self) -> u32 {
        const DAY: u32 = 86_400;
        match self {
            Self::Hour => 0,
            Self::Day => 3_600,
            Self::Week => DAY,
            Self::Month => 7 * DAY,
            Self::Quarter => 30 * DAY,
            Self::Year => 90 * DAY,
            Self::Older => 365 * DAY,
        }
    }

    /// What people read.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Hour => "under 1 hour",
            Self::Day => "1 to 24 hours",
            Self::Week => "1 to 7 days",
            Self::Month => "7 to 30 days",
            Self::Quarter => "30 to 90 days",
            Self::Year => "90 to 365 days",
            Self::Older => "over 365 days",
        }
    }
}

/// Rows per [`AgeBand`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages([u64; AgeBand::ALL.len()]);

impl Ages {
    /// The rows of a band.
    #[must_use]
    pub const fn get(&self, band: AgeBand) -> u64 {
        self.0[band as usize]
    }

    /// Adds rows to the count of an age.
    pub const fn add(&mut self, band: AgeBand, rows: u64) {
        self.0[band as usize] += rows;
    }

    /// The rows of all bands.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The rows that are at least as old as the band's beginning.
    #[must_use]
    pub fn at_least(&self, band: AgeBand) -> u64 {
        self.0[band as usize..].iter().sum()
    }
}

/// The rows of one table, counted exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableRows {
    pub role: TableRole,
    /// Rows that have not expired; of refresh tokens, those that are neither revoked nor orphaned nor idle.
    pub live: u64,
    /// Refresh tokens whose access token expired longer ago than the policy lets them live. Nothing but the policy
    /// says so: without that setting they cannot be told from live ones.
    pub idle: u64,
    /// Refresh tokens without an access token that are not revoked; nothing says since when.
    pub orphaned: u64,
    /// Rows that have expired, or were revoked, by how long ago.
    pub ages: Ages,
}

impl TableRows {
    /// The rows of all ages together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.live + self.spent()
    }

    /// All rows that no client can use any more.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.orphaned + self.idle + self.ages.total()
    }
}

/// What the ledger noted about a table at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    pub role: TableRole,
    pub at: OffsetDateTime,
    /// The verb of the run.
    pub verb: String,
    /// Rows inserted since PostgreSQL began to count.
    pub inserted: u64,
    /// The table without its indexes.
    pub table_bytes: u64,
    pub index_bytes: u64,
}

/// A run that the ledger remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct PastRun {
    pub verb: String,
    /// `user@host`.
    pub who: String,
    /// When it began.
    pub started: OffsetDateTime,
    /// When it ended; `None`: it is running, or it died.
    pub finished: Option<OffsetDateTime>,
    /// `succeeded`, `failed`, `refused` or `interrupted`.
    pub outcome: Option<String>,
    /// Why cleanup ended, where there was one.
    pub stop: Option<String>,
    /// Token rows deleted, by the category's key.
    pub deleted: Vec<(String, u64)>,
    /// Applications created, updated and so on, without zeroes.
    pub applications: Vec<(String, u64)>,
}

impl PastRun {
    /// All token rows deleted.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.deleted.iter().map(|(_, rows)| rows).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_contiguous_and_counted_apart() {
        let mut ages = Ages::default();
        for (rows, band) in (1..).zip(AgeBand::ALL.iter().copied()) {
            ages.add(band, rows);
            assert_eq!(ages.get(band), rows);
        }
        assert!(AgeBand::ALL.windows(2).all(|pair| pair[0].begins() < pair[1].begins()));
        assert_eq!((ages.total(), ages.at_least(AgeBand::Hour), ages.at_least(AgeBand::Year)), (28, 28, 13));
    }
}

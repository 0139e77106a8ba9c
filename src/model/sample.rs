//! From a sample of blocks to bounds for the whole table. Pure statistics.
//!
//! The sample is one of blocks (clusters), because rows of one block are much alike: bounds come from the variance
//! between blocks (the linearised variance of a ratio estimator: Cochran, "Sampling Techniques", 3rd edition, section
//! 6.3 and chapter 9A), never from the number of rows. Of each block a few rows are tested and stand for all of them;
//! the variance between blocks contains what that adds, because the blocks are drawn independently. Shares get Wilson's
//! interval with the effective sample size (Korn and Graubard, 1998), which stays honest where few rows or none are
//! found; Student's t stands for the normal quantile where there are few blocks.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of rows are far below 2^53, and negative ones are cut off before they are converted"
)]

use std::ops::AddAssign;

use super::estimate::Estimate;

/// So many tested rows that a share can be combined with the catalogue's.
const SOME: f64 = 10.0;

/// Sums over the sampled blocks of the rows of a block that have a property.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// The tested rows that have it.
    pub found: f64,
    /// Σ y, where y is the number of such rows in a block: found · rows of the block / tested rows of the block.
    pub rows: f64,
    /// Σ y², for the variance.
    pub squares: f64,
    /// Σ x y, where x is the number of rows in the block.
    pub products: f64,
}

/// A sample of one table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Sampled blocks with rows.
    pub blocks: f64,
    /// Rows that were tested.
    pub tested: f64,
    /// Σ x: all rows of these blocks.
    pub rows: f64,
    /// Σ x², for the variance.
    pub squares: f64,
    /// The probability with which a block is in the sample; of several rounds, the expected number of times.
    pub share: f64,
    /// One for each property.
    pub counts: Vec<Sums>,
    /// All properties together; a row may have more than one.
    pub total: Sums,
}

/// A number that is known roughly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rough {
    pub value: f64,
    /// The standard deviation.
    pub deviation: f64,
    /// What may be wrong beyond chance: rows that have changed since the statistics were gathered.
    pub slack: f64,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        let Self { found, rows, squares, products } = other;
        self.found += found;
        self.rows += rows;
        self.squares += squares;
        self.products += products;
    }
}

impl AddAssign<&Self> for Sample {
    /// A further round, drawn with another seed. A block that is in both counts twice.
    fn add_assign(&mut self, other: &Self) {
        let Self { blocks, tested, rows, squares, share, counts, total } = other;
        self.blocks += blocks;
        self.tested += tested;
        self.rows += rows;
        self.squares += squares;
        self.share += share;
        self.total += *total;
        self.counts.resize(counts.len(), Sums::default());
        for (mine, theirs) in self.counts.iter_mut().zip(counts) {
            *mine += *theirs;
        }
    }
}

/// A share of rows with its bounds, each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Share {
    value: f64,
    low: f64,
    high: f64,
    /// The middle of Wilson's interval, which is never 0.
    middle: f64,
}

impl Rough {
    /// The mean of two, each weighted by the inverse of what may be wrong with it.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let wrong = |one: Self| (one.deviation.powi(2) + one.slack.powi(2)).max(f64::MIN_POSITIVE);
        let (mine, theirs) = (1.0 / wrong(self), 1.0 / wrong(other));
        let (mine, theirs) = (mine / (mine + theirs), theirs / (mine + theirs));
        Self {
            value: mine * self.value + theirs * other.value,
            deviation: (mine * self.deviation).hypot(theirs * other.deviation),
            slack: mine * self.slack + theirs * other.slack,
        }
    }

    /// Bounds for a number from `least` to `most`. `freedom`: of Student's t; infinite if the deviation is known well.
    #[must_use]
    pub fn estimate(self, freedom: f64, least: f64, most: f64) -> Estimate {
        let half = quantile(freedom) * self.deviation + self.slack;
        rounded(self.value.clamp(least, most), self.value - half, self.value + half, least, most)
    }
}

impl Sample {
    /// The rows of the table, by the sample and by the catalogue; `None`: neither knows anything.
    ///
    /// The sample alone gives Horvitz and Thompson's estimator, which sees empty blocks too.
    #[must_use]
    pub fn table_rows(&self, catalogue: Option<Rough>) -> Option<Rough> {
        if self.blocks < 1.0 || self.share <= 0.0 {
            return catalogue;
        }
        let seen =
            Rough { value: self.rows / self.share, deviation: self.squares.sqrt() / self.share, slack: 0.0 };
        Some(catalogue.map_or(seen, |catalogue| seen.with(catalogue)))
    }

    /// The number of rows that have a property. `rows`: those of the table. `per_row`: how often one row can count.
    /// `catalogue`: the same number from the statistics, if they know it.
    #[must_use]
    pub fn estimate(&self, of: &Sums, per_row: f64, rows: Rough, catalogue: Option<Rough>) -> Estimate {
        let share = self.share_of(of, per_row);
        let (all, t) = (rows.value * per_row, quantile(self.blocks - 1.0));
        let most = (rows.value + t * rows.deviation + rows.slack).max(self.rows) * per_row;
        let of_rows = share.value * per_row * t * rows.deviation;
        let below = (all * (share.value - share.low)).hypot(of_rows);
        let above = (all * (share.high - share.value)).hypot(of_rows);
        let slack = share.value * per_row * rows.slack;
        if let Some(catalogue) = catalogue.filter(|_| self.blocks < 1.0) {
            return catalogue.estimate(f64::INFINITY, 0.0, most);
        }
        let Some(catalogue) = catalogue.filter(|_| of.found >= SOME) else {
            let value = all * if of.found >= SOME { share.value } else { share.middle };
            let middle = all * share.value;
            return rounded(value, middle - below - slack, middle + above + slack, of.found, most);
        };
        let sampled = Rough { value: all * share.value, deviation: below.max(above) / t, slack };
        let both = sampled.with(catalogue);
        let half = t * both.deviation + both.slack;
        rounded(both.value, both.value - half, both.value + half, of.found, most)
    }

    fn share_of(&self, of: &Sums, per_row: f64) -> Share {
        if self.blocks < 1.0 || self.rows <= 0.0 {
            return Share { value: 0.5, low: 0.0, high: 1.0, middle: 0.5 };
        }
        let ratio = of.rows / self.rows;
        let value = (ratio / per_row).clamp(0.0, 1.0);
        let residuals = of.squares - 2.0 * ratio * of.products + ratio.powi(2) * self.squares;
        let variance = if self.blocks > 1.0 {
            self.blocks / (self.blocks - 1.0) * residuals.max(0.0) / (self.rows * per_row).powi(2)
        } else {
            f64::INFINITY
        };
        // As many independent rows would have this variance. If all tested rows agree, it is 0 by chance, and then each
        // block counts as one row.
        let spread = value * (1.0 - value);
        let effective = if spread <= 0.0 {
            self.blocks
        } else if variance <= 0.0 {
            self.tested
        } else {
            (spread / variance).min(self.tested)
        };
        wilson(value, effective.max(1.0), quantile(self.blocks - 1.0))
    }
}

/// Wilson's interval of a share among `n` independent rows.
fn wilson(value: f64, n: f64, quantile: f64) -> Share {
    let square = quantile.powi(2) / n;
    let middle = (value + square / 2.0) / (1.0 + square);
    let half = (value * (1.0 - value) * square + square.powi(2) / 4.0).sqrt() / (1.0 + square);
    Share { value, low: (middle - half).clamp(0.0, value), high: (middle + half).clamp(value, 1.0), middle }
}

/// The 97.5th percentile of Student's t, by the expansion of Cornish and Fisher (Abramowitz and Stegun, 26.7.5). Below
/// three degrees of freedom, which it does not give, from the table.
#[must_use]
pub fn quantile(freedom: f64) -> f64 {
    const Z: f64 = 1.959_964;
    if freedom < 1.5 {
        return 12.706;
    }
    if freedom < 2.5 {
        return 4.303;
    }
    let z = [Z, Z.powi(3), Z.powi(5), Z.powi(7), Z.powi(9)];
    let first = (z[1] + z[0]) / 4.0;
    let second = (5.0 * z[2] + 16.0 * z[1] + 3.0 * z[0]) / 96.0;
    let third = (3.0 * z[3] + 19.0 * z[2] + 17.0 * z[1] - 15.0 * z[0]) / 384.0;
    let fourth = (79.0 * z[4] + 776.0 * z[3] + 1_482.0 * z[2] - 1_920.0 * z[1] - 945.0 * z[0]) / 92_160.0;
    Z + first / freedom + second / freedom.powi(2) + third / freedom.powi(3) + fourth / freedom.powi(4)
}

/// Whole rows within the limits; the lower bound down, the upper one up.
fn rounded(estimate: f64, low: f64, high: f64, least: f64, most: f64) -> Estimate {
    let most = most.max(least);
    let whole = |rows: f64| rows.clamp(least, most) as u64;
    Estimate {
        estimate: whole(estimate.round()),
        low: whole(low.floor()),
        high: whole(high.ceil()),
        exact: false,
    }
}

#[cfg(test)]
mod tests;

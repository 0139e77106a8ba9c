//! The bounds of samples that were made up, and how often they hold the truth.

use super::*;

/// Blocks of 60 rows each; `hits`: the rows of each block that have the property. All rows of a block are tested.
fn of_blocks(hits: &[f64], share: f64) -> Sample {
    let mut sample = Sample { share, counts: vec![Sums::default()], ..Sample::default() };
    for y in hits {
        sample.blocks += 1.0;
        sample.tested += 2.0;
        sample.rows += 60.0;
        sample.squares += 3_600.0;
        sample.total += Sums { found: y / 30.0, rows: *y, squares: y * y, products: 60.0 * y };
    }
    sample.counts = vec![sample.total];
    sample
}

const fn exactly(value: f64) -> Rough {
    Rough { value, deviation: 0.0, slack: 0.0 }
}

#[test]
fn students_quantiles_are_those_of_the_table() {
    for (freedom, expected) in [(3.0, 3.182), (4.0, 2.776), (10.0, 2.228), (30.0, 2.042), (1e9, 1.960)] {
        assert!((quantile(freedom) - expected).abs() < 0.02, "{freedom}: {}", quantile(freedom));
    }
    assert!((quantile(f64::INFINITY) - 1.96).abs() < 0.001);
}

#[test]
fn nothing_found_is_an_upper_bound_by_blocks() {
    let sample = of_blocks(&[0.0; 100], 0.01);
    let found = sample.estimate(&sample.counts[0], 1.0, exactly(600_000.0), None);
    assert!(found.is_at_most() && found.low == 0 && found.estimate > 0, "{found:?}");
    // 3.94 of 100 blocks, and not of 200 rows: rows that are together are found less often.
    assert!((21_000..25_000).contains(&found.high), "{found:?}");
}

#[test]
fn everything_found_is_a_lower_bound_by_blocks() {
    let sample = of_blocks(&[60.0; 100], 0.01);
    let found = sample.estimate(&sample.counts[0], 1.0, exactly(600_000.0), None);
    assert_eq!((found.estimate, found.high), (600_000, 600_000));
    assert!((570_000..580_000).contains(&found.low), "{found:?}");
}

/// Half of the blocks full and half empty, or every block half full: the share is the same, the bounds are not.
#[test]
fn blocks_that_differ_widen_the_bounds() {
    let width = |sample: &Sample| {
        let found = sample.estimate(&sample.counts[0], 1.0, exactly(60_000.0), None);
        assert_eq!(found.estimate, 30_000);
        found.high - found.low
    };
    let bimodal = [0.0, 60.0].repeat(50);
    let (bimodal, even) = (width(&of_blocks(&bimodal, 0.1)), width(&of_blocks(&[30.0; 100], 0.1)));
    assert!(bimodal > even, "{bimodal} {even}");
}

#[test]
fn few_blocks_say_little() {
    let sample = of_blocks(&[60.0, 0.0, 60.0], 0.01);
    let found = sample.estimate(&sample.counts[0], 1.0, exactly(18_000.0), None);
    assert!(found.low < 2_000 && found.high > 17_000, "{found:?}");
    let one = of_blocks(&[60.0], 0.01);
    let found = one.estimate(&one.counts[0], 1.0, exactly(6_000.0), None);
    assert!(found.low < 600, "{found:?}");
    let none = Sample { share: 0.01, counts: vec![Sums::default()], ..Sample::default() };
    let found = none.estimate(&none.counts[0], 1.0, exactly(6_000.0), None);
    assert_eq!((found.low, found.high), (0, 6_000));
    assert_eq!(none.table_rows(None), None);
}

#[test]
fn stale_statistics_weigh_less_and_widen_the_bounds() {
    let sampled = Rough { value: 1_000.0, deviation: 50.0, slack: 0.0 };
    let fresh = sampled.with(Rough { value: 900.0, deviation: 5.0, slack: 0.0 });
    assert!((fresh.value - 901.0).abs() < 0.1 && fresh.deviation < 5.0 && fresh.slack == 0.0, "{fresh:?}");
    let stale = sampled.with(Rough { value: 900.0, deviation: 5.0, slack: 500.0 });
    assert!((stale.value - 999.0).abs() < 0.1 && (4.0..6.0).contains(&stale.slack), "{stale:?}");
    let whole = Rough { value: 900.0, deviation: 5.0, slack: 500.0 }.estimate(f64::INFINITY, 0.0, 1_200.0);
    assert_eq!((whole.low, whole.high), (390, 1_200));
}

#[test]
fn a_second_round_adds_to_the_first() {
    let mut both = of_blocks(&[60.0, 0.0], 0.1);
    both += &of_blocks(&[30.0], 0.2);
    let mut expected = of_blocks(&[60.0, 0.0, 30.0], 0.0);
    expected.share = 0.1 + 0.2;
    assert_eq!(both, expected);
    let mut empty = Sample::default();
    empty += &both;
    assert_eq!(empty, both);
}

#[test]
fn a_table_with_empty_blocks_has_fewer_rows() {
    // One block in ten of 1,000 was looked at; 50 of these 100 had rows.
    let seen = of_blocks(&[0.0; 50], 0.1).table_rows(None).unwrap();
    assert!((seen.value - 30_000.0).abs() < 1e-6, "{seen:?}");
    assert!((seen.deviation - 60.0 * 50_f64.sqrt() * 10.0).abs() < 1e-6, "{seen:?}");
}

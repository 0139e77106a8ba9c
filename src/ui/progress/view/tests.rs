//! What the bar, the lines and the objects look like.

use time::OffsetDateTime;

use super::*;
use crate::db::tokens::Phase;
use crate::model::{Category, Doomed};
use crate::sweep::Batch;
use crate::sweep::Transient;

const SECOND: Duration = Duration::from_secs(1);

fn sweep() -> Sweep {
    let at = Some(OffsetDateTime::UNIX_EPOCH);
    Sweep {
        doomed: Doomed::Sessions { revoked: at, idle: at, expired: at },
        excluded: std::collections::BTreeSet::new(),
    }
}

/// After so many batches of ten thousand rows a second.
fn view(total: Option<u64>, batches: u32) -> View {
    let sweep = sweep();
    let mut view = View::new(total.map(|rows| Total { rows, exact: true }));
    view.update(&Event::Started { sweep: &sweep, rows: Some(1_000_000) }, Duration::ZERO);
    let mut deleted = Tally::ZERO;
    deleted.add(Category::Access, 10_000);
    for second in 1..=batches {
        let batch =
            Batch { sweep: &sweep, deleted, others: 0, examined: 5_000, size: 10_000, elapsed: SECOND / 4 };
        view.update(&Event::Batch(batch), SECOND * second);
    }
    view
}

#[test]
fn the_bar_says_what_where_how_fast_and_how_long() {
    assert_eq!(
        view(Some(200_000), 10).bar(160, Glyphs::Unicode),
        "expired refresh and access tokens ███████████████░░░░░░░░░░░░░░░  50%  100,000/200,000 rows  \
         ETA 10s  10,000 rows/s  batch of 10,000 in 0.25s"
    );
    assert_eq!(
        view(Some(200_000), 10).bar(100, Glyphs::Ascii),
        "expired refresh and access tokens #######--------  50%  100,000/200,000 rows  ETA 10s  \
         10,000 rows/s"
    );
}

#[test]
fn it_fits_any_terminal() {
    for total in [None, Some(200_000)] {
        for width in 0..200 {
            for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
                let line = view(total, 7).bar(width, glyphs);
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert!(glyphs == Glyphs::Unicode || line.is_ascii());
            }
        }
    }
    assert_eq!(view(Some(200_000), 10).bar(40, Glyphs::Unicode), "expired refresh and access tokens  50%");
}

#[test]
fn no_eta_before_it_means_something() {
    assert!(!view(Some(200_000), 4).line().contains("ETA"));
    assert!(!view(Some(20_000_000), 5).line().contains("ETA"));
    assert!(view(Some(200_000), 5).line().contains("ETA 15s"));
    assert!(!view(None, 100).line().contains("ETA"));
}

#[test]
fn without_a_total_the_table_is_the_measure() {
    let view = view(None, 100);
    assert_eq!(
        view.line(),
        "Expired refresh and access tokens: 1,000,000 rows deleted, 50% of the table looked at, 10,000 rows/s"
    );
    assert!(view.bar(100, Glyphs::Ascii).contains("######------"), "{}", view.bar(100, Glyphs::Ascii));
}

#[test]
fn more_rows_than_counted_do_not_make_more_than_all() {
    let view = view(Some(10_000), 10);
    assert_eq!(
        view.line(),
        "Expired refresh and access tokens: 100,000 of 100,000 rows deleted, 100%, 10,000 rows/s, ETA <1s"
    );
}

#[test]
fn it_says_what_it_waits_for() {
    let sweep = sweep();
    let mut view = view(Some(200_000), 3);
    let retry = Event::Retry { sweep: &sweep, reason: Transient::Disconnected, stalled: 2, wait: SECOND / 5 };
    view.update(&retry, SECOND * 4);
    assert_eq!(view.notice(&retry).unwrap(), "The connection was lost, next try in 0.20s");
    assert!(view.bar(120, Glyphs::Ascii).contains("the connection was lost, next try in 0.20s"));
    let waiting = Event::Waiting { reason: Wait::Locks, wait: SECOND };
    view.update(&waiting, SECOND * 5);
    assert_eq!(view.notice(&waiting).unwrap(), "Waiting 1.0s for locked rows");
    let fallback =
        Event::Retry { sweep: &sweep, reason: Transient::Locked, stalled: 0, wait: Duration::ZERO };
    view.update(&fallback, SECOND * 5);
    assert_eq!(view.notice(&fallback), None);
}

#[test]
fn what_it_waits_for_is_worth_more_than_the_bar() {
    let mut view = view(Some(200_000), 3);
    let cause = Cause::Replica { replica: "walreceiver".to_owned(), lag: Some(SECOND * 3), most: SECOND / 2 };
    let lagging = Event::Held { cause: &cause, waited: SECOND };
    view.update(&lagging, SECOND * 4);
    let said = "waiting for replica walreceiver, 3.0s behind (at most 0.50s)";
    let wide = view.bar(200, Glyphs::Unicode);
    assert!(wide.contains('█') && wide.contains(said), "{wide}");
    assert_eq!(
        view.bar(80, Glyphs::Unicode),
        "expired refresh and access tokens  waiting for replica walreceiver, 3.0s behind…"
    );
    for width in 0..200 {
        assert!(view.bar(width, Glyphs::Unicode).chars().count() <= width);
        assert!(view.bar(width, Glyphs::Ascii).is_ascii());
    }
}

#[test]
fn scripts_get_an_object_per_event() {
    let sweep = sweep();
    let mut deleted = Tally::ZERO;
    deleted.add(Category::Access, 2);
    let batch = Batch { sweep: &sweep, deleted, others: 3, examined: 5, size: 10, elapsed: SECOND / 8 };
    let event = Event::Batch(batch);
    let mut view = View::new(Some(Total { rows: 8, exact: true }));
    view.update(&event, SECOND);
    assert_eq!(
        view.object(&event).unwrap(),
        r#"{"batch_limit":10,"batch_rows":2,"batch_seconds":0.125,"categories":["revoked","expired","access"],"eta_seconds":null,"event":"progress","rows_deleted":2,"rows_of_others":3,"rows_per_second":2,"rows_total":8}"#
    );
    assert!(view.line().contains("2 of 8 rows deleted + 3 of other tables"), "{}", view.line());
    assert!(view.bar(120, Glyphs::Ascii).contains("2/8 rows + 3 of other tables"));
    let finished = Event::Finished { sweep: &sweep, deleted, elapsed: SECOND };
    assert_eq!(
        view.object(&finished).unwrap(),
        r#"{"categories":["revoked","expired","access"],"deleted":{"access":2,"expired":0,"revoked":0},"event":"finished","seconds":1.0}"#
    );
}

#[test]
fn durations_are_short() {
    for (millis, text) in [
        (0, "0.00s"),
        (490, "0.49s"),
        (4_230, "4.2s"),
        (38_900, "38s"),
        (218_000, "3m38s"),
        (3_900_000, "1h05m"),
    ] {
        assert_eq!(short(Duration::from_millis(millis)), text);
    }
}

#[test]
fn a_rewrite_says_at_which_step_it_is_and_for_how_long() {
    let mut view = View::new(Some(Total { rows: 1_000_000, exact: true }));
    let step = |seconds| Event::Step {
        phase: Phase::PutBack,
        table: Some(TableRole::RefreshToken),
        number: 6,
        of: 10,
        elapsed: Duration::from_secs(seconds),
    };
    assert_eq!(view.notice(&step(0)).unwrap(), "Rewriting, step 6 of 10: putting back refresh tokens");
    assert_eq!(view.notice(&step(1)), None);
    view.update(&step(75), Duration::from_secs(80));
    let bar = view.bar(80, Glyphs::Ascii);
    assert_eq!(bar, "rewriting  step 6/10: putting back refresh tokens, 1m15s");
    assert!(view.bar(40, Glyphs::Ascii).len() <= 40);
    assert_eq!(
        view.object(&step(2)).unwrap(),
        r#"{"event":"step","number":6,"of":10,"phase":"put_back","seconds":2.0,"table":"refresh_token"}"#
    );
}

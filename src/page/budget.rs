//! Budget of diagram rows on a page.
//!
//! Sessions are drawn one after the other as they end, and none is revisited. A part of the budget is reserved for
//! sessions in which something went wrong, so that any number of others cannot crowd them out:
//!
//! ```text
//! rows      0 ─────────────────────────── 300,000 ────── 350,000 ────── 400,000
//! packets   0 ─────────────────────────── 100,000 ────── 125,000 ────── 150,000
//!           any session                   | with warnings | failed
//! ```
//!
//! A session gets 200,000 rows at most, its first ones. Packet rows, those drawn at packet detail only, are on the page
//! for all of a session or not at all, and only if all its other rows are.

use crate::diagram::{Drawing, Levels};
use crate::model::record::VerdictStatus;
use crate::report::units;

/// Rows on the page so far.
#[derive(Debug, Default)]
pub(super) struct RowBudget {
    /// Count of all but packet rows.
    rows: usize,
    /// Count of packet rows.
    packets: usize,
}

/// Share of one diagram in the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowShare {
    /// Limit of the rows, without packet rows.
    pub(super) rows: usize,
    /// Whether packet rows are drawn.
    pub(super) packets: bool,
    /// Count of the packet rows omitted.
    pub(super) omitted_packets: u64,
}

/// Counts of the rows of one diagram after drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DrawnRows {
    /// Rows on the page, without packet rows.
    pub(super) rows: usize,
    /// Packet rows on the page.
    pub(super) packets: usize,
    /// Rows omitted, without packet rows.
    pub(super) omitted: u64,
}

impl RowBudget {
    /// Returns the share that a session gets now.
    pub(super) fn share(&self, status: VerdictStatus, drawing: &Drawing<'_>) -> RowShare {
        let others = CountBounds {
            min: drawing.min_rows(),
            max: drawing.max_rows(),
        };
        self.share_of(status, drawing.packet_rows(), others, || {
            let rows = drawing.rows();
            rows.filter(|row| row.levels != Levels::PACKETS).count()
        })
    }

    /// Returns the share for these counts. `count` returns the exact count of the other rows, and takes as long as drawing.
    fn share_of(
        &self,
        status: VerdictStatus,
        packets: usize,
        others: CountBounds,
        count: impl FnOnce() -> usize,
    ) -> RowShare {
        let reserved = Reserved::from(status);
        let rows = MAX_ROWS
            .saturating_sub(reserved.rows)
            .saturating_sub(self.rows);
        let rows = rows.min(MAX_SESSION_ROWS).min(others.max);
        let available = MAX_PACKET_ROWS.saturating_sub(reserved.packets);
        let drawn = packets == 0
            || (packets <= available.saturating_sub(self.packets)
                && others.min <= rows
                // The bounds decide nearly always: counting draws the whole session once more.
                && (others.max <= rows || count() <= rows));
        RowShare {
            rows,
            packets: drawn && packets > 0,
            omitted_packets: if drawn { 0 } else { units::to_u64(packets) },
        }
    }

    /// Charges the rows of a session.
    pub(super) fn charge(&mut self, drawn: DrawnRows) {
        self.rows = self.rows.saturating_add(drawn.rows);
        self.packets = self.packets.saturating_add(drawn.packets);
    }
}

/// Bounds of the count of a diagram's rows, without packet rows.
#[derive(Clone, Copy)]
struct CountBounds {
    min: usize,
    max: usize,
}

/// Rows reserved for sessions with a worse verdict.
struct Reserved {
    rows: usize,
    packets: usize,
}

impl From<VerdictStatus> for Reserved {
    fn from(status: VerdictStatus) -> Self {
        let (rows, packets) = match status {
            VerdictStatus::Ok => (100_000, 50_000),
            VerdictStatus::Warning => (50_000, 25_000),
            VerdictStatus::Failed => (0, 0),
        };
        Self { rows, packets }
    }
}

/// Limit of the rows on one page, without packet rows.
const MAX_ROWS: usize = 400_000;
/// Limit of the rows of one session, without packet rows.
const MAX_SESSION_ROWS: usize = 200_000;
/// Limit of the packet rows on one page.
const MAX_PACKET_ROWS: usize = 150_000;
/// Limit of the segments worth tracing for one page, which has no more rows than that.
pub const MAX_SEGMENTS: usize = MAX_ROWS;

#[cfg(test)]
mod tests {
    use super::*;

    fn share(budget: &RowBudget, status: VerdictStatus, rows: usize, packets: usize) -> RowShare {
        let others = CountBounds {
            min: rows / 2,
            max: rows * 2,
        };
        budget.share_of(status, packets, others, || rows)
    }

    /// Draws a session within its share, which it returns.
    fn draw(
        budget: &mut RowBudget,
        status: VerdictStatus,
        rows: usize,
        packets: usize,
    ) -> RowShare {
        let share = share(budget, status, rows, packets);
        budget.charge(DrawnRows {
            rows: rows.min(share.rows),
            packets: if share.packets { packets } else { 0 },
            omitted: 0,
        });
        share
    }

    #[test]
    fn session_within_the_budget_gets_all_rows() {
        let share = share(&RowBudget::default(), VerdictStatus::Ok, 100_000, 50_000);
        assert!(share.rows >= 100_000 && share.packets);
        assert_eq!(share.omitted_packets, 0);
    }

    #[test]
    fn long_session_gets_its_first_rows_and_leaves_some_to_others() {
        let mut budget = RowBudget::default();
        let long = draw(&mut budget, VerdictStatus::Ok, MAX_SESSION_ROWS + 7, 30);
        assert_eq!(
            (long.rows, long.packets, long.omitted_packets),
            (MAX_SESSION_ROWS, false, 30)
        );
        assert!(share(&budget, VerdictStatus::Ok, 10, 5).packets);
    }

    #[test]
    fn packet_rows_are_omitted_before_messages() {
        let budget = RowBudget {
            rows: 0,
            packets: MAX_PACKET_ROWS - 50,
        };
        let share = share(&budget, VerdictStatus::Failed, 10, 51);
        assert!(share.rows >= 10);
        assert_eq!((share.packets, share.omitted_packets), (false, 51));
    }

    #[test]
    fn rows_are_counted_only_if_the_bounds_do_not_decide() {
        let budget = RowBudget::default();
        let never = || panic!("a long session is not drawn twice");
        let ok = VerdictStatus::Ok;
        for (min, max) in [(10, 20), (MAX_SESSION_ROWS + 1, MAX_SESSION_ROWS * 2)] {
            budget.share_of(ok, 5, CountBounds { min, max }, never);
        }
        let unsure = CountBounds {
            min: 10,
            max: MAX_SESSION_ROWS * 2,
        };
        budget.share_of(ok, 0, unsure, never);
        assert!(
            !budget
                .share_of(ok, 5, unsure, || MAX_SESSION_ROWS + 1)
                .packets
        );
    }

    #[test]
    fn failed_sessions_get_rows_after_any_number_of_successful_ones() {
        let mut budget = RowBudget::default();
        for _ in 0..10_000 {
            draw(&mut budget, VerdictStatus::Ok, 100, 50);
        }
        assert_eq!(share(&budget, VerdictStatus::Ok, 100, 50).rows, 0);
        for _ in 0..10_000 {
            draw(&mut budget, VerdictStatus::Warning, 100, 50);
        }
        assert_eq!(share(&budget, VerdictStatus::Warning, 100, 50).rows, 0);
        let failed = draw(&mut budget, VerdictStatus::Failed, 100, 50);
        assert!(failed.packets && failed.rows >= 100);
        for _ in 0..10_000 {
            draw(&mut budget, VerdictStatus::Failed, 100, 50);
        }
        assert_eq!((budget.rows, budget.packets), (MAX_ROWS, MAX_PACKET_ROWS));
    }
}

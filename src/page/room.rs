//! How much of the diagrams a page has room for.
//!
//! Sessions are drawn one after the other as they end, and none is looked at twice. So that those in which something
//! went wrong find room after any number of others, a part of the page is kept for them:
//!
//! ```text
//! rows      0 ─────────────────────────── 300,000 ────── 350,000 ────── 400,000
//! packets   0 ─────────────────────────── 100,000 ────── 125,000 ────── 150,000
//!           any session, as they come     | with warnings | failed
//! ```
//!
//! No session has more than 200,000 rows; of a longer one the page has the first. Rows of single packets are there for
//! all of a session or not at all, and only where all its other rows are.

use crate::diagram::{Drawing, Levels};
use crate::model::record::VerdictStatus;
use crate::report::units;

/// Rows that the page has so far.
#[derive(Debug, Default)]
pub(super) struct Room {
    rows: usize,
    packets: usize,
}

/// What a page may have of one diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Rows from the first, without those of single packets.
    pub(super) rows: usize,
    /// Whether those of single packets are drawn.
    pub(super) packets: bool,
    /// Rows of single packets that are left out.
    pub(super) packets_left: u64,
}

/// What became of the rows of one diagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drawn {
    /// On the page, without those of single packets.
    pub(super) rows: usize,
    /// Rows of single packets on the page.
    pub(super) packets: usize,
    /// Rows that are left out, without those of single packets.
    pub(super) left: u64,
}

impl Room {
    /// What a session may have now.
    pub(super) fn share(&self, status: VerdictStatus, drawing: &Drawing<'_>) -> Share {
        let others = Others {
            fewest: drawing.min_rows(),
            most: drawing.max_rows(),
        };
        self.share_of(status, drawing.packet_rows(), others, || {
            let rows = drawing.rows();
            rows.filter(|row| row.levels != Levels::PACKETS).count()
        })
    }

    /// The same by numbers; `count` tells the rows that are not of single packets exactly, and takes as long as drawing.
    fn share_of(
        &self,
        status: VerdictStatus,
        packets: usize,
        others: Others,
        count: impl FnOnce() -> usize,
    ) -> Share {
        let kept = Kept::by(status);
        let rows = ROWS.saturating_sub(kept.rows).saturating_sub(self.rows);
        let rows = rows.min(OF_ONE).min(others.most);
        let room = PACKET_ROWS.saturating_sub(kept.packets);
        let drawn = packets == 0
            || (packets <= room.saturating_sub(self.packets)
                && others.fewest <= rows
                && (others.most <= rows || count() <= rows));
        Share {
            rows,
            packets: drawn && packets > 0,
            packets_left: if drawn { 0 } else { units::to_u64(packets) },
        }
    }

    /// What the session has taken.
    pub(super) fn take(&mut self, drawn: Drawn) {
        self.rows = self.rows.saturating_add(drawn.rows);
        self.packets = self.packets.saturating_add(drawn.packets);
    }
}

/// Between which numbers that of all rows but those of single packets lies.
#[derive(Clone, Copy)]
struct Others {
    fewest: usize,
    most: usize,
}

/// What sessions leave to those that are worse.
struct Kept {
    rows: usize,
    packets: usize,
}

impl Kept {
    fn by(status: VerdictStatus) -> Self {
        let (rows, packets) = match status {
            VerdictStatus::Ok => (100_000, 50_000),
            VerdictStatus::Warning => (50_000, 25_000),
            VerdictStatus::Failed => (0, 0),
        };
        Self { rows, packets }
    }
}

/// Rows of all diagrams on one page, without those of single packets.
const ROWS: usize = 400_000;
/// The same, of one diagram.
const OF_ONE: usize = 200_000;
/// Rows of single packets on one page.
const PACKET_ROWS: usize = 150_000;
/// Segments that are worth keeping for one page: it has no room for more rows.
pub const SEGMENTS: usize = ROWS;

#[cfg(test)]
mod tests {
    use super::*;

    fn share(room: &Room, status: VerdictStatus, rows: usize, packets: usize) -> Share {
        let others = Others {
            fewest: rows / 2,
            most: rows * 2,
        };
        room.share_of(status, packets, others, || rows)
    }

    /// Gives a session its share.
    fn take(room: &mut Room, status: VerdictStatus, rows: usize, packets: usize) -> Share {
        let share = share(room, status, rows, packets);
        room.take(Drawn {
            rows: rows.min(share.rows),
            packets: if share.packets { packets } else { 0 },
            left: 0,
        });
        share
    }

    #[test]
    fn what_fits_is_there_whole() {
        let share = share(&Room::default(), VerdictStatus::Ok, 100_000, 50_000);
        assert!(share.rows >= 100_000 && share.packets);
        assert_eq!(share.packets_left, 0);
    }

    #[test]
    fn a_long_session_has_its_first_rows_and_leaves_room_for_others() {
        let mut room = Room::default();
        let long = take(&mut room, VerdictStatus::Ok, OF_ONE + 7, 30);
        assert_eq!(
            (long.rows, long.packets, long.packets_left),
            (OF_ONE, false, 30)
        );
        assert!(share(&room, VerdictStatus::Ok, 10, 5).packets);
    }

    #[test]
    fn single_packets_are_left_out_before_messages() {
        let room = Room {
            rows: 0,
            packets: PACKET_ROWS - 50,
        };
        let share = share(&room, VerdictStatus::Failed, 10, 51);
        assert!(share.rows >= 10);
        assert_eq!((share.packets, share.packets_left), (false, 51));
    }

    #[test]
    fn rows_are_only_counted_where_it_matters() {
        let room = Room::default();
        let never = || panic!("a long session is not drawn twice");
        let ok = VerdictStatus::Ok;
        for (fewest, most) in [(10, 20), (OF_ONE + 1, OF_ONE * 2)] {
            room.share_of(ok, 5, Others { fewest, most }, never);
        }
        let unsure = Others {
            fewest: 10,
            most: OF_ONE * 2,
        };
        room.share_of(ok, 0, unsure, never);
        assert!(!room.share_of(ok, 5, unsure, || OF_ONE + 1).packets);
    }

    #[test]
    fn failed_sessions_find_room_after_any_number_of_fine_ones() {
        let mut room = Room::default();
        for _ in 0..10_000 {
            take(&mut room, VerdictStatus::Ok, 100, 50);
        }
        assert_eq!(share(&room, VerdictStatus::Ok, 100, 50).rows, 0);
        for _ in 0..10_000 {
            take(&mut room, VerdictStatus::Warning, 100, 50);
        }
        assert_eq!(share(&room, VerdictStatus::Warning, 100, 50).rows, 0);
        let failed = take(&mut room, VerdictStatus::Failed, 100, 50);
        assert!(failed.packets && failed.rows >= 100);
        for _ in 0..10_000 {
            take(&mut room, VerdictStatus::Failed, 100, 50);
        }
        assert_eq!((room.rows, room.packets), (ROWS, PACKET_ROWS));
    }
}

//! How much of the diagrams a page has room for: those of sessions that went wrong come first.

use std::collections::BTreeMap;

use crate::diagram::{Diagram, Levels, Recorder};
use crate::model::record::{Session, VerdictStatus};
use crate::report::{Report, units};

/// Rows that still fit the page.
pub(super) struct Room {
    rows: usize,
    packets: usize,
    /// What sessions have that chose first, by their id.
    chosen: BTreeMap<u64, Share>,
}

/// What a page has of one diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Rows from the first, those of single packets only where they are drawn.
    pub(super) rows: usize,
    /// Whether it has rows of single packets.
    pub(super) packets: bool,
    /// Rows that are left out.
    pub(super) rows_left: u64,
    /// Rows of single packets that are left out.
    pub(super) packets_left: u64,
}

impl Room {
    /// Lets failed sessions choose first, then those with warnings.
    pub(super) fn of(report: &Report, recorder: &Recorder) -> Self {
        let mut room = Self {
            rows: ROWS,
            packets: PACKET_ROWS,
            chosen: BTreeMap::new(),
        };
        for status in [VerdictStatus::Failed, VerdictStatus::Warning] {
            for session in &report.sessions {
                if session.verdict.status == status {
                    let share = room.take(&recorder.diagram(session));
                    room.chosen.insert(session.id, share);
                }
            }
        }
        room
    }

    /// What a session has. To be asked once for each.
    pub(super) fn share(&mut self, session: &Session, diagram: &Diagram) -> Share {
        match self.chosen.remove(&session.id) {
            Some(share) => share,
            None => self.take(diagram),
        }
    }

    fn take(&mut self, diagram: &Diagram) -> Share {
        let all = diagram.rows.len();
        let single = diagram.rows.iter();
        let single = single.filter(|row| row.levels == Levels::PACKETS).count();
        let others = all - single;
        let rows = others.min(self.rows).min(OF_ONE);
        self.rows -= rows;
        let packets = rows == others && single <= self.packets;
        if packets {
            self.packets -= single;
        }
        Share {
            rows: if packets { all } else { rows },
            packets,
            rows_left: units::to_u64(others - rows),
            packets_left: units::to_u64(if packets { 0 } else { single }),
        }
    }
}

/// Rows of all diagrams on one page, without those of single packets.
const ROWS: usize = 400_000;
/// The same, of one diagram.
const OF_ONE: usize = 200_000;
/// Rows of single packets on one page.
const PACKET_ROWS: usize = 150_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    /// A diagram with so many rows of messages, and of single packets.
    fn diagram(messages: usize, packets: usize) -> Diagram {
        let mut diagram = Recorder::default().diagram(&example_session());
        let mut row = diagram.rows[0].clone();
        row.levels = Levels::FINE;
        diagram.rows = vec![row.clone(); messages];
        row.levels = Levels::PACKETS;
        diagram.rows.extend(vec![row; packets]);
        diagram
    }

    fn empty() -> Room {
        Room {
            rows: ROWS,
            packets: PACKET_ROWS,
            chosen: BTreeMap::new(),
        }
    }

    #[test]
    fn what_fits_is_there_whole() {
        let share = empty().take(&diagram(100_000, 50_000));
        assert_eq!(
            (share.rows, share.rows_left, share.packets_left),
            (150_000, 0, 0)
        );
    }

    #[test]
    fn a_long_session_has_its_first_rows_and_leaves_room_for_others() {
        let mut room = empty();
        let share = room.take(&diagram(OF_ONE + 7, 30));
        assert_eq!(
            (share.rows, share.rows_left, share.packets_left),
            (OF_ONE, 7, 30)
        );
        assert!(!share.packets);
        assert_eq!(room.take(&diagram(10, 5)).rows, 15);
    }

    #[test]
    fn single_packets_are_left_out_before_messages() {
        let mut room = empty();
        room.packets = 50;
        let share = room.take(&diagram(10, 51));
        assert_eq!((share.rows, share.packets_left), (10, 51));
        room.rows = 4;
        let share = room.take(&diagram(10, 0));
        assert_eq!((share.rows, share.rows_left), (4, 6));
    }

    #[test]
    fn failed_sessions_choose_first() {
        let mut report = crate::report::example::example_report();
        let mut failed = example_session();
        failed.id = 2;
        failed.verdict.status = VerdictStatus::Failed;
        let mut fine = example_session();
        fine.verdict.status = VerdictStatus::Ok;
        report.sessions = vec![fine.into(), failed.into()];
        let room = Room::of(&report, &Recorder::default());
        assert_eq!(room.chosen.keys().collect::<Vec<_>>(), [&2]);
        assert!(room.rows < ROWS);
    }
}

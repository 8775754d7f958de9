//! Lanes of a time line: sessions packed into rows, or counted in columns where there are too many.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{LanesBy, SessionSpan, Timeline};
use crate::model::record::{Severity, TransferDirection, VerdictStatus};
use crate::model::{Span, Timestamp};
use crate::report::units;

/// Lanes of a time line and the period that they cover.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) period: Period,
    /// In the order of their first sessions; a lane of several hosts comes last.
    pub(super) lanes: Vec<Lane>,
    /// Count of all hosts, those that share a lane included.
    pub(super) hosts: usize,
}

/// Times that a picture shows, from left to right: those of the captures, without the times between them.
#[derive(Debug)]
pub(super) struct Period {
    /// In order, at least one.
    pub(super) pieces: Vec<Piece>,
}

/// Times that are shown at one scale, never empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// Positions of `from` and `to` in thousandths of a percent.
    pub(super) left: u64,
    pub(super) right: u64,
}

/// Sessions of one host, or of all hosts beyond the limit.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) title: String,
    pub(super) counts: LaneCounts,
    pub(super) content: LaneContent,
}

/// Counts of the sessions of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LaneCounts {
    pub(super) sessions: u64,
    pub(super) failed: u64,
    pub(super) warnings: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Sessions of a lane as they are drawn.
#[derive(Debug)]
pub(super) enum LaneContent {
    /// Indices of sessions that do not overlap, row by row.
    Rows(Vec<Vec<usize>>),
    /// Counts of equal periods.
    Columns(Vec<Column>),
}

/// Counts of one column: of all sessions and data connections that exist in its period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) sessions: u64,
    pub(super) failed: u64,
    pub(super) warnings: u64,
    pub(super) downloads: u64,
    pub(super) uploads: u64,
    pub(super) listings: u64,
    /// Data connections with missing bytes or an early end, which count above as well.
    pub(super) damaged: u64,
    /// Findings of severity medium and high.
    pub(super) findings: u64,
    /// Index of the session with the worst status, the first of them; `None` without sessions.
    pub(super) worst: Option<usize>,
}

impl Period {
    /// Spreads pieces over the whole width: each gets a least width, and shares the rest by its length.
    fn of(times: &[(Timestamp, Timestamp)]) -> Self {
        let count = units::to_u64(times.len()).max(1);
        let available = WHOLE.saturating_sub(BREAK * (count - 1));
        let least = if count == 1 { 0 } else { LEAST_PIECE };
        let shared = u128::from(available.saturating_sub(least * count));
        let lengths = times.iter().map(|(from, to)| length(*from, *to));
        let sum = lengths.sum::<u128>().max(1);
        let mut left = 0;
        let pieces = times.iter().map(|(from, to)| {
            let share = u64::try_from(shared * length(*from, *to) / sum).unwrap_or(0);
            let right = left + least + share;
            let piece = Piece {
                from: *from,
                to: *to,
                left,
                right,
            };
            left = right + BREAK;
            piece
        });
        Self {
            pieces: pieces.collect(),
        }
    }

    /// Returns the position of a time in thousandths of a percent, at most [`WHOLE`].
    pub(super) fn position(&self, time: Timestamp) -> u64 {
        let after = self.pieces.partition_point(|piece| piece.from <= time);
        let Some(piece) = after.checked_sub(1).and_then(|at| self.pieces.get(at)) else {
            return 0;
        };
        let part = length(piece.from, time) * u128::from(piece.right - piece.left);
        let part = part / length(piece.from, piece.to).max(1);
        let end = piece.right.min(WHOLE);
        u64::try_from(part).map_or(end, |part| (piece.left + part).min(end))
    }

    /// Returns the time at a position, for one between two pieces the start of the second.
    pub(super) fn time(&self, position: u64) -> Timestamp {
        let after = self.pieces.partition_point(|piece| piece.right < position);
        let Some(piece) = self.pieces.get(after).or_else(|| self.pieces.last()) else {
            return Timestamp::default();
        };
        let part = u128::from(position.saturating_sub(piece.left));
        let width = u128::from((piece.right - piece.left).max(1));
        let nanos = length(piece.from, piece.to) * part / width;
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
        piece.from.plus(Span::from_nanos(nanos)).min(piece.to)
    }

    /// Returns the first time and the last one.
    pub(super) fn ends(&self) -> (Timestamp, Timestamp) {
        let ends = self.pieces.first().zip(self.pieces.last());
        ends.map_or_else(Default::default, |(first, last)| (first.from, last.to))
    }
}

/// Returns the nanoseconds between two times, 0 if they are in the wrong order.
fn length(from: Timestamp, to: Timestamp) -> u128 {
    u128::from(to.since(from).nanos().max(0).unsigned_abs())
}

impl Timeline {
    /// Lays out all sessions.
    pub(super) fn layout(&self, by: LanesBy) -> Layout {
        let period = self.period();
        let mut order: Vec<usize> = (0..self.sessions.len()).collect();
        order.sort_by_key(|at| (self.sessions[*at].start, self.sessions[*at].id));
        let mut hosts: BTreeMap<IpAddr, Vec<usize>> = BTreeMap::new();
        for at in order {
            let host = Self::host(&self.sessions[at], by);
            hosts.entry(host).or_default().push(at);
        }
        let count = hosts.len();
        let mut hosts: Vec<(IpAddr, Vec<usize>)> = hosts.into_iter().collect();
        // Hosts with many sessions get lanes of their own, and of equal ones the earliest.
        hosts.sort_by_key(|(_, sessions)| (Reverse(sessions.len()), self.first_start(sessions)));
        let rest = hosts.split_off(hosts.len().min(MAX_LANES));
        hosts.sort_by_key(|(_, sessions)| self.first_start(sessions));
        let mut lanes: Vec<(String, Vec<usize>)> = hosts
            .into_iter()
            .map(|(host, sessions)| (self.host_title(host), sessions))
            .collect();
        if !rest.is_empty() {
            let (one, many) = by.nouns();
            let title = units::counted(units::to_u64(rest.len()), one, many);
            let mut sessions: Vec<usize> = rest
                .into_iter()
                .flat_map(|(_, sessions)| sessions)
                .collect();
            sessions.sort_by_key(|at| (self.sessions[*at].start, self.sessions[*at].id));
            lanes.push((format!("{title} more"), sessions));
        }
        Layout {
            hosts: count,
            lanes: self.fill(lanes, &period),
            period,
        }
    }

    /// Decides how each lane is drawn.
    fn fill(&self, lanes: Vec<(String, Vec<usize>)>, period: &Period) -> Vec<Lane> {
        let are_few = self.sessions.len() <= MAX_BARS;
        let rows: Vec<_> = lanes
            .iter()
            .map(|(_, sessions)| {
                let is_drawn = are_few || sessions.len() <= LANE_BARS;
                is_drawn.then(|| self.packed(sessions, period)).flatten()
            })
            .collect();
        let counted = rows.iter().filter(|rows| rows.is_none()).count();
        let columns = (COLUMN_BUDGET / counted.max(1)).clamp(MIN_COLUMNS, MAX_COLUMNS);
        let lanes = lanes.into_iter().zip(rows);
        let lane = |((title, sessions), rows): ((String, Vec<usize>), Option<_>)| Lane {
            title,
            counts: self.counts(&sessions),
            content: match rows {
                Some(rows) => LaneContent::Rows(rows),
                None => LaneContent::Columns(self.columns(&sessions, period, columns)),
            },
        };
        lanes.map(lane).collect()
    }

    /// Packs sessions into rows; `None` if these are too many.
    fn packed(&self, sessions: &[usize], period: &Period) -> Option<Vec<Vec<usize>>> {
        let mut rows: Vec<Vec<usize>> = Vec::new();
        let mut ends: Vec<u64> = Vec::new();
        for at in sessions {
            let session = &self.sessions[*at];
            let start = period.position(session.start);
            // The number of the session is written behind its bar.
            let end = period.position(self.end_of(session)).max(start) + LABEL;
            let free = ends.iter().position(|end| *end <= start);
            match free {
                Some(row) => {
                    rows[row].push(*at);
                    ends[row] = end;
                }
                None if rows.len() < MAX_ROWS => {
                    rows.push(vec![*at]);
                    ends.push(end);
                }
                None => return None,
            }
        }
        Some(rows)
    }

    /// Returns the end of a session or, if later, that of its last data connection.
    pub(super) fn end_of(&self, session: &SessionSpan) -> Timestamp {
        let transfers = &self.transfers[session.transfers.clone()];
        let ends = transfers.iter().map(|one| one.end);
        ends.max().map_or(session.end, |last| last.max(session.end))
    }

    fn columns(&self, sessions: &[usize], period: &Period, count: usize) -> Vec<Column> {
        let mut columns = vec![Column::default(); count];
        let column = |time: Timestamp| {
            let at = period.position(time) * units::to_u64(count) / WHOLE;
            usize::try_from(at).unwrap_or(0).min(count - 1)
        };
        for at in sessions {
            let session = &self.sessions[*at];
            for column in &mut columns[column(session.start)..=column(session.end)] {
                column.sessions += 1;
                match session.status {
                    VerdictStatus::Ok => {}
                    VerdictStatus::Warning => column.warnings += 1,
                    VerdictStatus::Failed => column.failed += 1,
                }
                let worst = column.worst.map(|worst| rank(self.sessions[worst].status));
                if worst.is_none_or(|worst| worst < rank(session.status)) {
                    column.worst = Some(*at);
                }
            }
            for transfer in &self.transfers[session.transfers.clone()] {
                for column in &mut columns[column(transfer.start)..=column(transfer.end)] {
                    match transfer.direction {
                        TransferDirection::Download => column.downloads += 1,
                        TransferDirection::Upload => column.uploads += 1,
                        TransferDirection::Listing => column.listings += 1,
                    }
                    column.damaged += u64::from(transfer.is_damaged);
                }
            }
            for mark in &self.marks[session.marks.clone()] {
                if matches!(mark.severity, Severity::Medium | Severity::High) {
                    columns[column(mark.time)].findings += 1;
                }
            }
        }
        columns
    }

    fn counts(&self, sessions: &[usize]) -> LaneCounts {
        let mut counts = LaneCounts::default();
        for session in sessions.iter().map(|at| &self.sessions[*at]) {
            counts.sessions += 1;
            counts.failed += u64::from(session.status == VerdictStatus::Failed);
            counts.warnings += u64::from(session.status == VerdictStatus::Warning);
            counts.files = counts.files.saturating_add(session.files);
            counts.bytes = counts.bytes.saturating_add(session.bytes);
        }
        counts
    }

    /// Returns the period from the first to the last packet of all sessions, without the longest times that no capture
    /// covers.
    fn period(&self) -> Period {
        let starts = self.sessions.iter().map(|session| session.start);
        let starts = starts.chain(self.transfers.iter().map(|transfer| transfer.start));
        let from = starts.min().unwrap_or_default();
        let ends = self.sessions.iter().map(|session| session.end);
        let ends = ends.chain(self.transfers.iter().map(|transfer| transfer.end));
        let to = ends.max().unwrap_or_default();
        let to = to.max(from.plus(Span::from_millis(1)));
        let mut gaps = self.uncaptured(from, to);
        gaps.sort_by_key(|(from, to)| Reverse(length(*from, *to)));
        gaps.truncate(MAX_PIECES - 1);
        // Small or not is seen against the times that are left to show.
        let mut shown = length(from, to);
        gaps.retain(|(from, to)| {
            let gap = length(*from, *to);
            let is_long = gap > shown / SMALL_GAP;
            shown -= if is_long { gap } else { 0 };
            is_long
        });
        gaps.sort_unstable();
        let mut times = Vec::new();
        let mut begin = from;
        for (gap, end) in gaps {
            times.push((begin, gap.max(begin.plus(Span::from_nanos(1)))));
            begin = end;
        }
        times.push((begin, to.max(begin.plus(Span::from_nanos(1)))));
        Period::of(&times)
    }

    /// Returns the times between `from` and `to` that neither a capture nor a session covers.
    fn uncaptured(&self, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        // Without captures the whole period is shown.
        let mut covered = match self.captures.as_slice() {
            [] => vec![(from, to)],
            captures => captures.to_vec(),
        };
        // Captures that are still being read have no end yet.
        covered.extend(self.sessions.iter().map(|one| (one.start, one.end)));
        covered.extend(self.transfers.iter().map(|one| (one.start, one.end)));
        covered.sort_unstable();
        let mut gaps = Vec::new();
        let mut until = from;
        for (start, end) in covered {
            if start > until && start < to {
                gaps.push((until, start));
            }
            until = until.max(end);
        }
        gaps
    }

    fn first_start(&self, sessions: &[usize]) -> Option<Timestamp> {
        sessions.first().map(|at| self.sessions[*at].start)
    }
}

/// Returns 0 for the best status, and more for worse ones.
pub(super) const fn rank(status: VerdictStatus) -> u8 {
    match status {
        VerdictStatus::Ok => 0,
        VerdictStatus::Warning => 1,
        VerdictStatus::Failed => 2,
    }
}

/// The whole width in thousandths of a percent.
pub(super) const WHOLE: u64 = 100_000;
/// Limit of the lanes with a host of their own.
const MAX_LANES: usize = 16;
/// Limit of the sessions of a picture that draws each of them.
const MAX_BARS: usize = 300;
/// Limit of the sessions of a lane that are drawn one by one among very many others.
const LANE_BARS: usize = 12;
/// Limit of the rows of a lane.
const MAX_ROWS: usize = 8;
/// Width of the number behind a bar, in thousandths of a percent.
const LABEL: u64 = 3_000;
/// Limit of the pieces of a period.
const MAX_PIECES: usize = 12;
/// Least width of one of several pieces, and width of the break between two, in thousandths of a percent.
const LEAST_PIECE: u64 = 3_000;
const BREAK: u64 = 1_000;
/// Part of the times shown up to which a time without a capture is among them.
const SMALL_GAP: u128 = 20;
/// Columns of all lanes together, and bounds for those of one lane.
const COLUMN_BUDGET: usize = 720;
const MIN_COLUMNS: usize = 30;
const MAX_COLUMNS: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Session;
    use crate::report::example::example_session;

    /// Returns a session without transfers, from second `from` to `to`.
    fn session(id: u64, client: &str, (from, to): (u64, u64), status: VerdictStatus) -> Session {
        let mut session = example_session();
        session.id = id;
        session.client.ip = client.parse().expect("an address");
        session.start = Timestamp::from_parts(from, 0);
        session.end = Timestamp::from_parts(to, 0);
        session.verdict.status = status;
        session.transfers.clear();
        session.findings.clear();
        session
    }

    fn timeline(sessions: impl IntoIterator<Item = Session>) -> Timeline {
        let mut timeline = Timeline::default();
        for session in sessions {
            timeline.add(&session);
        }
        timeline
    }

    #[test]
    fn sessions_that_overlap_are_in_rows_of_their_own() {
        let times = [(0, 50), (20, 30), (60, 100)];
        let sessions = (1..).zip(times);
        let timeline = timeline(
            sessions.map(|(id, times)| session(id, "192.0.2.1", times, VerdictStatus::Ok)),
        );
        let layout = timeline.layout(LanesBy::Client);
        let LaneContent::Rows(rows) = &layout.lanes[0].content else {
            panic!("few sessions are drawn one by one");
        };
        assert_eq!(*rows, [vec![0, 2], vec![1]]);
        assert_eq!(layout.period.position(Timestamp::from_parts(25, 0)), 25_000);
    }

    #[test]
    fn very_many_sessions_are_counted_in_columns_and_few_of_one_host_stay_bars() {
        let status = |id| match id % 10 {
            0 => VerdictStatus::Failed,
            1 => VerdictStatus::Warning,
            _ => VerdictStatus::Ok,
        };
        let many = (1..=5_000).map(|id| session(id, "192.0.2.1", (id, id + 5), status(id)));
        let one = session(5_001, "192.0.2.2", (7, 8), VerdictStatus::Ok);
        let timeline = timeline(many.chain([one]));
        let layout = timeline.layout(LanesBy::Client);
        assert!(matches!(&layout.lanes[1].content, LaneContent::Rows(rows) if rows.len() == 1));
        let LaneContent::Columns(columns) = &layout.lanes[0].content else {
            panic!("5,000 bars are too many");
        };
        assert_eq!(columns.len(), MAX_COLUMNS);
        assert!(
            columns
                .iter()
                .all(|column| column.sessions >= 41 && column.failed >= 4)
        );
        let first = columns[0].worst.expect("a session");
        assert_eq!(timeline.sessions[first].id, 10);
        let counts = layout.lanes[0].counts;
        assert_eq!(
            (counts.sessions, counts.failed, counts.warnings),
            (5_000, 500, 500)
        );
        assert_eq!(
            timeline.layout(LanesBy::Server).lanes[0].counts.sessions,
            5_001
        );
    }

    #[test]
    fn hosts_beyond_the_limit_share_the_last_lane() {
        let client = |id: u64| format!("198.51.{}.{}", id / 250, id % 250);
        let timeline =
            timeline((1..=100).map(|id| session(id, &client(id), (id, id + 1), VerdictStatus::Ok)));
        let layout = timeline.layout(LanesBy::Client);
        assert_eq!((layout.lanes.len(), layout.hosts), (MAX_LANES + 1, 100));
        let last = layout.lanes.last().expect("a lane");
        assert_eq!(last.title, "84 clients more");
        let sum: u64 = layout.lanes.iter().map(|lane| lane.counts.sessions).sum();
        assert_eq!(sum, 100);
    }

    #[test]
    fn time_that_no_capture_covers_is_a_break() {
        let times = [(100, 140), (1_000_000, 1_000_060)];
        let sessions = (1..).zip(times);
        let mut timeline = timeline(
            sessions.map(|(id, times)| session(id, "192.0.2.1", times, VerdictStatus::Ok)),
        );
        let at = |seconds| Timestamp::from_parts(seconds, 0);
        timeline.captures = vec![(at(1_000_000), at(1_000_100)), (at(90), at(200))];
        let layout = timeline.layout(LanesBy::Client);
        assert_eq!(layout.period.pieces.len(), 2);
        let positions = [100, 150, 160, 999_999, 1_000_000, 1_000_060];
        let positions = positions.map(|seconds| layout.period.position(at(seconds)));
        assert!(
            positions.is_sorted() && positions[5] == WHOLE,
            "{positions:?}"
        );
        assert_eq!(positions[3] + BREAK, positions[4]);
        assert_eq!(
            layout.period.time(positions[1]).since(at(150)).nanos() / 10_000_000,
            0
        );
        timeline.captures = vec![(at(90), at(1_000_100))];
        assert_eq!(timeline.layout(LanesBy::Client).period.pieces.len(), 1);
    }

    #[test]
    fn times_at_the_ends_of_all_time_stay_within_the_picture() {
        let sessions = [(0, 0), (u64::MAX, u64::MAX), (5, 4)];
        let timeline = timeline(
            (1..)
                .zip(sessions)
                .map(|(id, times)| session(id, "192.0.2.1", times, VerdictStatus::Ok)),
        );
        let layout = timeline.layout(LanesBy::Client);
        assert_eq!(layout.period.position(Timestamp::MAX), WHOLE);
        assert_eq!(layout.period.time(WHOLE), Timestamp::MAX);
        assert!(Timeline::default().layout(LanesBy::Server).lanes.is_empty());
    }
}

//! The record of one TCP connection, control or data.

use std::sync::Arc;

use compact_str::CompactString;

use crate::model::record::{
    Address, CaptureSpan, Close, Connection, ConnectionSamples, Copies, Opener, SamplePoint,
};
use crate::model::{Direction, FrameRef, Timestamp};
use crate::protocol::community_id::community_id;
use crate::protocol::uid::connection_uid;
use crate::reassembly::{Copies as SecondCopies, FlowSummary, HalfSummary};

/// A connection, or the part of one that carries one file.
pub(super) struct Part<'a> {
    /// Flow up to the end of the part.
    pub(super) summary: &'a FlowSummary,
    /// Flow up to the beginning of the part, whose counts are subtracted; `None` for the beginning of the connection.
    pub(super) before: Option<&'a FlowSummary>,
    /// First frame.
    pub(super) first: FrameRef,
    /// Direction in which the FTP client sends.
    pub(super) client_way: Direction,
    /// End of the connection.
    pub(super) close: Close,
    /// More than one capture is read: the record names those that have packets of the connection.
    pub(super) several_captures: bool,
}

impl<'a> Part<'a> {
    /// Creates the part that is the whole connection.
    pub(super) fn whole(
        summary: &'a FlowSummary,
        client_way: Direction,
        several_captures: bool,
    ) -> Self {
        Self {
            summary,
            before: None,
            first: summary.first,
            client_way,
            close: close_of(summary),
            several_captures,
        }
    }

    /// Returns the record.
    pub(super) fn record(&self) -> Connection {
        let summary = self.summary;
        let [from_client, from_server] = [self.client_way, self.client_way.reverse()];
        let opener = |way| {
            if way == self.client_way {
                Opener::Client
            } else {
                Opener::Server
            }
        };
        let closed_before = self.before.map_or(0.0, closed_windows);
        let community_id = community_id(&summary.key);
        let (first_payload, last_payload) = self.payload_times().unzip();
        let course = |count: fn(&FlowSummary, Direction) -> u64, way| {
            let before = self.before.map_or(0, |before| count(before, way));
            count(summary, way).saturating_sub(before)
        };
        let packets = |way| course(|of, way| of.course.packets(way), way);
        let ip_bytes = |way| course(|of, way| of.course.ip_bytes(way), way);
        let frame_bytes = |way| course(|of, way| of.course.frame_bytes(way), way);
        let payload_bytes = |way| course(|of, way| of.course.payload_bytes(way), way);
        let copied = |count: fn(SecondCopies) -> u64, way| {
            let before = self
                .before
                .map_or(0, |before| count(before.course.copies(way)));
            count(summary.course.copies(way)).saturating_sub(before)
        };
        let second = Copies {
            packets_from_client: copied(|of| of.packets, from_client),
            packets_from_server: copied(|of| of.packets, from_server),
            ip_bytes_from_client: copied(|of| of.ip_bytes, from_client),
            ip_bytes_from_server: copied(|of| of.ip_bytes, from_server),
            frame_bytes_from_client: copied(|of| of.frame_bytes, from_client),
            frame_bytes_from_server: copied(|of| of.frame_bytes, from_server),
        };
        Connection {
            uid: connection_uid(&community_id, summary.first.time),
            client: Address::from(summary.key.source(from_client)),
            server: Address::from(summary.key.source(from_server)),
            opened_by: summary.initiator.map(opener),
            originator: opener(summary.originator()),
            start: self.first.time,
            end: summary.last.time,
            closed_at: summary.closed_at(),
            first_payload,
            last_payload,
            first_frame: self.first.number,
            last_frame: summary.last.number,
            captures: self.captures(),
            captures_omitted: summary.spans.as_ref().map_or(0, |spans| spans.omitted()),
            packets_from_client: packets(from_client),
            packets_from_server: packets(from_server),
            ip_bytes_from_client: ip_bytes(from_client),
            ip_bytes_from_server: ip_bytes(from_server),
            frame_bytes_from_client: frame_bytes(from_client),
            frame_bytes_from_server: frame_bytes(from_server),
            payload_bytes_from_client: payload_bytes(from_client),
            payload_bytes_from_server: payload_bytes(from_server),
            copies: (second != Copies::default()).then(|| Box::new(second)),
            missing_bytes: self.counted(|of| {
                let missing = |half: &HalfSummary| half.irregular().missing_bytes;
                of.half.iter().map(missing).fold(0, u64::saturating_add)
            }),
            retransmitted_bytes: self
                .counted(|of| of.half.iter().map(|half| half.retransmitted_bytes).sum()),
            zero_windows: self.counted(|of| {
                let halves = of.half.iter();
                halves.map(|half| half.measured.zero_windows()).sum()
            }),
            // The difference of two sums of floating-point numbers may be slightly negative.
            zero_window_seconds: (closed_windows(summary) - closed_before).max(0.0),
            close: self.close,
            tcp_state: CompactString::const_new(summary.tcp_state()),
            tcp_history: summary.tcp_history().into(),
            community_id,
            samples: self.samples(),
        }
    }

    /// Returns the progress over time; `None` if it was not sampled, without payload, and for a file that is not the first
    /// on its connection.
    fn samples(&self) -> Option<Arc<ConnectionSamples>> {
        if self.before.is_some() {
            return None;
        }
        let samples = self.summary.samples.as_deref()?;
        let sender = if samples.sender()? == self.client_way {
            Opener::Client
        } else {
            Opener::Server
        };
        let points: Vec<SamplePoint> = samples
            .points()
            .iter()
            .map(|sample| SamplePoint {
                time: sample.time,
                sent: sample.sent,
                acknowledged: sample.acknowledged,
                window_end: sample.window_end,
                retransmitted: sample.retransmitted,
                holes: sample.holes.into(),
                late: sample.late.into(),
                zero_window: sample.zero_window,
            })
            .collect();
        Some(Arc::new(ConnectionSamples {
            sender,
            start: samples.start(),
            points,
        }))
    }

    /// Returns the first and the last packet in each capture; empty with a single capture.
    fn captures(&self) -> Vec<CaptureSpan> {
        if !self.several_captures {
            return Vec::new();
        }
        let Some(spans) = &self.summary.spans else {
            return vec![CaptureSpan::new(self.first, self.summary.last)];
        };
        let part = |&(first, last): &(FrameRef, FrameRef)| {
            // The first packet of the part is known in its own capture only. Elsewhere earlier packets of the same
            // connection are named with it.
            let own = first.capture() == self.first.capture() && first.number < self.first.number;
            let first = if own { self.first } else { first };
            (last.number >= self.first.number).then(|| CaptureSpan::new(first, last))
        };
        spans.spans().iter().filter_map(part).collect()
    }

    /// Returns a count of the flow without that of earlier parts.
    fn counted(&self, of: impl Fn(&FlowSummary) -> u64) -> u64 {
        of(self.summary).saturating_sub(self.before.map_or(0, of))
    }

    /// Returns when the first and the last byte were delivered; `None` without one.
    fn payload_times(&self) -> Option<(Timestamp, Timestamp)> {
        let times = |of: &FlowSummary| {
            let [up, down] =
                [Direction::Up, Direction::Down].map(|way| of.course.payload_times(way));
            match (up, down) {
                (Some(up), Some(down)) => Some((up.0.min(down.0), up.1.max(down.1))),
                (one, other) => one.or(other),
            }
        };
        let (first, last) = times(self.summary)?;
        match self.before.and_then(times) {
            Some((_, before)) => (last > before).then_some((self.first.time, last)),
            None => Some((first, last)),
        }
    }
}

/// Returns how a connection ended, whichever side sent the data. A FIN of either end closes it, even if the other end's was not
/// captured.
fn close_of(summary: &FlowSummary) -> Close {
    let halves = &summary.half;
    if halves.iter().any(|half| half.irregular().rst.is_some()) {
        Close::Reset
    } else if halves.iter().any(|half| half.fin.is_some()) {
        Close::Fin
    } else {
        Close::Open
    }
}

/// Returns how long the two ends had their receive windows closed, in seconds.
fn closed_windows(of: &FlowSummary) -> f64 {
    let now = of.last.time;
    let halves = of.half.iter();
    halves
        .map(|half| half.measured.closed_until(now).seconds())
        .sum()
}

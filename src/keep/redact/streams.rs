//! A collector of the bytes of control connections and listings, for the first reading.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::model::streams::{PartKind, StreamBytes, StreamPart};
use crate::model::{ContentId, FlowKey, Settled, StoreError, Stored, TransferSink};

/// Collects control streams and what may be listings. Files are forgotten as soon as their transfers are settled.
#[derive(Debug)]
pub struct StreamCollector {
    /// Connections by their first frames.
    connections: HashMap<u64, Connection, RandomState>,
    /// Connection of the latest bytes, and whether no more of it is wanted: nearly all bytes follow others of their file.
    full: Option<u64>,
    control_bytes: usize,
    data_bytes: usize,
    limit: usize,
    overflow: bool,
}

/// Bytes of both directions of a connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Session whose control connection it is; `None` for a data connection.
    pub(super) control_of: Option<u64>,
    /// End points; `None` before the first byte.
    pub(super) key: Option<FlowKey>,
    /// By [`Direction::index`](crate::model::Direction::index).
    pub(super) halves: [Half; 2],
    /// No more bytes are kept: it is a file, or too long.
    is_full: bool,
}

/// Bytes of one direction.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Sequence number of stream offset 0.
    pub(super) origin: u32,
    /// Stream offset of each run of bytes, and where in `bytes` it begins.
    pub(super) runs: Vec<(u64, usize)>,
    pub(super) bytes: Vec<u8>,
    /// Ends of parts as stream offsets.
    parts: Vec<(u64, PartKind)>,
}

impl StreamCollector {
    /// Creates a collector that keeps up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            connections: HashMap::default(),
            full: None,
            control_bytes: 0,
            data_bytes: 0,
            limit,
            overflow: false,
        }
    }

    /// Returns true if control connections had more bytes than the limit, so that their redaction is impossible.
    #[must_use]
    pub const fn has_overflowed(&self) -> bool {
        self.overflow
    }

    pub(super) fn into_connections(self) -> HashMap<u64, Connection, RandomState> {
        self.connections
    }

    fn drop_data(&mut self, first_frame: u64) {
        if let Some(connection) = self.connections.get_mut(&first_frame)
            && connection.control_of.is_none()
        {
            for half in &mut connection.halves {
                let kept = half.prelude();
                self.data_bytes -= half.bytes.len() - kept;
                half.bytes.truncate(kept);
                half.bytes.shrink_to_fit();
                half.runs.truncate(usize::from(kept > 0));
            }
            connection.is_full = true;
            self.full = Some(first_frame);
        }
    }
}

impl TransferSink for StreamCollector {
    fn write(&mut self, _: ContentId, _: u64, _: &[u8]) {}

    fn settle(&mut self, _: ContentId, settled: &Settled<'_>) -> Result<Stored, StoreError> {
        self.drop_data(settled.first_frame);
        Ok(Stored::default())
    }

    fn discard(&mut self, _: ContentId) {}

    fn wants_streams(&self) -> bool {
        true
    }

    fn stream_bytes(&mut self, bytes: &StreamBytes<'_>) {
        let first_frame = bytes.stream.first_frame;
        if self.full == Some(first_frame) {
            return;
        }
        let connection = self.connections.entry(first_frame).or_default();
        if connection.is_full {
            self.full = Some(first_frame);
            return;
        }
        connection.control_of = connection.control_of.or(bytes.control_of);
        connection.key = Some(bytes.stream.key);
        let half = &mut connection.halves[bytes.stream.direction.index()];
        half.add(bytes);
        let length = half.bytes.len();
        if connection.control_of.is_some() {
            self.control_bytes += bytes.bytes.len();
            if self.control_bytes > self.limit {
                self.overflow = true;
                // Nothing more is needed: the run ends with a failure.
                self.connections.clear();
                self.control_bytes = 0;
            }
            return;
        }
        self.data_bytes += bytes.bytes.len();
        if length > LISTING_BYTES || self.data_bytes > self.limit {
            self.drop_data(first_frame);
        }
    }

    fn stream_part(&mut self, part: StreamPart) {
        if let Some(connection) = self.connections.get_mut(&part.stream.first_frame) {
            let half = &mut connection.halves[part.stream.direction.index()];
            half.parts.push((part.end, part.kind));
        }
    }
}

impl Half {
    fn add(&mut self, bytes: &StreamBytes<'_>) {
        if self.bytes.is_empty() {
            self.origin = bytes.origin;
        }
        let end = self
            .runs
            .last()
            .map(|(offset, at)| offset + (self.bytes.len() - at) as u64);
        if end != Some(bytes.offset) {
            self.runs.push((bytes.offset, self.bytes.len()));
        }
        self.bytes.extend_from_slice(bytes.bytes);
    }

    /// Returns the length of what was exchanged with a proxy before FTP.
    pub(super) fn prelude(&self) -> usize {
        let preludes = self.parts.iter().filter(|part| part.1 == PartKind::Prelude);
        let end = preludes.map(|(end, _)| *end).max().unwrap_or(0);
        let length = usize::try_from(end).unwrap_or(usize::MAX);
        length.min(self.bytes.len())
    }

    /// Returns true if a part of the stream is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.parts
            .iter()
            .any(|(_, kind)| *kind == PartKind::Encrypted)
    }

    /// Returns where in `bytes` the byte at a stream offset stands, or the first one behind it.
    fn place(&self, offset: u64) -> usize {
        let next = self.runs.partition_point(|(begin, _)| *begin <= offset);
        let Some((begin, at)) = next.checked_sub(1).and_then(|index| self.runs.get(index)) else {
            return 0;
        };
        let end = self.runs.get(next).map_or(self.bytes.len(), |(_, at)| *at);
        let inside = usize::try_from(offset - begin).unwrap_or(usize::MAX);
        at.saturating_add(inside).min(end)
    }

    /// Calls `f` for each part with the place of its bytes, and with `None` for bytes of no part.
    pub(super) fn each_place(&self, f: &mut dyn FnMut(std::ops::Range<usize>, Option<PartKind>)) {
        let mut done = 0;
        for (end, kind) in &self.parts {
            let end = self.place(*end);
            // No line goes on behind a gap: what stands before it is the rest of one that was not read.
            let begun = self.runs.partition_point(|(_, at)| *at < end);
            let begun = begun.checked_sub(1).and_then(|index| self.runs.get(index));
            let begun = begun.map_or(0, |(_, at)| *at);
            if *kind != PartKind::Encrypted && begun > done {
                f(done..begun, None);
                done = begun;
            }
            if end > done {
                f(done..end, Some(*kind));
                done = end;
            }
        }
        if done < self.bytes.len() {
            f(done..self.bytes.len(), None);
        }
    }

    /// Does the same as [`each_place`](Self::each_place) with the bytes themselves.
    pub(super) fn each_part(&self, f: &mut dyn FnMut(&[u8], Option<PartKind>)) {
        self.each_place(&mut |place, kind| f(&self.bytes[place], kind));
    }
}

/// Longest listing that is rewritten line by line; of a longer one all bytes are hidden.
const LISTING_BYTES: usize = 8 << 20;

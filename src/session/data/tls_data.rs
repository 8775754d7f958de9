//! TLS on a data connection of a session whose commands can be read: its content takes the place of its bytes.
//!
//! The first bytes decide: after PROT P some programs send in clear all the same, and after PROT C none begins with a hello.

use compact_str::CompactString;

use crate::model::record::Tls;
use crate::model::{Direction, FrameRef};
use crate::protocol::tls::decryption::{Connection, Keyring, Receiver};
use crate::protocol::tls::record::looks_like_record;
use crate::reassembly::Chunk;
use crate::session::data::content_sink::ContentSink;
use crate::session::data::payload::Payload;
use crate::session::data::shared_connection::FilePart;
use crate::session::encrypted::tls_record::tls_record;

/// TLS connection that carries a file or a listing.
pub(crate) struct TlsData {
    connection: Connection,
    /// The first bytes were those of TLS.
    begun: bool,
    /// PROT P is in force, so that a connection whose first bytes are missing is taken for TLS.
    protected: bool,
    /// Content so far, gaps included, in bytes, by [`Direction::index`].
    lengths: [u64; 2],
    /// Payload bytes of the connection.
    wire_bytes: u64,
}

/// Destination of the content of one connection.
pub(super) struct Destination<'a, 's> {
    pub(super) part: &'a mut FilePart,
    pub(super) payload: &'a mut Payload,
    pub(super) sink: &'a mut ContentSink<'s>,
    lengths: [u64; 2],
}

impl TlsData {
    /// Creates the TLS of the connection of this `uid`.
    pub(crate) fn new(uid: CompactString, protected: bool) -> Self {
        Self {
            connection: Connection::new(uid),
            begun: false,
            protected,
            lengths: [0; 2],
            wire_bytes: 0,
        }
    }

    /// Returns whether the connection carries TLS, once its first bytes are known.
    pub(super) const fn has_begun(&self) -> bool {
        self.begun
    }

    /// Reads bytes. Returns false if they are in clear: the connection carries no TLS.
    pub(super) fn data(
        &mut self,
        way: Direction,
        chunk: Chunk<'_>,
        keyring: &mut Keyring,
        mut to: Destination<'_, '_>,
    ) -> bool {
        if !self.begun {
            let first = [HANDSHAKE, 3];
            let short = chunk.bytes.len() < 3 && first.starts_with(chunk.bytes);
            self.begun =
                short || chunk.bytes.first() == Some(&HANDSHAKE) && looks_like_record(chunk.bytes);
            if !self.begun {
                return false;
            }
        }
        self.wire_bytes += chunk.bytes.len() as u64;
        to.lengths = self.lengths;
        self.connection
            .data(way, chunk.bytes, chunk.arrived, keyring, &mut to);
        self.lengths = to.lengths;
        true
    }

    /// Reads a gap. Returns false if the connection carries no TLS.
    pub(super) fn gap(
        &mut self,
        way: Direction,
        length: u64,
        at: FrameRef,
        keyring: &mut Keyring,
        mut to: Destination<'_, '_>,
    ) -> bool {
        self.begun |= self.protected;
        if self.begun {
            to.lengths = self.lengths;
            self.connection.gap(way, length, at, keyring, &mut to);
            self.lengths = to.lengths;
        }
        self.begun
    }

    /// Ends the connection.
    pub(super) fn finish(
        &mut self,
        at: FrameRef,
        keyring: &mut Keyring,
        mut to: Destination<'_, '_>,
    ) {
        to.lengths = self.lengths;
        self.connection.finish(at, keyring, &mut to);
        self.lengths = to.lengths;
    }

    /// Returns whether nothing of its content can be read.
    pub(super) fn is_closed(&self) -> bool {
        self.begun && self.connection.facts().obstacle.is_some() && !self.connection.has_opened()
    }

    /// Returns the engine, for what the handshake shows.
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns TLS for the report; the content is sent in `way`.
    pub(super) fn record(&self, client_way: Direction, way: Direction) -> Tls {
        tls_record(&self.connection, client_way, &[way], self.wire_bytes)
    }
}

impl<'a, 's> Destination<'a, 's> {
    pub(super) const fn new(
        part: &'a mut FilePart,
        payload: &'a mut Payload,
        sink: &'a mut ContentSink<'s>,
    ) -> Self {
        Self {
            part,
            payload,
            sink,
            lengths: [0; 2],
        }
    }
}

impl Receiver for Destination<'_, '_> {
    fn content(&mut self, way: Direction, at: FrameRef, bytes: &[u8]) {
        let offset = self.lengths[way.index()];
        self.lengths[way.index()] += bytes.len() as u64;
        if self.payload.is_settled() {
            return;
        }
        let chunk = Chunk {
            frame: at,
            arrived: at,
            offset,
            bytes,
            waited: false,
        };
        let used = self.part.take_bytes(way, &chunk);
        let offset = self.part.offset_in_file(way, offset);
        let bytes = bytes.get(..used).unwrap_or(bytes);
        self.payload.write(way, offset, bytes, self.sink);
    }

    fn gap(&mut self, way: Direction, _: FrameRef, length: u64) {
        let offset = self.lengths[way.index()];
        self.lengths[way.index()] += length;
        if self.payload.is_settled() || length == 0 {
            return;
        }
        self.part.skip(way, length);
        let offset = self.part.offset_in_file(way, offset);
        self.payload.gap(way, offset, length, self.sink);
    }
}

/// Content type of handshake records.
const HANDSHAKE: u8 = 22;

//! The TLS filter: one direction of a connection, TLS records in, pieces of content out.
//!
//! The filter stands between reassembly and session, for control and data connections alike: both read the same pieces, whether a line
//! or a file is inside. Without keys every piece is [`Piece::Sealed`], and only the hellos can be read. Opening records is a
//! matter of this filter alone: a piece in clear will be one more variant here, and its readers already take pieces.
//!
//! ```text
//! bytes, gaps ─> TlsFilter ─┬─> Piece::Sealed    payload of a record, unopened
//!                           ├─> Piece::NotTls    the stream is clear again (CCC), or never was TLS
//!                           └─> hellos           version, cipher suite, server name, session id
//! ```

use crate::protocol::tls::hello::{ClientHello, HandshakeReader, ServerHello};
use crate::protocol::tls::record::{ContentType, RecordSplitter};

/// One direction of a TLS connection.
#[derive(Debug, Default)]
pub(crate) struct TlsFilter {
    records: RecordSplitter,
    handshake: HandshakeReader,
    /// A part of the current record was read.
    within: bool,
    /// Bytes are missing, so that the rest of the handshake cannot be read.
    blind: bool,
}

/// Piece of a TLS stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Payload of a record that cannot be opened, or a part of it.
    Sealed {
        /// Content type in the record header.
        content: ContentType,
        /// Length of the record's whole payload, in bytes.
        length: u16,
        bytes: &'a [u8],
        /// The piece begins a record.
        begins: bool,
    },
    /// No record begins here.
    NotTls {
        /// Bytes read as a header before that was certain.
        refused: Vec<u8>,
    },
}

impl TlsFilter {
    /// Reads the hellos in `bytes`, before [`next`](Self::next) takes them. Returns whether the handshake was still open.
    pub(crate) fn read_hello(&mut self, bytes: &[u8]) -> bool {
        let open = !self.blind && !self.handshake.is_done();
        if open {
            self.handshake.feed(bytes);
        }
        open
    }

    /// Takes the next piece from `bytes`; `None` once they are used up.
    pub(crate) fn next<'bytes>(&mut self, bytes: &mut &'bytes [u8]) -> Option<Piece<'bytes>> {
        match self.records.next(bytes) {
            Ok(Some(fragment)) => {
                let begins = !self.within;
                self.within = !self.records.at_record_start();
                Some(Piece::Sealed {
                    content: fragment.content,
                    length: fragment.length,
                    bytes: fragment.bytes,
                    begins,
                })
            }
            Ok(None) => None,
            Err(_) => Some(Piece::NotTls {
                refused: self.records.refused().to_vec(),
            }),
        }
    }

    /// Skips `length` bytes that were not captured. Returns whether they end within the current record, so that the start of
    /// the next one is known.
    pub(crate) fn skip(&mut self, length: u64) -> bool {
        self.blind = true;
        let known = self.records.skip(length);
        self.within = !self.records.at_record_start();
        known
    }

    /// Begins with the next record, at a place where one is sure to begin. The hellos read so far are kept.
    pub(crate) fn resume(&mut self) {
        self.records = RecordSplitter::default();
        self.within = false;
    }

    /// Begins with another handshake, if the one before is over: its hellos replace those.
    pub(crate) fn restart_handshake(&mut self) {
        if self.handshake.is_done() {
            self.handshake = HandshakeReader::new();
            self.blind = false;
        }
    }

    /// Marks the handshake as unreadable from here on: bytes are missing.
    pub(crate) const fn lose_handshake(&mut self) {
        self.blind = true;
    }

    /// Returns whether nothing more can be learned from the handshake.
    pub(crate) fn handshake_is_over(&self) -> bool {
        self.blind || self.handshake.is_done()
    }

    /// Returns whether bytes are missing, so that what was not seen may have been there.
    pub(crate) const fn is_blind(&self) -> bool {
        self.blind
    }

    /// Returns the reader of the hellos.
    pub(crate) const fn handshake(&self) -> &HandshakeReader {
        &self.handshake
    }

    /// Returns the hello of the TLS client; `None` if it was not read, or the other direction has it.
    pub(crate) fn client_hello(&self) -> Option<&ClientHello> {
        self.handshake.client_hello()
    }

    /// Returns the hello of the TLS server; `None` if it was not read, or the other direction has it.
    pub(crate) fn server_hello(&self) -> Option<&ServerHello> {
        self.handshake.server_hello()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];

    fn pieces<'a>(filter: &mut TlsFilter, mut bytes: &'a [u8]) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        while let Some(piece) = filter.next(&mut bytes) {
            let end = matches!(piece, Piece::NotTls { .. });
            pieces.push(piece);
            if end {
                break;
            }
        }
        pieces
    }

    #[test]
    fn record_in_two_segments_begins_once() {
        let mut filter = TlsFilter::default();
        let alert = |bytes, begins| Piece::Sealed {
            content: ContentType::Alert,
            length: 2,
            bytes,
            begins,
        };
        assert_eq!(pieces(&mut filter, &ALERT[..6]), [alert(&[1][..], true)]);
        assert_eq!(pieces(&mut filter, &ALERT[6..]), [alert(&[0][..], false)]);
        assert_eq!(pieces(&mut filter, &ALERT), [alert(&[1, 0][..], true)]);
    }

    #[test]
    fn clear_bytes_behind_a_record_are_not_tls() {
        let mut filter = TlsFilter::default();
        let bytes = [&ALERT[..], b"NOOP\r\n"].concat();
        let found = pieces(&mut filter, &bytes);
        assert_eq!(
            found.last(),
            Some(&Piece::NotTls {
                refused: b"N".to_vec()
            })
        );
    }

    #[test]
    fn gap_within_a_record_keeps_the_records_in_step() {
        let mut filter = TlsFilter::default();
        pieces(&mut filter, &[23, 3, 3, 0, 100, b'x']);
        assert!(filter.skip(99) && filter.handshake_is_over());
        assert_eq!(pieces(&mut filter, &ALERT).len(), 1);
        assert!(!filter.skip(1));
    }
}

//! An unannounced data connection seen from outside: whether it carries TLS, and which side sends the content.
//!
//! Bytes of the handshake are not counted: a certificate alone outweighs a small upload. Before TLS 1.3 content has a
//! record type of its own (RFC 5246 section 6.2.1). In TLS 1.3 the end of the handshake has that type as well. Not
//! counted, therefore, are the client's records up to its Finished ([`ClientFlight`]), and all records of the server before
//! it. Where records were opened, their content decides alone.

use compact_str::CompactString;

use crate::model::record::TransferDirection;
use crate::model::{Direction, FrameRef};
use crate::protocol::tls::decryption::{ClientFlight, Connection, Keyring, Receiver};
use crate::protocol::tls::hello::ClientHello;
use crate::protocol::tls::record::ContentType;
use crate::session::encrypted::tls_filter::{Piece, TlsFilter};

/// TLS records of both directions of one connection.
#[derive(Debug, Default)]
pub(crate) struct EncryptedStream {
    /// By [`Direction::index`].
    halves: [EncryptedHalf; 2],
    /// Records that end the handshake of a TLS 1.3 client.
    flight: ClientFlight,
    /// Engine that opens the records; `None` before the first bytes of TLS.
    connection: Option<Box<Connection>>,
}

/// Nature of the bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Too few bytes to decide.
    #[default]
    Unknown,
    /// TLS records.
    Tls,
    /// Cleartext.
    Clear,
}

#[derive(Debug, Default)]
struct EncryptedHalf {
    /// Payload bytes of the direction, records or not.
    bytes: u64,
    nature: Nature,
    /// First bytes, until `nature` is known.
    head: Vec<u8>,
    filter: TlsFilter,
    /// Bytes in records of application data.
    content: u64,
    /// The current record belongs to the handshake, though it looks like content.
    in_handshake: bool,
    /// A gap hid where the next record begins.
    lost: bool,
}

impl EncryptedStream {
    /// Processes bytes in stream order. Returns the nature of the direction, and the earlier bytes held until it was
    /// known.
    pub(crate) fn data(&mut self, direction: Direction, bytes: &[u8]) -> (Nature, Vec<u8>) {
        let half = &mut self.halves[direction.index()];
        half.bytes = half.bytes.saturating_add(bytes.len() as u64);
        let mut held = Vec::new();
        if half.nature == Nature::Unknown {
            let before = half.head.len();
            half.head.extend(bytes.iter().take(HEAD - before));
            half.nature = nature(&half.head);
            match half.nature {
                Nature::Unknown => return (Nature::Unknown, held),
                Nature::Tls | Nature::Clear => {
                    held = std::mem::take(&mut half.head);
                    held.truncate(before);
                }
            }
        }
        if half.nature == Nature::Tls {
            let [up, down] = &self.halves;
            let hello = [up, down]
                .into_iter()
                .find_map(|half| half.filter.server_hello());
            let suite = hello.map(|hello| hello.cipher_suite);
            let is_13 = self.is_version_13();
            let half = &mut self.halves[direction.index()];
            let flight = is_13.then_some(&mut self.flight);
            let done = flight.as_ref().is_some_and(|flight| flight.is_done());
            half.records(&[&held, bytes], flight.map(|flight| (flight, suite)));
            // What the server sent before the client's Finished was still its handshake.
            if is_13 && !done && self.flight.is_done() {
                self.halves[direction.reverse().index()].content = 0;
            }
        }
        let half = &self.halves[direction.index()];
        (half.nature, held)
    }

    /// Reads bytes of TLS with the secrets there are.
    pub(super) fn open(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        at: FrameRef,
        uid: impl FnOnce() -> CompactString,
        keyring: &mut Keyring,
        receiver: &mut dyn Receiver,
    ) {
        let connection = self
            .connection
            .get_or_insert_with(|| Box::new(Connection::new(uid())));
        connection.data(direction, bytes, at, keyring, receiver);
    }

    /// Returns the engine; `None` without TLS.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.connection.as_deref()
    }

    /// Returns the engine to end it, or to read a gap; `None` without TLS.
    pub(super) fn connection_mut(&mut self) -> Option<&mut Connection> {
        self.connection.as_deref_mut()
    }

    /// Records bytes that are not in the capture.
    pub(crate) fn gap(&mut self, direction: Direction, length: u64) {
        let half = &mut self.halves[direction.index()];
        // Records can only be counted from the first one on.
        if half.nature == Nature::Unknown {
            half.nature = Nature::Clear;
        }
        half.lost |= !half.filter.skip(length);
    }

    /// Returns the nature of the connection as a whole.
    pub(crate) fn nature(&self) -> Nature {
        let natures = [self.halves[0].nature, self.halves[1].nature];
        if natures.contains(&Nature::Tls) {
            Nature::Tls
        } else if natures.contains(&Nature::Clear) {
            Nature::Clear
        } else {
            Nature::Unknown
        }
    }

    /// Returns whether there is cleartext in both directions, which no FTP data connection has.
    pub(crate) fn is_dialogue(&self) -> bool {
        self.nature() == Nature::Clear && self.halves.iter().all(|half| half.bytes > 0)
    }

    /// Returns the payload bytes of a direction.
    pub(crate) const fn bytes(&self, direction: Direction) -> u64 {
        self.halves[direction.index()].bytes
    }

    /// Returns the `ClientHello` and the direction in which the TLS client sends; `None` before it is complete.
    pub(crate) fn client_hello(&self) -> Option<(Direction, &ClientHello)> {
        [Direction::Up, Direction::Down]
            .into_iter()
            .find_map(|direction| {
                let hello = self.halves[direction.index()].filter.client_hello()?;
                Some((direction, hello))
            })
    }

    /// Returns the direction of the content; `None` if there is too little of it to decide.
    pub(crate) fn direction(&self, client_way: Direction) -> Option<TransferDirection> {
        let client = &self.halves[client_way.index()];
        let server = &self.halves[client_way.reverse().index()];
        let (from_client, from_server) = match self.nature() {
            Nature::Tls if self.connection().is_some_and(Connection::has_opened) => {
                let content = |way| self.connection().map_or(0, |tls| tls.content_bytes(way).0);
                (content(client_way), content(client_way.reverse()))
            }
            Nature::Tls if client.lost || server.lost => {
                (client.bytes / LOST_MARGIN, server.bytes / LOST_MARGIN)
            }
            Nature::Tls if self.is_version_13() => {
                let more_than = |bytes: u64, least| if bytes > least { bytes } else { 0 };
                (
                    more_than(client.content, TRAILER),
                    more_than(server.content, TICKETS),
                )
            }
            Nature::Tls => (client.content, server.content),
            // PROT C: all payload is content.
            Nature::Clear | Nature::Unknown => (client.bytes, server.bytes),
        };
        match from_client.cmp(&from_server) {
            std::cmp::Ordering::Greater => Some(TransferDirection::Upload),
            std::cmp::Ordering::Less => Some(TransferDirection::Download),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// Returns whether the connection uses TLS 1.3; true as well without a `ServerHello`, for the stricter count.
    fn is_version_13(&self) -> bool {
        self.halves
            .iter()
            .find_map(|half| half.filter.server_hello())
            .is_none_or(|hello| hello.version >= TLS_1_3)
    }
}

impl EncryptedHalf {
    /// Reads records; `flight` are those that end a TLS 1.3 client's handshake, with the number of the cipher suite.
    fn records(&mut self, pieces: &[&[u8]], mut flight: Option<(&mut ClientFlight, Option<u16>)>) {
        for bytes in pieces {
            self.piece(bytes, &mut flight);
        }
    }

    fn piece(&mut self, bytes: &[u8], flight: &mut Option<(&mut ClientFlight, Option<u16>)>) {
        if self.lost {
            return;
        }
        self.filter.read_hello(bytes);
        let is_client = self.filter.client_hello().is_some();
        let mut rest = bytes;
        while let Some(piece) = self.filter.next(&mut rest) {
            match piece {
                Piece::Sealed {
                    content: ContentType::ApplicationData,
                    length,
                    bytes,
                    begins,
                } => {
                    if begins {
                        self.in_handshake = is_client
                            && flight.as_mut().is_some_and(|(flight, suite)| {
                                flight.take(u64::from(length), *suite)
                            });
                    }
                    if !self.in_handshake {
                        self.content = self.content.saturating_add(bytes.len() as u64);
                    }
                }
                Piece::Sealed { .. } => {}
                Piece::NotTls { .. } => {
                    self.lost = true;
                    return;
                }
            }
        }
    }
}

fn nature(head: &[u8]) -> Nature {
    match head {
        [] | [20..=24] | [20..=24, 3] => Nature::Unknown,
        // 24 is a heartbeat (RFC 6520); versions go from SSL 3.0 to TLS 1.3.
        [20..=24, 3, 0..=4, ..] => Nature::Tls,
        _ => Nature::Clear,
    }
}

/// First bytes that distinguish TLS from cleartext: content type and version (RFC 8446 section 5.1).
const HEAD: usize = 3;

/// Bound in bytes on what a TLS 1.3 client sends beside content: the closing alert, and little more.
pub(crate) const TRAILER: u64 = 64;

/// Bound in bytes on what a TLS 1.3 server sends beside content: session tickets (RFC 8446 section 4.6.1).
pub(crate) const TICKETS: u64 = 1024;

/// Unit in bytes of the comparison if records cannot be counted: a handshake is a small part of it.
const LOST_MARGIN: u64 = 16 << 10;

const TLS_1_3: u16 = 0x0304;

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Direction = Direction::Up;
    const SERVER: Direction = Direction::Down;

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("short").to_be_bytes();
        [&[kind, 3, 3][..], &length, content].concat()
    }

    fn hello(kind: u8, extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.push(0);
        if kind == 1 {
            body.extend([0, 2, 0x13, 1, 1, 0]);
        } else {
            body.extend([0x13, 1, 0]);
        }
        body.extend(
            u16::try_from(extensions.len())
                .expect("short")
                .to_be_bytes(),
        );
        body.extend(extensions);
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        record(22, &[&[kind], &length[1..], &body].concat())
    }

    /// Returns a TLS 1.3 handshake with a certificate of 3,000 bytes and two tickets.
    fn version_13() -> EncryptedStream {
        let mut stream = EncryptedStream::default();
        stream.data(CLIENT, &hello(1, &[]));
        stream.data(SERVER, &hello(2, &[0, 43, 0, 2, 3, 4]));
        stream.data(SERVER, &record(23, &[0; 3000]));
        stream.data(CLIENT, &record(23, &[0; 53]));
        stream.data(SERVER, &record(23, &[0; 234]));
        stream.data(SERVER, &record(23, &[0; 234]));
        stream
    }

    #[test]
    fn small_upload_outweighs_large_certificate() {
        let mut stream = version_13();
        assert_eq!(stream.direction(CLIENT), None);
        stream.data(CLIENT, &record(23, &[0; 500]));
        assert_eq!(stream.direction(CLIENT), Some(TransferDirection::Upload));
    }

    #[test]
    fn download_is_recognized_in_pieces_of_any_size() {
        for size in [1, 7, 5000] {
            let mut stream = version_13();
            for piece in record(23, &[0; 4000]).chunks(size) {
                stream.data(SERVER, piece);
            }
            stream.data(CLIENT, &record(23, &[0; 19]));
            assert_eq!(stream.direction(CLIENT), Some(TransferDirection::Download));
        }
    }

    #[test]
    fn every_record_of_content_counts_before_tls_13() {
        let mut stream = EncryptedStream::default();
        stream.data(CLIENT, &hello(1, &[]));
        stream.data(SERVER, &hello(2, &[]));
        stream.data(SERVER, &record(22, &[11; 3000]));
        assert_eq!(stream.direction(CLIENT), None);
        stream.data(CLIENT, &record(23, &[0; 30]));
        assert_eq!(stream.direction(CLIENT), Some(TransferDirection::Upload));
    }

    #[test]
    fn cleartext_is_recognized_and_held_bytes_are_returned() {
        let mut stream = EncryptedStream::default();
        assert_eq!(stream.data(SERVER, &[22]), (Nature::Unknown, vec![]));
        assert_eq!(stream.data(SERVER, &[3]), (Nature::Unknown, vec![]));
        assert_eq!(stream.data(SERVER, b"x"), (Nature::Clear, vec![22, 3]));
        assert_eq!(stream.data(SERVER, b"y"), (Nature::Clear, vec![]));
        assert_eq!(stream.direction(CLIENT), Some(TransferDirection::Download));
        assert!(!stream.is_dialogue());
        stream.data(CLIENT, b"z");
        assert!(stream.is_dialogue());
    }

    #[test]
    fn only_a_large_difference_counts_once_record_boundaries_are_lost() {
        let mut stream = version_13();
        stream.gap(SERVER, 100_000);
        stream.data(SERVER, &[1; 5_000]);
        assert_eq!(stream.direction(CLIENT), None);
        stream.data(SERVER, &vec![1; 50_000]);
        assert_eq!(stream.direction(CLIENT), Some(TransferDirection::Download));
    }
}

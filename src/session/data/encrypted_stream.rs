//! What passes on a data connection whose bytes nobody announced: is it TLS, and which side sends the content.
//!
//! The handshake is no content: a certificate alone outweighs a small upload. Before TLS 1.3 content stands in records of its
//! own type (RFC 5246 section 6.2.1). In TLS 1.3 the end of the handshake does too, so what the server sent before the client's
//! first such record (its Finished, RFC 8446 section 4.4.4) is left out, and so is that record.

use crate::model::Direction;
use crate::model::record::TransferDirection;
use crate::protocol::tls::hello::{ClientHello, HandshakeReader};
use crate::protocol::tls::record::{ContentType, RecordSplitter};

/// Both directions of one connection.
#[derive(Debug, Default)]
pub(crate) struct EncryptedStream {
    ways: [Way; 2],
    /// The TLS client sent a record of application data.
    client_finished: bool,
}

/// What the bytes of a direction are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Too few of them.
    #[default]
    Unknown,
    /// TLS records.
    Tls,
    /// Anything else.
    Clear,
}

#[derive(Debug, Default)]
struct Way {
    bytes: u64,
    nature: Nature,
    /// First bytes, until they tell.
    head: Vec<u8>,
    records: RecordSplitter,
    /// A part of the current record was seen.
    within: bool,
    handshake: HandshakeReader,
    /// Payload of records of application data.
    content: u64,
    /// How many of them began, and the payload of the first.
    content_records: u64,
    first_record: u64,
    /// Nobody knows where the next record begins.
    lost: bool,
}

impl EncryptedStream {
    /// Bytes in order. Tells what the direction is, and hands out bytes that were held until now.
    pub(crate) fn data(&mut self, direction: Direction, bytes: &[u8]) -> (Nature, Vec<u8>) {
        let way = &mut self.ways[direction.index()];
        way.bytes = way.bytes.saturating_add(bytes.len() as u64);
        let mut held = Vec::new();
        if way.nature == Nature::Unknown {
            let before = way.head.len();
            way.head.extend(bytes.iter().take(HEAD - before));
            way.nature = nature(&way.head);
            match way.nature {
                Nature::Unknown => return (Nature::Unknown, held),
                Nature::Tls | Nature::Clear => {
                    held = std::mem::take(&mut way.head);
                    held.truncate(before);
                }
            }
        }
        if way.nature == Nature::Tls {
            way.records(&held);
            way.records(bytes);
            let finished = way.content_records > 0 && way.handshake.client_hello().is_some();
            if finished
                && !std::mem::replace(&mut self.client_finished, true)
                && self.is_version_13()
            {
                self.ways[direction.reverse().index()].content = 0;
            }
        }
        let way = &self.ways[direction.index()];
        (way.nature, held)
    }

    /// Bytes that are missing.
    pub(crate) fn gap(&mut self, direction: Direction, length: u64) {
        let way = &mut self.ways[direction.index()];
        if way.nature == Nature::Unknown {
            way.nature = Nature::Clear;
        }
        way.lost |= !way.records.skip(length);
        way.within = !way.records.at_record_start();
    }

    /// The connection as a whole.
    pub(crate) fn nature(&self) -> Nature {
        let natures = [self.ways[0].nature, self.ways[1].nature];
        if natures.contains(&Nature::Tls) {
            Nature::Tls
        } else if natures.contains(&Nature::Clear) {
            Nature::Clear
        } else {
            Nature::Unknown
        }
    }

    /// Clear text both ways: no data connection of FTP looks like that.
    pub(crate) fn is_dialogue(&self) -> bool {
        self.nature() == Nature::Clear && self.ways.iter().all(|way| way.bytes > 0)
    }

    /// Payload bytes of a direction.
    pub(crate) const fn bytes(&self, direction: Direction) -> u64 {
        self.ways[direction.index()].bytes
    }

    /// The hello of the TLS client, and the direction it sends in.
    pub(crate) fn client_hello(&self) -> Option<(Direction, &ClientHello)> {
        [Direction::Up, Direction::Down]
            .into_iter()
            .find_map(|direction| {
                let hello = self.ways[direction.index()].handshake.client_hello()?;
                Some((direction, hello))
            })
    }

    /// Which way the content went; `None` where it is too little to tell.
    pub(crate) fn direction(&self, client_way: Direction) -> Option<TransferDirection> {
        let client = &self.ways[client_way.index()];
        let server = &self.ways[client_way.reverse().index()];
        let (from_client, from_server) = match self.nature() {
            Nature::Tls if client.lost || server.lost => {
                (client.bytes / LOST_MARGIN, server.bytes / LOST_MARGIN)
            }
            Nature::Tls if self.is_version_13() => {
                let from_client = client.content.saturating_sub(client.first_record);
                let more_than = |bytes: u64, least| if bytes > least { bytes } else { 0 };
                (
                    more_than(from_client, TRAILER),
                    more_than(server.content, TICKETS),
                )
            }
            Nature::Tls => (client.content, server.content),
            Nature::Clear | Nature::Unknown => (client.bytes, server.bytes),
        };
        match from_client.cmp(&from_server) {
            std::cmp::Ordering::Greater => Some(TransferDirection::Upload),
            std::cmp::Ordering::Less => Some(TransferDirection::Download),
            std::cmp::Ordering::Equal => None,
        }
    }

    /// Where the hello of the server is missing, the stricter reading holds.
    fn is_version_13(&self) -> bool {
        self.ways
            .iter()
            .find_map(|way| way.handshake.server_hello())
            .is_none_or(|hello| hello.version >= TLS_1_3)
    }
}

impl Way {
    fn records(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        if !self.handshake.is_done() {
            self.handshake.feed(bytes);
        }
        let mut rest = bytes;
        loop {
            match self.records.next(&mut rest) {
                Ok(Some(fragment)) => {
                    let begins = !self.within;
                    self.within = !self.records.at_record_start();
                    if fragment.content == ContentType::ApplicationData {
                        self.count(fragment.bytes.len(), begins);
                    }
                }
                Ok(None) => return,
                Err(_) => {
                    self.lost = true;
                    return;
                }
            }
        }
    }

    fn count(&mut self, length: usize, begins: bool) {
        self.content_records += u64::from(begins);
        self.content = self.content.saturating_add(length as u64);
        if self.content_records == 1 {
            self.first_record = self.first_record.saturating_add(length as u64);
        }
    }
}

fn nature(head: &[u8]) -> Nature {
    match head {
        [] | [20..=24] | [20..=24, 3] => Nature::Unknown,
        [20..=24, 3, 0..=4, ..] => Nature::Tls,
        _ => Nature::Clear,
    }
}

/// First bytes that tell TLS from anything else.
const HEAD: usize = 3;

/// What a client sends in TLS 1.3 beside content: the alert that closes, and little more.
const TRAILER: u64 = 64;

/// What a server sends in TLS 1.3 after the handshake, content or not: tickets (RFC 8446 section 4.6.1).
const TICKETS: u64 = 1024;

/// Where records cannot be counted, handshakes are a small part of so many bytes.
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

    /// A handshake of TLS 1.3 with a certificate of 3,000 bytes, and two tickets.
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
    fn a_small_upload_outweighs_a_large_certificate() {
        let mut stream = version_13();
        assert_eq!(stream.direction(CLIENT), None);
        stream.data(CLIENT, &record(23, &[0; 500]));
        assert_eq!(stream.direction(CLIENT), Some(TransferDirection::Upload));
    }

    #[test]
    fn a_download_is_told_in_pieces_of_any_size() {
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
    fn before_version_13_every_record_of_content_counts() {
        let mut stream = EncryptedStream::default();
        stream.data(CLIENT, &hello(1, &[]));
        stream.data(SERVER, &hello(2, &[]));
        stream.data(SERVER, &record(22, &[11; 3000]));
        assert_eq!(stream.direction(CLIENT), None);
        stream.data(CLIENT, &record(23, &[0; 30]));
        assert_eq!(stream.direction(CLIENT), Some(TransferDirection::Upload));
    }

    #[test]
    fn clear_bytes_are_told_and_handed_out_whole() {
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
    fn without_records_only_a_large_difference_tells() {
        let mut stream = version_13();
        stream.gap(SERVER, 100_000);
        stream.data(SERVER, &[1; 5_000]);
        assert_eq!(stream.direction(CLIENT), None);
        stream.data(SERVER, &vec![1; 50_000]);
        assert_eq!(stream.direction(CLIENT), Some(TransferDirection::Download));
    }
}

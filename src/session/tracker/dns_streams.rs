//! DNS over TCP: each message follows its length in 2 bytes, big-endian (RFC 1035 section 4.2.2).

use crate::model::Direction;
use crate::protocol::dns::{Message, parse_message};

/// Both directions of one connection.
#[derive(Default)]
pub(super) struct DnsStreams {
    /// Beginning of an incomplete message with its length, by [`Direction::index`].
    partial: [Vec<u8>; 2],
}

impl DnsStreams {
    /// Returns the messages that these bytes complete. What cannot be parsed is skipped.
    pub(super) fn messages(&mut self, direction: Direction, bytes: &[u8]) -> Vec<Message> {
        let partial = &mut self.partial[direction.index()];
        partial.extend_from_slice(bytes);
        let mut messages = Vec::new();
        let mut rest = partial.as_slice();
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((message, tail)) = tail.split_at_checked(length) else {
                break;
            };
            messages.extend(parse_message(message));
            rest = tail;
        }
        // The 16-bit length bounds what is kept.
        let used = partial.len() - rest.len();
        partial.drain(..used);
        messages
    }

    /// Drops the incomplete message: some of its bytes are not in the capture.
    pub(super) fn gap(&mut self, direction: Direction) {
        self.partial[direction.index()].clear();
    }
}

//! DNS over TCP: messages with a length in front (RFC 1035 section 4.2.2).

use crate::model::Direction;

/// Both directions of one connection.
#[derive(Default)]
pub(crate) struct DnsStreams {
    partial: [Vec<u8>; 2],
}

impl DnsStreams {
    /// The messages that these bytes complete.
    pub(crate) fn messages(&mut self, direction: Direction, bytes: &[u8]) -> Vec<Vec<u8>> {
        let partial = &mut self.partial[direction.index()];
        partial.extend_from_slice(bytes);
        let mut messages = Vec::new();
        let mut rest = partial.as_slice();
        while let Some((length, tail)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((message, tail)) = tail.split_at_checked(length) else {
                break;
            };
            messages.push(message.to_vec());
            rest = tail;
        }
        let left = rest.to_vec();
        *partial = left;
        messages
    }

    /// Bytes are missing: the message they were part of is not told.
    pub(crate) fn hole(&mut self, direction: Direction) {
        self.partial[direction.index()].clear();
    }
}

/// The port of DNS, over UDP and TCP.
pub(crate) const DNS: u16 = 53;

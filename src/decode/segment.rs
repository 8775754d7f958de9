//! What decoding yields: views into the packet, never copies.

use crate::model::{Endpoint, FrameRef};

/// TCP flags, as they stand in the header's lower byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN.
    pub const FIN: u8 = 0x01;
    /// SYN.
    pub const SYN: u8 = 0x02;
    /// RST.
    pub const RST: u8 = 0x04;
    /// PSH.
    pub const PSH: u8 = 0x08;
    /// ACK.
    pub const ACK: u8 = 0x10;
    /// URG.
    pub const URG: u8 = 0x20;

    /// The sender has no more data.
    #[must_use]
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// The sequence number is the initial one.
    #[must_use]
    pub const fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// The connection is torn down.
    #[must_use]
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// The acknowledgment number is valid.
    #[must_use]
    pub const fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }
}

/// One TCP segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The packet it came in.
    pub frame: FrameRef,
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// Identification of the IPv4 packet (RFC 791 section 3.1), the same in all copies of one packet; 0 for IPv6.
    pub identification: u16,
    /// Sequence number of the first payload byte (of SYN, where that is set).
    pub sequence: u32,
    /// Acknowledgment number; valid with ACK.
    pub acknowledgment: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// Window as in the header, not scaled.
    pub window: u16,
    /// Window scale option (RFC 7323); only in segments with SYN.
    pub window_scale: Option<u8>,
    /// Captured payload.
    pub payload: &'a [u8],
    /// Payload bytes that were on the wire but not captured; they follow `payload`.
    pub cut: u32,
}

impl Segment<'_> {
    /// Payload bytes on the wire.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a payload is shorter than its packet, whose length is 32 bits"
    )]
    pub const fn wire_len(&self) -> u32 {
        (self.payload.len() as u32).saturating_add(self.cut)
    }
}

/// One UDP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The packet it came in.
    pub frame: FrameRef,
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// Captured payload.
    pub payload: &'a [u8],
    /// Payload bytes that were on the wire but not captured.
    pub cut: u32,
}

//! For whoever keeps the packets of sessions: what each packet is, as far as it is known when it passes.

use super::Run;
use crate::capture::Packet;
use crate::decode::Segment;
use crate::model::FlowKey;
use crate::session::{Origin, Standing};

/// Takes packets as they were captured.
pub trait PacketSink {
    /// One packet, and what it is.
    fn packet(&mut self, packet: &Packet<'_>, bearing: Bearing);
    /// A session became known: packets that passed before belong to it. Comes before the packet that made it known.
    fn session(&mut self, origin: &Origin);
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// Of a control or data connection; so are packets of it that passed before.
    Ours(FlowKey),
    /// Of a connection of which it is not known yet what it is.
    Open(FlowKey),
    /// DNS.
    Dns,
    /// Nothing of ours.
    Foreign,
}

impl Run<'_> {
    /// What a segment is; `taken` where its connection is followed.
    pub(super) fn bearing(&mut self, key: FlowKey, taken: bool, opens: bool) -> Bearing {
        let standing = self
            .flows
            .flow_between(key)
            .filter(|_| taken)
            .map(|flow| self.tracker.standing(flow));
        match standing {
            Some(Standing::Ours) => Bearing::Ours(key),
            Some(Standing::Open) => Bearing::Open(key),
            Some(Standing::Dns) => Bearing::Dns,
            // The handshake of what may be recognised later.
            None if opens => Bearing::Open(key),
            Some(Standing::Foreign) | None => Bearing::Foreign,
        }
    }
}

/// True for segments that may be the handshake of a connection that nobody follows yet.
pub(super) fn opens(segment: &Segment<'_>) -> bool {
    segment.payload.is_empty() && !segment.flags.fin() && !segment.flags.rst()
}

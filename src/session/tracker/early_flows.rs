//! Connections between the hosts of an open session: kept for a while, claimed, or let go.

use crate::decode::Segment;
use crate::model::{Direction, Endpoint, Timestamp};
use crate::reassembly::{Chunk, FlowId, FlowSummary, Interest, StreamHandler as _};
use crate::session::data::data_channel::{DataId, FTP_DATA};
use crate::session::data::early_data::{EarlyConnection, Piece};
use crate::session::encrypted::encrypted_data::is_ephemeral;
use crate::session::tracker::dns_streams::DNS;
use crate::session::tracker::recognition::{FTP, FTPS, may_be_control, may_be_implicit};
use crate::session::tracker::{Role, SessionTracker};

/// Whether a SYN or SYN ACK between the hosts of a session may open a data connection that is announced later.
pub(crate) fn may_be_early(segment: &Segment<'_>) -> bool {
    let (opener, listener) = if segment.flags.ack() {
        (segment.destination, segment.source)
    } else {
        (segment.source, segment.destination)
    };
    may_carry_data(opener, listener)
}

fn may_carry_data(opener: Endpoint, listener: Endpoint) -> bool {
    let other = |port| matches!(port, FTP | DNS | FTPS);
    is_ephemeral(listener.port) && !other(opener.port)
}

impl SessionTracker<'_> {
    /// Whether a new connection is worth keeping for a while.
    pub(crate) fn is_early(&self, summary: &FlowSummary) -> bool {
        let key = summary.key;
        if self.shared.open.between(key.hosts()).is_empty() {
            return false;
        }
        is_from_data_port(summary)
            || summary.initiator.is_some_and(|initiator| {
                may_carry_data(key.source(initiator), key.destination(initiator))
            })
    }

    /// Bytes of a connection that is kept.
    pub(crate) fn early_bytes(
        &mut self,
        flow: FlowId,
        number: u64,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest {
        let Some(early) = self.shared.early.get_mut(number) else {
            *self.role(flow) = Role::Foreign;
            return Interest::Ignore;
        };
        early.summary.clone_from(summary);
        let data_port = is_from_data_port(summary);
        let first = early.is_silent(direction) && !data_port;
        if first && (may_be_control(chunk.bytes) || may_be_implicit(chunk.bytes, false)) {
            return self.another_control(flow, number, direction, chunk, summary);
        }
        if data_port && !self.shared.early.has_room(number, chunk.bytes.len()) {
            // Its port alone says that it carries data, and more of it than can be kept.
            if let Some(early) = self.shared.early.take(number) {
                self.let_go(early);
            }
            if let Role::Data(id) = *self.role(flow) {
                self.data_bytes(id, direction, chunk, summary);
            }
            return Interest::Bytes;
        }
        self.shared.early.bytes(number, direction, chunk);
        Interest::Bytes
    }

    /// It may be a control connection on a port of its own.
    fn another_control(
        &mut self,
        flow: FlowId,
        number: u64,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest {
        let pieces = self
            .shared
            .early
            .take(number)
            .map(|early| early.into_pieces(chunk.frame));
        if self.candidates >= self.shared.options.limits.candidates {
            *self.role(flow) = Role::Foreign;
            return Interest::Ignore;
        }
        self.candidates += 1;
        *self.role(flow) = Role::Candidate(Box::default());
        for piece in pieces.unwrap_or_default() {
            if let Piece::Bytes(direction, offset, arrived, bytes) = piece {
                let held = Chunk {
                    frame: chunk.frame,
                    arrived,
                    offset,
                    bytes: &bytes,
                    waited: false,
                };
                if self.data(flow, direction, held, summary) == Interest::Ignore {
                    return Interest::Ignore;
                }
            }
        }
        self.data(flow, direction, chunk, summary)
    }

    /// Looks whether anything that was announced came before its announcement.
    pub(crate) fn claim_early(&mut self) {
        if !std::mem::take(&mut self.shared.early.wanted) || self.shared.early.is_empty() {
            return;
        }
        for number in self.shared.early.numbers() {
            let Some(early) = self.shared.early.get(number) else {
                continue;
            };
            let summary = early.summary.clone();
            if let Some(id) = self.awaited_channel(&summary, false)
                && let Some(early) = self.shared.early.take(number)
            {
                self.replay(id, early);
            }
        }
    }

    /// Forgets what was kept for long enough.
    pub(crate) fn forget_early(&mut self, now: Timestamp) {
        while let Some(early) = self.shared.early.over(now) {
            self.let_go(early);
        }
    }

    /// Forgets all.
    pub(crate) fn forget_all_early(&mut self) {
        for number in self.shared.early.numbers() {
            if let Some(early) = self.shared.early.take(number) {
                self.let_go(early);
            }
        }
    }

    /// Nobody asked for it. What comes from port 20 is data all the same.
    fn let_go(&mut self, early: EarlyConnection) {
        if is_from_data_port(&early.summary) {
            let id = self.unannounced(&early.summary);
            self.replay(id, early);
        } else if early.closed.is_none() {
            *self.role(early.flow) = Role::Foreign;
        }
    }

    /// What passed on a connection that was kept passes again, and it goes on as a data connection.
    fn replay(&mut self, id: DataId, early: EarlyConnection) {
        let now = self.shared.now;
        let (flow, closed, summary) = (early.flow, early.closed, early.summary.clone());
        if closed.is_none() {
            *self.role(flow) = Role::Data(id);
        } else {
            self.packets.count(&summary);
        }
        for piece in early.into_pieces(now) {
            match piece {
                Piece::Bytes(direction, offset, arrived, bytes) => {
                    let chunk = Chunk {
                        frame: now,
                        arrived,
                        offset,
                        bytes: &bytes,
                        waited: false,
                    };
                    self.data_bytes(id, direction, chunk, &summary);
                }
                Piece::Gap(direction, gap) => self.data_gap(id, direction, gap),
            }
        }
        if let Some(reason) = closed {
            self.close_data(id, reason, &summary);
        }
    }
}

fn is_from_data_port(summary: &FlowSummary) -> bool {
    [summary.key.low.port, summary.key.high.port].contains(&FTP_DATA)
}

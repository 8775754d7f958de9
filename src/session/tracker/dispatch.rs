//! What happens on a connection goes to whom it concerns.

use crate::decode::Segment;
use crate::model::{Direction, FrameRef, HostPair, Span};
use crate::protocol::dns::parse_message;
use crate::reassembly::{Chunk, CloseReason, FlowId, FlowSummary, Gap, Interest, StreamHandler};
use crate::session::data::data_channel::FTP_DATA;
use crate::session::tracker::dns_streams::DNS;
use crate::session::tracker::early_flows::may_be_early;
use crate::session::tracker::recognition::{
    FTP, FTPS, client_way, may_be_control, may_be_implicit,
};
use crate::session::tracker::{Role, SessionTracker};

impl StreamHandler for SessionTracker<'_> {
    fn admit(&mut self, segment: &Segment<'_>) -> bool {
        let (source, destination) = (segment.source.port, segment.destination.port);
        if source == FTP || destination == FTP || source == FTP_DATA || destination == FTP_DATA {
            return true;
        }
        if self.shared.expectations.may_concern(source, destination) {
            let listener = segment.flags.syn().then_some(if segment.flags.ack() {
                segment.source
            } else {
                segment.destination
            });
            if self
                .shared
                .expectations
                .find(segment.source, segment.destination, listener)
                .is_some()
            {
                return true;
            }
        }
        if segment.flags.syn() && !self.shared.open.is_empty() {
            let hosts = HostPair::new(segment.source.address, segment.destination.address);
            let between_ours = !self.shared.open.between(hosts).is_empty();
            let hidden = between_ours && !self.shared.encrypted.between(hosts).is_empty();
            if hidden || (between_ours && may_be_early(segment)) {
                return true;
            }
        }
        if source == DNS || destination == DNS {
            return segment.flags.syn() || !segment.payload.is_empty();
        }
        let implicit = source == FTPS || destination == FTPS;
        // From the SYN on, so that a hello whose segments arrive in another order is whole.
        let may_be_ours = (implicit && segment.flags.syn())
            || may_be_control(segment.payload)
            || may_be_implicit(segment.payload, implicit);
        may_be_ours && self.candidates < self.shared.options.limits.candidates
    }

    fn opened(&mut self, flow: FlowId, summary: &FlowSummary) -> Interest {
        if let Some(traces) = &mut self.traces {
            traces.begin(flow, summary.key);
        }
        let ports = [summary.key.low.port, summary.key.high.port];
        if self.data_connection(flow, summary) {
            return Interest::Bytes;
        }
        *self.role(flow) = if ports.contains(&FTP) {
            Role::Attempt
        } else if ports.contains(&DNS) {
            Role::Dns(Box::default())
        } else if self.is_early(summary) {
            Role::Early(self.shared.early.open(flow, summary, self.shared.clock))
        } else if ports.contains(&FTP_DATA) {
            Role::Data(self.unannounced(summary))
        } else if self.candidates < self.shared.options.limits.candidates {
            self.candidates += 1;
            Role::Candidate(Box::default())
        } else {
            Role::Foreign
        };
        Interest::Bytes
    }

    #[inline]
    fn segment(&mut self, flow: FlowId, direction: Direction, segment: &Segment<'_>) {
        if let Some(traces) = &mut self.traces {
            let is_data = matches!(self.roles.get(flow.0 as usize), Some(Role::Data(_)));
            traces.segment(flow, direction, segment, is_data);
        }
    }

    fn handshake(&mut self, flow: FlowId, summary: &FlowSummary) {
        self.established(flow, summary);
    }

    fn established(&mut self, flow: FlowId, summary: &FlowSummary) {
        self.data_summary(flow, summary);
    }

    fn data(
        &mut self,
        flow: FlowId,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) -> Interest {
        match self.role(flow) {
            Role::Data(id) => {
                let id = *id;
                if self.is_no_data(flow, id, chunk.bytes) {
                    return self.data(flow, direction, chunk, summary);
                }
                self.data_bytes(id, direction, chunk, summary);
                Interest::Bytes
            }
            Role::Early(number) => {
                let number = *number;
                self.early_bytes(flow, number, direction, chunk, summary)
            }
            Role::Control(id) => {
                let id = *id;
                self.control_data(id, direction, chunk);
                Interest::Bytes
            }
            Role::Attempt => {
                let way = client_way(&summary.key, summary.initiator);
                let id = self.begin_session(flow, summary, way);
                self.control_data(id, direction, chunk);
                Interest::Bytes
            }
            Role::Candidate(_) => self.candidate_data(flow, direction, chunk, summary),
            Role::Dns(streams) => {
                let messages = streams.messages(direction, chunk.bytes);
                let (source, destination) = (
                    summary.key.source(direction),
                    summary.key.destination(direction),
                );
                for message in messages.iter().filter_map(|bytes| parse_message(bytes)) {
                    self.shared
                        .names
                        .message(message, source, destination, chunk.arrived);
                }
                Interest::Bytes
            }
            Role::None | Role::Foreign | Role::Over | Role::DnsOver => Interest::Ignore,
        }
    }

    fn gap(&mut self, flow: FlowId, direction: Direction, gap: Gap, _: &FlowSummary) {
        match self.role(flow) {
            Role::Data(id) => {
                let id = *id;
                self.data_gap(id, direction, gap);
            }
            Role::Early(number) => {
                let number = *number;
                self.shared.early.gap(number, direction, gap);
            }
            Role::Control(id) => {
                let id = *id;
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.hole(&mut self.shared, direction, gap);
                }
                self.claim_early();
            }
            Role::Dns(streams) => streams.hole(direction),
            _ => {}
        }
    }

    fn finished(
        &mut self,
        flow: FlowId,
        direction: Direction,
        frame: FrameRef,
        summary: &FlowSummary,
    ) {
        match self.role(flow) {
            Role::Data(_) | Role::Early(_) => self.data_summary(flow, summary),
            Role::Control(id) => {
                let id = *id;
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.stream_end(&mut self.shared, direction, frame);
                }
                self.claim_early();
            }
            _ => {}
        }
    }

    fn closed(
        &mut self,
        flow: FlowId,
        reason: CloseReason,
        frame: FrameRef,
        summary: &FlowSummary,
    ) {
        let role = std::mem::take(self.role(flow));
        let segments = summary.half[0].segments + summary.half[1].segments;
        match &role {
            Role::Data(_) | Role::Control(_) | Role::Attempt => {
                self.packets.count(summary);
                *self.role(flow) = Role::Over;
            }
            Role::Dns(_) => {
                self.packets.dns += segments;
                *self.role(flow) = Role::DnsOver;
            }
            _ => {}
        }
        self.close_trace(flow, &role, summary);
        match role {
            Role::Data(id) => self.close_data(id, reason, summary),
            Role::Early(number) => self.shared.early.close(number, reason, summary),
            Role::Control(id) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.close(&mut self.shared, reason, frame, summary);
                }
                self.finish_if_over(id);
            }
            Role::Attempt => self.tell_attempt(reason, summary),
            Role::Candidate(_) => self.candidates = self.candidates.saturating_sub(1),
            Role::None | Role::Dns(_) | Role::Foreign | Role::Over | Role::DnsOver => {}
        }
    }

    fn late(&mut self, flow: FlowId) {
        match self.role(flow) {
            Role::Over => self.packets.used += 1,
            Role::DnsOver => self.packets.dns += 1,
            _ => {}
        }
    }

    fn expires(&self, flow: FlowId, silent: Span) -> bool {
        let limits = &self.shared.options.limits;
        match self.roles.get(flow.0 as usize) {
            // A control connection is quiet while its transfer runs.
            Some(Role::Control(id)) => {
                silent >= limits.control_idle
                    && !self.sessions.get(id).is_some_and(|session| {
                        session.encrypted_data.open > 0 || session.is_transferring(&self.shared)
                    })
            }
            _ => silent >= limits.data_idle,
        }
    }
}

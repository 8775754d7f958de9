//! Connections as the tracker sees them open and close: data connections find their session, attempts are told.

use super::data_channel::{DataChannel, DataId, FTP_DATA};
use super::recognise::client_way;
use super::settle::tell_unmatched;
use super::tracker::{Role, SessionTracker};
use crate::model::EventKind;
use crate::model::record::{Address, AttemptOutcome, ConnectionAttempt, Link, Place};
use crate::reassembly::{CloseReason, FlowId, FlowSummary};

impl SessionTracker<'_> {
    /// Makes the flow a data connection where one is expected, or where its port says so.
    pub(super) fn data_connection(&mut self, flow: FlowId, summary: &FlowSummary) -> bool {
        let listener = summary
            .initiator
            .map(|initiator| summary.key.destination(initiator));
        let found = self
            .shared
            .expectations
            .find(summary.key.low, summary.key.high, listener);
        let (channel, owner) = match found {
            Some(found) => {
                let Some(session) = self.sessions.get(&found.negotiation.session) else {
                    return false;
                };
                let Some(mode) = session.negotiated_mode(found.negotiation.number) else {
                    return false;
                };
                self.shared
                    .expectations
                    .fulfil(found.listener.port, found.negotiation);
                let link = Link {
                    method: found.method,
                    confidence: found.confidence,
                };
                let client_listens = mode.client_listens();
                (
                    DataChannel::expected(
                        found.negotiation,
                        link,
                        found.listener,
                        client_listens,
                        summary,
                    ),
                    Some(found.negotiation),
                )
            }
            None if let Some(home) = self.home(summary) => {
                if let Some(session) = self.sessions.get_mut(&home.session) {
                    session.encrypted_data.open += 1;
                }
                (
                    DataChannel::unreadable(home.session, home.client_way, summary),
                    None,
                )
            }
            None if summary.key.low.port == FTP_DATA || summary.key.high.port == FTP_DATA => {
                (DataChannel::unannounced(summary), None)
            }
            None => return false,
        };
        self.data_count += 1;
        let id = DataId(self.data_count);
        self.shared.data.insert(id, Box::new(channel));
        *self.role(flow) = Role::Data(id);
        if let Some(owner) = owner
            && let Some(session) = self.sessions.get_mut(&owner.session)
        {
            session.data_opened(&mut self.shared, owner.number, id);
        }
        true
    }

    /// The session of a data connection looks whether it changes anything.
    fn data_changed(&mut self, id: DataId) {
        let Some(negotiation) = self
            .shared
            .data
            .get(&id)
            .and_then(|channel| channel.negotiation)
        else {
            return;
        };
        if let Some(session) = self.sessions.get_mut(&negotiation.session) {
            session.data_changed(&mut self.shared, negotiation.number);
        }
        self.finish_if_over(negotiation.session);
    }

    /// Tells a session that is over.
    pub(super) fn finish_if_over(&mut self, id: u64) {
        if self
            .sessions
            .get(&id)
            .is_some_and(|session| session.is_over())
            && let Some(session) = self.sessions.remove(&id)
        {
            session.finish(&mut self.shared);
        }
    }

    /// A data connection is over.
    pub(super) fn close_data(&mut self, id: DataId, reason: CloseReason, summary: &FlowSummary) {
        let Some(channel) = self.shared.data.get_mut(&id) else {
            return;
        };
        channel.closed = Some(reason);
        channel.summary = *summary;
        if channel.encrypted.is_some() {
            if let Some(channel) = self.shared.data.remove(&id) {
                self.close_encrypted(channel);
            }
            return;
        }
        let waits = channel.negotiation.is_some() && !channel.is_settled();
        if waits {
            self.data_changed(id);
        } else if let Some(channel) = self.shared.data.remove(&id) {
            tell_unmatched(&mut self.shared, &channel);
        }
    }

    /// Hands the segments of a connection of ours to whoever asked for them.
    pub(super) fn close_trace(&mut self, flow: FlowId, role: &Role, summary: &FlowSummary) {
        let Some(traces) = &mut self.traces else {
            return;
        };
        let control_of = match role {
            Role::Control(id) => Some(*id),
            Role::Data(_) => None,
            _ => return traces.forget(flow),
        };
        if let Some(connection) = traces.end(flow, control_of, summary) {
            self.shared.traced(connection);
        }
    }

    /// A connection to port 21 is over that never carried a byte.
    pub(super) fn tell_attempt(&mut self, reason: CloseReason, summary: &FlowSummary) {
        let way = client_way(&summary.key, summary.initiator);
        let (client, server) = (summary.sent(way), summary.sent(way.reverse()));
        let outcome = match reason {
            CloseReason::Reset(by) if by != way && server.syn.is_none() => AttemptOutcome::Refused,
            _ if client.syn.is_some() && server.segments == 0 => AttemptOutcome::Unanswered,
            _ => AttemptOutcome::Closed,
        };
        let place = Place::of(summary.first, self.shared.options.several_captures);
        let attempt = ConnectionAttempt {
            client: Address::from(summary.key.source(way)),
            server: Address::from(summary.key.destination(way)),
            time: summary.first.time,
            frame: summary.first.number,
            capture: place.capture,
            capture_frame: place.capture_frame,
            outcome,
        };
        self.shared
            .emit(None, EventKind::ConnectionAttempt(&attempt));
    }
}

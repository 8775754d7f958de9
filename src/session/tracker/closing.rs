//! What is over and told as a whole: sessions, segments for diagrams, connections to port 21 that never became a session.

use crate::model::EventKind;
use crate::model::record::{Address, AttemptOutcome, ConnectionAttempt, Place};
use crate::reassembly::{CloseReason, FlowId, FlowSummary};
use crate::session::data::data_channel::DataId;
use crate::session::tracker::recognition::client_way;
use crate::session::tracker::{Role, SessionTracker};

impl SessionTracker<'_> {
    /// Tells a session that is over.
    pub(crate) fn finish_if_over(&mut self, id: u64) {
        if self
            .sessions
            .get(&id)
            .is_some_and(|session| session.is_over())
            && let Some(session) = self.sessions.remove(&id)
        {
            session.finish(&mut self.shared);
        }
    }

    /// Hands the segments of a connection of ours to whoever asked for them.
    pub(crate) fn close_trace(&mut self, flow: FlowId, role: &Role, summary: &FlowSummary) {
        if self.traces.is_none() {
            return;
        }
        let (control_of, data_of) = match role {
            Role::Control(id) => (Some(*id), [None; 2]),
            Role::Data(id) => (None, self.claimants(*id)),
            _ => {
                if let Some(traces) = &mut self.traces {
                    traces.forget(flow);
                }
                return;
            }
        };
        let traces = self.traces.as_mut();
        let ended = traces.and_then(|traces| traces.end(flow, control_of, data_of, summary));
        if let Some(connection) = ended {
            self.shared.traced(connection);
        }
    }

    /// The sessions whose data connection it is or may be.
    fn claimants(&self, id: DataId) -> [Option<u64>; 2] {
        let of = |id: DataId| {
            let channel = self.shared.data.get(&id)?;
            let negotiation = channel.negotiation.map(|negotiation| negotiation.session);
            negotiation.or(channel.home).or(channel.announcer)
        };
        let channel = self.shared.data.get(&id);
        let twin = channel.and_then(|channel| channel.twin);
        [of(id), twin.and_then(of)]
    }

    /// A connection to port 21 is over that never carried a byte.
    pub(crate) fn tell_attempt(&mut self, reason: CloseReason, summary: &FlowSummary) {
        let way = client_way(&summary.key, summary.initiator);
        let (client, server) = (summary.sent(way), summary.sent(way.reverse()));
        let outcome = match reason {
            CloseReason::Reset(by) if by != way && server.syn.is_none() => AttemptOutcome::Refused,
            _ if client.syn.is_some() && server.segments == 0 => AttemptOutcome::Unanswered,
            _ => AttemptOutcome::Closed,
        };
        let place = Place::of(summary.first, self.shared.several_captures);
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

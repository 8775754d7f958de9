//! Data connections from the opening to the end: whose they are, and what passes on them to whom it concerns.

use crate::model::record::Link;
use crate::model::{Direction, Endpoint, Span};
use crate::reassembly::{Chunk, CloseReason, FlowId, FlowSummary, Gap};
use crate::session::data::data_channel::{DataChannel, DataId};
use crate::session::data::unmatched::tell_unmatched;
use crate::session::encrypted::encrypted_data::{is_ephemeral, is_known_service};
use crate::session::negotiation::confidence::Agreement;
use crate::session::negotiation::expectation::{Found, NegotiationId};
use crate::session::tracker::{Role, SessionTracker};

impl SessionTracker<'_> {
    /// A new connection: true where a session waits for it.
    pub(crate) fn data_connection(&mut self, flow: FlowId, summary: &FlowSummary) -> bool {
        let Some(id) = self
            .awaited_channel(summary, true)
            .or_else(|| self.encrypted_channel(summary))
        else {
            return false;
        };
        *self.role(flow) = Role::Data(id);
        true
    }

    /// A channel for a connection that a session waits for; `in_order` where it was announced before it was opened.
    pub(crate) fn awaited_channel(
        &mut self,
        summary: &FlowSummary,
        in_order: bool,
    ) -> Option<DataId> {
        let key = summary.key;
        let listener = summary
            .initiator
            .map(|initiator| key.destination(initiator));
        let Some(found) = self.shared.expectations.find(key.low, key.high, listener) else {
            return self.channel_by_time(summary);
        };
        let in_order = in_order && listener.is_some();
        let id = self.announced_channel(found, summary, in_order)?;
        let other = if found.listener == key.low {
            key.high
        } else {
            key.low
        };
        if let Some(partner) = self.shared.expectations.partner(found, other)
            && let Some(twin) = self.announced_channel(partner, summary, in_order)
            && let Some(channel) = self.shared.data.get_mut(&id)
        {
            channel.twin = Some(twin);
        }
        Some(id)
    }

    fn announced_channel(
        &mut self,
        found: Found,
        summary: &FlowSummary,
        in_order: bool,
    ) -> Option<DataId> {
        let session = self.sessions.get(&found.negotiation.session)?;
        let mode = session.negotiated_mode(found.negotiation.number)?;
        self.shared
            .expectations
            .fulfil(found.listener.port, found.negotiation);
        let link = found.agreement.link(in_order);
        let listens = mode.client_listens();
        Some(self.add_channel(found.negotiation, link, found.listener, listens, summary))
    }

    fn add_channel(
        &mut self,
        negotiation: NegotiationId,
        link: Link,
        listener: Endpoint,
        client_listens: bool,
        summary: &FlowSummary,
    ) -> DataId {
        let channel = DataChannel::expected(negotiation, link, listener, client_listens, summary);
        let id = self.shared.add_channel(channel);
        if let Some(session) = self.sessions.get_mut(&negotiation.session) {
            session.data_opened(&mut self.shared, negotiation.number, id);
        }
        id
    }

    /// A channel for what a client opened after it asked for an end point, where the reply that names it was not captured.
    fn channel_by_time(&mut self, summary: &FlowSummary) -> Option<DataId> {
        let initiator = summary.initiator?;
        let opener = summary.key.source(initiator);
        let listener = summary.key.destination(initiator);
        if !is_ephemeral(listener.port) || is_known_service(listener.port) {
            return None;
        }
        let asking: Vec<_> = self
            .shared
            .open
            .between(summary.key.hosts())
            .iter()
            .filter_map(|id| {
                let session = self.sessions.get(id)?;
                let (number, since) = session.unknown_end(&self.shared)?;
                let fits = opener.address == session.client.address
                    && listener.address == session.server.address
                    && listener != session.server
                    && summary.first.time.plus(TOLERANCE) >= since;
                fits.then_some((
                    since,
                    NegotiationId {
                        session: *id,
                        number,
                    },
                ))
            })
            .collect();
        // The one that asked last.
        let &(_, negotiation) = asking.iter().max()?;
        let sole = asking.len() == 1;
        let link = Agreement::HostsAndTime { sole }.link(true);
        Some(self.add_channel(negotiation, link, listener, false, summary))
    }

    fn encrypted_channel(&mut self, summary: &FlowSummary) -> Option<DataId> {
        let home = self.home(summary)?;
        if let Some(session) = self.sessions.get_mut(&home.session) {
            session.encrypted_data.open += 1;
        }
        let channel = DataChannel::unreadable(home.session, home.client_way, summary);
        Some(self.shared.add_channel(channel))
    }

    /// A connection from or to port 20 that nobody waits for.
    pub(crate) fn unannounced(&mut self, summary: &FlowSummary) -> DataId {
        self.shared.add_channel(DataChannel::unannounced(summary))
    }

    /// Bytes of a data connection, in order.
    pub(crate) fn data_bytes(
        &mut self,
        id: DataId,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) {
        for id in self.with_twin(id) {
            self.channel_bytes(id, direction, chunk, summary);
        }
    }

    fn channel_bytes(
        &mut self,
        id: DataId,
        direction: Direction,
        chunk: Chunk<'_>,
        summary: &FlowSummary,
    ) {
        let mut rest = chunk;
        while let Some((channel, sink)) = self.shared.channel(id) {
            let used = channel.data(direction, rest, sink);
            let owner = channel.negotiation.filter(|_| channel.ended.is_some());
            if let Some(negotiation) = owner
                && let Some(session) = self.sessions.get_mut(&negotiation.session)
            {
                session.file_ended(&mut self.shared, id, Some(summary));
                self.finish_if_over(negotiation.session);
            }
            if used >= rest.bytes.len() {
                break;
            }
            rest.offset = rest.offset.saturating_add(used as u64);
            rest.bytes = &rest.bytes[used..];
        }
    }

    /// Bytes of a data connection that will not come.
    pub(crate) fn data_gap(&mut self, id: DataId, direction: Direction, gap: Gap) {
        for id in self.with_twin(id) {
            if let Some((channel, sink)) = self.shared.channel(id) {
                channel.gap(direction, gap, sink);
            }
        }
    }

    /// Something but bytes happened.
    pub(crate) fn data_summary(&mut self, flow: FlowId, summary: &FlowSummary) {
        match *self.role(flow) {
            Role::Data(id) => {
                for id in self.with_twin(id) {
                    if let Some(channel) = self.shared.data.get_mut(&id) {
                        channel.summary.clone_from(summary);
                    }
                }
            }
            Role::Early(number) => {
                if let Some(early) = self.shared.early.get_mut(number) {
                    early.summary.clone_from(summary);
                }
            }
            _ => {}
        }
    }

    /// A data connection is over.
    pub(crate) fn close_data(&mut self, id: DataId, reason: CloseReason, summary: &FlowSummary) {
        for id in self.with_twin(id) {
            self.close_channel(id, reason, summary);
        }
    }

    fn close_channel(&mut self, id: DataId, reason: CloseReason, summary: &FlowSummary) {
        let Some(channel) = self.shared.data.get_mut(&id) else {
            return;
        };
        channel.closed = Some(reason);
        channel.summary.clone_from(summary);
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

    /// A channel, and the one of the other session, in a transfer between two servers.
    fn with_twin(&self, id: DataId) -> impl Iterator<Item = DataId> + use<> {
        let twin = self.shared.data.get(&id).and_then(|channel| channel.twin);
        std::iter::once(id).chain(twin)
    }
}

/// How much earlier than its PASV a connection may seem to open: packets of several interfaces are not always in order.
const TOLERANCE: Span = Span::from_millis(100);

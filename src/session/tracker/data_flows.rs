//! Data connections from opening to end: the session that each one serves, and the bytes that it carries.

use crate::model::streams::{PartKind, StreamId, StreamPart};
use crate::model::{Direction, Span};
use crate::protocol::ftp::{is_ephemeral, is_known_service};
use crate::protocol::proxy::Prelude;
use crate::reassembly::{Chunk, CloseReason, FlowSummary, Gap};
use crate::session::data::data_channel::{DataChannel, DataId};
use crate::session::data::tls_data::TlsData;
use crate::session::data::unmatched::emit_unmatched;
use crate::session::negotiation::confidence::Agreement;
use crate::session::negotiation::expectation::{Found, NegotiationId};
use crate::session::shared::Shared;
use crate::session::tracker::encrypted_flows;
use crate::session::tracker::sessions::Sessions;

/// Adds a channel for a new connection; `None` if no session expects one.
pub(super) fn open(
    sessions: &mut Sessions,
    shared: &mut Shared<'_>,
    summary: &FlowSummary,
) -> Option<DataId> {
    open_expected(sessions, shared, summary, true)
        .or_else(|| encrypted_flows::open(sessions, shared, summary))
}

/// Adds a channel for a connection that a session expects; `None` if none does.
///
/// `in_order` if the connection opened after its announcement.
pub(super) fn open_expected(
    sessions: &mut Sessions,
    shared: &mut Shared<'_>,
    summary: &FlowSummary,
    in_order: bool,
) -> Option<DataId> {
    let key = summary.key;
    let listener = summary
        .initiator
        .map(|initiator| key.destination(initiator));
    let Some(found) = shared.expectations.find(key.low, key.high, listener) else {
        return open_by_time(sessions, shared, summary);
    };
    // Without its SYN the connection may be older than the announcement.
    let in_order = in_order && listener.is_some();
    let id = open_announced(sessions, shared, found, summary, in_order)?;
    let other = if found.listener == key.low {
        key.high
    } else {
        key.low
    };
    // A transfer between two servers is one connection and two transfers, one in each session.
    if let Some(partner) = shared.expectations.partner(found, other)
        && let Some(twin) = open_announced(sessions, shared, partner, summary, in_order)
        && let Some(channel) = shared.data.get_mut(id)
    {
        channel.set_twin(twin);
    }
    Some(id)
}

fn open_announced(
    sessions: &mut Sessions,
    shared: &mut Shared<'_>,
    found: Found,
    summary: &FlowSummary,
    in_order: bool,
) -> Option<DataId> {
    let Found {
        negotiation,
        agreement,
        listener,
    } = found;
    let session = sessions.get(negotiation.session)?;
    let mode = session.negotiated_mode(negotiation.number)?;
    shared.expectations.fulfil(listener.port, negotiation);
    let link = agreement.link(in_order);
    let listens = mode.client_listens();
    let channel = DataChannel::expected(negotiation, link, listener, listens, summary);
    Some(add(sessions, shared, negotiation, channel))
}

/// Adds a channel for a connection through a proxy, to the end point that its client named there; `None` if no session
/// expects that.
pub(super) fn open_tunneled(
    sessions: &mut Sessions,
    shared: &mut Shared<'_>,
    summary: &FlowSummary,
    client_way: Direction,
    prelude: &Prelude,
) -> Option<DataId> {
    let (client, proxy) = (
        summary.key.source(client_way),
        summary.key.destination(client_way),
    );
    // A 229 names a port at the far end of the control connection, whose address only the proxy knows.
    let by_port = prelude.target_port.map(|port| proxy.with_port(port));
    let mut found = [prelude.target, by_port]
        .into_iter()
        .flatten()
        .find_map(|target| shared.expectations.find(client, target, Some(target)))?;
    let port = found.listener.port;
    found.listener = proxy;
    let id = open_announced(sessions, shared, found, summary, true)?;
    shared.expectations.fulfil(port, found.negotiation);
    if let Some(channel) = shared.data.get_mut(id) {
        let mut lengths = [0; 2];
        lengths[client_way.index()] = prelude.client_bytes as u64;
        lengths[client_way.reverse().index()] = prelude.server_bytes as u64;
        channel.skip_prelude(lengths);
    }
    Some(id)
}

/// Adds a channel for a connection that was opened after a PASV or PORT whose end point was not captured, or cannot be used:
/// unreadable, or one that nobody tried (RFC 1123 section 4.1.2.6 on what servers send). The client opens it after PASV, the
/// server after PORT.
fn open_by_time(
    sessions: &mut Sessions,
    shared: &mut Shared<'_>,
    summary: &FlowSummary,
) -> Option<DataId> {
    let initiator = summary.initiator?;
    let opener = summary.key.source(initiator);
    let listener = summary.key.destination(initiator);
    // Hosts and time are weak evidence: a connection to a database between the same two hosts would fit as well.
    if !is_ephemeral(listener.port) || is_known_service(listener.port) {
        return None;
    }
    let waiting: Vec<_> = shared
        .open
        .between(summary.key.hosts())
        .iter()
        .filter_map(|id| {
            let session = sessions.get(*id)?;
            let unknown = session.unknown_end(shared)?;
            let identity = session.identity();
            let (from, to) = if unknown.client_listens {
                (identity.server, identity.client)
            } else {
                (identity.client, identity.server)
            };
            let waited = summary.first.time.since(unknown.since);
            let fits = opener.address == from.address
                && listener.address == to.address
                && listener != identity.server
                && summary.first.time.plus(TOLERANCE) >= unknown.since
                && !(unknown.is_announced && waited > LONGEST_WAIT);
            let negotiation = NegotiationId {
                session: *id,
                number: unknown.number,
            };
            fits.then_some((unknown.since, negotiation, unknown.client_listens))
        })
        .collect();
    // Clients connect at once: the latest command is the likeliest.
    let &(_, negotiation, listens) = waiting.iter().max()?;
    let sole = waiting.len() == 1;
    let link = Agreement::HostsAndTime { sole }.link(true);
    let channel = DataChannel::expected(negotiation, link, listener, listens, summary);
    Some(add(sessions, shared, negotiation, channel))
}

/// Adds a channel and binds it to its negotiation.
fn add(
    sessions: &mut Sessions,
    shared: &mut Shared<'_>,
    negotiation: NegotiationId,
    channel: DataChannel,
) -> DataId {
    let id = shared.add_channel(channel);
    if let Some(session) = sessions.get_mut(negotiation.session) {
        session.on_data_opened(shared, negotiation.number, id);
    }
    id
}

/// Adds a channel for a connection from or to port 20 that no session expects.
pub(super) fn open_unannounced(shared: &mut Shared<'_>, summary: &FlowSummary) -> DataId {
    shared.add_channel(DataChannel::unannounced(summary))
}

/// Processes bytes in stream order.
pub(super) fn bytes(
    sessions: &mut Sessions,
    shared: &mut Shared<'_>,
    id: DataId,
    direction: Direction,
    chunk: Chunk<'_>,
    summary: &FlowSummary,
) {
    shared.tap_bytes(None, summary.first.number, direction, &chunk, summary);
    for id in with_twin(shared, id) {
        let mut rest = chunk;
        while let Some((channel, sink, keyring)) = shared.tls_channel(id) {
            let used = channel.data(direction, rest, sink, keyring);
            let file_ended = channel.end_mark().is_some();
            let bound = channel.negotiation().filter(|_| file_ended);
            if let Some(negotiation) = bound
                && let Some(session) = sessions.get_mut(negotiation.session)
            {
                session.on_file_end(shared, id, Some(summary));
                sessions.finish_if_over(shared, negotiation.session);
            }
            if used >= rest.bytes.len() {
                break;
            }
            // The next file follows in the same bytes, on the channel that kept the number.
            rest.offset = rest.offset.saturating_add(used as u64);
            rest.bytes = &rest.bytes[used..];
        }
    }
    if chunk.offset == 0 && shared.files.wants_streams() {
        let channel = shared.data.get(id);
        let end = channel.map_or(0, |channel| channel.prelude_length(direction));
        if end > 0 {
            shared.files.stream_part(StreamPart {
                stream: StreamId {
                    key: summary.key,
                    first_frame: summary.first.number,
                    direction,
                },
                end,
                kind: PartKind::Prelude,
            });
        }
    }
}

/// Records bytes that are not in the capture.
pub(super) fn gap(shared: &mut Shared<'_>, id: DataId, direction: Direction, gap: Gap) {
    for id in with_twin(shared, id) {
        if let Some((channel, sink, keyring)) = shared.tls_channel(id) {
            channel.gap(direction, gap, sink, keyring);
        }
    }
}

/// Records the summary of the flow at an event other than bytes.
pub(super) fn update_summary(shared: &mut Shared<'_>, id: DataId, summary: &FlowSummary) {
    for id in with_twin(shared, id) {
        if let Some(channel) = shared.data.get_mut(id) {
            channel.update_summary(summary);
        }
    }
}

/// Records the end of a connection: its transfer is settled if it can be, and data without a transfer is reported.
pub(super) fn close(
    sessions: &mut Sessions,
    shared: &mut Shared<'_>,
    id: DataId,
    reason: CloseReason,
    summary: &FlowSummary,
) {
    for id in with_twin(shared, id) {
        let Some((channel, sink, keyring)) = shared.tls_channel(id) else {
            continue;
        };
        channel.close(reason, summary);
        channel.finish_tls(sink, keyring);
        if let Some(channel) = shared.data.get(id) {
            let engine = channel.tls().map(TlsData::connection);
            shared.network.count_secret(engine);
        }
        let Some(channel) = shared.data.get_mut(id) else {
            continue;
        };
        // Its owner is decided at the end only, when the TLS handshake and the direction of the content are known.
        if channel.encrypted().is_some() {
            if let Some(channel) = shared.data.remove(id) {
                encrypted_flows::close(sessions, shared, channel);
            }
            continue;
        }
        match channel.negotiation() {
            Some(negotiation) if !channel.is_settled() => {
                if let Some(session) = sessions.get_mut(negotiation.session) {
                    session.on_data_closed(shared, negotiation.number);
                }
                sessions.finish_if_over(shared, negotiation.session);
            }
            _ => {
                let Some(mut channel) = shared.data.remove(id) else {
                    continue;
                };
                if let Some(negotiation) = channel.negotiation()
                    && let Some(session) = sessions.get_mut(negotiation.session)
                {
                    session.on_settled_closed(&channel, shared.has_several_captures());
                }
                let announcer = channel.announcer().and_then(|id| sessions.get_mut(id));
                match announcer {
                    Some(session) => session.on_unclaimed(shared, &mut channel),
                    None => emit_unmatched(shared, &mut channel),
                }
            }
        }
    }
}

/// Returns the sessions to which a connection belongs or may belong: two if two servers exchange a file.
pub(super) fn claimants(shared: &Shared<'_>, id: DataId) -> [Option<u64>; 2] {
    let of = |id: DataId| shared.data.get(id).and_then(DataChannel::claimant);
    let twin = shared.data.get(id).and_then(DataChannel::twin);
    [of(id), twin.and_then(of)]
}

/// Returns a channel and, if two servers exchange a file, the channel of the other session.
fn with_twin(shared: &Shared<'_>, id: DataId) -> impl Iterator<Item = DataId> + use<> {
    let twin = shared.data.get(id).and_then(DataChannel::twin);
    std::iter::once(id).chain(twin)
}

/// Longest time after its reply at which a client opens a connection to another end point than the announced one.
const LONGEST_WAIT: Span = Span::from_secs(60);

/// Bound on how much earlier than its PASV a connection may seem to open: packets of several interfaces are not
/// strictly in order.
const TOLERANCE: Span = Span::from_millis(100);

//! Data connections of sessions whose commands cannot be read, found by hosts and time.

use crate::model::Direction;
use crate::protocol::ftp::is_data_port;
use crate::reassembly::FlowSummary;
use crate::session::data::data_channel::{DataChannel, DataId};
use crate::session::data::unmatched::emit_unmatched;
use crate::session::shared::Shared;
use crate::session::tracker::recognition::may_be_control;
use crate::session::tracker::sessions::Sessions;

/// Session to which an unannounced data connection may belong.
struct LikelyOwner {
    session: u64,
    /// Direction in which the FTP client sends.
    client_way: Direction,
}

/// Connection that proved not to carry data.
pub(super) struct Rejected {
    /// Its first bytes look like a control connection.
    pub(super) may_be_control: bool,
}

/// Adds a channel for a connection that may belong to a session with unreadable commands; `None` if there is no such
/// session.
pub(super) fn open(
    sessions: &mut Sessions,
    shared: &mut Shared<'_>,
    summary: &FlowSummary,
) -> Option<DataId> {
    let owner = likely_owner(sessions, shared, summary)?;
    if let Some(session) = sessions.get_mut(owner.session) {
        session.on_encrypted_data_opened();
    }
    let channel = DataChannel::unreadable(owner.session, owner.client_way, summary);
    Some(shared.add_channel(channel))
}

/// Returns the session with unreadable commands that a connection fits, of several the one with the latest bytes.
fn likely_owner(
    sessions: &Sessions,
    shared: &Shared<'_>,
    summary: &FlowSummary,
) -> Option<LikelyOwner> {
    let between = shared.encrypted.between(summary.key.hosts());
    let initiator = summary.initiator?;
    let opener = summary.key.source(initiator);
    let listener = summary.key.destination(initiator);
    let (_, session) = between
        .iter()
        .filter_map(|id| {
            let session = sessions.get(*id)?;
            let ago = session.may_open(opener, listener, summary.first.time)?;
            Some((ago, session))
        })
        // The number decides a tie, so that the report does not depend on the order of sessions.
        .min_by_key(|(ago, session)| (*ago, session.identity().id))?;
    // A connection from port 20 or 989 is active mode, even between two hosts of which each runs a server.
    let passive = opener.address == session.identity().client.address && !is_data_port(opener.port);
    Some(LikelyOwner {
        session: session.identity().id,
        client_way: if passive {
            initiator
        } else {
            initiator.reverse()
        },
    })
}

/// Reports a closed connection that may have belonged to a session with unreadable commands.
pub(super) fn close(
    sessions: &mut Sessions,
    shared: &mut Shared<'_>,
    mut channel: Box<DataChannel>,
) {
    let Some(likely) = channel.encrypted_session() else {
        return;
    };
    let key = channel.key();
    let between = shared.encrypted.between(key.hosts());
    let sole = between.iter().all(|id| *id == likely);
    // A resumed TLS session proves the owner, where hosts and time only suggest one.
    let owner = channel
        .encrypted()
        .and_then(|stream| stream.client_hello())
        .and_then(|(_, hello)| {
            between.iter().copied().find(|id| {
                sessions
                    .get(*id)
                    .is_some_and(|session| session.resumes_session(hello))
            })
        })
        .unwrap_or(likely);
    let reported = sessions
        .get_mut(owner)
        .is_some_and(|session| session.on_encrypted_data_closed(shared, &mut channel, sole));
    if !reported && (is_data_port(key.low.port) || is_data_port(key.high.port)) {
        channel.unbind(likely);
        emit_unmatched(shared, &mut channel);
    } else if !reported {
        for way in [Direction::Up, Direction::Down] {
            channel.discard(way, shared.files);
        }
    }
    release(sessions, shared, likely);
}

/// Removes a supposed data connection if `payload`, the bytes that follow, or those before show that it carries no
/// data.
///
/// Returns `None` if it may carry data.
pub(super) fn reject(
    sessions: &mut Sessions,
    shared: &mut Shared<'_>,
    id: DataId,
    payload: &[u8],
) -> Option<Rejected> {
    let channel = shared.data.get(id)?;
    let session = channel.encrypted_session()?;
    let stream = channel.encrypted()?;
    let key = channel.key();
    if is_data_port(key.low.port) || is_data_port(key.high.port) {
        return None;
    }
    let silent = stream.bytes(Direction::Up) + stream.bytes(Direction::Down) == 0;
    // A greeting or a command in cleartext: a second control connection between the two hosts.
    let may_be_control = silent && may_be_control(payload);
    if !may_be_control && !stream.is_dialogue() {
        return None;
    }
    shared.data.remove(id);
    release(sessions, shared, session);
    Some(Rejected { may_be_control })
}

/// Counts one open data connection less for a session, which may end with it.
fn release(sessions: &mut Sessions, shared: &mut Shared<'_>, id: u64) {
    if let Some(session) = sessions.get_mut(id) {
        session.on_encrypted_data_gone();
    }
    sessions.finish_if_over(shared, id);
}

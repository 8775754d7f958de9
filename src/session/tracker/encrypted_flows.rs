//! Which connections are data of sessions whose commands cannot be read, from the opening to the end.

use crate::model::Direction;
use crate::reassembly::{FlowId, FlowSummary};
use crate::session::data::data_channel::{DataChannel, DataId};
use crate::session::data::unmatched::tell_unmatched;
use crate::session::encrypted::encrypted_data::is_data_port;
use crate::session::tracker::recognition::may_be_control;
use crate::session::tracker::{Role, SessionTracker};

/// Where an unannounced data connection seems to belong.
pub(crate) struct Home {
    pub(crate) session: u64,
    /// The direction in which the FTP client sends.
    pub(crate) client_way: Direction,
}

impl SessionTracker<'_> {
    /// The session whose commands cannot be read to which a connection may belong: of several the one on which something was
    /// said last.
    pub(crate) fn home(&self, summary: &FlowSummary) -> Option<Home> {
        let sessions = self.shared.encrypted.between(summary.key.hosts());
        let initiator = summary.initiator?;
        let (opener, listener) = (
            summary.key.source(initiator),
            summary.key.destination(initiator),
        );
        let (_, session) = sessions
            .iter()
            .filter_map(|id| {
                let session = self.sessions.get(id)?;
                let ago = session.may_open(opener, listener, summary.first.time)?;
                Some((ago, session))
            })
            .min_by_key(|(ago, session)| (*ago, session.id))?;
        let calls = opener.address == session.client.address && !is_data_port(opener.port);
        Some(Home {
            session: session.id,
            client_way: if calls {
                initiator
            } else {
                initiator.reverse()
            },
        })
    }

    /// A connection that may have belonged to a session whose commands cannot be read is over.
    pub(crate) fn close_encrypted(&mut self, mut channel: Box<DataChannel>) {
        let Some(home) = channel.home else { return };
        let hosts = channel.key.hosts();
        let others = self.shared.encrypted.between(hosts);
        let sole = others.iter().all(|id| *id == home);
        let hello = channel
            .encrypted
            .as_ref()
            .and_then(|stream| stream.client_hello());
        // The TLS session itself says which control connection it is of.
        let owner = hello
            .and_then(|(_, hello)| {
                others.iter().copied().find(|id| {
                    self.sessions
                        .get(id)
                        .is_some_and(|session| session.is_session_of(hello))
                })
            })
            .unwrap_or(home);
        let told = self.sessions.get_mut(&owner).is_some_and(|session| {
            session.encrypted_data_closed(&mut self.shared, &mut channel, sole)
        });
        if !told && is_data_port(channel.key.low.port) | is_data_port(channel.key.high.port) {
            channel.announcer = Some(home);
            tell_unmatched(&mut self.shared, &channel);
        }
        self.leave_home(home);
    }

    fn leave_home(&mut self, home: u64) {
        if let Some(session) = self.sessions.get_mut(&home) {
            session.encrypted_data.open = session.encrypted_data.open.saturating_sub(1);
        }
        self.finish_if_over(home);
    }

    /// What was taken for a data connection of an encrypted session may turn out to be something else at its first bytes.
    pub(crate) fn is_no_data(&mut self, flow: FlowId, id: DataId, payload: &[u8]) -> bool {
        let Some(channel) = self.shared.data.get(&id) else {
            return false;
        };
        let Some((home, stream)) = channel.home.zip(channel.encrypted.as_ref()) else {
            return false;
        };
        let first = Direction::Up;
        let silent = stream.bytes(first) + stream.bytes(first.reverse()) == 0;
        let candidate = silent && may_be_control(payload);
        if is_data_port(channel.key.low.port)
            || is_data_port(channel.key.high.port)
            || !(candidate || stream.is_dialogue())
        {
            return false;
        }
        self.shared.data.remove(&id);
        self.leave_home(home);
        *self.role(flow) = if candidate && self.candidates < self.shared.options.limits.candidates {
            self.candidates += 1;
            Role::Candidate(Box::default())
        } else {
            Role::Foreign
        };
        true
    }
}

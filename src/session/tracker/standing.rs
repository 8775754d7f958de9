//! What a connection is to us right now, for whoever keeps the packets of sessions.

use crate::model::FlowKey;
use crate::reassembly::FlowId;
use crate::session::tracker::{Role, SessionTracker};

/// What a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Control or data, or an attempt at it.
    Ours,
    /// It may still turn out to be a control or data connection.
    Open,
    /// DNS.
    Dns,
    /// Nothing of ours.
    Foreign,
}

/// How a session came to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its control connection.
    pub connection: FlowKey,
    /// The frames of the lookup that gave the server's address.
    pub lookup: Vec<u64>,
}

impl SessionTracker<'_> {
    /// What a connection is.
    pub fn standing(&mut self, flow: FlowId) -> Standing {
        match self.role(flow) {
            Role::Control(_) | Role::Data(_) | Role::Attempt | Role::Over => Standing::Ours,
            Role::Candidate(_) | Role::Early(_) => Standing::Open,
            Role::Dns(_) | Role::DnsOver => Standing::Dns,
            Role::None | Role::Foreign => Standing::Foreign,
        }
    }

    /// How an open session came to be known.
    #[must_use]
    pub fn origin(&self, session: u64) -> Option<Origin> {
        let session = self.sessions.get(&session)?;
        let lookup = session.dns.as_ref().map_or_else(Vec::new, |dns| {
            let response = Some(dns.response_frame);
            dns.query_frame.into_iter().chain(response).collect()
        });
        Some(Origin {
            connection: session.key,
            lookup,
        })
    }
}

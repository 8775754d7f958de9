//! Role of each connection in the flow table.

use crate::reassembly::FlowId;
use crate::session::data::data_channel::DataId;
use crate::session::tracker::dns_streams::DnsStreams;
use crate::session::tracker::recognition::Candidate;

/// Role of one connection.
#[derive(Default)]
pub(super) enum Role {
    /// Not opened, or closed without having been FTP or DNS.
    #[default]
    None,
    /// To port 21, without a byte so far.
    Attempt,
    /// Control connection of this session.
    Control(u64),
    /// May prove to be a control connection on another port.
    Candidate(Box<Candidate>),
    /// Data connection.
    Data(DataId),
    /// Between the hosts of an open session; may prove to be a data connection. The number is one of
    /// [`EarlyFlows`](super::early_flows::EarlyFlows).
    Early(u64),
    /// DNS over TCP.
    Dns(Box<DnsStreams>),
    /// Neither FTP nor DNS.
    Unrelated,
    /// Closed FTP connection.
    Closed,
    /// Closed DNS connection.
    DnsClosed,
}

/// Relation of a connection to FTP, for packet recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Control connection, data connection, or an attempt at one.
    Ours,
    /// May still prove to be a control or data connection.
    Open,
    /// DNS.
    Dns,
    /// Unrelated to FTP.
    Foreign,
}

/// Roles of all connections.
#[derive(Default)]
pub(super) struct Roles {
    /// Indexed by flow number, which the flow table reuses: the table stays as small as the flows open at once.
    by_flow: Vec<Role>,
}

impl Roles {
    /// Returns the role of a connection; `None` if it never had one.
    pub(super) fn get(&self, flow: FlowId) -> Option<&Role> {
        self.by_flow.get(flow.0 as usize)
    }

    /// Returns the role of a connection for changes.
    pub(super) fn get_mut(&mut self, flow: FlowId) -> &mut Role {
        let index = flow.0 as usize;
        if index >= self.by_flow.len() {
            self.by_flow.resize_with(index + 1, Role::default);
        }
        &mut self.by_flow[index]
    }

    /// Gives a connection another role.
    pub(super) fn set(&mut self, flow: FlowId, role: Role) {
        *self.get_mut(flow) = role;
    }

    /// Takes the role of a connection, which has [`Role::None`] from then on.
    pub(super) fn take(&mut self, flow: FlowId) -> Role {
        std::mem::take(self.get_mut(flow))
    }

    /// Returns whether a connection is a data connection.
    #[inline]
    pub(super) fn is_data(&self, flow: FlowId) -> bool {
        matches!(self.get(flow), Some(Role::Data(_)))
    }

    /// Returns the relation of a connection to FTP.
    pub(super) fn standing(&self, flow: FlowId) -> Standing {
        match self.get(flow) {
            Some(Role::Control(_) | Role::Data(_) | Role::Attempt | Role::Closed) => Standing::Ours,
            Some(Role::Candidate(_) | Role::Early(_)) => Standing::Open,
            Some(Role::Dns(_) | Role::DnsClosed) => Standing::Dns,
            Some(Role::None | Role::Unrelated) | None => Standing::Foreign,
        }
    }
}

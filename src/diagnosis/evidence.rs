//! Evidence from packets: facts that the session layer observes and the record of a session does not hold.

use std::net::IpAddr;

use crate::model::record::{Mode, Opener};
use crate::model::{Endpoint, Span};
use crate::protocol::tls::alert::Alert;

/// An observation from the packets of one session. Transfers are named by their id in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataTrouble {
    /// A data connection that was attempted and never opened.
    Blocked {
        /// Transfer it was meant for; `None` if the client gave up before it sent the transfer command.
        transfer: Option<u64>,
        /// Data connection mode that was negotiated.
        mode: Mode,
        /// Endpoint that did not accept the connection.
        listener: Endpoint,
        /// SYNs sent, retransmissions included.
        attempts: u64,
        /// Frame of the RST in answer to a SYN; `None` if there was none.
        refused: Option<u64>,
        /// ICMP error in answer to a SYN; `None` if there was none.
        unreachable: Option<Unreachable>,
        /// Time from the first SYN to the last moment at which an answer would have been seen.
        waited: Span,
        /// Frame of the first SYN.
        first_frame: u64,
    },
    /// Bytes that were sent twice with different values.
    Conflict {
        /// Transfer whose data connection it was; `None` for the control connection.
        transfer: Option<u64>,
        /// Count of the bytes that differed.
        bytes: u64,
        /// First frame whose bytes differed from those seen before.
        frame: u64,
    },
    /// A complete data connection whose byte count is not the announced size.
    WrongSize {
        /// Transfer concerned.
        transfer: u64,
        /// Announced size in bytes, of the whole file.
        announced: u64,
        /// Source of the announcement as a noun phrase: `the 150 reply`.
        place: String,
        /// Whether the size was announced with the transfer. An earlier announcement, as by SIZE, may be outdated.
        with_transfer: bool,
        /// Bytes sent.
        seen: u64,
        /// Restart offset in force in bytes, 0 without REST.
        restart: u64,
    },
    /// A file that was sent in TYPE A and whose first bytes are not text.
    BinaryAsText {
        /// Transfer concerned.
        transfer: u64,
        /// Media type detected from the first bytes.
        media_type: String,
    },
    /// A pause in an open data connection.
    Stalled {
        /// Transfer concerned.
        transfer: u64,
        /// Side that had bytes to send.
        sender: Opener,
        /// Duration of the pause.
        length: Span,
        /// Time within the pause during which the receive window was zero.
        receiver_closed: Span,
        /// Bytes retransmitted within the pause.
        sent_again: u64,
        /// Part of the transfer in which the pause lies.
        place: StallPlace,
        /// Frames before and after the pause.
        frames: [u64; 2],
    },
    /// Bytes that the receiver acknowledged and the capture does not contain.
    Lost(Lost),
    /// A control connection that was captured from its handshake on, or one direction of it.
    ControlStarts {
        /// Side of which no packet was captured; `None` if both were.
        unseen: Option<Opener>,
        /// Sequence numbers of the first bytes of client and server.
        starts: [u32; 2],
    },
    /// The other half of a server-to-server transfer (FXP).
    ServerToServer {
        /// Endpoint that one server announced and that was passed to the other.
        end: Endpoint,
        /// Id of the session with the other server.
        other: u64,
    },
    /// A proxy between client and server, which the control connection runs through.
    Tunnel {
        /// The server behind it; `None` if the client named a host.
        target: Option<Endpoint>,
    },
    /// A data connection that opened for a negotiation, and no transfer command used it.
    OpenedUnused {
        /// Its first frame.
        frame: u64,
    },
    /// A lookup by ident (RFC 1413): the server tried port 113 of the client while the session was young.
    Ident {
        /// Frame of the SYN.
        frame: u64,
        /// The client answered, if only with an RST.
        answered: bool,
    },
    /// First FIN or RST of the control connection.
    ControlEnd {
        /// Side that sent it.
        by: Opener,
        /// The end was an RST, rather than a FIN.
        reset: bool,
        /// Its frame.
        frame: u64,
    },
    /// TLS that was asked for on the control connection.
    Tls(TlsStart),
    /// Lines of the control connection that break a rule about their form.
    OddLines {
        /// The rule.
        rule: LineRule,
        /// Count of such lines.
        count: u64,
        /// Frames of the first few.
        frames: Vec<u64>,
        /// Name of the first oddity; `None` where the rule says enough.
        first: Option<&'static str>,
    },
}

impl DataTrouble {
    /// Returns the transfer that it is about; `None` for the session as a whole.
    #[must_use]
    pub const fn transfer(&self) -> Option<u64> {
        match self {
            Self::Blocked { transfer, .. } | Self::Conflict { transfer, .. } => *transfer,
            Self::WrongSize { transfer, .. }
            | Self::BinaryAsText { transfer, .. }
            | Self::Stalled { transfer, .. } => Some(*transfer),
            _ => None,
        }
    }
}

/// Rule about the form of lines on the control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineRule {
    /// A reply begins with a code.
    NoCode,
    /// A reply of several lines ends with a line of its own code.
    WrongEnd,
    /// A code stands at the beginning of the line and has a blank or hyphen behind it.
    CodeForm,
    /// A line of the server ends with CR LF and has no other control around it.
    ReplyLineEnd,
    /// A line of the client ends with CR LF and has no other control around it.
    CommandLineEnd,
}

/// Progress of TLS on a control connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsStart {
    /// AUTH with a mechanism of TLS was accepted.
    pub negotiated: bool,
    /// Frame of the client's first record; `None` without one.
    pub client: Option<u64>,
    /// Frame of the server's first record; `None` without one.
    pub server: Option<u64>,
    /// Frame, sender and text of the first alert that ended the handshake; `None` without one that can be read.
    pub alert: Option<(u64, Opener, Alert)>,
    /// The client has finished the handshake.
    pub established: bool,
    /// The client's last record is as short as an encrypted alert (TLS 1.3).
    pub encrypted_alert: bool,
    /// Bytes are missing, or do not parse, so that nothing can be concluded from what was not seen.
    pub unknown: bool,
}

/// Position of a pause within its transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StallPlace {
    /// Before the first byte.
    Start,
    /// Between two bytes.
    Middle,
    /// After the last byte: the connection was reset, or the capture shows no more of it.
    End,
    /// At this moment of a live capture: it may still go on.
    Now,
}

/// An ICMP error in answer to a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// Frame of the ICMP packet.
    pub frame: u64,
    /// Host that sent it: a router on the way, or the addressed host itself.
    pub reporter: IpAddr,
    /// Type and code in words, such as `host unreachable`.
    pub says: &'static str,
}

/// Amount of a session that the capture lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Bytes of the control connection.
    pub control: u64,
    /// Bytes of all data connections.
    pub data: u64,
    /// Count of the data connections with losses.
    pub connections: u64,
    /// Side of the control connection, `client` or `server`, of which no packet was captured; `None` if both were seen.
    pub unseen: Option<&'static str>,
    /// Frames that revealed the first losses.
    pub frames: Vec<u64>,
}

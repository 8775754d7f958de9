//! What only packets tell, as the session layer hands it over.

use std::net::IpAddr;

use crate::model::record::{Mode, Opener};
use crate::model::{Endpoint, Span};

/// What the packets of a session tell and its record does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataTrouble {
    /// The data connection was tried and never opened.
    Blocked {
        /// Id of the transfer; `None` where the client gave up before it sent the command.
        transfer: Option<u64>,
        /// How it was negotiated.
        mode: Mode,
        /// Where nobody answered.
        listener: Endpoint,
        /// SYNs sent.
        attempts: u64,
        /// Frame of the RST in answer, if there was one.
        refused: Option<u64>,
        /// The ICMP error in answer, if there was one.
        unreachable: Option<Unreachable>,
        /// How long after the first SYN there still was no answer.
        waited: Span,
        /// Frame of the first SYN.
        first_frame: u64,
    },
    /// Bytes were sent twice with different values.
    Conflict {
        /// Id of the transfer; `None` for the control connection.
        transfer: Option<u64>,
        /// How many bytes differed.
        bytes: u64,
        /// The first frame with other bytes.
        frame: u64,
    },
    /// A whole data connection carried another number of bytes than the server announced.
    WrongSize {
        /// Id of the transfer.
        transfer: u64,
        /// What was announced.
        announced: u64,
        /// Where it was announced.
        place: String,
        /// It was announced with the transfer; else it was told before, and the file may have changed since.
        with_transfer: bool,
        /// What was sent.
        seen: u64,
        /// The restart offset that was in force.
        restart: u64,
    },
    /// What was sent as text (TYPE A) is no text.
    BinaryAsText {
        /// Id of the transfer.
        transfer: u64,
        /// What it is, by its first bytes.
        media_type: String,
    },
    /// A data connection was open and nothing came through it for long.
    Stalled {
        /// Id of the transfer.
        transfer: u64,
        /// Who had to send.
        sender: Opener,
        /// How long.
        length: Span,
        /// How long the receiver's window was closed meanwhile.
        receiver_closed: Span,
        /// Bytes that were sent again meanwhile.
        sent_again: u64,
        /// Where in the transfer it was.
        place: StallPlace,
        /// The frames before and after it.
        frames: [u64; 2],
    },
    /// Bytes that arrived at the other side, as it acknowledged them, and that the capture does not have.
    Lost(Lost),
    /// The other half of a transfer from server to server.
    ServerToServer {
        /// The end point that one server announced and the other was told.
        end: Endpoint,
        /// Id of the session with the other server.
        other: u64,
    },
    /// Lines of the server where a reply should begin, without a code.
    OddLines {
        /// How many.
        count: u64,
        /// The first of them.
        frames: Vec<u64>,
    },
    /// Replies of several lines that did not end with their own code.
    WrongEnds {
        /// How many.
        count: u64,
        /// The first of them.
        frames: Vec<u64>,
    },
}

/// Where in a transfer nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StallPlace {
    /// Before the first byte.
    Start,
    /// It went on afterwards.
    Middle,
    /// It never went on: the connection was reset, or nothing more was seen of it.
    End,
}

/// An ICMP error in answer to a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// Its frame.
    pub frame: u64,
    /// Who sent it.
    pub reporter: IpAddr,
    /// What it says.
    pub says: &'static str,
}

/// What the capture lost of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Bytes of the control connection.
    pub control: u64,
    /// Bytes of data connections.
    pub data: u64,
    /// Data connections that are concerned.
    pub connections: u64,
    /// The side of the control connection of which nothing was captured.
    pub unseen: Option<&'static str>,
    /// The frames that showed the first losses.
    pub frames: Vec<u64>,
}

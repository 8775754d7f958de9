//! Bytes of FTP connections with their places in the TCP streams, for the redaction of packets; reports do not need them.

use super::{Direction, FlowKey};

/// A connection, and one direction of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId {
    /// The two end points.
    pub key: FlowKey,
    /// Number of the connection's first frame, since end points may be used again.
    pub first_frame: u64,
    /// Direction in which the bytes are sent.
    pub direction: Direction,
}

/// Bytes of a stream, in order.
#[derive(Clone, Copy, Debug)]
pub struct StreamBytes<'a> {
    /// The stream.
    pub stream: StreamId,
    /// Id of the session whose control connection this is; `None` for a data connection.
    pub control_of: Option<u64>,
    /// TCP sequence number of stream offset 0.
    pub origin: u32,
    /// Stream offset of the first byte.
    pub offset: u64,
    /// The bytes, never empty.
    pub bytes: &'a [u8],
}

/// A part of a stream: a line of a control connection with its end, or bytes that are no lines. It begins where the part before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPart {
    /// The stream.
    pub stream: StreamId,
    /// Stream offset behind the last byte.
    pub end: u64,
    /// Kind of the part.
    pub kind: PartKind,
}

/// Kind of a part of a control stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// A line of the client.
    Command {
        /// Number of the command in its session.
        sequence: u64,
        /// Kind of its argument.
        argument: ArgumentKind,
        /// Leading bytes of the line that the report shows; `None` if it hides nothing but the argument of a secret.
        shown: Option<usize>,
    },
    /// A line of the server.
    Reply,
    /// A line that is not read, since its beginning is missing.
    Unread,
    /// TLS records.
    Encrypted,
    /// Dialogue with a proxy or load balancer before FTP; in data connections too.
    Prelude,
}

/// Kind of the argument of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A password, account or security data.
    Secret,
    /// A user name.
    User,
    /// Name of a file or directory.
    Path,
    /// Name of a virtual host.
    Host,
    /// Anything else.
    Other,
}

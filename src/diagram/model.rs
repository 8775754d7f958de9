//! Lanes, rows and their state, independent of any format.

use std::sync::Arc;

use crate::model::Timestamp;
use crate::model::record::{CaptureFrame, VerdictStatus};

/// Detail at which a diagram is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// One arrow per step.
    Steps,
    /// Commands, replies, and connections opening and closing.
    #[default]
    Messages,
    /// Every segment.
    Packets,
}

/// Set of the [`Detail`]s at which a row is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels(u8);

impl Levels {
    /// All three.
    pub const ALL: Self = Self(0b111);
    /// [`Detail::Steps`] only.
    pub const STEPS: Self = Self(0b001);
    /// [`Detail::Messages`] only.
    pub const MESSAGES: Self = Self(0b010);
    /// [`Detail::Packets`] only.
    pub const PACKETS: Self = Self(0b100);
    /// [`Detail::Messages`] and [`Detail::Packets`].
    pub const FINE: Self = Self(0b110);

    /// Returns whether the set contains `detail`.
    #[must_use]
    pub const fn has(self, detail: Detail) -> bool {
        let bit = match detail {
            Detail::Steps => Self::STEPS,
            Detail::Messages => Self::MESSAGES,
            Detail::Packets => Self::PACKETS,
        };
        self.0 & bit.0 != 0
    }

    /// Returns the set as bits: 1 for steps, 2 for messages, 4 for packets.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// Participant of a session, drawn as a vertical line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// DNS server.
    Dns,
    /// FTP server.
    Server,
    /// FTP client.
    Client,
    /// Console of the client, which stands for its user.
    Console,
}

impl Lane {
    /// All lanes, from left to right.
    pub const ALL: [Self; 4] = [Self::Dns, Self::Server, Self::Client, Self::Console];

    /// Returns the title at the head of the lane.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Dns => "DNS server",
            Self::Server => "FTP server",
            Self::Client => "FTP client",
            Self::Console => "Console",
        }
    }

    /// Returns the index from the left, 0 to 3.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Dns => 0,
            Self::Server => 1,
            Self::Client => 2,
            Self::Console => 3,
        }
    }
}

/// Medium of an arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Name lookup.
    Dns,
    /// Control connection.
    Control,
    /// Data connection.
    Data,
    /// Between the user and the client.
    Console,
    /// A whole step, whatever its connections.
    Step,
}

/// Sequence diagram of one session.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagram {
    /// Id of the session.
    pub session: u64,
    /// Status of the verdict.
    pub status: VerdictStatus,
    /// Text of the verdict.
    pub verdict: String,
    /// Both endpoints of the control connection: `192.0.2.7:50211 → ftp.example.org (192.0.2.1:21)`.
    pub endpoints: String,
    /// Addresses by [`Lane::index`]; empty for a lane without one.
    pub addresses: [String; 4],
    /// Origin of time offsets: the time of the first row.
    pub start: Timestamp,
    /// Rows from top to bottom.
    pub rows: Vec<Row>,
    /// Count of the segments that were not kept, for want of memory.
    pub omitted: u64,
}

impl Diagram {
    /// Returns the rows drawn at `detail`.
    pub fn rows_at(&self, detail: Detail) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.levels.has(detail))
    }
}

/// One row of a diagram.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Kind of the row.
    pub kind: RowKind,
    /// Details at which it is drawn.
    pub levels: Levels,
    /// Text on the row. It may contain bytes from the wire, unescaped.
    pub label: String,
    /// The row as a sentence; empty for headings. It may contain bytes from the wire, unescaped.
    pub caption: String,
    /// Wireshark field names and values.
    pub fields: Vec<(&'static str, String)>,
    /// Capture time.
    pub time: Timestamp,
    /// Frame number; `None` for headings and the console, which no packet shows.
    pub frame: Option<u64>,
    /// With several captures: the frame's own capture, and its number there. `None` with one, and without a frame.
    pub place: Option<CaptureFrame>,
    /// Number of the step; `None` before the first step.
    pub step: Option<u64>,
    /// State of the session after the row.
    pub state: Arc<SessionState>,
    /// Lines that it prints on the user's console.
    pub console: Vec<String>,
    /// Whether it reports a failure.
    pub failed: bool,
}

impl Row {
    /// Returns whether it is an arrow from or to a lane.
    #[must_use]
    pub fn touches(&self, lane: Lane) -> bool {
        match self.kind {
            RowKind::Arrow { from, to, .. } => from == lane || to == lane,
            RowKind::Phase | RowKind::Part => false,
        }
    }
}

/// Kind of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// Heading across all lanes.
    Phase,
    /// Subheading within a phase.
    Part,
    /// Arrow between two lanes.
    Arrow {
        /// Lane at the tail.
        from: Lane,
        /// Lane at the head.
        to: Lane,
        /// Medium.
        channel: Channel,
    },
}

/// State of a session at one row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    /// User logged in; `None` before the login.
    pub user: Option<String>,
    /// Working directory; `None` if not known.
    pub directory: Option<String>,
    /// Representation type: `ASCII`, `image`, `EBCDIC` or `local`.
    pub data_type: String,
    /// Data connection mode: `active`, `passive`, or empty before the first negotiation.
    pub mode: String,
    /// Open data connections, as `server port ↔ client port`.
    pub open: Vec<String>,
    /// Payload bytes on data connections so far.
    pub bytes: u64,
    /// Whether the control connection is encrypted.
    pub encrypted: bool,
    /// Whether secrets open what is encrypted, in the whole session.
    pub decrypted: bool,
}

impl SessionState {
    /// Returns the word for an encrypted control connection; `None` for one in clear.
    #[must_use]
    pub const fn encryption(&self) -> Option<&'static str> {
        match (self.encrypted, self.decrypted) {
            (false, _) => None,
            (true, false) => Some("encrypted"),
            (true, true) => Some("decrypted"),
        }
    }
}

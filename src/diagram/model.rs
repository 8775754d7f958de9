//! Lanes and rows, independent of any format.

use std::sync::Arc;

use crate::model::Timestamp;
use crate::model::record::VerdictStatus;

/// How much is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// One arrow a step.
    Steps,
    /// Commands, replies, connections opening and closing.
    #[default]
    Messages,
    /// Every segment.
    Packets,
}

/// At which details a row is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels(u8);

impl Levels {
    /// At all of them.
    pub const ALL: Self = Self(0b111);
    /// At [`Detail::Steps`] only.
    pub const STEPS: Self = Self(0b001);
    /// At [`Detail::Messages`] only.
    pub const MESSAGES: Self = Self(0b010);
    /// At [`Detail::Packets`] only.
    pub const PACKETS: Self = Self(0b100);
    /// At messages and packets.
    pub const FINE: Self = Self(0b110);

    /// Whether a row is drawn at `detail`.
    #[must_use]
    pub const fn has(self, detail: Detail) -> bool {
        let bit = match detail {
            Detail::Steps => Self::STEPS,
            Detail::Messages => Self::MESSAGES,
            Detail::Packets => Self::PACKETS,
        };
        self.0 & bit.0 != 0
    }

    /// The three as bits: 1 for steps, 2 for messages, 4 for packets.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// Who takes part, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// The DNS server.
    Dns,
    /// The FTP server.
    Server,
    /// The FTP client.
    Client,
    /// The client's console: its user.
    Console,
}

impl Lane {
    /// All of them, from left to right.
    pub const ALL: [Self; 4] = [Self::Dns, Self::Server, Self::Client, Self::Console];

    /// What it is called.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Dns => "DNS server",
            Self::Server => "FTP server",
            Self::Client => "FTP client",
            Self::Console => "Console",
        }
    }

    /// Its place from the left, from 0.
    #[must_use]
    pub const fn place(self) -> usize {
        match self {
            Self::Dns => 0,
            Self::Server => 1,
            Self::Client => 2,
            Self::Console => 3,
        }
    }
}

/// What an arrow runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Name lookup.
    Dns,
    /// The control connection.
    Control,
    /// A data connection.
    Data,
    /// Between the user and the client.
    Console,
    /// A whole step.
    Step,
}

/// One session.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagram {
    /// Id of the session.
    pub session: u64,
    /// How it came out.
    pub status: VerdictStatus,
    /// The one line a person reads first.
    pub verdict: String,
    /// Both ends of the control connection.
    pub between: String,
    /// Address of each lane, by [`Lane::place`]; empty where there is none.
    pub ends: [String; 4],
    /// The time that offsets count from.
    pub start: Timestamp,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// Segments of its connections that could not be kept.
    pub omitted: u64,
}

impl Diagram {
    /// The rows that are drawn at `detail`.
    pub fn rows_at(&self, detail: Detail) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.levels.has(detail))
    }

    /// Whether a lane has any arrow at `detail`.
    #[must_use]
    pub fn uses(&self, lane: Lane, detail: Detail) -> bool {
        self.rows_at(detail).any(|row| match row.kind {
            RowKind::Arrow { from, to, .. } => from == lane || to == lane,
            RowKind::Phase | RowKind::Part => false,
        })
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is.
    pub kind: RowKind,
    /// At which details it is drawn.
    pub levels: Levels,
    /// What stands on it. It may have bytes from the wire in it.
    pub label: String,
    /// The same in a sentence. It may have bytes from the wire in it.
    pub caption: String,
    /// Names as Wireshark has them, and values.
    pub fields: Vec<(&'static str, String)>,
    /// When.
    pub time: Timestamp,
    /// The packet, where there is one.
    pub frame: Option<u64>,
    /// Number of the step it belongs to.
    pub step: Option<u64>,
    /// What was true once it had happened.
    pub state: Arc<State>,
    /// Lines that it put on the user's console.
    pub console: Vec<String>,
    /// True where it says that something did not work.
    pub failed: bool,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// A heading across all lanes.
    Phase,
    /// A smaller heading within a phase.
    Part,
    /// An arrow.
    Arrow {
        /// Where it begins.
        from: Lane,
        /// Where it points.
        to: Lane,
        /// What it runs over.
        channel: Channel,
    },
}

/// What is true at a moment of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Who is logged in.
    pub user: Option<String>,
    /// Working directory.
    pub directory: Option<String>,
    /// Representation type: `ASCII`, `image`.
    pub data_type: String,
    /// How data connections are made: `active`, `passive`, empty before the first.
    pub mode: String,
    /// Data connections that are open, as `server port → client port`.
    pub open: Vec<String>,
    /// Payload bytes of data connections so far.
    pub bytes: u64,
    /// Whether the control connection is encrypted.
    pub encrypted: bool,
}

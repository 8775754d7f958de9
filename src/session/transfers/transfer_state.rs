//! State of one transfer until it is settled.

use crate::model::record::{Mode, TransferDirection};
use crate::model::{Direction, FrameRef};
use crate::protocol::ftp::Verb;
use crate::session::server_state::TransferContext;
use crate::session::server_state::known_files::StatedSize;
use crate::session::server_state::representation::Representation;

/// One transfer command, what was in force for it, and its replies so far.
#[derive(Clone, Debug)]
pub(crate) struct TransferState {
    /// Sequence number of its command.
    pub(crate) sequence: u64,
    pub(crate) verb: Verb,
    /// The verb as sent, in upper case.
    pub(crate) verb_text: String,
    pub(crate) argument: Option<Vec<u8>>,
    /// Absolute path; `None` if it is unknown.
    pub(crate) path: Option<Vec<u8>>,
    /// Name that the server chose for a STOU; `None` before it is stated.
    pub(crate) chosen_name: Option<Vec<u8>>,
    pub(crate) representation: Representation,
    /// Offset from REST in bytes; 0 without one.
    pub(crate) restart: u64,
    /// Number of its negotiation; `None` before its turn.
    pub(crate) negotiation: Option<u64>,
    pub(crate) mode: Mode,
    pub(crate) sizes: Sizes,
    /// Code, text and frame of the final reply; `None` before it.
    pub(crate) answer: Option<(u16, String, FrameRef)>,
    /// Frame of the ABOR that stops it; `None` without one.
    pub(crate) abor: Option<FrameRef>,
}

/// Sizes of the file that were stated, in bytes; `None` where none was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizes {
    /// In the 150 or 125.
    pub(crate) announced: Option<u64>,
    /// In an earlier reply to SIZE.
    pub(crate) size: Option<StatedSize>,
    /// In an earlier listing.
    pub(crate) listed: Option<StatedSize>,
    /// In ALLO.
    pub(crate) allocated: Option<u64>,
    /// In the 150 of pure-ftpd, in tenths of a kilobyte.
    pub(crate) kilobytes: Option<u64>,
    /// In the final reply: bytes that were moved.
    pub(crate) moved: Option<u64>,
}

impl TransferState {
    /// Creates the state of a command that was read.
    pub(crate) fn new(
        sequence: u64,
        verb: Verb,
        verb_text: String,
        argument: Option<Vec<u8>>,
        representation: Representation,
    ) -> Self {
        Self {
            sequence,
            verb,
            verb_text,
            argument,
            path: None,
            chosen_name: None,
            representation,
            restart: 0,
            negotiation: None,
            mode: Mode::DefaultPort,
            sizes: Sizes::default(),
            answer: None,
            abor: None,
        }
    }

    /// Takes over what is in force at its turn.
    pub(crate) fn take(&mut self, context: TransferContext) {
        self.path = context.path;
        self.representation = context.representation;
        self.restart = context.restart;
        self.sizes.size = context.size;
        self.sizes.listed = context.listed;
        self.sizes.allocated = context.allocated;
    }

    /// Returns whether the final reply refused it.
    pub(crate) fn is_refused(&self) -> bool {
        self.answer.as_ref().is_some_and(|(code, ..)| *code >= 400)
    }

    /// Returns its path, or what the command or the server's reply names if that is unknown. The argument of STOU is a wish at
    /// most (RFC 1123 section 4.1.2.9).
    pub(crate) fn named(&self) -> Option<&[u8]> {
        let argument = self.argument.as_ref().filter(|_| self.verb != Verb::Stou);
        let named = self.path.as_ref().or(self.chosen_name.as_ref());
        named.or(argument).map(Vec::as_slice)
    }
}

/// Returns the direction of the payload of a transfer command.
pub(crate) const fn direction_of(verb: Verb) -> TransferDirection {
    match verb {
        Verb::Retr => TransferDirection::Download,
        Verb::Stor | Verb::Stou | Verb::Appe => TransferDirection::Upload,
        _ => TransferDirection::Listing,
    }
}

/// Returns the direction of the connection that carries the payload of a transfer command.
pub(crate) const fn payload_way(verb: Verb, client_way: Direction) -> Direction {
    match direction_of(verb) {
        TransferDirection::Upload => client_way,
        _ => client_way.reverse(),
    }
}

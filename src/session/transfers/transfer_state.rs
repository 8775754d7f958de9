//! What is known of a transfer and of the negotiation it uses, until it is settled.

use std::collections::VecDeque;

use crate::model::record::{Mode, TransferDirection};
use crate::model::{Direction, Endpoint, FrameRef, Timestamp};
use crate::protocol::ftp::Verb;
use crate::session::data::data_channel::DataId;
use crate::session::server_state::known_sizes::Told;
use crate::session::server_state::representation::Representation;

/// A data connection as PORT, PASV, EPRT, EPSV, LPRT or LPSV (or nothing at all) arranged it.
#[derive(Clone, Debug)]
pub(crate) struct Negotiation {
    pub(crate) mode: Mode,
    /// Where somebody listens; `None` where the reply that says so was not captured.
    pub(crate) announced: Option<Endpoint>,
    /// When it was asked for or told.
    pub(crate) since: Timestamp,
    /// The connections that were found for it.
    pub(crate) data: Vec<DataId>,
    /// What follows on such a connection behind the file of its transfer: the files that are over already, then the rest.
    pub(crate) next: VecDeque<DataId>,
    /// The transfer that uses it.
    pub(crate) transfer: Option<u64>,
}

/// One transfer command and what became of it so far.
#[derive(Clone, Debug)]
pub(crate) struct TransferState {
    pub(crate) verb: Verb,
    pub(crate) verb_text: String,
    pub(crate) sequence: u64,
    pub(crate) argument: Option<Vec<u8>>,
    pub(crate) path: Option<Vec<u8>>,
    /// The name that the server chose for a STOU.
    pub(crate) chosen_name: Option<Vec<u8>>,
    pub(crate) representation: Representation,
    pub(crate) restart: u64,
    pub(crate) negotiation: Option<u64>,
    pub(crate) mode: Mode,
    /// From the 150 or 125.
    pub(crate) announced: Option<u64>,
    /// From an earlier reply to SIZE.
    pub(crate) size: Option<Told>,
    /// From an earlier listing.
    pub(crate) listed: Option<Told>,
    /// From ALLO.
    pub(crate) allocated: Option<u64>,
    /// Tenths of a kilobyte, from the 150 of pure-ftpd.
    pub(crate) kilobytes: Option<u64>,
    /// Bytes that the final reply says were moved.
    pub(crate) moved: Option<u64>,
    pub(crate) answer: Option<(u16, String, FrameRef)>,
    pub(crate) abor: Option<FrameRef>,
}

impl Mode {
    /// Whether the FTP client listens.
    pub(crate) const fn client_listens(self) -> bool {
        matches!(
            self,
            Self::Active | Self::ExtendedActive | Self::LongActive | Self::DefaultPort
        )
    }
}

impl TransferState {
    /// What names it: its path; where that is not known, what the command or the server's reply says. The argument of
    /// STOU is a wish at most (RFC 1123 section 4.1.2.9).
    pub(crate) fn named(&self) -> Option<&[u8]> {
        let argument = self.argument.as_ref().filter(|_| self.verb != Verb::Stou);
        let named = self.path.as_ref().or(self.chosen_name.as_ref());
        named.or(argument).map(Vec::as_slice)
    }
}

/// Which way the payload of a command goes.
pub(crate) const fn direction_of(verb: Verb) -> TransferDirection {
    match verb {
        Verb::Retr => TransferDirection::Download,
        Verb::Stor | Verb::Stou | Verb::Appe => TransferDirection::Upload,
        _ => TransferDirection::Listing,
    }
}

/// The direction that carries the payload of a transfer.
pub(crate) const fn payload_way(verb: Verb, client_way: Direction) -> Direction {
    match direction_of(verb) {
        TransferDirection::Upload => client_way,
        _ => client_way.reverse(),
    }
}

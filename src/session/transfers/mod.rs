//! The transfers of a session: from the command to the moment when nothing can change any more.
//!
//! In: transfer commands and their replies, the state they find when their turn comes, the data connection that carried them.
//! Out: a record of each, with its completeness and the evidence for it.
//!
//! ```text
//! command ─> TransferState ─> turn ─> replies ─┬─> is_settled ─> facts ─> completeness ─> judgement: the record
//! data connection ─────────────────────────────┘                  stated_sizes ┘            └─ listings
//! ```

pub(crate) mod completeness;
pub(crate) mod facts;
pub(crate) mod judgement;
pub(crate) mod listings;
pub(crate) mod transfer_state;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::transfer_state::{TransferState, payload_way};
use super::by_number::ByNumber;
use super::data::data_channel::{DataChannel, DataId};
use super::server_state::TransferContext;
use super::server_state::effects::{chosen_name, last_text_line};
use super::server_state::known_files::LateEvidence;
use super::server_state::representation::Representation;
use super::shared::Shared;
use super::steps::emitted::EmittedList;
use crate::model::record::{
    Completeness, Connection, DataType, Mode, NamedFrame, Transfer, Weight as _,
};
use crate::model::{FrameRef, WarningCode};
use crate::protocol::ftp::{
    ParsedReply, Verb, announced_size, kilobytes_to_download, path, transferred_size,
};

pub(crate) use self::listings::{mlst_entries, status_listing};

/// The transfers of one session.
#[derive(Debug)]
pub(crate) struct Transfers {
    /// Transfers that are not settled, by id.
    open: ByNumber<Box<TransferState>>,
    /// Their ids by the sequence numbers of their commands.
    by_command: ByNumber<u64>,
    /// Transfers so far; the id of the latest.
    count: u64,
    /// The latest transfers that were refused.
    refused: BTreeSet<u64>,
    /// Records of the settled ones.
    settled: EmittedList<Transfer>,
    /// Settled ones without a record, to respect the limit.
    omitted: u64,
}

impl Transfers {
    /// Creates an empty list.
    pub(crate) fn new() -> Self {
        Self {
            open: ByNumber::default(),
            by_command: ByNumber::default(),
            count: 0,
            refused: BTreeSet::new(),
            settled: EmittedList::new(),
            omitted: 0,
        }
    }

    /// Records a transfer command. Returns the id of its transfer.
    pub(crate) fn on_command(
        &mut self,
        sequence: u64,
        verb: Verb,
        verb_text: String,
        argument: Option<Vec<u8>>,
        representation: Representation,
    ) -> u64 {
        self.count += 1;
        let state = TransferState::new(sequence, verb, verb_text, argument, representation);
        self.by_command.insert(sequence, self.count);
        self.open.insert(self.count, Box::new(state));
        self.count
    }

    /// Records the state that a transfer found when its turn came.
    pub(crate) fn on_turn(&mut self, id: u64, context: TransferContext, number: u64, mode: Mode) {
        if let Some(state) = self.open.get_mut(id) {
            state.take(context);
            state.negotiation = Some(number);
            state.mode = mode;
        }
    }

    /// Records what a 150 or 125 says of its transfer; `directory` resolves the name that the server chose for a STOU.
    pub(crate) fn on_preliminary_reply(
        &mut self,
        id: u64,
        reply: &ParsedReply,
        directory: Option<&[u8]>,
    ) {
        let Some(state) = self.open.get_mut(id) else {
            return;
        };
        let lines = || reply.lines.iter();
        let sizes = &mut state.sizes;
        sizes.announced = sizes
            .announced
            .or_else(|| lines().rev().find_map(|line| announced_size(line)));
        sizes.kilobytes = sizes
            .kilobytes
            .or_else(|| lines().find_map(|line| kilobytes_to_download(line)));
        if state.verb == Verb::Stou
            && let Some(name) = lines().find_map(|line| chosen_name(line))
        {
            state.path = path::resolve(directory, &name);
            state.chosen_name = Some(name);
        }
    }

    /// Records the final reply to a transfer.
    pub(crate) fn on_final_reply(
        &mut self,
        id: u64,
        reply: &ParsedReply,
        arrived: FrameRef,
        directory: Option<&[u8]>,
    ) {
        let Some(state) = self.open.get_mut(id) else {
            return;
        };
        state.answer = Some((reply.code, last_text_line(reply), arrived));
        state.sizes.moved = reply.lines.iter().find_map(|line| transferred_size(line));
        if state.verb == Verb::Stou
            && state.chosen_name.is_none()
            && let Some(name) = reply.lines.iter().find_map(|line| chosen_name(line))
        {
            state.path = path::resolve(directory, &name);
            state.chosen_name = Some(name);
        }
    }

    /// Records that the client sent ABOR for the transfer that a command began.
    pub(crate) fn on_abort(&mut self, sequence: u64, arrived: FrameRef) {
        if let Some(id) = self.of_command(sequence)
            && let Some(state) = self.open.get_mut(id)
        {
            state.abor.get_or_insert(arrived);
        }
    }

    /// Corrects the type of a transfer that has begun. Returns its negotiation, whose connections carry that type now; `None`
    /// if it is no file, or had that type already.
    pub(crate) fn retype(&mut self, id: u64, data_type: DataType) -> Option<u64> {
        let state = self.open.get_mut(id)?;
        let before = state.representation.data_type.replace(data_type);
        (before != Some(data_type)).then_some(state.negotiation)?
    }

    /// Returns the open transfer that a command began; `None` if it began none, or that is settled.
    pub(crate) fn of_command(&self, sequence: u64) -> Option<u64> {
        self.by_command.get(sequence).copied()
    }

    /// Returns an open transfer.
    pub(crate) fn get(&self, id: u64) -> Option<&TransferState> {
        self.open.get(id).map(AsRef::as_ref)
    }

    /// Returns whether a transfer is open.
    pub(crate) fn is_open(&self, id: u64) -> bool {
        self.open.contains(id)
    }

    /// Returns whether no transfer is open.
    pub(crate) fn all_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns the ids of the open transfers, in the order of their commands.
    pub(crate) fn open_ids(&self) -> Vec<u64> {
        self.open.numbers().collect()
    }

    /// Returns the negotiations of the open transfers.
    pub(crate) fn negotiations(&self) -> impl Iterator<Item = u64> {
        self.open.values().filter_map(|state| state.negotiation)
    }

    /// Returns whether a transfer was refused, of the latest ones: only those can matter for what comes next.
    pub(crate) fn was_refused(&self, id: u64) -> bool {
        self.refused.contains(&id)
    }

    /// Takes a transfer out of the open ones, to settle it.
    pub(crate) fn close(&mut self, id: u64) -> Option<TransferState> {
        let state = self.open.remove(id)?;
        self.by_command.remove(state.sequence);
        Some(*state)
    }

    /// Keeps the record of a settled transfer while the limits allow. Returns the bytes that it counts for.
    pub(crate) fn keep(
        &mut self,
        shared: &mut Shared<'_>,
        transfer: Arc<Transfer>,
        code: Option<u16>,
    ) -> usize {
        if code.is_some_and(|code| code >= 400) {
            self.refused.insert(transfer.id);
            while self.refused.len() > REFUSED {
                self.refused.pop_first();
            }
        }
        let most = shared.options.limits.transfers;
        if self.settled.len() >= most {
            self.omitted += 1;
            shared.warn(
                WarningCode::LimitReached,
                format!("more than {most} transfers in one session; the rest were left out"),
            );
            return 0;
        }
        let weight = transfer.weight();
        if !shared.keep_record(weight) {
            self.omitted += 1;
            return 0;
        }
        self.settled.push(transfer);
        weight
    }

    /// Adds evidence to the record of a transfer that was emitted before. Returns the completeness that the evidence changed;
    /// `None` if it did not.
    pub(crate) fn amend(
        &mut self,
        evidence: &LateEvidence,
        text: String,
        places: Vec<NamedFrame>,
    ) -> Option<Completeness> {
        let mut known = self.settled.iter().rev();
        let known = known.find(|transfer| transfer.id == evidence.transfer)?;
        if known.evidence.len() >= EVIDENCE || known.evidence.contains(&text) {
            return None;
        }
        let transfer = self.settled.amend(evidence.transfer)?;
        transfer.evidence.push(text);
        transfer.evidence_places.extend(places);
        let verdict = evidence
            .verdict
            .filter(|_| transfer.completeness == Completeness::Complete)?;
        transfer.completeness = verdict;
        Some(verdict)
    }

    /// Completes the connection of a transfer that was emitted before. What was concluded from it stands.
    pub(crate) fn complete_connection(&mut self, connection: Connection) {
        let mut settled = self.settled.iter().rev();
        let found = settled.find_map(|transfer| {
            let known = transfer.connection.as_ref()?;
            let is_same =
                known.uid == connection.uid && known.first_frame == connection.first_frame;
            (is_same && known.last_frame < connection.last_frame).then_some(transfer.id)
        });
        if let Some(id) = found
            && let Some(transfer) = self.settled.amend(id)
            && let Some(known) = &mut transfer.connection
        {
            *known = Connection {
                opened_by: known.opened_by,
                close: known.close,
                ..connection
            };
        }
    }

    /// Returns the records of the settled transfers.
    pub(crate) fn settled(&self) -> &[Arc<Transfer>] {
        &self.settled
    }

    /// Returns the record of a transfer that was settled lately; `None` if others followed it, or it was left out.
    pub(crate) fn latest(&self, id: u64) -> Option<Arc<Transfer>> {
        let mut latest = self.settled.iter().rev().take(LATEST);
        latest.find(|transfer| transfer.id == id).map(Arc::clone)
    }

    /// Returns the records by id, the ids of those amended after they were emitted, and how many were left out.
    pub(crate) fn into_records(self) -> (Vec<Arc<Transfer>>, BTreeSet<u64>, u64) {
        let (records, amended) = self.settled.into_records();
        (records, amended, self.omitted)
    }
}

/// Returns whether nothing more of a transfer can come: it has its final reply, and its connections are over.
pub(crate) fn is_settled(shared: &Shared<'_>, state: &TransferState, data: &[DataId]) -> bool {
    let refused = state.is_refused();
    let open = data
        .iter()
        .filter_map(|data| shared.data.get(*data))
        // What follows on an open connection is left to the next transfer.
        .filter(|channel| !(refused && channel.is_bare_rest()))
        .any(|channel| !channel.is_over() && (channel.was_open() || state.answer.is_none()));
    match &state.answer {
        Some((400.., ..)) => !open,
        Some(_) => !open && !data.is_empty(),
        None => false,
    }
}

/// Progress of a transfer's data connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// One is open and its sender has not finished, so that waiting longer makes sense.
    Running,
    /// The sender of each has finished, or it is closed.
    Over,
}

/// Returns the progress of a transfer's connections; `None` if none was ever open.
pub(crate) fn progress(
    shared: &Shared<'_>,
    state: &TransferState,
    data: &[DataId],
) -> Option<Progress> {
    let channels = data.iter().filter_map(|data| shared.data.get(*data));
    let opened = channels.filter(|channel| channel.was_open());
    let one = |channel: &DataChannel| {
        let way = payload_way(state.verb, channel.client_way());
        if channel.is_over() || channel.summary().sent(way).finished {
            Progress::Over
        } else {
            Progress::Running
        }
    };
    opened.map(one).reduce(|all, one| match one {
        Progress::Running => one,
        Progress::Over => all,
    })
}

/// Returns the connection that carried a transfer, of several to one end point: with bytes, else open, else the last.
pub(crate) fn carrier(shared: &Shared<'_>, data: &[DataId], verb: Verb) -> Option<DataId> {
    data.iter().copied().max_by_key(|data| {
        shared.data.get(*data).map(|channel| {
            let way = payload_way(verb, channel.client_way());
            let content = channel.content(way);
            (
                content.is_some_and(|content| content.bytes > 0),
                channel.was_open(),
                data.0,
            )
        })
    })
}

/// Refused transfers remembered: PORT is seldom followed by more refusals than this.
const REFUSED: usize = 16;

/// Sentences of evidence about one transfer.
const EVIDENCE: usize = 64;

/// Transfers that may settle before the step of an earlier one is emitted.
const LATEST: usize = 8;

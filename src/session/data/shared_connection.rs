//! Several files over one data connection: in MODE B and C it may stay open (RFC 959 sections 3.3 and 3.4.2).
//!
//! ```text
//! connection  ──file 1──┤EOF├──file 2──┤EOF├── ...
//! channels      part 1         part 2        the rest, which keeps the name of the connection
//! ```
//!
//! At the end of a file its part becomes a channel of its own, with which its transfer is settled; the rest waits for the next
//! transfer command. If the mode's end-of-file mark was lost, the next command ends the file.

use crate::model::record::TransferMode;
use crate::model::{Direction, FrameRef};
use crate::protocol::ftp::representation::FileEnds;
use crate::reassembly::FlowSummary;
use crate::session::data::data_channel::{DataChannel, DataId};
use crate::session::ftp_session::Session;
use crate::session::shared::Shared;
use crate::session::transfers::transfer_state::TransferState;

/// Position of one file within the byte stream of its data connection.
#[derive(Default)]
pub(super) struct FilePart {
    /// MODE in force when the connection was opened.
    mode: TransferMode,
    /// Finders of the end-of-file mark, by [`Direction::index`]; `None` if only the end of the connection ends a file.
    ends: [Option<FileEnds>; 2],
    /// Stream offset in bytes at which the file begins, by [`Direction::index`].
    base: [u64; 2],
    /// The next file began before an end-of-file mark.
    cut_off: bool,
}

/// State of a data connection where a file begins that is not its first.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    /// Flow up to the beginning of the file.
    pub(crate) summary: FlowSummary,
    /// The file begins right after the end-of-file mark of the one before.
    pub(crate) start_known: bool,
    /// Frame with the first byte of the file; `None` before it arrived.
    pub(crate) first: Option<FrameRef>,
}

impl FilePart {
    /// Creates the first part of a connection opened under `mode`.
    pub(super) fn new(mode: TransferMode) -> Self {
        Self {
            mode,
            ends: [FileEnds::new(mode), FileEnds::new(mode)],
            base: [0; 2],
            cut_off: false,
        }
    }

    /// Returns the part after this one, which is `lengths` bytes long, by [`Direction::index`].
    pub(super) fn next(&self, lengths: [u64; 2]) -> Self {
        Self {
            base: [self.base[0] + lengths[0], self.base[1] + lengths[1]],
            ..Self::new(self.mode)
        }
    }

    /// Returns where among `bytes` the file ends; `None` if it goes on.
    pub(super) fn find_end(&mut self, direction: Direction, bytes: &[u8]) -> Option<usize> {
        self.ends[direction.index()].as_mut()?.push(bytes)
    }

    /// Passes over bytes that are not in the capture.
    pub(super) fn skip(&mut self, direction: Direction, length: u64) {
        if let Some(ends) = &mut self.ends[direction.index()] {
            ends.skip(length);
        }
    }

    /// Returns the offset within the file of a stream offset.
    pub(super) const fn offset_in_file(&self, direction: Direction, offset: u64) -> u64 {
        offset.saturating_sub(self.base[direction.index()])
    }

    /// Returns whether the mode marks the end of a file.
    pub(super) fn marks_ends(&self) -> bool {
        self.ends.iter().any(Option::is_some)
    }

    /// Stops looking for end-of-file marks.
    pub(super) fn ignore_ends(&mut self) {
        self.ends = [None, None];
    }

    /// Returns whether no record of the file is incomplete.
    pub(super) fn is_at_end(&self) -> bool {
        self.ends.iter().flatten().any(FileEnds::is_at_end)
    }

    /// Ends the part without an end-of-file mark.
    pub(super) const fn cut_off(&mut self) {
        self.cut_off = true;
    }

    /// Returns whether the next file began before an end-of-file mark.
    pub(super) const fn is_cut_off(&self) -> bool {
        self.cut_off
    }
}

impl Session {
    /// A file on this data connection is over, and the connection is not.
    pub(crate) fn file_ended(
        &mut self,
        shared: &mut Shared<'_>,
        id: DataId,
        summary: Option<&FlowSummary>,
    ) {
        let now = shared.now;
        let Some(channel) = shared.data.get_mut(&id) else {
            return;
        };
        let Some(number) = channel.negotiation.map(|negotiation| negotiation.number) else {
            return;
        };
        let Some(negotiation) = self.negotiations.get_mut(number) else {
            return;
        };
        if negotiation.next.len() >= PARTS {
            channel.ignore_ends();
            channel.ended = None;
            return;
        }
        let file = channel.split(summary, now);
        let part = shared.add_channel(file);
        if let Some(place) = negotiation.data.iter_mut().find(|data| **data == id) {
            *place = part;
        } else {
            // Its command was not read yet.
            negotiation.next.retain(|data| *data != id);
            negotiation.next.push_back(part);
        }
        negotiation.next.push_back(id);
        self.data_changed(shared, number);
    }

    /// The next transfer begins where the mode did not say that the one before is over.
    pub(crate) fn end_unmarked(&mut self, shared: &mut Shared<'_>, number: u64) {
        let Some(negotiation) = self.negotiations.get(number) else {
            return;
        };
        let open: Vec<DataId> = negotiation
            .data
            .iter()
            .copied()
            .filter(|data| {
                shared.data.get(data).is_some_and(|channel| {
                    channel.marks_ends() && !channel.is_over() && !channel.is_bare_rest()
                })
            })
            .collect();
        for data in open {
            self.file_ended(shared, data, None);
        }
    }

    /// The file of this negotiation is over, and its connection is open with nothing behind it: it may be about to close.
    pub(crate) fn awaits_end(&self, shared: &Shared<'_>, number: Option<u64>) -> bool {
        self.bare_rest(shared, number)
            .is_some_and(|rest| rest.closed.is_none())
    }

    /// Where nothing followed the file of this negotiation on its connection, the end of that is the end of the file.
    pub(crate) fn join_end(&mut self, shared: &mut Shared<'_>, number: Option<u64>) {
        let Some(rest) = self.bare_rest(shared, number) else {
            return;
        };
        let (closed, summary) = (rest.closed, rest.summary.clone());
        let negotiation = number.and_then(|number| self.negotiations.get_mut(number));
        let Some(negotiation) = negotiation.filter(|_| closed.is_some()) else {
            return;
        };
        for rest in std::mem::take(&mut negotiation.next) {
            shared.data.remove(&rest);
        }
        if let Some(file) = negotiation
            .data
            .last()
            .and_then(|data| shared.data.get_mut(data))
        {
            file.closed = closed;
            file.summary = summary;
        }
    }

    fn bare_rest<'a>(
        &self,
        shared: &'a Shared<'_>,
        number: Option<u64>,
    ) -> Option<&'a DataChannel> {
        let negotiation = self.negotiations.get(number?)?;
        let [rest] = *negotiation.next.iter().collect::<Vec<_>>().as_slice() else {
            return None;
        };
        let rest = shared.data.get(rest)?;
        rest.is_bare_rest().then_some(rest)
    }

    /// What follows on the connection of an earlier transfer is for the transfer that uses `to`.
    pub(crate) fn take_next(&mut self, shared: &mut Shared<'_>, from: u64, to: u64) {
        let Some(negotiation) = self.negotiations.get_mut(from) else {
            return;
        };
        let mut parts = std::mem::take(&mut negotiation.next);
        parts.retain(|part| {
            let Some(channel) = shared.data.get_mut(part) else {
                return false;
            };
            let gone = channel.closed.is_some() && channel.is_bare_rest();
            if gone {
                shared.data.remove(part);
            } else if let Some(negotiation) = &mut channel.negotiation {
                negotiation.number = to;
            }
            !gone
        });
        let first = parts.pop_front();
        if let Some(negotiation) = self.negotiations.get_mut(to) {
            negotiation.data.extend(first);
            negotiation.next = parts;
        }
    }

    /// A refused transfer leaves the rest of an open connection to the next one. Gives its channels without that.
    pub(crate) fn leave_rest(
        &mut self,
        shared: &Shared<'_>,
        state: &TransferState,
        channels: Vec<DataId>,
    ) -> Vec<DataId> {
        let refused = state.answer.as_ref().is_some_and(|(code, ..)| *code >= 400);
        let negotiation = state
            .negotiation
            .and_then(|number| self.negotiations.get_mut(number));
        let Some(negotiation) = negotiation.filter(|_| refused) else {
            return channels;
        };
        let is_rest = |data: &DataId| {
            shared
                .data
                .get(data)
                .is_some_and(|channel| channel.is_bare_rest() && !channel.is_over())
        };
        let (rest, own) = channels.into_iter().partition(is_rest);
        let rest: Vec<DataId> = rest;
        negotiation.data.retain(|data| !rest.contains(data));
        for data in rest {
            negotiation.next.push_front(data);
        }
        own
    }
}

/// Files that may wait for their commands on one connection.
const PARTS: usize = 1024;

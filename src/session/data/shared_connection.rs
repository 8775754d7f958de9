//! Several files over one data connection: in MODE B and C it may stay open (RFC 959 sections 3.3 and 3.4.2).
//!
//! ```text
//! connection  ──file 1──┤EOF├──file 2──┤EOF├── ...
//! channels      part 1         part 2        the rest, which keeps the name of the connection
//! ```
//!
//! At the end of a file what is known of it becomes a channel of its own, which its transfer is settled with; the rest waits
//! for the next transfer command. Where the mode's own mark of the end was lost, the next command ends the file.

use crate::model::FrameRef;
use crate::model::record::TransferMode;
use crate::protocol::ftp::representation::FileEnds;
use crate::reassembly::FlowSummary;
use crate::session::data::data_channel::{Before, DataChannel, DataId, Purpose};
use crate::session::ftp_session::Session;
use crate::session::shared::Shared;
use crate::session::transfers::transfer_state::TransferState;

impl DataChannel {
    /// From its first byte on it carries files in this mode.
    pub(crate) fn carries(&mut self, mode: TransferMode) {
        self.mode = mode;
        self.ends = [FileEnds::new(mode), FileEnds::new(mode)];
    }

    /// Its mode says where a file ends, so that another may follow.
    pub(crate) fn marks_ends(&self) -> bool {
        self.ends.iter().any(Option::is_some)
    }

    /// No mark of an end is looked for any more.
    pub(crate) fn ignore_ends(&mut self) {
        self.ends = [None, None];
    }

    /// Nothing more comes for its file.
    pub(crate) const fn is_over(&self) -> bool {
        self.closed.is_some() || self.ended.is_some() || self.cut_off
    }

    /// The end of the file was told, or nothing of it is outstanding.
    fn is_at_end(&self) -> bool {
        let at_end = |ends: &Option<FileEnds>| ends.as_ref().is_some_and(FileEnds::is_at_end);
        self.ended.is_some() || self.ends.iter().any(at_end)
    }

    /// What is left of a connection behind a file, without a byte so far.
    pub(crate) fn is_bare_rest(&self) -> bool {
        self.before.is_some() && self.contents.iter().all(Option::is_none)
    }

    /// No other file follows on its connection.
    pub(crate) const fn is_last_file(&self) -> bool {
        self.ended.is_none() && !self.cut_off
    }

    /// Gives away the file that is over; what follows on the connection stays.
    fn split(&mut self, summary: Option<&FlowSummary>, at: FrameRef) -> Self {
        if let Some(summary) = summary {
            self.summary.clone_from(summary);
        }
        let sure = self.is_at_end();
        let mut base = self.base;
        for (base, content) in base.iter_mut().zip(&self.contents) {
            *base += content.as_ref().map_or(0, |content| content.length);
        }
        let rest = Self {
            key: self.key,
            negotiation: self.negotiation,
            link: self.link,
            client_way: self.client_way,
            purpose: Purpose::Unknown,
            contents: [None, None],
            decoding: None,
            lines: None,
            summary: self.summary.clone(),
            closed: None,
            announcer: None,
            encrypted: None,
            home: None,
            is_data: self.is_data,
            settled: false,
            mode: self.mode,
            ends: [FileEnds::new(self.mode), FileEnds::new(self.mode)],
            ended: None,
            cut_off: false,
            before: Some(Box::new(Before {
                summary: self.summary.clone(),
                start_known: sure,
                first: None,
            })),
            base,
            twin: self.twin.take(),
        };
        let mut file = std::mem::replace(self, rest);
        if sure {
            file.ended.get_or_insert(at);
        } else {
            // Nobody said that it is over, and nothing more comes.
            file.cut_off = true;
        }
        file
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

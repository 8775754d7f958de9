//! Several files over one data connection: in MODE B and C it may stay open (RFC 959 sections 3.3 and 3.4.2).
//!
//! At the end of a file the connection splits ([`DataChannel::split`]): the file is settled with its transfer, and the
//! remainder awaits the next transfer command. Where the mode's own mark of the end was lost, the next command ends the file.

use super::Negotiations;
use crate::reassembly::FlowSummary;
use crate::session::data::data_channel::{DataChannel, DataId};
use crate::session::shared::Shared;

impl Negotiations {
    /// Splits off the file that is over on a connection which is not. Returns the negotiation it belongs to, whose transfer may
    /// be over; `None` if nothing was split.
    pub(crate) fn on_file_end(
        &mut self,
        shared: &mut Shared<'_>,
        id: DataId,
        summary: Option<&FlowSummary>,
    ) -> Option<u64> {
        let now = shared.now();
        let channel = shared.data.get_mut(id)?;
        let number = channel.negotiation()?.number;
        let negotiation = self.known.get_mut(number)?;
        if negotiation.next.len() >= PARTS {
            channel.ignore_ends();
            return None;
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
        Some(number)
    }

    /// Returns the connections whose file is over although nothing marked its end: the next transfer begins.
    pub(crate) fn unmarked(&self, shared: &Shared<'_>, number: u64) -> Vec<DataId> {
        let data = self.data(Some(number)).iter().copied();
        data.filter(|data| {
            shared.data.get(*data).is_some_and(|channel| {
                channel.marks_ends() && !channel.is_over() && !channel.is_bare_rest()
            })
        })
        .collect()
    }

    /// Returns whether the file of a negotiation is over and its connection is open with nothing behind it: it may be about to
    /// close, or to carry the next file.
    pub(crate) fn awaits_end(&self, shared: &Shared<'_>, number: Option<u64>) -> bool {
        self.bare_rest(shared, number)
            .is_some_and(|rest| !rest.is_closed())
    }

    /// Takes the end of a connection on which nothing followed for the end of its file.
    pub(crate) fn join_end(&mut self, shared: &mut Shared<'_>, number: Option<u64>) {
        let Some(rest) = self.bare_rest(shared, number) else {
            return;
        };
        let Some(reason) = rest.close_reason() else {
            return;
        };
        let summary = rest.summary().clone();
        let Some(negotiation) = number.and_then(|number| self.known.get_mut(number)) else {
            return;
        };
        for rest in std::mem::take(&mut negotiation.next) {
            shared.data.remove(rest);
        }
        let file = negotiation.data.last();
        if let Some(file) = file.and_then(|data| shared.data.get_mut(*data)) {
            file.close(reason, &summary);
        }
    }

    /// Gives what follows on the connection of negotiation `from` to the transfer that uses `to`.
    pub(crate) fn take_next(&mut self, shared: &mut Shared<'_>, from: u64, to: u64) {
        let Some(negotiation) = self.known.get_mut(from) else {
            return;
        };
        let mut parts = std::mem::take(&mut negotiation.next);
        parts.retain(|part| {
            let Some(channel) = shared.data.get_mut(*part) else {
                return false;
            };
            let gone = channel.is_closed() && channel.is_bare_rest();
            if gone {
                shared.data.remove(*part);
            } else {
                channel.rebind(to);
            }
            !gone
        });
        let first = parts.pop_front();
        if let Some(negotiation) = self.known.get_mut(to) {
            negotiation.data.extend(first);
            negotiation.next = parts;
        }
    }

    /// Leaves the open remainder of a refused transfer's connection to the next transfer.
    pub(crate) fn leave_rest(&mut self, shared: &Shared<'_>, number: u64) {
        let Some(negotiation) = self.known.get_mut(number) else {
            return;
        };
        let is_rest = |data: &DataId| {
            let channel = shared.data.get(*data);
            channel.is_some_and(|channel| channel.is_bare_rest() && !channel.is_over())
        };
        let (rest, own) = negotiation.data.iter().partition(|data| is_rest(data));
        negotiation.data = own;
        let rest: Vec<DataId> = rest;
        for data in rest {
            negotiation.next.push_front(data);
        }
    }

    fn bare_rest<'a>(
        &self,
        shared: &'a Shared<'_>,
        number: Option<u64>,
    ) -> Option<&'a DataChannel> {
        let negotiation = self.known.get(number?)?;
        if negotiation.next.len() != 1 {
            return None;
        }
        let rest = shared.data.get(*negotiation.next.front()?)?;
        rest.is_bare_rest().then_some(rest)
    }
}

/// Files that may await their commands on one connection.
const PARTS: usize = 1024;

//! The end of a transfer: when nothing can change any more, it is judged, saved, told.

use std::sync::Arc;

use crate::model::record::{Transfer, Weight as _};
use crate::model::{EventKind, WarningCode, wire_text};
use crate::protocol::ftp::Verb;
use crate::session::data::data_channel::DataId;
use crate::session::ftp_session::Session;
use crate::session::shared::Shared;
use crate::session::transfers::transfer_state::{TransferState, payload_way};

impl Session {
    /// Settles the transfer if it is over; with `force` in any case.
    pub(crate) fn try_settle(&mut self, shared: &mut Shared<'_>, id: u64, force: bool) {
        let Some(state) = self.transfers.get(id) else {
            return;
        };
        let channels: Vec<DataId> = state
            .negotiation
            .and_then(|number| self.negotiations.get(number))
            .map(|negotiation| negotiation.data.clone())
            .unwrap_or_default();
        let may_close = self.awaits_end(shared, state.negotiation);
        if !force && (may_close || !nothing_more(shared, state, &channels)) {
            return;
        }
        let Some(state) = self.transfers.remove(id) else {
            return;
        };
        self.transfer_ids.remove(state.sequence);
        if let Some(number) = state.negotiation {
            self.retire(shared, number);
        }
        let channels = self.leave_rest(shared, &state, channels);
        self.join_end(shared, state.negotiation);
        let chosen = choose(shared, &channels, state.verb);
        let mut channel = chosen.and_then(|data| shared.data.remove(&data));
        if let Some(channel) = &mut channel {
            channel.finish_decoding(shared.sink());
        }
        let (transfer, note) = self.judge(shared, id, &state, channel.as_deref());
        for &other in channels.iter().filter(|&&other| Some(other) != chosen) {
            self.leave_unmatched(shared, other);
        }
        if let (Some(data), Some(mut channel)) = (chosen, channel)
            && !channel.is_over()
        {
            // Its last segments are still to come; they find it settled.
            channel.settle();
            shared.data.insert(data, channel);
        }
        if let Some(number) = state.negotiation
            && let Some(negotiation) = self.negotiations.get_mut(number)
            && state.answer.as_ref().is_none_or(|(code, ..)| *code < 400)
        {
            negotiation.data.clear();
        }
        self.remember_outcome(&transfer, state.answer.as_ref().map(|(code, ..)| *code));
        self.steps.settled(id, note);
        let transfer = Arc::new(transfer);
        shared.emit(Some(self.id), EventKind::Transfer(&transfer));
        let weight = transfer.weight();
        if self.settled.len() < shared.options.limits.transfers {
            if shared.keep_record(weight) {
                self.kept_bytes += weight;
                self.settled.push(transfer);
            } else {
                self.transfers_omitted += 1;
            }
        } else {
            self.transfers_omitted += 1;
            shared.warn(
                WarningCode::LimitReached,
                format!(
                    "more than {} transfers in one session; the rest were left out",
                    shared.options.limits.transfers
                ),
            );
        }
        self.tell_steps(shared, false);
    }

    /// A data connection of this negotiation was closed.
    pub(crate) fn data_changed(&mut self, shared: &mut Shared<'_>, number: u64) {
        let Some(transfer) = self
            .negotiations
            .get(number)
            .and_then(|negotiation| negotiation.transfer)
        else {
            return;
        };
        // Once the control connection is gone no reply can come, and the end of the data is the end.
        let last = self.closed.is_some() && !self.has_open_data(shared, Some(number));
        self.try_settle(shared, transfer, last);
    }

    /// The transfer has its final reply, and time went by: its data connection is over if its sender said so, or it
    /// never was.
    pub(crate) fn settle_after_waiting(&mut self, shared: &mut Shared<'_>, id: u64) {
        let Some(state) = self.transfers.get(id) else {
            return;
        };
        let verb = state.verb;
        let negotiation = state
            .negotiation
            .and_then(|number| self.negotiations.get(number));
        let running = negotiation.is_some_and(|negotiation| {
            negotiation
                .data
                .iter()
                .filter_map(|data| shared.data.get(data))
                .any(|channel| {
                    let way = payload_way(verb, channel.client_way);
                    !channel.is_over() && channel.was_open() && !channel.summary.sent(way).finished
                })
        });
        if !running {
            self.try_settle(shared, id, true);
        }
    }

    /// Whether a data connection of a transfer is open.
    pub(crate) fn is_transferring(&self, shared: &Shared<'_>) -> bool {
        self.transfers
            .values()
            .any(|state| self.has_open_data(shared, state.negotiation))
    }

    fn remember_outcome(&mut self, transfer: &Transfer, code: Option<u16>) {
        if code.is_some_and(|code| code >= 400) {
            self.refused_transfers.insert(transfer.id);
            // Only the latest can matter for what comes next.
            while self.refused_transfers.len() > 16 {
                self.refused_transfers.pop_first();
            }
        }
    }
}

/// Whether nothing of the transfer can be expected any more.
fn nothing_more(shared: &Shared<'_>, state: &TransferState, channels: &[DataId]) -> bool {
    let refused = state.answer.as_ref().is_some_and(|(code, ..)| *code >= 400);
    let open = channels
        .iter()
        .filter_map(|data| shared.data.get(data))
        // What follows on an open connection is left to the next transfer.
        .filter(|channel| !(refused && channel.is_bare_rest()))
        .any(|channel| !channel.is_over() && (channel.was_open() || state.answer.is_none()));
    match &state.answer {
        Some((400.., ..)) => !open,
        Some(_) => !open && !channels.is_empty(),
        None => false,
    }
}

/// Of several connections to one end point, the one that carried it: with bytes, else open, else the last.
fn choose(shared: &Shared<'_>, channels: &[DataId], verb: Verb) -> Option<DataId> {
    channels.iter().copied().max_by_key(|data| {
        shared.data.get(data).map(|channel| {
            let way = payload_way(verb, channel.client_way);
            (
                channel
                    .content(way)
                    .is_some_and(|content| content.bytes > 0),
                channel.was_open(),
                data.0,
            )
        })
    })
}

/// First line of a reply for a sentence.
pub(crate) fn first_line(lines: &[Vec<u8>]) -> String {
    let line = lines
        .iter()
        .find(|line| !line.is_empty())
        .map_or(&b""[..], Vec::as_slice);
    wire_text::decode::<String>(&line[..line.len().min(200)])
        .0
        .trim()
        .to_owned()
}

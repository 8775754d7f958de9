//! What is told by the clock while packets come as they happen: transfers that take long, and what several sessions tell
//! together.

use crate::model::record::TransferDirection;
use crate::model::{EventKind, Span, Timestamp};
use crate::session::data::data_channel::DataId;
use crate::session::tracker::SessionTracker;
use crate::session::transfers::transfer_state::{direction_of, payload_way};

/// How far a transfer is.
struct Running {
    session: u64,
    transfer: u64,
    bytes: u64,
    throughput: Option<f64>,
}

impl SessionTracker<'_> {
    /// Tells what is due.
    #[cold]
    pub(crate) fn tell_by_the_clock(&mut self, now: Timestamp) {
        if now >= self.watch.progress_due {
            self.watch.progress_due = now.plus(PROGRESS_EVERY);
            self.tell_progress(now);
        }
        let due = *self
            .watch
            .several_due
            .get_or_insert_with(|| now.plus(SEVERAL_EVERY));
        if now >= due {
            self.watch.several_due = Some(now.plus(SEVERAL_EVERY));
            for finding in self.shared.several.turn() {
                self.shared.emit(None, EventKind::Finding(&finding));
            }
        }
    }

    fn tell_progress(&mut self, now: Timestamp) {
        let mut open: Vec<DataId> = self
            .shared
            .data
            .iter()
            .filter(|(_, channel)| {
                channel.closed.is_none()
                    && channel.negotiation.is_some()
                    && now.since(channel.summary.first.time) >= LONG
            })
            .map(|(id, _)| *id)
            .collect();
        open.sort_unstable();
        open.truncate(MOST_RUNNING);
        let running: Vec<Running> = open
            .into_iter()
            .filter_map(|id| self.running(id, now))
            .collect();
        for one in running {
            self.shared.emit(
                Some(one.session),
                EventKind::TransferProgress {
                    transfer: one.transfer,
                    bytes: one.bytes,
                    throughput: one.throughput,
                },
            );
        }
    }

    fn running(&self, id: DataId, now: Timestamp) -> Option<Running> {
        let channel = self.shared.data.get(&id)?;
        let negotiation = channel.negotiation?;
        let session = self.sessions.get(&negotiation.session)?;
        let transfer = session
            .negotiations
            .get(negotiation.number)
            .and_then(|negotiation| negotiation.transfer)?;
        let state = session.transfers.get(transfer)?;
        if channel.is_settled() || direction_of(state.verb) == TransferDirection::Listing {
            return None;
        }
        let way = payload_way(state.verb, channel.client_way);
        let bytes = channel.content(way).map_or(0, |content| content.bytes);
        let seconds = now.since(channel.summary.first.time).seconds();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate need not be exact to the last byte"
        )]
        let throughput = (seconds > 0.0).then(|| bytes as f64 / seconds);
        Some(Running {
            session: negotiation.session,
            transfer,
            bytes,
            throughput,
        })
    }
}

/// How often the progress of a transfer is told.
const PROGRESS_EVERY: Span = Span::from_secs(5);
/// A transfer that takes longer than this is long.
const LONG: Span = Span::from_secs(5);
/// Transfers of which the progress is told at once.
const MOST_RUNNING: usize = 1_000;
/// How often findings about several sessions are told: a run of weeks would tell them when it is too late.
const SEVERAL_EVERY: Span = Span::from_secs(3600);

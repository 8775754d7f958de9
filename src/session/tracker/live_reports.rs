//! Reports at fixed intervals of a live capture: the progress of long transfers, transfers that stand still, and findings about
//! several sessions.

use crate::diagnosis::SHORTEST_STALL;
use crate::model::record::TransferDirection;
use crate::model::{EventKind, FlowKey, Span, Timestamp};
use crate::reassembly::FlowSummary;
use crate::session::data::data_channel::{DataChannel, DataId};
use crate::session::negotiation::expectation::NegotiationId;
use crate::session::shared::Shared;
use crate::session::tracker::sessions::Sessions;
use crate::session::transfers::transfer_state::{direction_of, payload_way};

/// Times of the next reports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LiveReports {
    progress: Timestamp,
    silence: Timestamp,
    /// `None` before the first tick.
    cross_session: Option<Timestamp>,
}

/// Progress of one open transfer.
struct Progress {
    session: u64,
    transfer: u64,
    bytes: u64,
    /// Bytes per second since the connection opened; `None` at its very beginning.
    throughput: Option<f64>,
}

impl LiveReports {
    /// Emits the reports due at `now`.
    #[cold]
    pub(super) fn run(&mut self, sessions: &Sessions, shared: &mut Shared<'_>, now: Timestamp) {
        if now >= self.progress {
            self.progress = now.plus(PROGRESS_INTERVAL);
            emit_progress(sessions, shared, now);
        }
        let due = *self
            .cross_session
            .get_or_insert_with(|| now.plus(CROSS_SESSION_INTERVAL));
        if now >= due {
            self.cross_session = Some(now.plus(CROSS_SESSION_INTERVAL));
            for mut finding in shared.several.turn() {
                shared.add_places(&mut finding);
                shared.emit(None, EventKind::Finding(&finding));
            }
        }
    }
}

/// A data connection that may stand still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SilentData {
    key: FlowKey,
    data: DataId,
    negotiation: NegotiationId,
}

impl SilentData {
    /// Returns the endpoints of the connection.
    pub(crate) const fn key(&self) -> FlowKey {
        self.key
    }

    /// Emits the finding that the connection stands still at `now`, if that is proven and new.
    pub(super) fn report(
        self,
        sessions: &mut Sessions,
        shared: &mut Shared<'_>,
        summary: Option<&FlowSummary>,
        now: Timestamp,
    ) {
        if let Some(session) = sessions.get_mut(self.negotiation.session) {
            session.on_silence(shared, self.negotiation.number, self.data, summary, now);
        }
    }
}

impl LiveReports {
    /// Returns the data connections that may stand still at `now`, the oldest first; `None` within a second of
    /// the last time.
    pub(super) fn silent_data(
        &mut self,
        shared: &Shared<'_>,
        now: Timestamp,
    ) -> Option<Vec<SilentData>> {
        // The clock may go back after a wrong timestamp.
        if now < self.silence && self.silence.since(now) <= SILENCE_INTERVAL {
            return None;
        }
        self.silence = now.plus(SILENCE_INTERVAL);
        let may_be = |channel: &DataChannel| {
            let is_open = !channel.is_closed() || !channel.was_open();
            let age = now.since(channel.summary().first.time);
            is_open
                && age >= SHORTEST_STALL
                && !channel.is_settled()
                && channel.negotiation().is_some()
        };
        let ids = shared.data.ids_where(may_be);
        let silent = ids.into_iter().filter_map(|data| {
            let channel = shared.data.get(data)?;
            Some(SilentData {
                key: channel.key(),
                data,
                negotiation: channel.negotiation()?,
            })
        });
        Some(silent.collect())
    }
}

fn emit_progress(sessions: &Sessions, shared: &mut Shared<'_>, now: Timestamp) {
    let mut long = shared.data.ids_where(|channel| {
        !channel.is_closed()
            && channel.negotiation().is_some()
            && now.since(channel.summary().first.time) >= LONG_TRANSFER
    });
    // Of too many, those that opened first: they are the likeliest to be stuck.
    long.truncate(PROGRESS_EVENTS);
    let progress: Vec<Progress> = long
        .into_iter()
        .filter_map(|id| progress(sessions, shared, id, now))
        .collect();
    for one in progress {
        shared.emit(
            Some(one.session),
            EventKind::TransferProgress {
                transfer: one.transfer,
                bytes: one.bytes,
                throughput: one.throughput,
            },
        );
    }
}

/// Returns the progress of the file transfer on a data connection; `None` for a listing, or if it has been reported.
fn progress(
    sessions: &Sessions,
    shared: &Shared<'_>,
    id: DataId,
    now: Timestamp,
) -> Option<Progress> {
    let channel = shared.data.get(id)?;
    let negotiation = channel.negotiation()?;
    let session = sessions.get(negotiation.session)?;
    let (transfer, verb) = session.running_transfer(negotiation.number)?;
    if channel.is_settled() || direction_of(verb) == TransferDirection::Listing {
        return None;
    }
    let way = payload_way(verb, channel.client_way());
    let bytes = channel.content(way).map_or(0, |content| content.bytes);
    let seconds = now.since(channel.summary().first.time).seconds();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate need not be exact to the last byte"
    )]
    let throughput = (seconds > 0.0).then(|| bytes as f64 / seconds);
    Some(Progress {
        session: negotiation.session,
        transfer,
        bytes,
        throughput,
    })
}

const SILENCE_INTERVAL: Span = Span::from_secs(1);

const PROGRESS_INTERVAL: Span = Span::from_secs(5);

/// Age from which the progress of a transfer is reported.
const LONG_TRANSFER: Span = Span::from_secs(5);

/// Bound on transfers whose progress is reported at once.
const PROGRESS_EVENTS: usize = 1_000;

/// Interval of findings about several sessions, which a run of weeks would otherwise report at its end, when it is too
/// late.
const CROSS_SESSION_INTERVAL: Span = Span::from_secs(3600);

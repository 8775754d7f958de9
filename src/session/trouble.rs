//! What only packets tell of a session, kept for the findings.

use std::num::NonZeroU64;

use crate::diagnosis::{DataTrouble, SHORTEST_STALL, StallPlace};
use crate::model::record::{DataType, LinkMethod, Mode, Opener, TransferDirection, TransferMode};
use crate::model::{Direction, Endpoint, FrameRef};
use crate::reassembly::{FlowSummary, HalfSummary, Pause};
use crate::session::data::content::Content;
use crate::session::data::data_channel::DataChannel;
use crate::session::ftp_session::Session;
use crate::session::noted::Noted;
use crate::session::shared::Shared;
use crate::session::sightings::{FRAMES, Sightings};
use crate::session::transfers::facts::Facts;
use crate::session::transfers::stated_sizes::Weight;
use crate::session::transfers::transfer_state::{TransferState, direction_of, payload_way};

impl Session {
    /// What the packets of a transfer's data connection tell.
    pub(crate) fn note_trouble(
        &mut self,
        shared: &Shared<'_>,
        id: u64,
        state: &TransferState,
        channel: Option<&DataChannel>,
        announced: Option<Endpoint>,
        facts: &Facts,
    ) {
        let Some(channel) = channel else { return };
        let way = payload_way(state.verb, channel.client_way);
        self.note_content(id, state, facts, channel.content(way));
        if !channel.was_open() {
            let blocked = blocked(shared, Some(id), state.mode, channel, announced);
            self.trouble(blocked);
        }
        let last = channel.is_last_file();
        for half in channel.summary.half.iter().filter(|_| last) {
            if let Some(frame) = half.irregular().first_conflict {
                self.trouble(DataTrouble::Conflict {
                    transfer: Some(id),
                    bytes: half.irregular().conflicting_bytes,
                    frame: frame.number,
                });
            }
        }
        // What packets tell of a connection with several files is told with its last; when nothing was sent between two of
        // them is no stall.
        if channel.is_last_file() {
            self.note_loss(&channel.summary);
        }
        if channel.was_open()
            && channel.before.is_none()
            && let Some(stall) = self.stall(shared, id, state, channel)
        {
            self.trouble(stall);
        }
    }

    /// What the bytes of a file tell, against what was said of it.
    fn note_content(
        &mut self,
        id: u64,
        state: &TransferState,
        facts: &Facts,
        content: Option<&Content>,
    ) {
        // What is encrypted has another size, and looks like nothing.
        if facts.encrypted || !facts.connected {
            return;
        }
        if let Some((announced, place)) = wrong_size(facts) {
            self.trouble(DataTrouble::WrongSize {
                transfer: id,
                announced,
                place,
                with_transfer: facts.announced.is_some(),
                seen: facts.bytes,
                restart: facts.restart,
            });
        }
        let as_text = state.representation.data_type == DataType::Ascii
            && state.representation.transfer_mode == TransferMode::Stream
            && direction_of(state.verb) != TransferDirection::Listing;
        if as_text && let Some(media_type) = content.and_then(Content::binary_format) {
            self.trouble(DataTrouble::BinaryAsText {
                transfer: id,
                media_type,
            });
        }
    }

    /// A line where a reply should begin, without a code.
    pub(crate) fn note_odd_line(&mut self, frame: FrameRef) {
        self.noted_mut().odd_lines.note(frame);
    }

    /// A reply of several lines whose last line had another code.
    pub(crate) fn note_wrong_end(&mut self, frame: FrameRef) {
        self.noted_mut().wrong_ends.note(frame);
    }

    /// A data connection that was announced, tried, and never opened, so that the client did not even send its command.
    pub(crate) fn note_unused(&mut self, shared: &Shared<'_>, number: u64) {
        let Some(negotiation) = self.negotiations.get(number) else {
            return;
        };
        let (mode, announced) = (negotiation.mode, negotiation.announced);
        let tried: Vec<DataTrouble> = negotiation
            .data
            .iter()
            .filter_map(|data| shared.data.get(data))
            .filter(|channel| !channel.is_settled() && !channel.was_open())
            .filter(|channel| {
                // Anybody may knock at a port.
                matches!(
                    channel.link.method,
                    LinkMethod::AnnouncedAddress | LinkMethod::ControlPeer
                )
            })
            .map(|channel| blocked(shared, None, mode, channel, announced))
            .collect();
        for trouble in tried {
            self.trouble(trouble);
        }
    }

    /// All that was noted, with what is known only once all is over.
    pub(crate) fn take_troubles(&mut self, shared: &Shared<'_>) -> Vec<DataTrouble> {
        let noted = self.noted.take().map(|noted| *noted).unwrap_or_default();
        let Noted {
            mut troubles,
            mut lost,
            odd_lines,
            wrong_ends,
        } = noted;
        if let Some((_, control)) = self.closed.as_deref() {
            for way in [self.client_way, self.client_way.reverse()] {
                let half = control.sent(way);
                let missing = half.measured.not_recorded();
                if missing == 0 {
                    continue;
                }
                lost.control = lost.control.saturating_add(missing);
                lost.frames
                    .extend(half.measured.first_loss().map(|frame| frame.number));
                if half.segments == 0 {
                    let client = way == self.client_way;
                    lost.unseen = Some(if client { "client" } else { "server" });
                }
            }
        }
        if lost.control > 0 || lost.data > 0 {
            lost.frames.sort_unstable();
            troubles.push(DataTrouble::Lost(lost));
        }
        if odd_lines.count > 0 {
            let Sightings { count, frames } = odd_lines;
            troubles.push(DataTrouble::OddLines { count, frames });
        }
        if wrong_ends.count > 0 {
            let Sightings { count, frames } = wrong_ends;
            troubles.push(DataTrouble::WrongEnds { count, frames });
        }
        troubles.extend(shared.several.exchanges_of(self.id));
        troubles
    }

    fn trouble(&mut self, trouble: DataTrouble) {
        let troubles = &mut self.noted_mut().troubles;
        if troubles.len() < TROUBLES {
            troubles.push(trouble);
        }
    }

    fn noted_mut(&mut self) -> &mut Noted {
        self.noted.get_or_insert_default()
    }

    /// Bytes of a data connection that reached the other side and are not in the capture.
    pub(crate) fn note_loss(&mut self, summary: &FlowSummary) {
        let mut any = false;
        for half in &summary.half {
            let missing = half.measured.not_recorded();
            if missing == 0 {
                continue;
            }
            any = true;
            let lost = &mut self.noted_mut().lost;
            lost.data = lost.data.saturating_add(missing);
            if let Some(frame) = half.measured.first_loss()
                && lost.frames.len() < FRAMES
            {
                lost.frames.push(frame.number);
            }
        }
        if any {
            self.noted_mut().lost.connections += 1;
        }
    }

    /// The longest time in which the sender sent nothing new.
    fn stall(
        &self,
        shared: &Shared<'_>,
        id: u64,
        state: &TransferState,
        channel: &DataChannel,
    ) -> Option<DataTrouble> {
        let way = payload_way(state.verb, channel.client_way);
        let summary = &channel.summary;
        if !channel.is_over() && !summary.sent(way).finished {
            // Settled before its end: what is known of it is not the latest.
            return None;
        }
        let (sender, receiver) = (summary.sent(way), summary.sent(way.reverse()));
        let reset = summary
            .half
            .iter()
            .any(|half| half.irregular().rst.is_some());
        let end = if reset {
            Some(summary.last)
        } else if state.answer.is_none() && shared.now.capture() == summary.last.capture() {
            // Nobody said that it is over, and the capture went on without it.
            Some(FrameRef {
                time: shared.now.time,
                ..summary.last
            })
        } else {
            None
        };
        let middle = sender
            .measured
            .longest_pause
            .map(|pause| (pause, StallPlace::Middle));
        let start = self
            .pause_before(state, summary, sender.first_data.or(sender.fin).or(end))
            .map(|pause| {
                let begun = sender.first_data.or(sender.fin).is_some();
                (
                    pause,
                    if begun {
                        StallPlace::Start
                    } else {
                        StallPlace::End
                    },
                )
            });
        let tail = end.filter(|_| sender.fin.is_none()).and_then(|end| {
            let closed = receiver.measured.closed_until(end.time);
            let pause = sender
                .measured
                .pause_until(end, sender.retransmitted_bytes, closed)?;
            Some((pause, StallPlace::End))
        });
        let (pause, place) = [middle, start, tail]
            .into_iter()
            .flatten()
            .max_by_key(|(pause, _)| pause.length)?;
        if pause.length < SHORTEST_STALL {
            return None;
        }
        Some(DataTrouble::Stalled {
            transfer: id,
            sender: if way == channel.client_way {
                Opener::Client
            } else {
                Opener::Server
            },
            length: pause.length,
            receiver_closed: pause.receiver_closed,
            sent_again: pause.sent_again,
            place,
            frames: [pause.first_frame.get(), pause.last_frame],
        })
    }

    /// The time from the 1yz reply, or the opening of the data connection after it, to `first`.
    fn pause_before(
        &self,
        state: &TransferState,
        summary: &FlowSummary,
        first: Option<FrameRef>,
    ) -> Option<Pause> {
        let first = first?;
        let command = self.steps.get(state.sequence)?;
        let begun = command
            .record
            .replies
            .first()
            .filter(|reply| reply.code < 200)?;
        let opened = summary.established?;
        let (time, frame) = (begun.time, begun.frame).max((opened.time, opened.number));
        Some(Pause {
            first_frame: NonZeroU64::new(frame)?,
            last_frame: first.number,
            length: first.time.since(time),
            sent_again: 0,
            receiver_closed: crate::model::Span::default(),
        })
    }
}

fn blocked(
    shared: &Shared<'_>,
    transfer: Option<u64>,
    mode: Mode,
    channel: &DataChannel,
    announced: Option<Endpoint>,
) -> DataTrouble {
    let summary = &channel.summary;
    let initiator = summary.initiator.unwrap_or(Direction::Up);
    let sent: &HalfSummary = summary.sent(initiator);
    DataTrouble::Blocked {
        transfer,
        mode,
        listener: announced.unwrap_or(channel.key.destination(initiator)),
        attempts: sent.segments,
        refused: summary
            .sent(initiator.reverse())
            .irregular()
            .rst
            .map(|frame| frame.number),
        unreachable: shared.unreachable.of(channel.key, summary.first.number),
        waited: shared.now.time.since(summary.first.time),
        first_frame: summary.first.number,
    }
}

/// The size that a whole file contradicts, and where it was told: what the server announced, else what was said exactly
/// elsewhere.
fn wrong_size(facts: &Facts) -> Option<(u64, String)> {
    let confirmed = facts
        .answer
        .as_ref()
        .is_some_and(|(code, ..)| (200..300).contains(code));
    let fin = facts.sender_fin?;
    let whole = facts.missing == 0
        && facts.start_known
        && facts.abor.is_none()
        && facts.receiver_end.is_none_or(|end| end.number > fin.number);
    if !(facts.size_counts && confirmed && whole) {
        return None;
    }
    let (told, place) = match facts.announced {
        Some((bytes, place)) => (bytes, place.to_owned()),
        None => facts
            .stated
            .iter()
            .find(|stated| stated.weight == Weight::Whole && !is_size(facts, stated.bytes))
            .map(|stated| (stated.bytes, stated.place.clone()))?,
    };
    // Some servers say 0 where they do not know.
    (told > 0 && !is_size(facts, told)).then_some((told, place))
}

/// With REST some servers name the whole file, some the rest.
const fn is_size(facts: &Facts, told: u64) -> bool {
    facts.bytes == told || facts.bytes == told.saturating_sub(facts.restart)
}

/// Troubles kept of one session: more than findings are kept.
const TROUBLES: usize = 4096;

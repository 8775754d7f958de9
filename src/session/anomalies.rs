//! Anomalies of a session: what only its packets and odd lines show, collected for the findings.
//!
//! Most sessions have none, so nothing is allocated before the first.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use super::data::content::Content;
use super::data::data_channel::DataChannel;
use super::dialogue::outcome::Violation;
use super::negotiation::Negotiations;
use super::shared::Shared;
use super::transfers::facts::{Facts, Weight};
use super::transfers::transfer_state::{TransferState, direction_of, payload_way};
use crate::diagnosis::{DataTrouble, LineRule, Lost, SHORTEST_STALL, StallPlace};
use crate::model::record::{
    DataType, Finding, LinkMethod, Mode, Opener, Reply, TransferDirection, TransferMode,
};
use crate::model::{Direction, Endpoint, FrameRef, Span, Timestamp};
use crate::reassembly::{FlowSummary, HalfSummary, Pause};

/// Anomalies of one session.
#[derive(Debug, Default)]
pub(crate) struct Anomalies {
    /// `None` before the first.
    noted: Option<Box<Noted>>,
    /// Findings of each kind that were emitted before the end of the session.
    emitted: BTreeMap<String, u32>,
    /// Findings about standstills that were emitted while they lasted: at most [`EMITTED_OF_A_KIND`] of each kind.
    standstills: Vec<EmittedStandstill>,
}

/// A standstill whose finding was emitted.
#[derive(Clone, Debug)]
struct EmittedStandstill {
    id: String,
    /// `None` for a data connection without a transfer command.
    transfer: Option<u64>,
    /// First frame of the finding.
    frame: Option<u64>,
}

/// A data connection that is watched for a standstill.
pub(crate) struct Watched<'a> {
    /// Transfer that uses it; `None` if the client has not sent its command.
    pub(crate) transfer: Option<(u64, &'a TransferState)>,
    pub(crate) mode: Mode,
    pub(crate) channel: &'a DataChannel,
    /// Summary as of the latest segment; `None` if the connection is not followed any more.
    pub(crate) summary: Option<&'a FlowSummary>,
    /// Announced end point; `None` if it is unknown.
    pub(crate) announced: Option<Endpoint>,
    /// First reply to the transfer command; `None` without one.
    pub(crate) first_reply: Option<&'a Reply>,
    pub(crate) now: Timestamp,
}

#[derive(Debug, Default)]
struct Noted {
    troubles: Vec<DataTrouble>,
    lost: Lost,
    /// Lines that break a rule about their form, by rule.
    odd_lines: [Sightings; LINE_RULES.len()],
}

/// Number of occurrences, and the first frames.
#[derive(Clone, Debug, Default)]
struct Sightings {
    count: u64,
    frames: Vec<u64>,
    /// Name of the first; `None` where the rule says enough.
    first: Option<&'static str>,
}

/// A settled transfer, as far as its anomalies depend on it.
pub(crate) struct Subject<'a> {
    pub(crate) id: u64,
    pub(crate) state: &'a TransferState,
    pub(crate) channel: &'a DataChannel,
    /// Announced end point; `None` if it is unknown.
    pub(crate) announced: Option<Endpoint>,
    pub(crate) facts: &'a Facts,
    /// First reply to the transfer command; `None` without one.
    pub(crate) first_reply: Option<&'a Reply>,
}

impl Anomalies {
    /// Records a line that no standard allows.
    pub(crate) fn on_violation(&mut self, violation: Violation, frame: FrameRef) {
        let (rule, oddity) = match violation {
            Violation::NoCode { .. } => (LineRule::NoCode, None),
            Violation::OtherCode => (LineRule::WrongEnd, None),
            Violation::CodeForm => (LineRule::CodeForm, None),
            Violation::LineEnd {
                from_client: true,
                oddity,
            } => (LineRule::CommandLineEnd, Some(oddity)),
            Violation::LineEnd { oddity, .. } => (LineRule::ReplyLineEnd, Some(oddity)),
        };
        self.noted_mut().odd_lines[rule as usize].note(frame, oddity);
    }

    /// Records that the control connection runs through a proxy to `target`; `None` if only its name is known.
    pub(crate) fn on_tunnel(&mut self, target: Option<Endpoint>) {
        self.push(DataTrouble::Tunnel { target });
    }

    /// Records an ident lookup of the server, by the frame of its SYN.
    pub(crate) fn on_ident(&mut self, (frame, answered): (u64, bool)) {
        self.push(DataTrouble::Ident { frame, answered });
    }

    /// Records what the packets of a transfer's data connection show.
    pub(crate) fn on_transfer(&mut self, shared: &Shared<'_>, subject: &Subject<'_>) {
        let Subject {
            id, state, channel, ..
        } = *subject;
        let way = payload_way(state.verb, channel.client_way());
        self.note_content(id, state, subject.facts, channel.content(way));
        if !channel.was_open() {
            let blocked = blocked(shared, Some(id), state.mode, channel, subject.announced);
            self.push(blocked);
        }
        // A connection with several files reports its packets with the last of them.
        let last = channel.is_last_file();
        for half in channel.summary().half.iter().filter(|_| last) {
            if let Some(frame) = half.irregular().first_conflict {
                self.push(DataTrouble::Conflict {
                    transfer: Some(id),
                    bytes: half.irregular().conflicting_bytes,
                    frame: frame.number,
                });
            }
        }
        if last {
            self.on_loss(channel.summary());
        }
        // Silence between two files on one connection is no stall.
        if channel.was_open()
            && channel.is_first_file()
            && let Some(stall) = stall(shared, subject)
        {
            self.push(stall);
        }
    }

    /// Records the bytes of a data connection that reached the other side and are not in the capture.
    pub(crate) fn on_loss(&mut self, summary: &FlowSummary) {
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

    /// Records the connections of a negotiation that were tried and never opened, so that the client did not even send its
    /// transfer command.
    pub(crate) fn on_unused(
        &mut self,
        shared: &Shared<'_>,
        negotiations: &Negotiations,
        number: u64,
    ) {
        let Some(mode) = negotiations.mode(number) else {
            return;
        };
        for data in negotiations.data(Some(number)) {
            let Some(channel) = shared.data.get(*data) else {
                continue;
            };
            // Anybody may knock at a port: only a peer of the session counts.
            let peer = matches!(
                channel.link().method,
                LinkMethod::AnnouncedAddress | LinkMethod::ControlPeer
            );
            if !peer || channel.is_settled() {
                continue;
            }
            if channel.was_open() {
                let frame = channel.summary().first.number;
                self.push(DataTrouble::OpenedUnused { frame });
            } else {
                let announced = negotiations.announced(number);
                self.push(blocked(shared, None, mode, channel, announced));
            }
        }
    }

    /// Returns whether another finding of this kind may be emitted before the end of the session, and counts it. A client that
    /// is refused a thousand files makes no thousand findings: the end sums them up.
    pub(crate) fn may_emit(&mut self, id: &str) -> bool {
        let count = self.emitted.entry(id.to_owned()).or_default();
        *count += 1;
        *count <= EMITTED_OF_A_KIND
    }

    /// Returns whether a finding about a standstill is new and may be emitted, and remembers it.
    pub(crate) fn may_emit_standstill(&mut self, finding: &Finding) -> bool {
        let frame = finding.frames.first().copied();
        let is_known = self
            .standstills
            .iter()
            .any(|known| known.id == finding.id && known.frame == frame);
        let of_kind = |known: &&EmittedStandstill| known.id == finding.id;
        // Looked at every second while it lasts: those beyond the limit are not even counted.
        if is_known || self.standstills.iter().filter(of_kind).count() >= EMITTED_OF_A_KIND as usize
        {
            return false;
        }
        self.standstills.push(EmittedStandstill {
            id: finding.id.clone(),
            transfer: finding.transfer,
            frame,
        });
        self.may_emit(&finding.id)
    }

    /// Returns whether a finding is about a standstill that was emitted while it lasted.
    pub(crate) fn has_emitted_standstill(&self, finding: &Finding) -> bool {
        self.standstills.iter().any(|known| {
            let is_transfer = known.transfer.is_some() && known.transfer == finding.transfer;
            let is_frame = known.frame.is_some() && known.frame == finding.frames.first().copied();
            known.id == finding.id && (is_transfer || is_frame)
        })
    }

    /// Returns what was recorded lately of a transfer.
    pub(crate) fn of_transfer(&self, id: u64) -> Vec<DataTrouble> {
        let Some(noted) = &self.noted else {
            return Vec::new();
        };
        let latest = noted.troubles.iter().rev().take(LATEST);
        let of_it = latest.filter(|trouble| trouble.transfer() == Some(id));
        of_it.cloned().collect()
    }

    /// Takes everything recorded, with what the whole control connection shows. `client_way` is the client's direction on it.
    pub(crate) fn take(
        &mut self,
        control: &FlowSummary,
        client_way: Direction,
    ) -> Vec<DataTrouble> {
        let Noted {
            mut troubles,
            mut lost,
            odd_lines,
        } = self.noted.take().map(|noted| *noted).unwrap_or_default();
        troubles.extend(control_end(control, client_way));
        troubles.extend(control_starts(control, client_way));
        for way in [client_way, client_way.reverse()] {
            let half = control.sent(way);
            let missing = half.measured.not_recorded();
            if missing == 0 {
                continue;
            }
            lost.control = lost.control.saturating_add(missing);
            lost.frames
                .extend(half.measured.first_loss().map(|frame| frame.number));
            if half.segments == 0 {
                let client = way == client_way;
                lost.unseen = Some(if client { "client" } else { "server" });
            }
        }
        if lost.control > 0 || lost.data > 0 {
            lost.frames.sort_unstable();
            troubles.push(DataTrouble::Lost(lost));
        }
        let odd_lines = LINE_RULES.into_iter().zip(odd_lines);
        for (rule, seen) in odd_lines.filter(|(_, seen)| seen.count > 0) {
            troubles.push(DataTrouble::OddLines {
                rule,
                count: seen.count,
                frames: seen.frames,
                first: seen.first,
            });
        }
        troubles
    }

    /// Compares the bytes of a file with what was said of it.
    fn note_content(
        &mut self,
        id: u64,
        state: &TransferState,
        facts: &Facts,
        content: Option<&Content>,
    ) {
        // Encrypted bytes have another size, and no format.
        if facts.encrypted || !facts.connected {
            return;
        }
        if let Some((announced, place)) = wrong_size(facts) {
            self.push(DataTrouble::WrongSize {
                transfer: id,
                announced,
                place,
                with_transfer: facts.sizes.announced.is_some(),
                seen: facts.bytes,
                restart: facts.sizes.restart,
            });
        }
        // In TYPE A every LF is sent as CR LF (RFC 959 section 3.1.1.1). Where an LF stands alone the sender changed nothing,
        // and where there is none there was nothing to change.
        let unchanged = facts
            .line_ends
            .as_ref()
            .is_some_and(|ends| ends.bare_line_feeds() > 0 || ends.proper() == 0);
        // A sender that converts mostly announces the size of its file, and sends another number of bytes. Only many line
        // feeds, each after a CR, prove that one announced the number that it sends.
        let few = facts
            .line_ends
            .as_ref()
            .is_none_or(|ends| ends.proper() < LINE_ENDS_BY_CHANCE);
        let is_announced_size = facts
            .sizes
            .announced
            .is_some_and(|(size, _)| is_size(facts, size));
        let as_text = !(unchanged || few && is_announced_size)
            && state.representation.data_type == Some(DataType::Ascii)
            && state.representation.transfer_mode == TransferMode::Stream
            && direction_of(state.verb) != TransferDirection::Listing;
        if as_text && let Some(media_type) = content.and_then(Content::binary_format) {
            self.push(DataTrouble::BinaryAsText {
                transfer: id,
                media_type,
            });
        }
    }

    fn push(&mut self, trouble: DataTrouble) {
        let troubles = &mut self.noted_mut().troubles;
        if troubles.len() < TROUBLES {
            troubles.push(trouble);
        }
    }

    fn noted_mut(&mut self) -> &mut Noted {
        self.noted.get_or_insert_default()
    }
}

impl Sightings {
    fn note(&mut self, frame: FrameRef, name: Option<&'static str>) {
        self.count += 1;
        self.first = self.first.or(name);
        if self.frames.len() < FRAMES {
            self.frames.push(frame.number);
        }
    }
}

/// Returns who ended the control connection first; `None` if neither FIN nor RST was captured.
fn control_end(control: &FlowSummary, client_way: Direction) -> Option<DataTrouble> {
    [client_way, client_way.reverse()]
        .into_iter()
        .flat_map(|way| {
            let half = control.sent(way);
            let fin = half.fin.map(|frame| (frame, false));
            let reset = half.irregular().rst.map(|frame| (frame, true));
            let by = if way == client_way {
                Opener::Client
            } else {
                Opener::Server
            };
            [fin, reset].into_iter().flatten().map(move |end| (end, by))
        })
        .min_by_key(|((frame, _), _)| frame.number)
        .map(|((frame, reset), by)| DataTrouble::ControlEnd {
            by,
            reset,
            frame: frame.number,
        })
}

/// Returns where the streams of a control connection begin; `None` if the handshake is not known.
fn control_starts(control: &FlowSummary, client_way: Direction) -> Option<DataTrouble> {
    let (client, server) = (control.sent(client_way), control.sent(client_way.reverse()));
    let unseen = match (client.segments, server.segments) {
        (0, _) => Some(Opener::Client),
        (_, 0) => Some(Opener::Server),
        _ => None,
    };
    Some(DataTrouble::ControlStarts {
        unseen,
        starts: [client.start?, server.start?],
    })
}

/// Returns the longest time in which the sender of a transfer sent nothing new, if it is a stall.
fn stall(shared: &Shared<'_>, subject: &Subject<'_>) -> Option<DataTrouble> {
    let Subject { state, channel, .. } = *subject;
    let way = payload_way(state.verb, channel.client_way());
    let summary = channel.summary();
    if !channel.is_over() && !summary.sent(way).finished {
        // Settled before its end, so that the summary is not the latest.
        return None;
    }
    let (sender, receiver) = (summary.sent(way), summary.sent(way.reverse()));
    let reset = summary
        .half
        .iter()
        .any(|half| half.irregular().rst.is_some());
    let end = if reset {
        Some(summary.last)
    } else if state.answer.is_none() && shared.recorded_since(summary.last) {
        // No final reply, and the capture went on without it.
        Some(FrameRef {
            time: shared.now().time,
            ..summary.last
        })
    } else {
        None
    };
    // Bytes that the capture lost were sent in the silence, or it did not begin where it seems to.
    let lossy = sender.measured.not_recorded() > 0 || receiver.measured.not_recorded() > 0;
    let first_data = sender.first_data.or(sender.fin).filter(|_| !lossy);
    let middle = sender
        .measured
        .longest_pause
        .map(|pause| (pause, StallPlace::Middle));
    let place_of_start = if first_data.is_some() {
        StallPlace::Start
    } else {
        StallPlace::End
    };
    let start = pause_before(
        subject.first_reply,
        summary,
        first_data.or(end).filter(|_| !lossy),
    )
    .map(|pause| (pause, place_of_start));
    let tail = end
        .filter(|_| sender.fin.is_none() && !lossy)
        .and_then(|end| {
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
        transfer: subject.id,
        sender: if way == channel.client_way() {
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

impl Watched<'_> {
    /// Returns the standstill that lasts at this moment: a pause of an open connection, or one that does not open. `None` if
    /// there is none, or nothing can be concluded.
    pub(crate) fn standstill(&self, shared: &Shared<'_>) -> Option<DataTrouble> {
        if self.channel.was_open() {
            return self.pause();
        }
        // Anybody may knock at a port: without a command only a peer of the session counts.
        let is_peer = matches!(
            self.channel.link().method,
            LinkMethod::AnnouncedAddress | LinkMethod::ControlPeer
        );
        if self.transfer.is_none() && !is_peer {
            return None;
        }
        let id = self.transfer.map(|(id, _)| id);
        let mut trouble = blocked(shared, id, self.mode, self.channel, self.announced);
        if let DataTrouble::Blocked { waited, .. } = &mut trouble {
            *waited = self.now.since(self.channel.summary().first.time);
        }
        Some(trouble)
    }

    /// Returns the time for which the sender has sent nothing new, unless an earlier pause of the transfer was longer.
    fn pause(&self) -> Option<DataTrouble> {
        let (id, state) = self.transfer?;
        let (channel, summary) = (self.channel, self.summary?);
        let way = payload_way(state.verb, channel.client_way());
        let (sender, receiver) = (summary.sent(way), summary.sent(way.reverse()));
        let has_ended = sender.fin.is_some()
            || summary
                .half
                .iter()
                .any(|half| half.irregular().rst.is_some());
        let lossy = sender.measured.not_recorded() > 0 || receiver.measured.not_recorded() > 0;
        // A key of another connection may have been used again.
        let is_other = summary.first.number != channel.summary().first.number;
        if has_ended || lossy || is_other || channel.is_over() || !channel.is_first_file() {
            return None;
        }
        let end = FrameRef {
            time: self.now,
            ..summary.last
        };
        let before_first = |first| pause_before(self.first_reply, summary, first);
        let (pause, earlier) = match sender.first_data {
            None => (before_first(Some(end))?, None),
            Some(first) => {
                let closed = receiver.measured.closed_until(end.time);
                let sent_again = sender.retransmitted_bytes;
                let pause = sender.measured.pause_until(end, sent_again, closed)?;
                let earlier = [before_first(Some(first)), sender.measured.longest_pause];
                (
                    pause,
                    earlier.into_iter().flatten().map(|one| one.length).max(),
                )
            }
        };
        // The report has the longest pause of a transfer.
        if pause.length < SHORTEST_STALL || Some(pause.length) <= earlier {
            return None;
        }
        let sender = if way == channel.client_way() {
            Opener::Client
        } else {
            Opener::Server
        };
        Some(DataTrouble::Stalled {
            transfer: id,
            sender,
            length: pause.length,
            receiver_closed: pause.receiver_closed,
            sent_again: pause.sent_again,
            place: StallPlace::Now,
            frames: [pause.first_frame.get(), pause.last_frame],
        })
    }
}

/// Returns the time from the 1yz reply, or from the opening of the data connection after it, to `first`.
fn pause_before(
    first_reply: Option<&Reply>,
    summary: &FlowSummary,
    first: Option<FrameRef>,
) -> Option<Pause> {
    let first = first?;
    let begun = first_reply.filter(|reply| reply.code < 200)?;
    let opened = summary.established?;
    let (time, frame) = (begun.time, begun.frame).max((opened.time, opened.number));
    Some(Pause {
        first_frame: NonZeroU64::new(frame)?,
        last_frame: first.number,
        length: first.time.since(time),
        sent_again: 0,
        receiver_closed: Span::default(),
    })
}

/// Describes a data connection that never opened.
fn blocked(
    shared: &Shared<'_>,
    transfer: Option<u64>,
    mode: Mode,
    channel: &DataChannel,
    announced: Option<Endpoint>,
) -> DataTrouble {
    let summary = channel.summary();
    let initiator = summary.initiator.unwrap_or(Direction::Up);
    let sent: &HalfSummary = summary.sent(initiator);
    DataTrouble::Blocked {
        transfer,
        mode,
        listener: announced.unwrap_or(channel.key().destination(initiator)),
        attempts: sent.segments,
        refused: summary
            .sent(initiator.reverse())
            .irregular()
            .rst
            .map(|frame| frame.number),
        unreachable: shared
            .network
            .unreachable
            .of(channel.key(), summary.first.number),
        waited: shared.now().time.since(summary.first.time),
        first_frame: summary.first.number,
    }
}

/// Line feeds after CR from which on that is no chance in binary content: each is one of 256.
const LINE_ENDS_BY_CHANCE: u64 = 3;

/// Returns the size that a whole file contradicts, and its place: the announced size, or an exact one stated elsewhere.
fn wrong_size(facts: &Facts) -> Option<(u64, String)> {
    let confirmed = facts
        .answer
        .as_ref()
        .is_some_and(|(code, ..)| (200..300).contains(code));
    let fin = facts.ends.sender_fin?;
    let whole = facts.missing == 0
        && facts.start_known
        && facts.abor.is_none()
        && facts
            .ends
            .receiver_end
            .is_none_or(|end| end.number > fin.number);
    if !(facts.sizes.size_counts && confirmed && whole) {
        return None;
    }
    let (stated, place) = match facts.sizes.announced {
        Some((bytes, place)) => (bytes, place.to_owned()),
        None => facts
            .sizes
            .stated
            .iter()
            .find(|stated| stated.weight == Weight::Whole && !is_size(facts, stated.bytes))
            .map(|stated| (stated.bytes, stated.place.clone()))?,
    };
    // Some servers say 0 if they do not know.
    (stated > 0 && !is_size(facts, stated)).then_some((stated, place))
}

/// Returns whether the bytes have a stated size. After REST some servers state the whole file, some the rest.
const fn is_size(facts: &Facts, stated: u64) -> bool {
    facts.bytes == stated || facts.bytes == stated.saturating_sub(facts.sizes.restart)
}

/// Troubles kept of one session: more than findings are kept.
const TROUBLES: usize = 4096;

/// Frames kept of one kind of anomaly.
const FRAMES: usize = 8;

/// All rules about the form of lines, in the order of [`LineRule`].
const LINE_RULES: [LineRule; 5] = [
    LineRule::NoCode,
    LineRule::WrongEnd,
    LineRule::CodeForm,
    LineRule::ReplyLineEnd,
    LineRule::CommandLineEnd,
];

/// Findings of one kind that are emitted before the end of their session.
const EMITTED_OF_A_KIND: u32 = 5;

/// Latest anomalies searched for those of one transfer, which has few.
const LATEST: usize = 32;

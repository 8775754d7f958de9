//! Arrows of the control connection's segments: opening, closing, acknowledgements, and replies that span segments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::arrow::{Arrows, At, Draft, Effect};
use super::captions;
use super::captions::{
    command_label, flag_label, header_fields, is_ack, lanes, levels, reply_lines, segment_label,
};
use super::model::{Channel, Levels};
use crate::model::record::{Address, Command, Reply, Session, Step, StepKind};
use crate::model::trace::{Novelty, TracedConnection, TracedSegment};
use crate::model::{Direction, Endpoint, FrameRef};
use crate::report::units;

/// Replies that span several segments.
///
/// At packet detail they are drawn segment by segment, each labelled with the lines that it completed.
#[derive(Debug, Default)]
pub(super) struct ReplyParts {
    /// Frames of their last segments.
    ends: BTreeSet<u64>,
    /// Labels by the frame of the segment.
    labels: BTreeMap<u64, String>,
}

/// Control connection of a session, as the source of arrows.
pub(super) struct Control<'a> {
    session: &'a Session,
    connection: &'a TracedConnection,
    from_server: Direction,
    /// First message of each frame, in order of frames.
    messages: Vec<(u64, FirstMessage<'a>)>,
    /// Frame of the first transmission, by the frame of the retransmission.
    first_transmissions: BTreeMap<u64, u64>,
    /// Number of the connect step; `None` if the capture began later.
    connect: Option<u64>,
    /// Number of the disconnect step; `None` if the capture ended earlier.
    disconnect: Option<u64>,
    /// Start of TLS; `None` for sessions in cleartext.
    handshake: Option<Handshake<'a>>,
}

/// Start of TLS.
#[derive(Clone, Copy)]
enum Handshake<'a> {
    /// Implicit TLS, which begins in this frame.
    Implicit(&'a Step, FrameRef),
    /// TLS behind the reply that accepts AUTH. Only packet detail has the frames of its hellos.
    Explicit(&'a Step, &'a Reply),
}

/// Arrow of a control connection.
#[derive(Clone, Copy)]
pub(super) enum ControlArrow<'a> {
    /// Start of TLS.
    Handshake,
    /// Segment of a reply that spans several.
    Part(&'a TracedSegment),
    Segment(&'a TracedSegment),
    /// First SYN.
    Opening(&'a TracedSegment),
    /// First FIN or RST.
    Closing(&'a TracedSegment),
}

/// First message of a frame, which labels its retransmissions.
#[derive(Clone, Copy)]
enum FirstMessage<'a> {
    Reply(&'a Reply),
    Command(&'a Command),
}

impl ReplyParts {
    /// Finds the replies that span several segments.
    pub(super) fn find(session: &Session, control: &TracedConnection) -> Self {
        let ends = replies(session);
        let from_server = server_direction(session, control);
        let mut parts = Self::default();
        let mut pending: Vec<&TracedSegment> = Vec::new();
        for segment in &control.segments {
            let carries = segment.bytes > 0
                && segment.direction == from_server
                && matches!(segment.novelty, Novelty::New | Novelty::Late);
            if !carries {
                continue;
            }
            pending.push(segment);
            let number = segment.frame.number;
            let replies = replies_in_frame(&ends, number);
            if !replies.is_empty() {
                // Two replies that end in one frame cannot be distinguished by their lengths.
                if let ([(_, reply)], true) = (replies, pending.len() > 1)
                    && let Some(labels) = split(reply, &pending)
                {
                    parts.ends.insert(number);
                    parts.labels.extend(labels);
                }
                pending.clear();
            }
            // Encrypted segments never end a reply: do not collect all of them.
            if pending.len() > MAX_PARTS {
                pending.clear();
            }
        }
        parts
    }

    /// Returns the levels of a reply's own arrow: without packet detail if its segments have arrows there.
    pub(super) fn levels(&self, reply: &Reply) -> Levels {
        if self.ends.contains(&reply.frame) {
            Levels::MESSAGES
        } else {
            Levels::FINE
        }
    }
}

impl<'a> Control<'a> {
    /// Plans the arrows of segments without a message, and of replies that span several.
    pub(super) fn plan(
        session: &'a Session,
        connection: &'a TracedConnection,
        parts: &ReplyParts,
        arrows: &mut Arrows<impl From<ControlArrow<'a>>>,
    ) -> Self {
        let mut control = Self {
            session,
            connection,
            from_server: server_direction(session, connection),
            messages: first_messages(session),
            first_transmissions: BTreeMap::new(),
            connect: step_number(session, StepKind::Connect),
            disconnect: step_number(session, StepKind::Disconnect),
            handshake: find_handshake(session, connection),
        };
        if let Some(handshake) = control.handshake {
            let frame = match handshake {
                Handshake::Implicit(_, first) => first.number,
                Handshake::Explicit(_, reply) => reply.frame,
            };
            let source = ControlArrow::Handshake;
            arrows.push((frame, HANDSHAKE), Levels::MESSAGES, false, source);
        }
        control.plan_segments(parts, arrows);
        control
    }

    fn plan_segments(
        &mut self,
        parts: &ReplyParts,
        arrows: &mut Arrows<impl From<ControlArrow<'a>>>,
    ) {
        let key = |segment: &TracedSegment| (segment.direction.index(), segment.sequence);
        let segments = &self.connection.segments;
        let repeats =
            |segment: &&TracedSegment| segment.novelty == Novelty::Again && segment.bytes > 0;
        let repeated: BTreeSet<_> = segments.iter().filter(repeats).map(key).collect();
        // Frame that first carried a sequence number, kept only for those that are retransmitted.
        let mut first_sent: BTreeMap<(usize, u32), u64> = BTreeMap::new();
        let mut opened = false;
        let mut closing = false;
        for segment in segments {
            let number = segment.frame.number;
            let is_part = parts.labels.contains_key(&number);
            let is_message = is_part || self.message(number).is_some();
            let closes = segment.flags.fin || segment.flags.rst;
            if segment.bytes > 0 && is_message && segment.novelty != Novelty::Again {
                if repeated.contains(&key(segment)) {
                    first_sent.insert(key(segment), number);
                }
                if is_part {
                    let source = ControlArrow::Part(segment);
                    arrows.push((number, PART), Levels::PACKETS, false, source);
                }
                // The message itself has an arrow already; a FIN in the same segment needs its own.
                if !closes {
                    continue;
                }
            }
            if repeats(&segment)
                && let Some(first) = first_sent.get(&key(segment))
            {
                self.first_transmissions.insert(number, *first);
            }
            let mut arrow = ControlArrow::Segment(segment);
            let mut heading = false;
            // Only the first SYN begins the step: the others are retransmissions, or the answer.
            if segment.flags.syn && !opened {
                opened = true;
                arrow = ControlArrow::Opening(segment);
            } else if closes && !closing {
                closing = true;
                heading = true;
                arrow = ControlArrow::Closing(segment);
            }
            let levels = levels(segment.flags.syn || closes);
            arrows.push((number, SEGMENT), levels, heading, arrow);
        }
    }

    /// Returns whether all segments were traced, and not only those that open and close the connection.
    pub(super) fn has_packets(&self) -> bool {
        self.connection.segments.iter().any(|segment| {
            let flags = segment.flags;
            !(flags.syn || flags.fin || flags.rst)
        })
    }

    /// Makes an arrow; `None` for a handshake that was not found.
    pub(super) fn draft(&self, arrow: ControlArrow<'a>, parts: &ReplyParts) -> Option<Draft> {
        Some(match arrow {
            ControlArrow::Handshake => self.handshake_draft()?,
            ControlArrow::Part(segment) => self.part(segment, parts),
            ControlArrow::Segment(segment) => self.segment(segment, parts),
            ControlArrow::Opening(segment) => Draft {
                step: self.connect,
                ..self.segment(segment, parts)
            },
            ControlArrow::Closing(segment) => Draft {
                step: self.disconnect,
                part: Some("control connection is released"),
                ..self.segment(segment, parts)
            },
        })
    }

    fn part(&self, segment: &TracedSegment, parts: &ReplyParts) -> Draft {
        let server_sends = segment.direction == self.from_server;
        let label = parts.labels.get(&segment.frame.number);
        let label = label.map_or("", String::as_str);
        Draft {
            fields: header_fields(segment, self.connection),
            caption: captions::part(label),
            ..Draft::new(
                segment.frame,
                lanes(server_sends, Channel::Control),
                Levels::PACKETS,
                label.to_owned(),
            )
        }
    }

    fn segment(&self, segment: &TracedSegment, parts: &ReplyParts) -> Draft {
        let number = segment.frame.number;
        let server_sends = segment.direction == self.from_server;
        let is_message = parts.labels.contains_key(&number) || self.message(number).is_some();
        let is_partial = segment.bytes > 0 && !is_message;
        let first = self.first_transmissions.get(&number);
        let label = match first.and_then(|first| self.label(*first, parts)) {
            Some(label) => format!("{label} (retransmission)"),
            // In a session with TLS, bytes without a message are ciphertext.
            None if is_partial && self.session.tls.is_some() => segment_label(segment, "TLS"),
            None if is_partial && server_sends => segment_label(segment, "part of a reply"),
            None if is_partial => segment_label(segment, "part of a command"),
            None => flag_label(segment),
        };
        let flags = segment.flags;
        Draft {
            caption: captions::control_segment(segment, server_sends, self.session.server.port),
            fields: header_fields(segment, self.connection),
            is_ack: is_ack(segment),
            failed: flags.rst,
            ..Draft::new(
                segment.frame,
                lanes(server_sends, Channel::Control),
                levels(flags.syn || flags.fin || flags.rst),
                label,
            )
        }
    }

    fn handshake_draft(&self) -> Option<Draft> {
        let (step, at, label) = match self.handshake? {
            Handshake::Implicit(step, first) => (step, first.into(), step.title.clone()),
            Handshake::Explicit(step, reply) => {
                let (_, facts) = step.title.split_once(": ")?;
                let label = format!("TLS handshake: {facts}");
                (step, At::from((0, reply.time)), label)
            }
        };
        Some(Draft {
            step: Some(step.number),
            caption: captions::handshake(
                self.session.tls.as_ref().is_some_and(|tls| tls.decrypted),
            ),
            effects: vec![Effect::Encrypted(true)],
            ..Draft::new(at, lanes(false, Channel::Control), Levels::MESSAGES, label)
        })
    }

    /// Returns the first message of a frame; `None` if no message ends in it.
    fn message(&self, frame: u64) -> Option<FirstMessage<'a>> {
        let index = self
            .messages
            .binary_search_by_key(&frame, |(frame, _)| *frame);
        let found = index.ok().and_then(|index| self.messages.get(index));
        found.map(|(_, message)| *message)
    }

    /// Returns the label of the first message of a frame; `None` if no message ends in it.
    fn label(&self, frame: u64, parts: &ReplyParts) -> Option<String> {
        if let Some(label) = parts.labels.get(&frame) {
            return Some(label.clone());
        }
        Some(match self.message(frame)? {
            FirstMessage::Reply(reply) => {
                let mut lines = reply_lines(reply).into_iter();
                lines.next().unwrap_or_default()
            }
            FirstMessage::Command(command) => command_label(command),
        })
    }
}

/// Finds the start of TLS: the first bytes of the client where it is implicit, else the last AUTH that was accepted and
/// followed by a hello of the server. `None` if there is none.
fn find_handshake<'a>(session: &'a Session, control: &TracedConnection) -> Option<Handshake<'a>> {
    let of_tls = |step: &&Arc<Step>| step.kind == StepKind::Tls;
    let steps = session.steps.iter().filter(of_tls);
    if let Some(step) = steps.clone().find(|step| step.commands.is_empty()) {
        let from_client = server_direction(session, control).reverse();
        let first = control.payload[from_client.index()].first?;
        return Some(Handshake::Implicit(step, first));
    }
    session.tls.as_ref()?.version.as_ref()?;
    steps.rev().find_map(|step| {
        let auth = step
            .commands
            .iter()
            .rfind(|command| command.verb == "AUTH")?;
        let reply = auth.replies.iter().rfind(|reply| reply.code == 234)?;
        Some(Handshake::Explicit(step, reply))
    })
}

/// Returns all replies of a session by the frame in which they end, sorted.
fn replies(session: &Session) -> Vec<(u64, &Reply)> {
    let greeting = session.greeting.iter();
    let answered = session.steps.iter().flat_map(|step| &step.commands);
    let all = greeting
        .flat_map(|greeting| greeting.preliminary.iter().chain([greeting]))
        .chain(answered.flat_map(|command| &command.replies))
        .chain(&session.unsolicited_replies);
    let mut replies: Vec<_> = all.map(|reply| (reply.frame, reply)).collect();
    replies.sort_by_key(|(frame, _)| *frame);
    replies
}

/// Returns the replies that end in a frame.
fn replies_in_frame<'r, 'a>(replies: &'r [(u64, &'a Reply)], frame: u64) -> &'r [(u64, &'a Reply)] {
    let start = replies.partition_point(|(at, _)| *at < frame);
    let rest = replies.get(start..).unwrap_or_default();
    let end = rest.iter().take_while(|(at, _)| *at == frame).count();
    rest.get(..end).unwrap_or_default()
}

/// Returns the first message of each frame, replies before commands.
fn first_messages(session: &Session) -> Vec<(u64, FirstMessage<'_>)> {
    let replies = replies(session).into_iter();
    let replies = replies.map(|(frame, reply)| (frame, FirstMessage::Reply(reply)));
    let commands = session.steps.iter().flat_map(|step| &step.commands);
    let commands = commands.map(|command| (command.frame, FirstMessage::Command(command)));
    let mut messages: Vec<_> = replies.chain(commands).collect();
    // The sort is stable and dedup keeps the first of equals: a reply, if the frame has both.
    messages.sort_by_key(|(frame, _)| *frame);
    messages.dedup_by_key(|(frame, _)| *frame);
    messages
}

/// Assigns the lines of a reply to its segments; `None` if the lengths do not add up.
///
/// The record holds lines without their line ends: CR LF is assumed, and the sum is the proof.
fn split(reply: &Reply, segments: &[&TracedSegment]) -> Option<Vec<(u64, String)>> {
    let lines = reply_lines(reply);
    let sent: u64 = segments
        .iter()
        .map(|segment| u64::from(segment.bytes))
        .sum();
    let mut ends = Vec::new();
    let mut length: u64 = 0;
    for line in &lines {
        length += units::to_u64(line.len()) + LINE_END;
        ends.push(length);
    }
    // Lines with undecodable bytes have another length in the record than on the wire.
    if length != sent || reply.lines_b64.is_some() {
        return None;
    }
    let mut from = 0;
    let mut parts = Vec::new();
    for segment in segments {
        let to = from + u64::from(segment.bytes);
        let within: Vec<&str> = lines
            .iter()
            .zip(&ends)
            .filter(|(_, end)| **end > from && **end <= to)
            .map(|(line, _)| line.as_str())
            .collect();
        let label = match within.as_slice() {
            [] => "part of a reply".to_owned(),
            [line] => (*line).to_owned(),
            [first, .., last] => format!("{first} … {last}"),
        };
        parts.push((segment.frame.number, label));
        from = to;
    }
    Some(parts)
}

/// Returns the number of the first step of a kind; `None` without one.
fn step_number(session: &Session, kind: StepKind) -> Option<u64> {
    let step = session.steps.iter().find(|step| step.kind == kind);
    step.map(|step| step.number)
}

/// Returns the direction in which the server sends.
fn server_direction(session: &Session, control: &TracedConnection) -> Direction {
    let server = Endpoint::from(Address {
        ip: session.server.ip,
        port: session.server.port,
    });
    control
        .key
        .direction_from(server)
        .unwrap_or(Direction::Down)
}

/// Order of a reply's segments among the arrows of one frame: before messages, which have 1.
const PART: u8 = 0;
/// Order of the start of TLS.
const HANDSHAKE: u8 = 2;
/// Order of other segments.
const SEGMENT: u8 = 3;
/// Length of CR LF.
const LINE_END: u64 = 2;
/// Limit of the segments searched for the end of one reply.
const MAX_PARTS: usize = 4096;

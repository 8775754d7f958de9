//! The control connection segment by segment: how it opens and closes, its acknowledgements, replies in parts.

use std::collections::{BTreeMap, BTreeSet};

use super::arrows::Arrows;
use super::captions;
use super::draft::Draft;
use super::labels::{command_label, reply_lines};
use super::model::{Channel, Levels};
use super::segments::{at, fields, flag_label, is_ack, lanes, levels, segment_label};
use super::state::Effect;
use crate::model::record::{Address, Command, Reply, Session, Step, StepKind};
use crate::model::trace::{Novelty, TracedConnection, TracedSegment};
use crate::model::{Direction, Endpoint, FrameRef};
use crate::report::units;

/// Replies that came in several segments.
#[derive(Debug, Default)]
pub(super) struct ReplyParts {
    /// Frames of their ends.
    ends: BTreeSet<u64>,
    /// What each segment brought, by its frame.
    labels: BTreeMap<u64, String>,
}

/// The arrows of a control connection.
pub(super) struct Control<'a> {
    session: &'a Session,
    connection: &'a TracedConnection,
    from_server: Direction,
    /// The first message of each frame.
    messages: Vec<(u64, Said<'a>)>,
    /// Frames of segments that were sent again, each with the frame of what they were first sent with.
    again: BTreeMap<u64, u64>,
    connect: Option<u64>,
    disconnect: Option<u64>,
    handshake: Option<(&'a Step, FrameRef)>,
}

/// One arrow of a control connection.
#[derive(Clone, Copy)]
pub(super) enum ControlArrow<'a> {
    /// The beginning of TLS that no command asked for.
    Handshake,
    /// A segment of a reply that came in several.
    Part(&'a TracedSegment),
    Segment(&'a TracedSegment),
    /// The segment that opens it.
    Opening(&'a TracedSegment),
    /// The segment that is the first to close it.
    Closing(&'a TracedSegment),
}

/// A message as its first line tells it.
#[derive(Clone, Copy)]
enum Said<'a> {
    Reply(&'a Reply),
    Command(&'a Command),
}

impl ReplyParts {
    /// Finds the replies that came in several segments.
    pub(super) fn of(session: &Session, control: &TracedConnection) -> Self {
        let ends = replies(session);
        let way = server_way(session, control);
        let mut parts = Self::default();
        let mut pending: Vec<&TracedSegment> = Vec::new();
        for segment in &control.segments {
            let carries = segment.bytes > 0
                && segment.direction == way
                && matches!(segment.novelty, Novelty::New | Novelty::Late);
            if !carries {
                continue;
            }
            pending.push(segment);
            let number = segment.frame.number;
            let replies = of_frame(&ends, number);
            if !replies.is_empty() {
                if let ([(_, reply)], true) = (replies, pending.len() > 1)
                    && let Some(labels) = split(reply, &pending)
                {
                    parts.ends.insert(number);
                    parts.labels.extend(labels);
                }
                pending.clear();
            }
            if pending.len() > PARTS {
                pending.clear();
            }
        }
        parts
    }

    /// At which details a reply has an arrow of its own: at packets its parts have theirs.
    pub(super) fn levels(&self, reply: &Reply) -> Levels {
        if self.ends.contains(&reply.frame) {
            Levels::MESSAGES
        } else {
            Levels::FINE
        }
    }
}

impl<'a> Control<'a> {
    /// Plans the arrows that are no messages, and segments of those that came in several.
    pub(super) fn plan(
        session: &'a Session,
        connection: &'a TracedConnection,
        parts: &ReplyParts,
        arrows: &mut Arrows<impl From<ControlArrow<'a>>>,
    ) -> Self {
        let mut control = Self {
            session,
            connection,
            from_server: server_way(session, connection),
            messages: first_messages(session),
            again: BTreeMap::new(),
            connect: step_number(session, StepKind::Connect),
            disconnect: step_number(session, StepKind::Disconnect),
            handshake: handshake(session, connection),
        };
        if let Some((_, first)) = control.handshake {
            let source = ControlArrow::Handshake;
            arrows.push((first.number, 2), Levels::MESSAGES, false, source);
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
        // What a number was first sent with: to name what is sent again.
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
                    arrows.push((number, 0), Levels::PACKETS, false, source);
                }
                if !closes {
                    continue;
                }
            }
            if repeats(&segment)
                && let Some(first) = first_sent.get(&key(segment))
            {
                self.again.insert(number, *first);
            }
            let mut arrow = ControlArrow::Segment(segment);
            let mut heading = false;
            if segment.flags.syn && !opened {
                opened = true;
                arrow = ControlArrow::Opening(segment);
            } else if closes && !closing {
                closing = true;
                heading = true;
                arrow = ControlArrow::Closing(segment);
            }
            let levels = levels(segment.flags.syn || closes);
            arrows.push((number, ORDER), levels, heading, arrow);
        }
    }

    /// Whether there are segments that neither open nor close it.
    pub(super) fn has_packets(&self) -> bool {
        self.connection.segments.iter().any(|segment| {
            let flags = segment.flags;
            !(flags.syn || flags.fin || flags.rst)
        })
    }

    /// Makes an arrow.
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
            fields: fields(segment, self.connection),
            caption: captions::part(label),
            ..Draft::new(
                at(segment),
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
        let is_bare = segment.bytes > 0 && !is_message;
        let again = self.again.get(&number);
        let again = again.and_then(|first| self.label(*first, parts));
        let label = match again {
            Some(label) => format!("{label} (retransmission)"),
            None if is_bare && self.session.tls.is_some() => segment_label(segment, "TLS"),
            None if is_bare && server_sends => segment_label(segment, "part of a reply"),
            None if is_bare => segment_label(segment, "part of a command"),
            None => flag_label(segment),
        };
        let flags = segment.flags;
        Draft {
            caption: captions::control_segment(segment, server_sends, self.session.server.port),
            fields: fields(segment, self.connection),
            is_ack: is_ack(segment),
            failed: flags.rst,
            ..Draft::new(
                at(segment),
                lanes(server_sends, Channel::Control),
                levels(flags.syn || flags.fin || flags.rst),
                label,
            )
        }
    }

    fn handshake_draft(&self) -> Option<Draft> {
        let (step, first) = self.handshake?;
        Some(Draft {
            step: Some(step.number),
            caption: captions::handshake(),
            effects: vec![Effect::Encrypted(true)],
            ..Draft::new(
                (first.number, first.time),
                lanes(false, Channel::Control),
                Levels::MESSAGES,
                step.title.clone(),
            )
        })
    }

    fn message(&self, frame: u64) -> Option<Said<'a>> {
        let place = self
            .messages
            .binary_search_by_key(&frame, |(frame, _)| *frame);
        let found = place.ok().and_then(|place| self.messages.get(place));
        found.map(|(_, said)| *said)
    }

    /// What stands on the first message of a frame.
    fn label(&self, frame: u64, parts: &ReplyParts) -> Option<String> {
        if let Some(label) = parts.labels.get(&frame) {
            return Some(label.clone());
        }
        Some(match self.message(frame)? {
            Said::Reply(reply) => {
                let mut lines = reply_lines(reply).into_iter();
                lines.next().unwrap_or_default()
            }
            Said::Command(command) => command_label(command),
        })
    }
}

/// TLS that no command asked for begins with the first bytes of the client.
fn handshake<'a>(session: &'a Session, control: &TracedConnection) -> Option<(&'a Step, FrameRef)> {
    let mut steps = session.steps.iter();
    let step = steps.find(|step| step.kind == StepKind::Tls && step.commands.is_empty())?;
    let from_client = server_way(session, control).reverse();
    Some((step, control.payload[from_client.index()].first?))
}

/// Replies by the frame of their end.
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

/// Those of one frame.
fn of_frame<'r, 'a>(replies: &'r [(u64, &'a Reply)], frame: u64) -> &'r [(u64, &'a Reply)] {
    let start = replies.partition_point(|(at, _)| *at < frame);
    let rest = replies.get(start..).unwrap_or_default();
    let end = rest.iter().take_while(|(at, _)| *at == frame).count();
    rest.get(..end).unwrap_or_default()
}

/// The first message of each frame, replies before commands.
fn first_messages(session: &Session) -> Vec<(u64, Said<'_>)> {
    let replies = replies(session).into_iter();
    let replies = replies.map(|(frame, reply)| (frame, Said::Reply(reply)));
    let commands = session.steps.iter().flat_map(|step| &step.commands);
    let commands = commands.map(|command| (command.frame, Said::Command(command)));
    let mut messages: Vec<_> = replies.chain(commands).collect();
    messages.sort_by_key(|(frame, _)| *frame);
    messages.dedup_by_key(|(frame, _)| *frame);
    messages
}

/// Which line of a reply came in which segment; `None` where the lengths do not tell.
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

fn step_number(session: &Session, kind: StepKind) -> Option<u64> {
    let step = session.steps.iter().find(|step| step.kind == kind);
    step.map(|step| step.number)
}

fn server_way(session: &Session, control: &TracedConnection) -> Direction {
    let server = Endpoint::from(Address {
        ip: session.server.ip,
        port: session.server.port,
    });
    control
        .key
        .direction_from(server)
        .unwrap_or(Direction::Down)
}

/// Place of segments among what has the same frame.
const ORDER: u8 = 3;
/// CR LF.
const LINE_END: u64 = 2;
/// Segments in which one reply is looked for.
const PARTS: usize = 4096;

//! The control connection segment by segment: how it opens and closes, its acknowledgements, replies in parts.

use std::collections::BTreeMap;

use super::captions;
use super::draft::Draft;
use super::labels::{command_label, reply_lines};
use super::model::{Channel, Levels};
use super::segments::{at, fields, flag_label, is_ack, lanes, levels, segment_label};
use super::state::Effect;
use crate::model::record::{Address, Reply, Session, StepKind};
use crate::model::trace::{Novelty, TracedConnection, TracedSegment};
use crate::model::{Direction, Endpoint};
use crate::report::units;

/// Replies that came in several segments: the frame of their end, and what each segment brought.
pub(super) type ReplyParts = BTreeMap<u64, Vec<(u64, String)>>;

/// Finds the replies that came in several segments.
pub(super) fn reply_parts(session: &Session, control: &TracedConnection) -> ReplyParts {
    let ends = replies(session);
    let way = server_way(session, control);
    let mut parts = ReplyParts::new();
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
        if let Some(replies) = ends.get(&number) {
            if let ([reply], true) = (replies.as_slice(), pending.len() > 1)
                && let Some(labels) = split(reply, &pending)
            {
                parts.insert(number, labels);
            }
            pending.clear();
        }
        if pending.len() > PARTS {
            pending.clear();
        }
    }
    parts
}

/// Rows of the control connection that are no messages, and segments of those that came in several.
pub(super) fn drafts(
    session: &Session,
    control: &TracedConnection,
    parts: &ReplyParts,
    drafts: &mut Vec<Draft>,
) {
    let labels = labels(session);
    let part_labels: BTreeMap<u64, &str> = parts
        .values()
        .flatten()
        .map(|(frame, label)| (*frame, label.as_str()))
        .collect();
    let from_server = server_way(session, control);
    let step_of = |kind| step_number(session, kind);
    let encrypted = session.tls.is_some();
    // What a number was first sent with: to name what is sent again.
    let mut first_sent: BTreeMap<(usize, u32), &str> = BTreeMap::new();
    drafts.extend(handshake(session, control));
    let mut opened = false;
    let mut closing = false;
    for segment in &control.segments {
        let number = segment.frame.number;
        let server_sends = segment.direction == from_server;
        let lanes = lanes(server_sends, Channel::Control);
        let whole = || labels.get(&number).map(String::as_str);
        let message = part_labels.get(&number).copied().or_else(whole);
        if segment.bytes > 0
            && let Some(label) = message
            && segment.novelty != Novelty::Again
        {
            let key = (segment.direction.index(), segment.sequence);
            first_sent.insert(key, label);
            let is_part = part_labels.contains_key(&number);
            if is_part {
                drafts.push(Draft {
                    order: 0,
                    fields: fields(segment, control),
                    caption: captions::part(label),
                    ..Draft::new(at(segment), lanes, Levels::PACKETS, label.to_owned())
                });
            }
            if !(segment.flags.fin || segment.flags.rst) {
                continue;
            }
        }
        let is_bare = segment.bytes > 0 && message.is_none();
        let again = first_sent.get(&(segment.direction.index(), segment.sequence));
        let label = match again {
            Some(label) if segment.novelty == Novelty::Again && segment.bytes > 0 => {
                format!("{label} (retransmission)")
            }
            _ if is_bare && encrypted => segment_label(segment, "TLS"),
            _ if is_bare && server_sends => segment_label(segment, "part of a reply"),
            _ if is_bare => segment_label(segment, "part of a command"),
            _ => flag_label(segment),
        };
        let opens_or_closes = segment.flags.syn || segment.flags.fin || segment.flags.rst;
        let mut draft = Draft {
            order: 3,
            caption: captions::control_segment(segment, server_sends, session.server.port),
            fields: fields(segment, control),
            is_ack: is_ack(segment),
            failed: segment.flags.rst,
            ..Draft::new(at(segment), lanes, levels(opens_or_closes), label)
        };
        if segment.flags.syn && !opened {
            opened = true;
            draft.step = step_of(StepKind::Connect);
        } else if (segment.flags.fin || segment.flags.rst) && !closing {
            closing = true;
            draft.step = step_of(StepKind::Disconnect);
            draft.part = Some("control connection is released");
        }
        drafts.push(draft);
    }
}

/// TLS that no command asked for begins with the first bytes of the client.
fn handshake(session: &Session, control: &TracedConnection) -> Option<Draft> {
    let mut steps = session.steps.iter();
    let step = steps.find(|step| step.kind == StepKind::Tls && step.commands.is_empty())?;
    let from_client = server_way(session, control).reverse();
    let first = control.payload[from_client.index()].first?;
    Some(Draft {
        order: 2,
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

/// Replies by the frame of their end.
fn replies(session: &Session) -> BTreeMap<u64, Vec<&Reply>> {
    let mut replies: BTreeMap<u64, Vec<&Reply>> = BTreeMap::new();
    let greeting = session.greeting.iter();
    let answered = session.steps.iter().flat_map(|step| &step.commands);
    let all = greeting
        .flat_map(|greeting| greeting.preliminary.iter().chain([greeting]))
        .chain(answered.flat_map(|command| &command.replies))
        .chain(&session.unsolicited_replies);
    for reply in all {
        replies.entry(reply.frame).or_default().push(reply);
    }
    replies
}

/// What stands on the first message of each frame.
fn labels(session: &Session) -> BTreeMap<u64, String> {
    let mut labels = BTreeMap::new();
    for (frame, replies) in replies(session) {
        if let Some(line) = replies.first().map(|reply| reply_lines(reply)) {
            labels.insert(frame, line.into_iter().next().unwrap_or_default());
        }
    }
    for command in session.steps.iter().flat_map(|step| &step.commands) {
        let label = || command_label(command);
        labels.entry(command.frame).or_insert_with(label);
    }
    labels
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

/// CR LF.
const LINE_END: u64 = 2;
/// Segments in which one reply is looked for.
const PARTS: usize = 4096;

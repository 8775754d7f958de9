//! Connections segment by segment: how they open and close, their acknowledgements, and the data.

use std::collections::BTreeMap;

use super::build::Draft;
use super::model::{Channel, Lane, Levels};
use super::recorder::Recorder;
use super::state::Effect;
use super::{captions, messages};
use crate::model::record::{
    Address, Connection, EncryptedConnection, Opener, Reply, Session, Step, StepKind, Transfer,
    TransferDirection,
};
use crate::model::trace::{Folded, Novelty, TracedConnection, TracedSegment};
use crate::model::{Direction, Endpoint, Span};
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
pub(super) fn control(
    session: &Session,
    control: &TracedConnection,
    parts: &ReplyParts,
) -> Vec<Draft> {
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
    let mut drafts = Vec::new();
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
    drafts
}

/// Rows of the data connections. Returns how many segments were not kept.
pub(super) fn data(session: &Session, recorder: &Recorder, drafts: &mut Vec<Draft>) -> u64 {
    let mut omitted = 0;
    let made = session.steps.iter();
    let steps: BTreeMap<u64, &Step> = made
        .filter_map(|step| Some((step.transfer?, step.as_ref())))
        .collect();
    for transfer in &session.transfers {
        let step = steps.get(&transfer.id).copied();
        let Some(connection) = &transfer.connection else {
            let later = steps.range(transfer.id.saturating_add(1)..);
            let next = later.map(|(_, step)| *step).next();
            unanswered(recorder, transfer, step, next, drafts);
            continue;
        };
        let bytes = match transfer.direction {
            TransferDirection::Upload => [transfer.bytes, 0],
            TransferDirection::Download | TransferDirection::Listing => [0, transfer.bytes],
        };
        let name = transfer.name.as_deref().unwrap_or(&transfer.verb);
        let what = DataConnection {
            connection,
            name,
            bytes,
            step,
        };
        omitted += what.draw(recorder, drafts);
    }
    for encrypted in &session.encrypted_data {
        let EncryptedConnection {
            connection,
            bytes_from_client,
            bytes_from_server,
            ..
        } = encrypted;
        let what = DataConnection {
            connection,
            name: "encrypted data",
            bytes: [*bytes_from_client, *bytes_from_server],
            step: None,
        };
        omitted += what.draw(recorder, drafts);
    }
    omitted
}

/// A duration in seconds, as the report has it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float to integer cast saturates"
)]
pub(super) fn span(seconds: f64) -> Span {
    Span::from_nanos((seconds * 1e9) as i64)
}

/// A data connection of the report.
struct DataConnection<'a> {
    connection: &'a Connection,
    name: &'a str,
    /// From the client, from the server.
    bytes: [u64; 2],
    step: Option<&'a Step>,
}

impl DataConnection<'_> {
    fn draw(&self, recorder: &Recorder, drafts: &mut Vec<Draft>) -> u64 {
        let connection = self.connection;
        let ports = format!("{} ↔ {}", connection.server.port, connection.client.port);
        let Some(traced) = recorder.data(connection.first_frame) else {
            self.untraced(&ports, drafts);
            return 0;
        };
        let client = Endpoint::from(connection.client);
        let client_way = traced.key.direction_from(client).unwrap_or(Direction::Up);
        let step = self.step.map(|step| step.number);
        let mut is_first = true;
        let mut closing = false;
        let mut data_seen = false;
        for segment in &traced.segments {
            let server_sends = segment.direction != client_way;
            let lanes = lanes(server_sends, Channel::Data);
            let flags = segment.flags;
            let closes = flags.fin || flags.rst;
            let mut draft = Draft {
                order: 3,
                caption: captions::data_segment(segment, server_sends, self.name),
                fields: fields(segment, traced),
                is_ack: is_ack(segment),
                failed: flags.rst,
                ..Draft::new(
                    at(segment),
                    lanes,
                    levels(flags.syn || (closes && segment.bytes == 0)),
                    flag_label(segment),
                )
            };
            if is_first {
                is_first = false;
                draft.step = step;
                draft.effects.push(Effect::Open(ports.clone()));
                draft.part = flags.syn.then_some("data connection opens");
            }
            if segment.bytes > 0 {
                draft.label = segment_label(segment, "DATA");
                if !data_seen {
                    data_seen = true;
                    draft.part = Some("contents");
                }
                if matches!(segment.novelty, Novelty::New | Novelty::Late) {
                    draft.effects.push(Effect::Bytes(segment.bytes.into()));
                }
            }
            if closes && !closing {
                closing = true;
                draft.effects.push(Effect::Closed(ports.clone()));
                if segment.bytes == 0 {
                    draft.part = Some("data connection closes");
                }
            }
            if closes && segment.bytes > 0 {
                let closing = Draft {
                    levels: Levels::MESSAGES,
                    label: flag_label(segment),
                    caption: captions::closing(server_sends),
                    effects: Vec::new(),
                    part: Some("data connection closes"),
                    ..draft.clone()
                };
                drafts.push(closing);
            }
            drafts.push(draft);
        }
        if let Some(folded) = &traced.folded {
            drafts.push(self.folded(folded, client_way));
        }
        for direction in [client_way, client_way.reverse()] {
            drafts.extend(self.contents(traced, direction, client_way));
        }
        traced.omitted
    }

    /// All data of one direction, in one arrow.
    fn contents(
        &self,
        traced: &TracedConnection,
        direction: Direction,
        client_way: Direction,
    ) -> Option<Draft> {
        let payload = &traced.payload[direction.index()];
        let first = payload.first?;
        let server_sends = direction != client_way;
        let bytes = self.bytes[usize::from(server_sends)].max(payload.bytes);
        let segments = units::counted(payload.segments, "segment", "segments");
        let again = match payload.again {
            0 => String::new(),
            again => format!(", {} retransmitted", units::count(again)),
        };
        let label = format!("{}: {} in {segments}{again}", self.name, units::size(bytes));
        Some(Draft {
            order: 2,
            caption: captions::contents(self.name, bytes, server_sends),
            effects: vec![Effect::Bytes(bytes)],
            ..Draft::new(
                (first.number, first.time),
                lanes(server_sends, Channel::Data),
                Levels::MESSAGES,
                label,
            )
        })
    }

    /// The midst of a long transfer.
    fn folded(&self, folded: &Folded, client_way: Direction) -> Draft {
        let [up, down] = folded.bytes;
        let server_sends = (client_way == Direction::Up) == (down >= up);
        let bytes = up.saturating_add(down);
        let again = match folded.again {
            0 => String::new(),
            again => format!(", {} retransmitted", units::count(again)),
        };
        let segments = units::counted(folded.segments, "segment", "segments");
        Draft {
            order: 2,
            caption: captions::folded(self.name, &segments, bytes, folded.last.number),
            effects: vec![Effect::Bytes(bytes)],
            fields: vec![(
                "frames",
                format!("{}-{}", folded.first.number, folded.last.number),
            )],
            ..Draft::new(
                (folded.first.number, folded.first.time),
                lanes(server_sends, Channel::Data),
                Levels::PACKETS,
                format!("… {segments}, {}{again} …", units::size(bytes)),
            )
        }
    }

    /// What the report alone tells.
    fn untraced(&self, ports: &str, drafts: &mut Vec<Draft>) {
        let connection = self.connection;
        let server_sends = self.bytes[1] >= self.bytes[0];
        let bytes = self.bytes[usize::from(server_sends)];
        let by_client = connection.opened_by == Some(Opener::Client);
        drafts.push(Draft {
            step: self.step.map(|step| step.number),
            effects: vec![Effect::Open(ports.to_owned())],
            caption: captions::opening(!by_client),
            ..Draft::new(
                (connection.first_frame, connection.start),
                lanes(!by_client, Channel::Data),
                Levels::FINE,
                format!("data connection {ports}"),
            )
        });
        drafts.push(Draft {
            caption: captions::contents(self.name, bytes, server_sends),
            effects: vec![Effect::Bytes(bytes), Effect::Closed(ports.to_owned())],
            ..Draft::new(
                (connection.last_frame, connection.end),
                lanes(server_sends, Channel::Data),
                Levels::FINE,
                format!("{}: {}", self.name, units::size(bytes)),
            )
        });
    }
}

/// A data connection that was never established: the attempts, and what answered them, up to the `next` transfer.
fn unanswered(
    recorder: &Recorder,
    transfer: &Transfer,
    step: Option<&Step>,
    next: Option<&Step>,
    drafts: &mut Vec<Draft>,
) {
    let (Some(announced), Some(step)) = (transfer.announced, step) else {
        return;
    };
    let from = step.commands.first().map_or(0, |command| command.frame);
    let to = next
        .and_then(|next| next.commands.first())
        .map_or(u64::MAX, |command| command.frame);
    let client_listens = matches!(
        transfer.mode,
        crate::model::record::Mode::Active
            | crate::model::record::Mode::ExtendedActive
            | crate::model::record::Mode::LongActive
    );
    for traced in recorder.data_at(announced, from, to) {
        let listener = Endpoint::from(announced);
        for segment in &traced.segments {
            let listener_sends = traced.key.source(segment.direction) == listener;
            let server_sends = listener_sends != client_listens;
            drafts.push(Draft {
                order: 3,
                step: Some(step.number),
                caption: captions::unanswered(segment, server_sends),
                fields: fields(segment, traced),
                failed: segment.flags.rst,
                ..Draft::new(
                    at(segment),
                    lanes(server_sends, Channel::Data),
                    Levels::FINE,
                    flag_label(segment),
                )
            });
        }
    }
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
        if let Some(line) = replies.first().map(|reply| messages::reply_lines(reply)) {
            labels.insert(frame, line.into_iter().next().unwrap_or_default());
        }
    }
    for command in session.steps.iter().flat_map(|step| &step.commands) {
        let label = || messages::command_label(command);
        labels.entry(command.frame).or_insert_with(label);
    }
    labels
}

/// Which line of a reply came in which segment; `None` where the lengths do not tell.
fn split(reply: &Reply, segments: &[&TracedSegment]) -> Option<Vec<(u64, String)>> {
    let lines = messages::reply_lines(reply);
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

fn lanes(server_sends: bool, channel: Channel) -> (Lane, Lane, Channel) {
    if server_sends {
        (Lane::Server, Lane::Client, channel)
    } else {
        (Lane::Client, Lane::Server, channel)
    }
}

fn levels(in_messages: bool) -> Levels {
    if in_messages {
        Levels::FINE
    } else {
        Levels::PACKETS
    }
}

fn at(segment: &TracedSegment) -> (u64, crate::model::Timestamp) {
    (segment.frame.number, segment.frame.time)
}

/// An acknowledgement and nothing else.
fn is_ack(segment: &TracedSegment) -> bool {
    let flags = segment.flags;
    segment.bytes == 0 && flags.ack && !(flags.syn || flags.fin || flags.rst)
}

/// `SYN`, `SYN ACK`, `FIN ACK`, `RST`, and what is odd about it.
fn flag_label(segment: &TracedSegment) -> String {
    let flags = segment.flags;
    let mut label: Vec<&str> = [
        (flags.syn, "SYN"),
        (flags.fin, "FIN"),
        (flags.rst, "RST"),
        (flags.ack, "ACK"),
    ]
    .iter()
    .filter(|(set, _)| *set)
    .map(|(_, name)| *name)
    .collect();
    if label.is_empty() {
        label.push("no flags");
    }
    let mut label = label.join(" ");
    if segment.window == 0 && !flags.rst && !flags.syn {
        label.push_str(", window full");
    }
    label + novelty(segment)
}

/// What a segment carries, its length, and its flags where they matter.
fn segment_label(segment: &TracedSegment, what: &str) -> String {
    let bytes = units::bytes(segment.bytes.into());
    let flags = match (segment.flags.fin, segment.flags.rst) {
        (false, false) => "",
        (true, _) => ", FIN ACK",
        (false, true) => ", RST",
    };
    format!("{what}, {bytes}{flags}{}", novelty(segment))
}

const fn novelty(segment: &TracedSegment) -> &'static str {
    match segment.novelty {
        Novelty::New => "",
        Novelty::Again => " (retransmission)",
        Novelty::Late => " (out of order)",
        Novelty::Copy => " (captured twice)",
    }
}

/// The header, with the names Wireshark has for its fields.
fn fields(segment: &TracedSegment, connection: &TracedConnection) -> Vec<(&'static str, String)> {
    let (source, destination) = (
        connection.key.source(segment.direction),
        connection.key.destination(segment.direction),
    );
    let mut fields = vec![
        ("tcp.srcport", source.port.to_string()),
        ("tcp.dstport", destination.port.to_string()),
    ];
    let flags = segment.flags;
    for (set, name) in [
        (flags.syn, "tcp.flags.syn"),
        (flags.ack, "tcp.flags.ack"),
        (flags.fin, "tcp.flags.fin"),
        (flags.rst, "tcp.flags.reset"),
    ] {
        if set {
            fields.push((name, "1".to_owned()));
        }
    }
    fields.push(("tcp.seq", segment.sequence.to_string()));
    if flags.ack {
        fields.push(("tcp.ack", segment.acknowledgment.to_string()));
    }
    if segment.bytes > 0 {
        fields.push(("tcp.len", segment.bytes.to_string()));
    }
    fields
}

/// CR LF.
const LINE_END: u64 = 2;
/// Segments in which one reply is looked for.
const PARTS: usize = 4096;

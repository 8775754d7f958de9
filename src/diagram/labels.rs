//! Labels of commands, replies and segments, and what else their arrows have in common.

use super::model::{Channel, Lane, Levels};
use crate::model::record::{Command, Reply};
use crate::model::trace::{Novelty, TracedConnection, TracedSegment};
use crate::model::{Span, Timestamp};
use crate::report::units;

/// Returns the lines of a reply with their codes, as on the wire (RFC 959 section 4.2): `230-Welcome`, `230 Ready`.
pub(super) fn reply_lines(reply: &Reply) -> Vec<String> {
    let last = reply.lines.len().saturating_sub(1);
    // If lines were omitted, the one that ends the reply is among them.
    let is_complete = reply.lines_omitted == 0;
    let line = |(index, line): (usize, &String)| {
        if index == last && is_complete {
            format!("{} {line}", reply.code)
        } else if index == 0 {
            format!("{}-{line}", reply.code)
        } else {
            line.clone()
        }
    };
    let mut lines: Vec<String> = reply.lines.iter().enumerate().map(line).collect();
    if lines.is_empty() {
        lines.push(reply.code.to_string());
    }
    lines
}

/// Returns a reply as one line: its first and its last line if it has several.
pub(super) fn reply_label(reply: &Reply) -> String {
    let lines = reply_lines(reply);
    match lines.as_slice() {
        [first, .., last] => format!("{first} … {last}"),
        _ => lines.into_iter().next().unwrap_or_default(),
    }
}

/// Returns a command as one line.
pub(super) fn command_label(command: &Command) -> String {
    match command.argument.as_deref() {
        Some(argument) => format!("{} {argument}", command.verb),
        None => command.verb.clone(),
    }
}

/// Returns `SYN`, `SYN ACK`, `FIN ACK` and so on, with a note on a zero window or a retransmission.
pub(super) fn flag_label(segment: &TracedSegment) -> String {
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
    // RST segments carry no meaningful window, and that of a SYN may be 0.
    if segment.window == 0 && !flags.rst && !flags.syn {
        label.push_str(", window full");
    }
    label + novelty(segment)
}

/// Returns the content of a segment, its length in bytes, and the flags that end a connection.
pub(super) fn segment_label(segment: &TracedSegment, content: &str) -> String {
    let bytes = units::bytes(segment.bytes.into());
    let flags = match (segment.flags.fin, segment.flags.rst) {
        (false, false) => "",
        (true, _) => ", FIN ACK",
        (false, true) => ", RST",
    };
    format!("{content}, {bytes}{flags}{}", novelty(segment))
}

const fn novelty(segment: &TracedSegment) -> &'static str {
    match segment.novelty {
        Novelty::New => "",
        Novelty::Again => " (retransmission)",
        Novelty::Late => " (out of order)",
        Novelty::Copy => " (captured twice)",
    }
}

/// Returns the TCP header of a segment as Wireshark field names and values.
pub(super) fn header_fields(
    segment: &TracedSegment,
    connection: &TracedConnection,
) -> Vec<(&'static str, String)> {
    let (source, destination) = (
        connection.key.source(segment.direction),
        connection.key.destination(segment.direction),
    );
    let flags = segment.flags;
    let set = [flags.syn, flags.ack, flags.fin, flags.rst];
    let count = set.iter().filter(|set| **set).count();
    // Exact capacity: a diagram may hold hundreds of thousands of these lists.
    let length = 3 + count + usize::from(flags.ack) + usize::from(segment.bytes > 0);
    let mut fields = Vec::with_capacity(length);
    fields.push(("tcp.srcport", source.port.to_string()));
    fields.push(("tcp.dstport", destination.port.to_string()));
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

/// Returns the lanes of an arrow between server and client.
pub(super) fn lanes(server_sends: bool, channel: Channel) -> (Lane, Lane, Channel) {
    if server_sends {
        (Lane::Server, Lane::Client, channel)
    } else {
        (Lane::Client, Lane::Server, channel)
    }
}

/// Returns the levels of a segment, which is drawn at packet detail and perhaps at message detail.
pub(super) fn levels(in_messages: bool) -> Levels {
    if in_messages {
        Levels::FINE
    } else {
        Levels::PACKETS
    }
}

/// Returns frame number and capture time of a segment.
pub(super) fn frame_and_time(segment: &TracedSegment) -> (u64, Timestamp) {
    (segment.frame.number, segment.frame.time)
}

/// Returns whether a segment is a bare acknowledgement.
pub(super) fn is_ack(segment: &TracedSegment) -> bool {
    let flags = segment.flags;
    segment.bytes == 0 && flags.ack && !(flags.syn || flags.fin || flags.rst)
}

/// Converts a duration of the report, in seconds.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float to integer cast saturates"
)]
pub(super) fn span(seconds: f64) -> Span {
    Span::from_nanos((seconds * 1e9) as i64)
}

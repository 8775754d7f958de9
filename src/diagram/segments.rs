//! What stands on one segment, whatever connection it is of.

use super::model::{Channel, Lane, Levels};
use crate::model::Span;
use crate::model::trace::{Novelty, TracedConnection, TracedSegment};
use crate::report::units;

/// A duration in seconds, as the report has it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float to integer cast saturates"
)]
pub(super) fn span(seconds: f64) -> Span {
    Span::from_nanos((seconds * 1e9) as i64)
}

/// From server to client, or the other way.
pub(super) fn lanes(server_sends: bool, channel: Channel) -> (Lane, Lane, Channel) {
    if server_sends {
        (Lane::Server, Lane::Client, channel)
    } else {
        (Lane::Client, Lane::Server, channel)
    }
}

/// At messages and packets, or at packets alone.
pub(super) fn levels(in_messages: bool) -> Levels {
    if in_messages {
        Levels::FINE
    } else {
        Levels::PACKETS
    }
}

/// Where and when it came.
pub(super) fn at(segment: &TracedSegment) -> (u64, crate::model::Timestamp) {
    (segment.frame.number, segment.frame.time)
}

/// An acknowledgement and nothing else.
pub(super) fn is_ack(segment: &TracedSegment) -> bool {
    let flags = segment.flags;
    segment.bytes == 0 && flags.ack && !(flags.syn || flags.fin || flags.rst)
}

/// `SYN`, `SYN ACK`, `FIN ACK`, `RST`, and what is odd about it.
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
    if segment.window == 0 && !flags.rst && !flags.syn {
        label.push_str(", window full");
    }
    label + novelty(segment)
}

/// What a segment carries, its length, and its flags where they matter.
pub(super) fn segment_label(segment: &TracedSegment, what: &str) -> String {
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
pub(super) fn fields(
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
    // There may be very many segments: none has more room than it needs.
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

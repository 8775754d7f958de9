//! Texts of arrows: labels of commands, replies and segments, and captions, each arrow as a sentence for readers who do not
//! know the protocol.

use super::model::{Channel, Lane, Levels};
use crate::model::record::{Command, Dns, Reply, Step};
use crate::model::trace::{Novelty, TracedConnection, TracedSegment};
use crate::model::{Endpoint, Span};
use crate::report::units;

/// Describes the DNS query.
pub(super) fn query(dns: &Dns) -> String {
    format!(
        "The client asks the DNS server {} for the address of {}.",
        dns.resolver.ip, dns.name
    )
}

/// Describes the DNS response.
pub(super) fn answer(dns: &Dns) -> String {
    match dns.answers.as_slice() {
        [] => format!("The DNS server knows no address of {}.", dns.name),
        [one] => format!("The DNS server answers: {} is {one}.", dns.name),
        [first, others @ ..] => format!(
            "The DNS server answers: {} is {first} or one of {} more.",
            dns.name,
            others.len()
        ),
    }
}

/// Describes a step as a whole.
pub(super) fn step(step: &Step) -> String {
    format!("Step {}: {}.", step.number, step.title)
}

/// Describes a command. `announced` is the endpoint in PORT, EPRT or LPRT; `None` for others and where it is unreadable.
pub(super) fn command(command: &Command, announced: Option<Endpoint>) -> String {
    let argument = command.argument.as_deref().unwrap_or_default();
    let named = |words: &str| format!("The client {words} {argument}.");
    match command.verb.as_str() {
        "USER" => named("sends the user name"),
        // The report has replaced the password by a placeholder, unless asked to show it.
        "PASS" => named("sends the password"),
        "ACCT" => named("sends the account"),
        "AUTH" => named("wants to encrypt the control connection:"),
        "PBSZ" | "PROT" => "The client says how data connections are to be protected.".to_owned(),
        "PORT" | "EPRT" | "LPRT" => match announced {
            Some(end) => format!(
                "Active mode: the client waits for the data connection at {} port {}.",
                end.ip(),
                end.port
            ),
            None => {
                "Active mode: the client says where it waits for the data connection.".to_owned()
            }
        },
        "PASV" | "EPSV" | "LPSV" => {
            "Passive mode: the client asks where to open the data connection.".to_owned()
        }
        "TYPE" => match argument.bytes().next() {
            Some(b'A' | b'a') => "The client chooses ASCII: line ends may be converted.".to_owned(),
            Some(b'I' | b'i') => "The client chooses image: bytes as they are.".to_owned(),
            _ => named("chooses the type"),
        },
        "LIST" | "NLST" | "MLSD" if argument.is_empty() => {
            "The client asks for a listing of the directory.".to_owned()
        }
        "LIST" | "NLST" | "MLSD" => named("asks for a listing of"),
        "RETR" => named("asks for the file"),
        "STOR" | "STOU" => named("wants to store the file"),
        "APPE" => named("wants to append to the file"),
        "REST" => named("wants to begin at byte"),
        "CWD" | "XCWD" => named("goes to the directory"),
        "CDUP" | "XCUP" => "The client goes to the parent directory.".to_owned(),
        "PWD" | "XPWD" => "The client asks which directory it is in.".to_owned(),
        "MKD" | "XMKD" => named("makes the directory"),
        "RMD" | "XRMD" => named("removes the directory"),
        "DELE" => named("deletes the file"),
        "RNFR" => named("wants to rename"),
        "RNTO" => named("gives the new name"),
        "SIZE" => named("asks for the size of"),
        "MDTM" => named("asks for the time of"),
        "SYST" => "The client asks for the kind of system.".to_owned(),
        "FEAT" => "The client asks which extensions the server has.".to_owned(),
        "NOOP" => "The client keeps the connection alive.".to_owned(),
        "ABOR" => "The client gives the transfer up.".to_owned(),
        "QUIT" => "The client says goodbye.".to_owned(),
        verb if argument.is_empty() => format!("The client sends {verb}."),
        verb => format!("The client sends {verb} {argument}."),
    }
}

/// Describes a reply. `command` is the one it answers; `None` for the greeting and unsolicited replies.
pub(super) fn reply(reply: &Reply, command: Option<&Command>) -> String {
    let text = reply.lines.last().map_or("", String::as_str);
    let verb = command.map(|command| command.verb.as_str());
    let meaning = match (reply.code, verb) {
        // 220 also answers REIN: then it has a command and means only success.
        (220, None) => "The server is ready",
        (331, _) => "The server wants a password",
        (332, _) => "The server wants an account",
        (230, _) => "The user is logged in",
        (234, _) => "The server agrees to encrypt",
        (150 | 125, _) => "The server is about to use the data connection",
        (226, _) => "The server says that the transfer is complete",
        (227..=229, _) => "The server says where it waits for the data connection",
        (221, _) => "The server says goodbye",
        (350, _) => "The server waits for the next command",
        (421, _) => "The server closes the connection",
        (425, _) => "The server cannot open the data connection",
        (426, _) => "The server gave the transfer up",
        (530, Some("PASS" | "USER")) => "The server refuses the login",
        (530, _) => "The server wants a login first",
        (550, _) => "The server refuses: no such file, or no right to it",
        (400..=499, _) => "The server cannot do it now",
        (500..=599, _) => "The server refuses",
        (100..=199, _) => "The server has begun",
        (300..=399, _) => "The server wants more",
        _ => "The server has done it",
    };
    format!("{meaning}: {} {text}", reply.code)
}

/// Describes one segment of a reply that spans several.
pub(super) fn part(label: &str) -> String {
    format!("A part of the reply: {label}")
}

/// Describes the start of TLS that no command asked for; `opened` if its keys are known.
pub(super) fn handshake(opened: bool) -> String {
    let then = if opened {
        "what follows is encrypted, and read with its keys"
    } else {
        "what follows cannot be read without its keys"
    };
    format!("The client begins TLS: {then}.")
}

/// Describes a segment of the control connection that carries no readable message.
pub(super) fn control_segment(segment: &TracedSegment, server_sends: bool, port: u16) -> String {
    let who = who(server_sends);
    let flags = segment.flags;
    match (flags.syn, flags.ack) {
        (true, false) => return format!("{who} opens the control connection to port {port}."),
        (true, true) => return format!("{who} accepts the control connection."),
        _ => {}
    }
    if flags.rst {
        return format!("{who} tears the control connection down.");
    }
    if flags.fin {
        return format!("{who} closes its side of the control connection.");
    }
    match (segment.bytes, segment.novelty) {
        (0, _) => format!("{who} acknowledges what it has received."),
        (_, Novelty::Again) => format!("{who} sends the same again: no acknowledgement came."),
        (_, Novelty::Copy) => "The capture has this packet twice.".to_owned(),
        (bytes, _) => format!(
            "{who} sends {} that tell nothing by themselves.",
            units::bytes(bytes.into())
        ),
    }
}

/// Describes a segment of a data connection. `name` is that of the content.
pub(super) fn data_segment(segment: &TracedSegment, server_sends: bool, name: &str) -> String {
    let who = who(server_sends);
    let flags = segment.flags;
    match (flags.syn, flags.ack) {
        (true, false) => return opening(server_sends),
        (true, true) => return format!("{who} accepts the data connection."),
        _ => {}
    }
    if flags.rst {
        return format!("{who} tears the data connection down.");
    }
    match (segment.bytes, segment.novelty) {
        // Before the window: a side that closes may advertise a zero window.
        (0, _) if flags.fin => closing(server_sends),
        (0, _) if segment.window == 0 => format!("{who} has no room for more data."),
        (0, _) => format!("{who} acknowledges the data it has received."),
        (_, Novelty::Again) => format!("{who} sends a part of {name} again."),
        (_, Novelty::Late) => format!("A part of {name} that was missing arrives."),
        (_, Novelty::Copy) => "The capture has this packet twice.".to_owned(),
        (bytes, Novelty::New) if flags.fin => format!(
            "{who} sends the last {} of {name} and closes its side.",
            units::bytes(bytes.into())
        ),
        (bytes, Novelty::New) => {
            format!("{who} sends {} of {name}.", units::bytes(bytes.into()))
        }
    }
}

/// Describes the opening of a data connection.
pub(super) fn opening(server_sends: bool) -> String {
    format!("{} opens the data connection.", who(server_sends))
}

/// Describes the closing of one side of a data connection.
pub(super) fn closing(server_sends: bool) -> String {
    format!(
        "{} closes its side of the data connection.",
        who(server_sends)
    )
}

/// Describes a segment of a data connection that was never established.
pub(super) fn unanswered(segment: &TracedSegment, server_sends: bool) -> String {
    let who = who(server_sends);
    if segment.flags.rst {
        format!("{who} refuses the data connection.")
    } else if segment.flags.syn && segment.novelty == Novelty::Again {
        format!("{who} tries again to open the data connection: no answer came.")
    } else if segment.flags.syn {
        format!("{who} tries to open the data connection.")
    } else {
        format!("{who} sends a segment of a data connection that is not open.")
    }
}

/// Describes all bytes of one direction of a data connection.
pub(super) fn contents(name: &str, bytes: u64, server_sends: bool) -> String {
    format!(
        "{} sends {name}: {}.",
        who(server_sends),
        units::bytes(bytes)
    )
}

/// Describes the middle of a long transfer, whose segments are summed up. `last` is the number of the last frame; `None` if it is
/// in another capture than the first.
pub(super) fn folded(name: &str, segments: &str, bytes: u64, last: Option<u64>) -> String {
    let up_to = last.map_or_else(String::new, |last| format!(", up to frame {last},"));
    format!(
        "{segments} with {} of {name}{up_to} are not drawn one by one.",
        units::size(bytes)
    )
}

const fn who(server_sends: bool) -> &'static str {
    if server_sends {
        "The server"
    } else {
        "The client"
    }
}

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

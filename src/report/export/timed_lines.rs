//! Lines of an export in order of time, and the facts that several exports derive from a session.
//!
//! A session is exported when it ends, but other sessions go on meanwhile: lines are kept, in a file beyond a limit, until the
//! input ends, and then written in the order in which their records became complete.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use compact_str::CompactString;

use super::document::FinishedSessions;
use crate::model::record::{Address, Command, Connection, Opener, Reply, Session, Transfer};
use crate::model::{Span, Timestamp};
use crate::protocol::uid::flow_number;

/// Lines with the times of their records.
#[derive(Debug, Default)]
pub(super) struct TimedLines {
    kept: FinishedSessions,
    /// The line that is being written: it consists of very many pieces of a few bytes, and is kept as one.
    line: Vec<u8>,
}

impl TimedLines {
    /// Keeps the line of a record that was complete at `time`. Lines of one time stay in the order in which they came.
    pub(super) fn push(
        &mut self,
        time: Timestamp,
        write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) {
        self.line.clear();
        let written = write(&mut self.line);
        let line = &self.line;
        let at = u64::try_from(time.nanos()).unwrap_or(0);
        self.kept
            .push(at, |out| written.and_then(|()| out.write_all(line)));
    }

    /// Returns true without a line.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Writes all lines.
    pub(super) fn write(self, out: &mut dyn Write) -> io::Result<()> {
        self.kept.write(b"", out)
    }

    /// Writes the lines kept so far, and keeps none of them.
    pub(super) fn drain(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        std::mem::take(self).write(out)
    }
}

/// Connections that are over, each with a `Note`, kept until no late packet can change their counts.
///
/// The report is complete when a connection closes. Zeek and Suricata go on counting for a while: a RST in answer to what
/// was on its way, an acknowledgment that comes twice.
#[derive(Debug)]
pub(super) struct OverConnections<Note> {
    waiting: VecDeque<(Timestamp, Connection, Note)>,
    /// Records with late packets, by uid. They may come before the session ends.
    late: BTreeMap<CompactString, Connection>,
    /// Time for which a connection is kept.
    wait: Span,
}

impl<Note> OverConnections<Note> {
    /// Creates an empty collection. Connections of a `followed` output are not kept: its reader waits for them.
    pub(super) fn new(followed: bool) -> Self {
        Self {
            waiting: VecDeque::new(),
            late: BTreeMap::new(),
            wait: if followed { Span::default() } else { LATEST },
        }
    }

    /// Adds a connection that is over at `now`.
    pub(super) fn add(&mut self, now: Timestamp, connection: Connection, note: Note) {
        self.waiting.push_back((now, connection, note));
    }

    /// Records late packets.
    pub(super) fn on_late(&mut self, connection: &Connection) {
        if self.wait > Span::default() && self.late.len() < MAX_OVER {
            let uid = connection.uid.clone();
            self.late.insert(uid, connection.clone());
        }
    }

    /// Returns the next connection whose counts are final at `now`; `None` if there is none.
    pub(super) fn take_final(&mut self, now: Timestamp) -> Option<(Connection, Note)> {
        let (since, ..) = self.waiting.front()?;
        if now.since(*since) < self.wait && self.waiting.len() <= MAX_OVER {
            return None;
        }
        self.take()
    }

    /// Returns the next connection, whatever the time; `None` if there is none.
    pub(super) fn take(&mut self) -> Option<(Connection, Note)> {
        let (_, mut connection, note) = self.waiting.pop_front()?;
        if let Some(late) = self.late.remove(&connection.uid) {
            add_late(&mut connection, late);
        }
        Some((connection, note))
    }
}

/// Takes over the counts, the state and the end from a record with late packets.
fn add_late(connection: &mut Connection, late: Connection) {
    let mut counts = [
        [late.packets_from_client, late.packets_from_server],
        [late.ip_bytes_from_client, late.ip_bytes_from_server],
        [late.frame_bytes_from_client, late.frame_bytes_from_server],
        [
            late.payload_bytes_from_client,
            late.payload_bytes_from_server,
        ],
    ];
    if late.client != connection.client {
        for of in &mut counts {
            of.reverse();
        }
    }
    let [packets, ip_bytes, frame_bytes, payload_bytes] = counts;
    [
        connection.packets_from_client,
        connection.packets_from_server,
    ] = packets;
    [
        connection.ip_bytes_from_client,
        connection.ip_bytes_from_server,
    ] = ip_bytes;
    [
        connection.frame_bytes_from_client,
        connection.frame_bytes_from_server,
    ] = frame_bytes;
    [
        connection.payload_bytes_from_client,
        connection.payload_bytes_from_server,
    ] = payload_bytes;
    connection.end = late.end;
    connection.closed_at = late.closed_at;
    connection.tcp_state = late.tcp_state;
    connection.tcp_history = late.tcp_history;
}

/// Returns the commands of a session in the order of the wire.
pub(super) fn commands(session: &Session) -> Vec<&Command> {
    let steps = session.steps.iter();
    let mut commands: Vec<&Command> = steps.flat_map(|step| &step.commands).collect();
    commands.sort_by_key(|command| command.sequence);
    commands
}

/// Returns the transfers of a session by the sequence numbers of their commands.
pub(super) fn transfers_by_command(session: &Session) -> BTreeMap<u64, &Transfer> {
    let made = session.steps.iter().filter_map(|step| {
        let transfer = session.transfer(step.transfer?)?;
        let mut commands = step.commands.iter().rev();
        let command = commands.find(|command| command.verb == transfer.verb)?;
        Some((command.sequence, transfer))
    });
    made.collect()
}

/// Returns the last reply to the command of a transfer; `None` without one.
pub(super) fn last_reply<'a>(session: &'a Session, transfer: &Transfer) -> Option<&'a Reply> {
    let step = session.step_of(transfer.id)?;
    let mut commands = step.commands.iter().rev();
    let command = commands.find(|command| command.verb == transfer.verb)?;
    command.replies.last()
}

/// Returns the last line of a reply, without blanks in front.
pub(super) fn last_line(reply: &Reply) -> &str {
    reply.lines.last().map_or("", |line| line.trim_start())
}

/// Returns the exact bytes of a text, given in base64 if it is not UTF-8.
pub(super) fn exact<'a>(text: &'a str, base64: Option<&String>) -> Cow<'a, [u8]> {
    match base64.and_then(|exact| STANDARD.decode(exact).ok()) {
        Some(bytes) => bytes.into(),
        None => text.as_bytes().into(),
    }
}

/// Connection seen from the end that opened it.
pub(super) struct Opened {
    pub(super) originator: Address,
    pub(super) responder: Address,
    /// Packets from the originator and from the responder.
    pub(super) packets: [u64; 2],
    pub(super) ip_bytes: [u64; 2],
    pub(super) frame_bytes: [u64; 2],
    pub(super) payload_bytes: [u64; 2],
}

impl Opened {
    /// Turns a connection so that its originator comes first. Packets include second copies, as their counts do in Zeek and
    /// Suricata, which do not know copies from other packets.
    pub(super) fn of(connection: &Connection) -> Self {
        let by_client = connection.originator == Opener::Client;
        let turned = |client, server| {
            if by_client {
                [client, server]
            } else {
                [server, client]
            }
        };
        let [originator, responder] = if by_client {
            [connection.client, connection.server]
        } else {
            [connection.server, connection.client]
        };
        let copies = connection.copies.as_deref().copied().unwrap_or_default();
        Self {
            originator,
            responder,
            packets: turned(
                connection.packets_from_client + copies.packets_from_client,
                connection.packets_from_server + copies.packets_from_server,
            ),
            ip_bytes: turned(
                connection.ip_bytes_from_client + copies.ip_bytes_from_client,
                connection.ip_bytes_from_server + copies.ip_bytes_from_server,
            ),
            frame_bytes: turned(
                connection.frame_bytes_from_client + copies.frame_bytes_from_client,
                connection.frame_bytes_from_server + copies.frame_bytes_from_server,
            ),
            payload_bytes: turned(
                connection.payload_bytes_from_client,
                connection.payload_bytes_from_server,
            ),
        }
    }
}

/// Returns the data connections of a session, each once: if it carried several files, with the counts of all of them.
pub(super) fn data_connections(session: &Session) -> Vec<Connection> {
    let transfers = session.transfers.iter();
    let transfers = transfers.filter_map(|transfer| transfer.connection.as_ref());
    let encrypted = session.encrypted_data.iter().map(|data| &data.connection);
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut connections: Vec<Connection> = Vec::new();
    for part in transfers.chain(encrypted) {
        if let Some(whole) = places
            .get(part.uid.as_str())
            .and_then(|at| connections.get_mut(*at))
        {
            add_part(whole, part);
        } else {
            places.insert(&part.uid, connections.len());
            connections.push(part.clone());
        }
    }
    connections
}

fn add_part(whole: &mut Connection, part: &Connection) {
    let counts = |of: &Connection| {
        [
            of.packets_from_client,
            of.packets_from_server,
            of.ip_bytes_from_client,
            of.ip_bytes_from_server,
            of.frame_bytes_from_client,
            of.frame_bytes_from_server,
            of.payload_bytes_from_client,
            of.payload_bytes_from_server,
            of.missing_bytes,
        ]
    };
    let mut sums = counts(whole);
    for (sum, count) in sums.iter_mut().zip(counts(part)) {
        *sum = sum.saturating_add(count);
    }
    [
        whole.packets_from_client,
        whole.packets_from_server,
        whole.ip_bytes_from_client,
        whole.ip_bytes_from_server,
        whole.frame_bytes_from_client,
        whole.frame_bytes_from_server,
        whole.payload_bytes_from_client,
        whole.payload_bytes_from_server,
        whole.missing_bytes,
    ] = sums;
    if let Some(part) = &part.copies {
        let whole = whole.copies.get_or_insert_default();
        whole.packets_from_client += part.packets_from_client;
        whole.packets_from_server += part.packets_from_server;
        whole.ip_bytes_from_client += part.ip_bytes_from_client;
        whole.ip_bytes_from_server += part.ip_bytes_from_server;
        whole.frame_bytes_from_client += part.frame_bytes_from_client;
        whole.frame_bytes_from_server += part.frame_bytes_from_server;
    }
    whole.start = whole.start.min(part.start);
    whole.end = whole.end.max(part.end);
    whole.closed_at = part.closed_at.or(whole.closed_at);
    whole.close = part.close;
    whole.tcp_state.clone_from(&part.tcp_state);
    whole.tcp_history.clone_from(&part.tcp_history);
}

/// Returns the number of a connection's flow; its first part gives the time of the first packet.
pub(super) fn flow_of(connection: &Connection) -> u64 {
    flow_number(&connection.community_id, connection.start)
}

/// Time after which no late packets of a connection are reported: a minute, and as long as it may take until they are.
const LATEST: Span = Span::from_secs(90);

/// Connections kept, and records with late packets.
const MAX_OVER: usize = 16_384;

//! Recognition of FTP control connections on any port, from the dialogue itself.
//!
//! SMTP, POP3, NNTP and IRC share commands and reply codes with FTP. Two signals are therefore needed, one from each
//! side: a 220 and a command that only FTP has, or a command and the reply that only FTP gives to it; or a reply that
//! names a data address. Unrelated traffic costs one look at the first four bytes of a payload.
//!
//! On port 21 the opposite holds: everything is FTP, but for peers that begin as no FTP peer does ([`other`]). A client of
//! another protocol says nothing about the server, which may refuse it by the rules of FTP, so its bytes are held until the
//! server has sent some.

use compact_str::CompactString;

use crate::model::{Direction, FlowKey, FrameRef, Timestamp};
use crate::protocol::community_id::community_id;
use crate::protocol::ftp::{
    FTP_CONTROL_PORT, FTPS_CONTROL_PORT, Verb, extended_passive_reply, parse_command,
    passive_reply, reply_code,
};
use crate::protocol::other::{self, is_binary};
use crate::protocol::proxy::{self, Detection, Prelude};
use crate::protocol::tls::decryption::{Connection, Keyring, Receiver};
use crate::protocol::tls::hello::HandshakeReader;
use crate::protocol::tls::record::looks_like_record;
use crate::protocol::uid::connection_uid;
use crate::reassembly::{Chunk, Gap};

/// Number of open candidates, which is limited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidates {
    open: usize,
    limit: usize,
}

/// First bytes of a connection that may prove to be a control connection.
#[derive(Debug, Default)]
pub(super) struct Candidate {
    chunks: Vec<HeldChunk>,
    /// Bytes of both directions.
    bytes: usize,
    /// Direction in which the client sends, if the port shows that the connection is FTP, whatever stands in front of it.
    /// `None` on other ports.
    on_port: Option<Direction>,
    /// The first byte of the connection may not be in the capture.
    midstream: bool,
    /// Dialogue with a proxy in front of the connection, and the direction in which its client sends. `None` if there is
    /// none, or it is not whole yet.
    prelude: Option<(Direction, Box<Prelude>)>,
    /// The connection begins with TLS, of which secrets are known: what is said inside decides.
    has_secret: bool,
}

/// Content of a TLS connection, by [`Direction::index`].
#[derive(Default)]
struct Said([Vec<u8>; 2]);

impl Receiver for Said {
    fn content(&mut self, way: Direction, _: FrameRef, bytes: &[u8]) {
        self.0[way.index()].extend_from_slice(bytes);
    }

    fn gap(&mut self, _: Direction, _: FrameRef, _: u64) {}
}

/// Bytes held until a candidate is recognized.
#[derive(Clone, Debug)]
pub(super) struct HeldChunk {
    pub(super) direction: Direction,
    /// Frame that delivered the bytes.
    pub(super) frame: FrameRef,
    /// Frame in which the first byte arrived.
    pub(super) arrived: FrameRef,
    /// Stream offset of the first byte.
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    /// Bytes missing at this place; then `bytes` is empty. 0 for bytes.
    pub(super) missing: u64,
}

/// Conclusion about a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// FTP.
    Ftp {
        /// Direction in which the client sends.
        client_way: Direction,
    },
    /// Another protocol, on another port than that of FTP.
    Unrelated,
    /// Another protocol on port 21: its name, `None` for bytes of no known form.
    Other(Option<&'static str>),
    /// Too few bytes.
    Undecided,
}

impl Candidates {
    /// Creates an empty count.
    pub(super) const fn new(limit: usize) -> Self {
        Self { open: 0, limit }
    }

    /// Returns whether another candidate may begin.
    pub(super) const fn has_capacity(&self) -> bool {
        self.open < self.limit
    }

    /// Begins a candidate; `None` at the limit.
    pub(super) fn begin(&mut self) -> Option<Box<Candidate>> {
        if !self.has_capacity() {
            return None;
        }
        self.open += 1;
        Some(Box::default())
    }

    /// Counts one open candidate less.
    pub(super) const fn end(&mut self) {
        self.open = self.open.saturating_sub(1);
    }
}

impl Candidate {
    /// Takes the port as proof of FTP, unless the bytes refute it; `midstream` if neither SYN was captured.
    pub(super) const fn trust_port(&mut self, client_way: Direction, midstream: bool) {
        self.on_port = Some(client_way);
        self.midstream = midstream;
    }

    /// Returns whether the connection is one to port 21.
    pub(super) const fn is_on_port(&self) -> bool {
        self.on_port.is_some()
    }

    /// Returns the conclusion about a connection to port 21 that is over; `None` on other ports, and without a byte that is
    /// none of a proxy's.
    pub(super) fn conclude(&mut self) -> Option<Judgement> {
        let client_way = self.on_port?;
        let mut streams = [self.stream(Direction::Up), self.stream(Direction::Down)];
        if self.strip_prelude(&mut streams) || streams.iter().all(Vec::is_empty) {
            return None;
        }
        Some(match self.judge_on_port(client_way, &streams) {
            Judgement::Undecided => {
                Judgement::Other(other::client_protocol(&streams[client_way.index()]))
            }
            decided => decided,
        })
    }

    /// Returns the dialogue with a proxy; `None` without one.
    pub(super) fn prelude(&self) -> Option<&Prelude> {
        self.prelude.as_ref().map(|(_, prelude)| &**prelude)
    }

    /// Adds bytes and draws a conclusion from all bytes so far.
    ///
    /// `key` names the connection, whose first packet has the time `first`.
    pub(super) fn data(
        &mut self,
        direction: Direction,
        chunk: &Chunk<'_>,
        key: &FlowKey,
        first: Timestamp,
        keyring: &mut Keyring,
    ) -> Judgement {
        self.bytes += chunk.bytes.len();
        let limit = if self.has_secret {
            MAX_HANDSHAKE
        } else {
            MAX_BYTES
        };
        if self.bytes > limit && self.on_port.is_none() {
            return Judgement::Unrelated;
        }
        self.chunks.push(HeldChunk {
            direction,
            frame: chunk.frame,
            arrived: chunk.arrived,
            offset: chunk.offset,
            bytes: chunk.bytes.to_vec(),
            missing: 0,
        });
        if self.bytes > limit {
            // The server has not sent a byte, or a proxy never comes to its end.
            return self.conclude().unwrap_or(Judgement::Other(None));
        }
        let judgement = self.judge(implicit_way(key));
        match judgement {
            Judgement::Undecided if self.has_secret => {
                let uid = connection_uid(&community_id(key), first);
                self.judge_opened(uid, keyring)
            }
            Judgement::Unrelated if self.may_be_opened(keyring) => {
                self.has_secret = true;
                Judgement::Undecided
            }
            decided => decided,
        }
    }

    /// Returns whether the connection is TLS that the secrets may open. Implicit TLS may be on any port, where the client need
    /// not say by ALPN that it wants FTP.
    fn may_be_opened(&self, keyring: &Keyring) -> bool {
        let Some(first) = self.chunks.first().filter(|_| !self.has_secret) else {
            return false;
        };
        self.on_port.is_none() && may_be_opened(&first.bytes, keyring)
    }

    /// Draws a conclusion from what is said inside TLS, where the server has to speak first (RFC 959 section 5.4).
    fn judge_opened(&self, uid: CompactString, keyring: &mut Keyring) -> Judgement {
        let Some(client_way) = self.chunks.first().map(|chunk| chunk.direction) else {
            return Judgement::Undecided;
        };
        let mut connection = Connection::new(uid);
        let mut said = Said::default();
        for chunk in &self.chunks {
            let (way, at) = (chunk.direction, chunk.arrived);
            if chunk.missing > 0 {
                connection.gap(way, chunk.missing, at, keyring, &mut said);
            } else {
                connection.data(way, &chunk.bytes, at, keyring, &mut said);
            }
        }
        let [client, server] = [client_way, client_way.reverse()].map(|way| &said.0[way.index()]);
        let is_silent = server.is_empty() && !client.is_empty();
        // The secrets of one direction may be all there are, and a reply that names a data address is proof enough.
        let is_closed = connection.facts().obstacles.iter().all(Option::is_some);
        if is_closed || is_silent || is_binary(server) {
            return Judgement::Unrelated;
        }
        match is_ftp_dialogue(client, server) {
            Some(true) => Judgement::Ftp { client_way },
            Some(false) => Judgement::Unrelated,
            None => Judgement::Undecided,
        }
    }

    /// Adds a gap: the lines before and after it must not become one.
    pub(super) fn gap(&mut self, direction: Direction, gap: Gap) {
        // As many gaps as bytes at most: each one lies before a chunk.
        if self.chunks.len() < MAX_BYTES {
            self.chunks.push(HeldChunk {
                direction,
                frame: gap.frame,
                arrived: gap.frame,
                offset: gap.offset,
                bytes: Vec::new(),
                missing: gap.length,
            });
        }
    }

    /// Returns the bytes that concern a proxy, in the order of delivery.
    pub(super) fn prelude_chunks(&self) -> Vec<HeldChunk> {
        let Some((way, prelude)) = &self.prelude else {
            return Vec::new();
        };
        let mut left = [0; 2];
        left[way.index()] = prelude.client_bytes;
        left[way.reverse().index()] = prelude.server_bytes;
        let mut chunks = self.chunks.clone();
        for chunk in &mut chunks {
            let left = &mut left[chunk.direction.index()];
            chunk.bytes.truncate(*left);
            *left -= chunk.bytes.len();
        }
        chunks.retain(|chunk| !chunk.bytes.is_empty());
        chunks
    }

    /// Returns all bytes in the order of delivery, without those that concern a proxy.
    pub(super) fn into_chunks(self) -> Vec<HeldChunk> {
        let Some((way, prelude)) = &self.prelude else {
            return self.chunks;
        };
        let mut before = [0; 2];
        before[way.index()] = prelude.client_bytes;
        before[way.reverse().index()] = prelude.server_bytes;
        let mut chunks = self.chunks;
        for chunk in &mut chunks {
            let left = &mut before[chunk.direction.index()];
            let skipped = (*left).min(chunk.bytes.len());
            *left -= skipped;
            chunk.bytes.drain(..skipped);
            chunk.offset = chunk.offset.saturating_add(skipped as u64);
        }
        chunks.retain(|chunk| !chunk.bytes.is_empty() || chunk.missing > 0);
        chunks
    }

    /// Looks for the dialogue with a proxy, and takes it off the front of both streams. Returns whether more bytes are
    /// needed to be sure.
    fn strip_prelude(&mut self, streams: &mut [Vec<u8>; 2]) -> bool {
        // The client of a proxy speaks first.
        let Some(first) = self.chunks.first().map(|chunk| chunk.direction) else {
            return false;
        };
        if self.prelude.is_none() {
            let begins = proxy::may_begin(&self.chunks[0].bytes);
            let (client, server) = (&streams[first.index()], &streams[first.reverse().index()]);
            match proxy::detect(client, server) {
                Detection::Found(prelude) if begins => self.prelude = Some((first, prelude)),
                Detection::Incomplete if begins => return true,
                _ => return false,
            }
        }
        if let Some((way, prelude)) = &self.prelude {
            streams[way.index()].drain(..prelude.client_bytes);
            streams[way.reverse().index()].drain(..prelude.server_bytes);
        }
        false
    }

    fn judge(&mut self, implicit: Option<Direction>) -> Judgement {
        let mut streams = [self.stream(Direction::Up), self.stream(Direction::Down)];
        if self.strip_prelude(&mut streams) {
            return Judgement::Undecided;
        }
        if let Some(client_way) = self.on_port {
            return self.judge_on_port(client_way, &streams);
        }
        if self.has_secret {
            return Judgement::Undecided;
        }
        for way in [Direction::Up, Direction::Down] {
            let bytes = &streams[way.index()];
            // Content types of a TLS record, before major version 3 (RFC 8446 section 5.1).
            if !matches!(bytes.as_slice(), [20..=23] | [20..=23, 3, ..]) {
                continue;
            }
            if let Some(client_way) = implicit {
                return match bytes.len() {
                    0..5 => Judgement::Undecided,
                    _ if looks_like_record(bytes) => Judgement::Ftp { client_way },
                    _ => Judgement::Unrelated,
                };
            }
            return match offers_ftp(bytes) {
                Some(true) => Judgement::Ftp { client_way: way },
                Some(false) => Judgement::Unrelated,
                None => Judgement::Undecided,
            };
        }
        if streams.iter().any(|bytes| is_binary(bytes)) {
            return Judgement::Unrelated;
        }
        for client_way in [Direction::Up, Direction::Down] {
            let client = &streams[client_way.index()];
            let server = &streams[client_way.reverse().index()];
            let judged = is_ftp_dialogue(client, server).or_else(|| {
                // A prelude has no lines, and is no part of the turns.
                let without_ends = self.prelude.is_none()
                    && [client, server].iter().any(|bytes| !bytes.ends_with(b"\n"));
                let turns = |way| self.turns(way);
                without_ends
                    .then(|| is_ftp_dialogue(&turns(client_way), &turns(client_way.reverse())))?
            });
            match judged {
                Some(true) => return Judgement::Ftp { client_way },
                Some(false) => return Judgement::Unrelated,
                None => {}
            }
        }
        Judgement::Undecided
    }

    /// Judges a connection to port 21 by what either side began with.
    fn judge_on_port(&self, client_way: Direction, streams: &[Vec<u8>; 2]) -> Judgement {
        let client = streams[client_way.index()].as_slice();
        let server = streams[client_way.reverse().index()].as_slice();
        let ftp = Judgement::Ftp { client_way };
        // The port in the target of a proxy's client is that of FTP as well.
        if self.prelude.is_some() {
            return ftp;
        }
        let named = other::client_protocol(client);
        if server.is_empty() {
            return if self.may_be_other(client, named) {
                Judgement::Undecided
            } else {
                ftp
            };
        }
        let line = without_padding(server);
        let speaks_ftp = reply_code(line).is_some() || looks_like_record(server);
        match other::server_protocol(server) {
            Some(protocol) => Judgement::Other(Some(protocol)),
            None if speaks_ftp => ftp,
            None if self.may_be_other(server, named) => Judgement::Other(named),
            None => ftp,
        }
    }

    /// Returns whether the first bytes of a side show another protocol than FTP; `named` is the one that the client began.
    fn may_be_other(&self, bytes: &[u8], named: Option<&str>) -> bool {
        // In the middle of a connection TLS may be cut within a record.
        named.is_some() || (!self.midstream && is_binary(bytes) && !looks_like_record(bytes))
    }

    /// Returns the bytes of one direction.
    fn stream(&self, direction: Direction) -> Vec<u8> {
        let of = self
            .chunks
            .iter()
            .filter(|chunk| chunk.direction == direction);
        of.flat_map(|chunk| {
            let cut: &[u8] = if chunk.missing > 0 { b"\n" } else { b"" };
            cut.iter().chain(&chunk.bytes).copied()
        })
        .collect()
    }

    /// Returns the bytes of one direction, with a line end where the other side took over: some peers send none, and each of
    /// their segments is a line.
    fn turns(&self, direction: Direction) -> Vec<u8> {
        let mut bytes = Vec::new();
        for chunk in &self.chunks {
            if chunk.direction == direction && chunk.missing == 0 {
                bytes.extend_from_slice(&chunk.bytes);
            } else if bytes.last().is_some_and(|&last| last != b'\n') {
                bytes.push(b'\n');
            }
        }
        bytes
    }
}

/// Returns whether a payload may be the first or a later line of a control connection on any port, whatever pads it.
///
/// A greeting is whatever reply comes first (RFC 959 section 5.4 lists 120, 220 and 421, and servers send others), so every
/// code counts here. What follows has to show that the connection is FTP.
pub(super) fn may_be_padded_control(payload: &[u8]) -> bool {
    match payload {
        [
            b'1'..=b'6',
            b'0'..=b'5',
            b'0'..=b'9',
            b' ' | b'-' | b'\r' | b'\n',
            ..,
        ] => true,
        // A greeting with its text directly behind the code.
        [b'2', b'2', b'0', next, ..] => next.is_ascii_alphabetic(),
        // Some peers send a segment for each letter.
        [] => false,
        [..] if payload.len() < 4 => begins_line(payload),
        [b'A'..=b'Z' | b'a'..=b'z', ..] => may_be_control(payload),
        [0 | b'\r' | b'\n' | b' ' | b'\t' | 0xef, ..] => {
            let line = without_padding(&payload[..payload.len().min(PADDED)]);
            line.len() < payload.len() && line.first().is_some_and(u8::is_ascii_alphanumeric) && {
                may_be_padded_control(line)
            }
        }
        _ => false,
    }
}

/// Returns whether a payload that is too short for a verb or a code and what follows it may be the beginning of one.
fn begins_line(payload: &[u8]) -> bool {
    let begins = |verb: &[u8; 4]| {
        let mut letters = payload.iter().zip(verb);
        letters.all(|(letter, other)| letter.to_ascii_uppercase() == *other)
    };
    match payload {
        [b'1'..=b'6'] | [b'1'..=b'6', b'0'..=b'5'] | [b'1'..=b'6', b'0'..=b'5', b'0'..=b'9'] => {
            true
        }
        [b'A'..=b'Z' | b'a'..=b'z', ..] => OPENING_VERBS.iter().any(begins),
        _ => false,
    }
}

/// Returns whether the first payload on a connection to port 21 may show that it is something else than FTP, as a client or a
/// server begins; a reply or a command that FTP has shows at once that it is not.
pub(super) fn may_be_other(payload: &[u8], from_client: bool) -> bool {
    if from_client {
        other::client_protocol(payload).is_some() || is_binary(payload)
    } else {
        other::server_protocol(payload).is_some() || is_binary(payload)
    }
}

/// Strips what home-made peers send before a line and no client takes for text: NUL, the rest of a line end, blanks, a byte
/// order mark.
fn without_padding(line: &[u8]) -> &[u8] {
    let mark = |line: &[u8]| line.starts_with(b"\xef\xbb\xbf");
    let mut line = line;
    loop {
        line = match line {
            [0 | b'\r' | b'\n' | b' ' | b'\t', rest @ ..] => rest,
            [_, _, _, rest @ ..] if mark(line) => rest,
            _ => return line,
        };
    }
}

/// Returns whether a payload may be a line of an FTP control connection, its first or a later one, without any doubt about
/// the form of the line.
pub(super) fn may_be_control(payload: &[u8]) -> bool {
    let Some(&[a, b, c, d]) = payload.first_chunk::<4>() else {
        return false;
    };
    if a.is_ascii_digit() {
        return matches!(
            (&[a, b, c], d),
            (b"220" | b"120" | b"227" | b"229", b' ' | b'-')
        );
    }
    // Before the search in the table: most payloads are binary and stop here.
    if !a.is_ascii_alphabetic() || !b.is_ascii_alphabetic() {
        return false;
    }
    OPENING_VERBS.contains(&[a, b, c, d].map(|byte| byte.to_ascii_uppercase()))
}

/// Returns whether a payload may begin a connection with FTP inside TLS.
///
/// On port 990 (`on_port`) any TLS record may. Elsewhere TLS alone proves nothing, and the client has to offer FTP by
/// ALPN (RFC 7301).
pub(super) fn may_be_implicit(payload: &[u8], on_port: bool) -> bool {
    if on_port {
        return looks_like_record(payload);
    }
    // A handshake record (22) of any version 3.x, with a ClientHello (1) in it.
    matches!(payload, [22, 3, _, _, _, 1, ..]) && offers_ftp(payload) == Some(true)
}

/// Returns whether a payload begins with a `ClientHello` whose secrets are known, or may be computed with a private key.
pub(super) fn may_be_opened(payload: &[u8], keyring: &Keyring) -> bool {
    // Record header, message header, version, random (RFC 8446 sections 5.1 and 4.1.2).
    let [22, 3, _, _, _, 1, _, _, _, 3, _, rest @ ..] = payload else {
        return false;
    };
    !keyring.is_empty()
        && rest
            .first_chunk()
            .is_some_and(|random| keyring.knows(*random) || keyring.has_private_keys())
}

/// Returns whether a `ClientHello` offers FTP; `None` while it is incomplete.
fn offers_ftp(bytes: &[u8]) -> Option<bool> {
    let mut reader = HandshakeReader::new();
    reader.feed(bytes);
    if let Some(hello) = reader.client_hello() {
        // IANA registered `ftp` for RFC 7301; FileZilla offers a name of its own.
        let offers = |name: &Vec<u8>| matches!(name.as_slice(), b"ftp" | b"x-filezilla-ftp");
        return Some(hello.application_protocols.iter().any(offers));
    }
    reader.is_done().then_some(false)
}

/// Returns whether `client` and `server` speak FTP; `None` if their bytes do not show it.
fn is_ftp_dialogue(client: &[u8], server: &[u8]) -> Option<bool> {
    let mut greeted = false;
    let mut codes = Vec::new();
    for line in lines(server) {
        // Greetings of POP3 and IMAP, and the source of an IRC message.
        if line.starts_with(b"+OK")
            || line.starts_with(b"-ERR")
            || line.first() == Some(&b':')
            || line.starts_with(b"* OK")
        {
            return Some(false);
        }
        let Some(code) = reply_code(line).filter(|code| match line.get(3) {
            None | Some(b' ' | b'-') => true,
            Some(next) => *code == 220 && next.is_ascii_alphabetic(),
        }) else {
            continue;
        };
        // Mail and news servers greet with a 220 or 200 as well, and name their protocol in it.
        let upper = line.to_ascii_uppercase();
        if contains(&upper, b"SMTP") || contains(&upper, b"NNTP") {
            return Some(false);
        }
        // Only the first reply can be the greeting (RFC 959 section 5.4).
        if matches!(code, 120 | 220) && codes.is_empty() {
            greeted = true;
            if contains(&upper, b"FTP") {
                return Some(true);
            }
        }
        if (code == 227 && passive_reply(line.get(4..).unwrap_or_default()).is_some())
            || (code == 229 && extended_passive_reply(line.get(4..).unwrap_or_default()).is_some())
        {
            return Some(true);
        }
        codes.push(code);
    }
    for line in lines(client) {
        let command = parse_command(line);
        if OTHER_PROTOCOL_VERBS.contains(&command.verb.as_slice()) {
            return Some(false);
        }
        let verb = Verb::from_bytes(&command.verb);
        if greeted
            && OPENING_VERBS
                .iter()
                .any(|opening| command.verb == opening.trim_ascii_end())
        {
            return Some(true);
        }
        if codes.iter().any(|&code| answers_only_ftp(verb, code)) {
            return Some(true);
        }
    }
    None
}

/// Returns whether only FTP gives this reply to this command.
fn answers_only_ftp(verb: Verb, code: u16) -> bool {
    match verb {
        Verb::User => matches!(code, 230 | 331 | 332 | 530),
        Verb::Pass => matches!(code, 230 | 332 | 530),
        Verb::Pasv => code == 227,
        Verb::Epsv => code == 229,
        Verb::Port | Verb::Eprt => matches!(code, 200 | 500..=522),
        Verb::Retr | Verb::Stor | Verb::Appe | Verb::Stou | Verb::Nlst | Verb::Mlsd => {
            matches!(code, 125 | 150 | 226 | 425 | 426 | 550)
        }
        Verb::List => matches!(code, 125 | 150 | 226 | 425 | 426),
        Verb::Cwd => matches!(code, 250 | 550),
        Verb::Type => code == 200,
        Verb::Pwd => code == 257,
        Verb::Syst => code == 215,
        Verb::Feat => code == 211,
        Verb::Size | Verb::Mdtm => matches!(code, 213 | 550),
        Verb::Rest | Verb::Rnfr => code == 350,
        Verb::Auth => code == 234,
        _ => false,
    }
}

/// Returns the direction in which the client sends on a connection to port 21.
///
/// The port decides where it can. The `initiator` is the client as well, but its SYN may not be in the capture.
pub(super) fn client_way(key: &FlowKey, initiator: Option<Direction>) -> Direction {
    match (
        key.low.port == FTP_CONTROL_PORT,
        key.high.port == FTP_CONTROL_PORT,
    ) {
        (true, false) => Direction::Down,
        (false, true) => Direction::Up,
        _ => initiator.unwrap_or(Direction::Up),
    }
}

/// Returns the direction in which the client sends on a connection to port 990; `None` on any other connection.
fn implicit_way(key: &FlowKey) -> Option<Direction> {
    match (
        key.low.port == FTPS_CONTROL_PORT,
        key.high.port == FTPS_CONTROL_PORT,
    ) {
        (true, false) => Some(Direction::Down),
        (false, true) => Some(Direction::Up),
        _ => None,
    }
}

/// Splits complete lines, without their ends and without empty ones.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    // A line without its end may still grow into another command.
    let end = text.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
    text[..end]
        .split(|&byte| byte == b'\n')
        .map(|line| without_padding(line).trim_ascii_end())
        .map(|line| match memchr::memchr(0, line) {
            Some(end) => line[..end].trim_ascii_end(),
            None => line,
        })
        .filter(|line| !line.is_empty())
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// First four bytes of the commands with which a capture may meet an FTP dialogue.
const OPENING_VERBS: [[u8; 4]; 28] = [
    *b"USER", *b"PASS", *b"AUTH", *b"FEAT", *b"SYST", *b"OPTS", *b"CLNT", *b"HOST", *b"PASV",
    *b"EPSV", *b"PORT", *b"EPRT", *b"RETR", *b"STOR", *b"STOU", *b"APPE", *b"LIST", *b"NLST",
    *b"MLSD", *b"CWD ", *b"TYPE", *b"SIZE", *b"MDTM", *b"REST", *b"RNFR", *b"ACCT", *b"ADAT",
    *b"SITE",
];

/// First commands of SMTP, LMTP, POP3, NNTP, IRC and HTTP.
const OTHER_PROTOCOL_VERBS: &[&[u8]] = &[
    b"EHLO",
    b"HELO",
    b"LHLO",
    b"MAIL",
    b"RCPT",
    b"DATA",
    b"CAPA",
    b"APOP",
    b"STLS",
    b"STARTTLS",
    b"CAPABILITIES",
    b"AUTHINFO",
    b"GROUP",
    b"ARTICLE",
    b"NICK",
    b"JOIN",
    b"PRIVMSG",
    b"GET",
    b"POST",
    b"OPTIONS",
    b"UIDL",
];

/// Bytes in which a padded payload has to begin its line.
const PADDED: usize = 16;

/// Bound in bytes of both directions within which a candidate has to be recognized.
const MAX_BYTES: usize = 8192;

/// Bound in bytes on what is held of TLS whose secrets are known: certificates come before the first line.
const MAX_HANDSHAKE: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greeting_and_ftp_command_together_are_recognized() {
        assert_eq!(is_ftp_dialogue(b"", b"220 ready\r\n"), None);
        assert_eq!(
            is_ftp_dialogue(b"USER bob\r\n", b"220 ready\r\n"),
            Some(true)
        );
        assert_eq!(is_ftp_dialogue(b"", b"220 (vsFTPd 3.0.3)\r\n"), Some(true));
        assert_eq!(
            is_ftp_dialogue(b"EHLO x\r\n", b"220 ready\r\n"),
            Some(false)
        );
        assert_eq!(
            is_ftp_dialogue(b"", b"220 mail ESMTP, no FTP here\r\n"),
            Some(false)
        );
    }

    #[test]
    fn command_and_its_reply_are_recognized_without_a_greeting() {
        assert_eq!(
            is_ftp_dialogue(b"USER bob\r\n", b"331 password\r\n"),
            Some(true)
        );
        assert_eq!(is_ftp_dialogue(b"USER bob\r\n", b"+OK\r\n"), Some(false));
        assert_eq!(
            is_ftp_dialogue(b"LIST\r\n", b"215 newsgroups follow\r\n"),
            None
        );
        assert_eq!(
            is_ftp_dialogue(b"", b"227 Entering Passive Mode (1,2,3,4,5,6)\r\n"),
            Some(true)
        );
        assert_eq!(
            is_ftp_dialogue(b"PASS x\r\nNICK y\r\nUSER a b c :d\r\n", b":irc NOTICE\r\n"),
            Some(false)
        );
    }

    #[test]
    fn only_lines_of_a_dialogue_make_a_candidate() {
        for text in [
            &b"220 x"[..],
            b"220-x",
            b"USER x",
            b"user x",
            b"CWD x",
            b"retr x",
        ] {
            assert!(may_be_control(text), "{}", text.escape_ascii());
        }
        for text in [
            &b"2200"[..],
            b"GET /",
            b"\x16\x03\x01\x00",
            b"220",
            b"CWDX",
            b"\0\0\0\0",
        ] {
            assert!(!may_be_control(text), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn first_letters_of_a_line_make_a_candidate() {
        for text in [&b"2"[..], b"22", b"220", b"u", b"USE"] {
            assert!(may_be_padded_control(text), "{}", text.escape_ascii());
        }
        for text in [&b""[..], b"0", b"9", b"GE", b"x", b"\0", b"2x", b"\x16\x03"] {
            assert!(!may_be_padded_control(text), "{}", text.escape_ascii());
        }
    }
}

//! FTP on any port, told from the dialogue itself.
//!
//! Two signals are needed, one from each side, for SMTP, POP3, NNTP and IRC share some: a 220 and a command only FTP has, or a
//! command and the reply that only FTP gives to it, or a reply that names a data address. Foreign traffic pays for one
//! look at the first four bytes of a payload.

use crate::model::{Direction, FlowKey, FrameRef};
use crate::protocol::ftp::{
    Verb, extended_passive_reply, parse_command, passive_reply, reply_code,
};
use crate::protocol::tls::hello::HandshakeReader;
use crate::protocol::tls::record::looks_like_record;
use crate::reassembly::Chunk;

/// Whether a payload may be the start, or a line, of an FTP control connection.
pub(crate) fn may_be_control(payload: &[u8]) -> bool {
    let Some(&[a, b, c, d]) = payload.first_chunk::<4>() else {
        return false;
    };
    if a.is_ascii_digit() {
        return matches!(
            (&[a, b, c], d),
            (b"220" | b"120" | b"227" | b"229", b' ' | b'-')
        );
    }
    if !a.is_ascii_alphabetic() || !b.is_ascii_alphabetic() {
        return false;
    }
    OPENING_VERBS.contains(&[a, b, c, d].map(|byte| byte.to_ascii_uppercase()))
}

/// Whether a payload may be TLS with FTP inside, from its first byte on: TLS on port 990, and elsewhere a client that says so
/// (RFC 7301). TLS alone tells nothing.
pub(crate) fn may_be_implicit(payload: &[u8], on_port: bool) -> bool {
    if on_port {
        return looks_like_record(payload);
    }
    matches!(payload, [22, 3, _, _, _, 1, ..]) && offers_ftp(payload).is_some_and(|offers| offers)
}

/// Whether a `ClientHello` offers FTP inside; `None` while it is not whole.
fn offers_ftp(bytes: &[u8]) -> Option<bool> {
    let mut reader = HandshakeReader::new();
    reader.feed(bytes);
    if let Some(hello) = reader.client_hello() {
        let offers = |name: &Vec<u8>| matches!(name.as_slice(), b"ftp" | b"x-filezilla-ftp");
        return Some(hello.application_protocols.iter().any(offers));
    }
    reader.is_done().then_some(false)
}

/// A connection that may turn out to be FTP: its first bytes, until they tell.
#[derive(Debug, Default)]
pub(crate) struct Candidate {
    chunks: Vec<HeldChunk>,
    bytes: usize,
}

/// Bytes of a candidate, kept for when it is recognised.
#[derive(Debug)]
pub(crate) struct HeldChunk {
    pub(crate) direction: Direction,
    pub(crate) frame: FrameRef,
    pub(crate) arrived: FrameRef,
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// What a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// FTP; the client sends in this direction.
    Ftp(Direction),
    /// Something else.
    Foreign,
    /// Not told yet.
    Open,
}

impl Candidate {
    /// More bytes, and what they tell.
    ///
    /// `implicit` is the direction in which the client of a connection to port 990 sends.
    pub(crate) fn data(
        &mut self,
        direction: Direction,
        chunk: &Chunk<'_>,
        implicit: Option<Direction>,
    ) -> Judgement {
        self.bytes += chunk.bytes.len();
        if self.bytes > MOST_BYTES {
            return Judgement::Foreign;
        }
        self.chunks.push(HeldChunk {
            direction,
            frame: chunk.frame,
            arrived: chunk.arrived,
            offset: chunk.offset,
            bytes: chunk.bytes.to_vec(),
        });
        self.judge(implicit)
    }

    /// What was held, in order.
    pub(crate) fn into_chunks(self) -> Vec<HeldChunk> {
        self.chunks
    }

    fn judge(&self, implicit: Option<Direction>) -> Judgement {
        let text = [self.text(Direction::Up), self.text(Direction::Down)];
        for way in [Direction::Up, Direction::Down] {
            let bytes = &text[way.index()];
            if !matches!(bytes.as_slice(), [20..=23] | [20..=23, 3, ..]) {
                continue;
            }
            if let Some(client) = implicit {
                return match bytes.len() {
                    0..5 => Judgement::Open,
                    _ if looks_like_record(bytes) => Judgement::Ftp(client),
                    _ => Judgement::Foreign,
                };
            }
            return match offers_ftp(bytes) {
                Some(true) => Judgement::Ftp(way),
                Some(false) => Judgement::Foreign,
                None => Judgement::Open,
            };
        }
        if text.iter().any(|text| text.contains(&0)) {
            return Judgement::Foreign;
        }
        for client in [Direction::Up, Direction::Down] {
            let judgement = dialogue(&text[client.index()], &text[client.reverse().index()]);
            match judgement {
                Some(true) => return Judgement::Ftp(client),
                Some(false) => return Judgement::Foreign,
                None => {}
            }
        }
        Judgement::Open
    }

    fn text(&self, direction: Direction) -> Vec<u8> {
        let of = self
            .chunks
            .iter()
            .filter(|chunk| chunk.direction == direction);
        of.flat_map(|chunk| chunk.bytes.iter().copied()).collect()
    }
}

/// Whether `client` and `server` talk FTP: yes, no, or not told.
fn dialogue(client: &[u8], server: &[u8]) -> Option<bool> {
    let mut greeted = false;
    let mut codes = Vec::new();
    for line in lines(server) {
        if line.starts_with(b"+OK")
            || line.starts_with(b"-ERR")
            || line.first() == Some(&b':')
            || line.starts_with(b"* OK")
        {
            return Some(false);
        }
        let Some(code) =
            reply_code(line).filter(|_| matches!(line.get(3), None | Some(b' ' | b'-')))
        else {
            continue;
        };
        let upper = line.to_ascii_uppercase();
        if contains(&upper, b"SMTP") || contains(&upper, b"NNTP") {
            return Some(false);
        }
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
        if FOREIGN_VERBS.contains(&command.verb.as_slice()) {
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

/// Replies that no other protocol gives to such a command.
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

/// The direction in which the client of a connection to port 21 sends.
pub(crate) fn client_way(key: &FlowKey, initiator: Option<Direction>) -> Direction {
    match (key.low.port == FTP, key.high.port == FTP) {
        (true, false) => Direction::Down,
        (false, true) => Direction::Up,
        _ => initiator.unwrap_or(Direction::Up),
    }
}

/// The direction in which the client of implicit TLS sends.
pub(crate) fn implicit_way(key: &FlowKey) -> Option<Direction> {
    match (key.low.port == FTPS, key.high.port == FTPS) {
        (true, false) => Some(Direction::Down),
        (false, true) => Some(Direction::Up),
        _ => None,
    }
}

/// Complete lines, without their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = text.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
    text[..end]
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end)
        .filter(|line| !line.is_empty())
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// Commands that an FTP dialogue may be met with; four bytes, a space filling up what is shorter.
const OPENING_VERBS: [[u8; 4]; 26] = [
    *b"USER", *b"PASS", *b"AUTH", *b"FEAT", *b"SYST", *b"OPTS", *b"CLNT", *b"HOST", *b"PASV",
    *b"EPSV", *b"PORT", *b"EPRT", *b"RETR", *b"STOR", *b"STOU", *b"APPE", *b"LIST", *b"NLST",
    *b"MLSD", *b"CWD ", *b"TYPE", *b"SIZE", *b"MDTM", *b"REST", *b"RNFR", *b"ACCT",
];

/// First commands of SMTP, LMTP, POP3, NNTP, IRC and HTTP.
const FOREIGN_VERBS: &[&[u8]] = &[
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

/// The control port (RFC 959 section 8).
pub(crate) const FTP: u16 = 21;

/// The control port of FTP inside TLS (RFC 4217 appendix A).
pub(crate) const FTPS: u16 = 990;

/// Bytes of both sides that are kept until they tell.
const MOST_BYTES: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_220_and_a_command_of_ftp_tell() {
        assert_eq!(dialogue(b"", b"220 ready\r\n"), None);
        assert_eq!(dialogue(b"USER bob\r\n", b"220 ready\r\n"), Some(true));
        assert_eq!(dialogue(b"", b"220 (vsFTPd 3.0.3)\r\n"), Some(true));
        assert_eq!(dialogue(b"EHLO x\r\n", b"220 ready\r\n"), Some(false));
        assert_eq!(
            dialogue(b"", b"220 mail ESMTP, no FTP here\r\n"),
            Some(false)
        );
    }

    #[test]
    fn a_command_and_its_reply_tell_in_the_middle_of_a_dialogue() {
        assert_eq!(dialogue(b"USER bob\r\n", b"331 password\r\n"), Some(true));
        assert_eq!(dialogue(b"USER bob\r\n", b"+OK\r\n"), Some(false));
        assert_eq!(dialogue(b"LIST\r\n", b"215 newsgroups follow\r\n"), None);
        assert_eq!(
            dialogue(b"", b"227 Entering Passive Mode (1,2,3,4,5,6)\r\n"),
            Some(true)
        );
        assert_eq!(
            dialogue(b"PASS x\r\nNICK y\r\nUSER a b c :d\r\n", b":irc NOTICE\r\n"),
            Some(false)
        );
    }

    #[test]
    fn only_lines_of_a_dialogue_are_looked_at_twice() {
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
}

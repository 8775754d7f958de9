//! Logs of `FileZilla` Server: the file and the window of 1.x, and 0.9.
//!
//! ```text
//! 2026-08-25T00:15:15.084Z >> [FTP Session 6 192.0.2.33 USER] RETR a.txt
//! <25/08/2026 00:15:15> FTP Session 6 192.0.2.33 [Command] RETR a.txt
//! (000012) 25/08/2026 00:15:15 - USER (192.0.2.33)> RETR a.txt
//! ```
//!
//! Commands and replies are lines of their own. A claim is the line of the command, with code and time of its final reply; a
//! command whose reply the log lacks claims neither. The order of day and month is that of the machine: the first date with
//! a number above 12 shows it, wherever in the log. Without one, that order counts which is nearer to the captures.

use std::collections::{HashMap, VecDeque};

use super::grammar::{Line, Reading, RenameSources, command_claim, set_code};
use super::scan::{
    Civil, Scan, code, host, iso_time, number, present, small, split_last, string, zoneless,
};
use crate::model::Timestamp;
use crate::reconcile::claim::{Claim, ClaimKind, LogTime, PathForm};

/// Reader of the logs.
#[derive(Debug)]
pub(super) struct FilezillaReader {
    is_09: bool,
    dates: DateOrder,
    sessions: HashMap<Vec<u8>, Session>,
    renames: RenameSources,
}

/// One session, between its lines.
#[derive(Debug, Default)]
struct Session {
    /// Argument of the latest USER.
    user: Option<String>,
    /// Command whose final reply has not come.
    pending: Option<Claim>,
}

/// Parts of a line.
struct Entry<'a> {
    time: LogTime,
    /// Names the session.
    session: &'a [u8],
    host: &'a [u8],
    user: Option<&'a [u8]>,
    message: Message<'a>,
}

enum Message<'a> {
    Command(&'a [u8]),
    Reply(&'a [u8]),
    Note,
}

impl FilezillaReader {
    /// Creates a reader; `captured` is a time near which the log's are, if one is known.
    pub(super) fn new(is_09: bool, captured: Option<Timestamp>) -> Self {
        Self {
            is_09,
            dates: DateOrder {
                captured,
                ..DateOrder::default()
            },
            sessions: HashMap::new(),
            renames: RenameSources::default(),
        }
    }

    /// Learns the order of day and month from a line that is read later.
    pub(super) fn look_at(&mut self, line: &[u8]) {
        let _ = self.parse(line);
    }

    /// Returns true while dates were seen and none of them shows the order of day and month.
    pub(super) fn is_undecided(&self) -> bool {
        self.dates.is_seen && self.dates.month_first.is_none()
    }

    pub(super) fn read(&mut self, line: Line<'_>, claims: &mut VecDeque<Claim>) -> Reading {
        let Some(entry) = self.parse(line.bytes) else {
            return Reading::Unreadable;
        };
        match entry.message {
            Message::Command(text) => self.command(line, &entry, text, claims),
            Message::Reply(text) => self.reply(&entry, text, claims),
            Message::Note => {}
        }
        Reading::Known
    }

    /// Appends commands whose replies did not come.
    pub(super) fn finish(&mut self, claims: &mut VecDeque<Claim>) {
        let pending = self
            .sessions
            .drain()
            .filter_map(|(_, session)| session.pending);
        let mut pending: Vec<Claim> = pending.collect();
        pending.sort_by_key(|claim| claim.line);
        claims.extend(pending);
    }

    fn command(
        &mut self,
        line: Line<'_>,
        entry: &Entry<'_>,
        text: &[u8],
        claims: &mut VecDeque<Claim>,
    ) {
        // Sessions that were never closed would stay for ever.
        if self.sessions.len() >= MAX_SESSIONS {
            self.finish(claims);
        }
        let (verb, argument) = match memchr::memchr(b' ', text) {
            Some(blank) => (&text[..blank], Some(&text[blank + 1..])),
            None => (text, None),
        };
        let mut claim = command_claim(line, verb, argument);
        claim.time = Some(entry.time);
        claim.host = host(entry.host);
        claim.session_key = Some(string(entry.session));
        let session = self.sessions.entry(entry.session.to_vec()).or_default();
        if claim.verb.as_deref() == Some("USER") {
            session.user.clone_from(&claim.user);
        } else {
            claim.user = entry.user.and_then(present).or(session.user.clone());
        }
        claims.extend(session.pending.replace(claim));
    }

    fn reply(&mut self, entry: &Entry<'_>, text: &[u8], claims: &mut VecDeque<Claim>) {
        let Some((code, rest)) = reply_code(text) else {
            return;
        };
        // Preliminary replies, and lines of a reply that goes on (RFC 959 section 4.2).
        if code < 200 || rest.starts_with(b"-") {
            return;
        }
        let Some(session) = self.sessions.get_mut(entry.session) else {
            return;
        };
        let Some(mut claim) = session.pending.take() else {
            return;
        };
        set_code(&mut claim, Some(code));
        claim.time = Some(entry.time);
        if claim.kind == ClaimKind::Transfer
            && let Some(path) = path_in_reply(rest)
        {
            claim.path = Some(path.to_vec());
            claim.path_form = PathForm::Seen;
        }
        if claim.verb.as_deref() == Some("QUIT") {
            self.sessions.remove(entry.session);
        }
        self.renames.on_claim(entry.session, &mut claim);
        claims.push_back(claim);
    }

    fn parse<'a>(&mut self, line: &'a [u8]) -> Option<Entry<'a>> {
        match line.first()? {
            b'(' if self.is_09 => self.entry_09(line),
            b'<' if !self.is_09 => self.window_entry(line),
            _ if !self.is_09 => file_entry(line),
            _ => None,
        }
    }

    /// Parses `<DATE TIME> FTP Session 6 192.0.2.33 [Command] TEXT`, with the user behind the address or not.
    fn window_entry<'a>(&mut self, line: &'a [u8]) -> Option<Entry<'a>> {
        let mut scan = Scan::new(line);
        scan.literal(b"<")?;
        let time = self.dates.time(scan.until(b'>')?)?;
        scan.literal(b" ")?;
        let rest = scan.rest;
        let (end, kind, text) = memchr::memchr_iter(b'[', rest).find_map(|at| {
            let inside = &rest[at + 1..];
            let close = memchr::memchr(b']', inside)?;
            let text = inside[close + 1..]
                .strip_prefix(b" ")
                .unwrap_or(&inside[close + 1..]);
            let kind = &inside[..close];
            matches!(
                kind,
                b"Command"
                    | b"Response"
                    | b"Status"
                    | b"Error"
                    | b"Trace"
                    | b"Debug"
                    | b"Warning"
                    | b"Listing"
            )
            .then_some((at, kind, text))
        })?;
        let source = rest[..end].trim_ascii_end();
        let Some((session, host, user)) = session(source) else {
            return Some(Entry {
                time,
                session: b"",
                host: b"",
                user: None,
                message: Message::Note,
            });
        };
        Some(Entry {
            time,
            session,
            host,
            user,
            message: match kind {
                b"Command" => Message::Command(text),
                b"Response" => Message::Reply(text),
                _ => Message::Note,
            },
        })
    }

    /// Parses `(000012) DATE TIME - USER (192.0.2.33)> TEXT`.
    fn entry_09<'a>(&mut self, line: &'a [u8]) -> Option<Entry<'a>> {
        let mut scan = Scan::new(line);
        scan.literal(b"(")?;
        let session = scan.until(b')')?;
        number(session)?;
        let rest = scan.rest.strip_prefix(b" ").unwrap_or(scan.rest);
        let dash = memchr::memmem::find(rest, b" - ")?;
        let time = self.dates.time(&rest[..dash])?;
        let rest = &rest[dash + 3..];
        // A user may hold such text: the first place with an address in the brackets counts.
        let (user, host, text) = memchr::memmem::find_iter(rest, b")>").find_map(|end| {
            let open = memchr::memrchr(b'(', &rest[..end])?;
            let host = &rest[open + 1..end];
            let is_address = !host.is_empty()
                && host
                    .iter()
                    .all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':'));
            let user = rest[..open].strip_suffix(b" ")?;
            is_address.then_some((user, host, &rest[end + 2..]))
        })?;
        let text = text.strip_prefix(b" ").unwrap_or(text);
        Some(Entry {
            time,
            session,
            host,
            user: Some(user).filter(|user| *user != b"(not logged in)"),
            message: if reply_code(text).is_some() {
                Message::Reply(text)
            } else if is_command(text) {
                Message::Command(text)
            } else {
                Message::Note
            },
        })
    }
}

/// Parses `2026-08-25T00:15:15.084Z >> [FTP Session 6 192.0.2.33 USER] TEXT`.
fn file_entry(line: &[u8]) -> Option<Entry<'_>> {
    let mut scan = Scan::new(line);
    let time = iso_time(scan.word()?)?;
    let mark = scan.word()?;
    let is_mark = mark.len() == 2
        && mark
            .iter()
            .all(|b| b.is_ascii_uppercase() || b"<>=!".contains(b));
    if !is_mark {
        return None;
    }
    let note = Entry {
        time,
        session: b"",
        host: b"",
        user: None,
        message: Message::Note,
    };
    if scan.literal(b"[").is_none() {
        return Some(note);
    }
    let rest = scan.rest;
    let Some(end) = memchr::memmem::find(rest, b"] ") else {
        return Some(note);
    };
    let Some((session, host, user)) = session(&rest[..end]) else {
        return Some(note);
    };
    let text = &rest[end + 2..];
    Some(Entry {
        session,
        host,
        user,
        message: match mark {
            b">>" => Message::Command(text),
            b"<<" => Message::Reply(text),
            _ => Message::Note,
        },
        ..note
    })
}

/// Number, address and user of a session.
type Source<'a> = (&'a [u8], &'a [u8], Option<&'a [u8]>);

/// Parses `FTP Session 6 192.0.2.33 USER`; FTPS has `FTP(S) Session`.
fn session(text: &[u8]) -> Option<Source<'_>> {
    let mut scan = Scan::new(text);
    if !scan.word()?.starts_with(b"FTP") {
        return None;
    }
    scan.literal(b"Session ")?;
    let (number_text, rest) = match scan.until(b' ') {
        Some(number_text) => (number_text, scan.rest),
        None => return None,
    };
    number(number_text)?;
    let (host, user) = match memchr::memchr(b' ', rest) {
        Some(blank) => (&rest[..blank], Some(&rest[blank + 1..])),
        None => (rest, None),
    };
    Some((number_text, host, user.filter(|user| !user.is_empty())))
}

fn reply_code(text: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = text.split_at_checked(3)?;
    let is_reply = matches!(rest.first(), None | Some(b' ' | b'-'));
    Some((code(digits).filter(|code| is_reply && *code < 700)?, rest))
}

fn is_command(text: &[u8]) -> bool {
    let verb = text.split(|byte| *byte == b' ').next().unwrap_or_default();
    (3..=4).contains(&verb.len()) && verb.iter().all(u8::is_ascii_alphabetic)
}

/// Returns the path of `Successfully transferred "PATH"`.
fn path_in_reply(text: &[u8]) -> Option<&[u8]> {
    let rest = text
        .trim_ascii_start()
        .strip_prefix(b"Successfully transferred \"")?;
    let (path, _) = split_last(rest, b'"')?;
    path.starts_with(b"/").then_some(path)
}

/// Order of day and month, learned from dates.
#[derive(Debug, Default)]
struct DateOrder {
    /// True once a date was read whose order is that of the machine.
    is_seen: bool,
    /// `None` while no date shows it.
    month_first: Option<bool>,
    captured: Option<Timestamp>,
}

impl DateOrder {
    /// Parses a date of three numbers and a time of day, perhaps with AM or PM.
    fn time(&mut self, text: &[u8]) -> Option<LogTime> {
        let mut words = text
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty());
        let (date, clock, half) = (words.next()?, words.next()?, words.next());
        if words.next().is_some() {
            return None;
        }
        let mut parts = date.split(|byte| matches!(byte, b'/' | b'.' | b'-'));
        let mut part = || parts.next().and_then(small);
        let (first, second, third) = (part()?, part()?, part()?);
        if parts.next().is_some() {
            return None;
        }
        let mut padded = clock.to_vec();
        if clock.get(1) == Some(&b':') {
            padded.insert(0, b'0');
        }
        let mut civil = Civil::default().with_clock(&padded)?;
        match half {
            Some(b"PM" | b"pm") if civil.hour < 12 => civil.hour += 12,
            Some(b"AM" | b"am") if civil.hour == 12 => civil.hour = 0,
            Some(b"AM" | b"am" | b"PM" | b"pm") | None => {}
            Some(_) => return None,
        }
        if first > 31 {
            (civil.year, civil.month, civil.day) = (first, second, third);
            return Some(zoneless(civil.wall()?));
        }
        civil.year = if third < 100 { 2000 + third } else { third };
        self.is_seen = true;
        if first > 12 {
            self.month_first = Some(false);
        } else if second > 12 {
            self.month_first = Some(true);
        }
        let with = |month: u32, day: u32| {
            Civil {
                month,
                day,
                ..civil
            }
            .wall()
        };
        let (day_first, month_first) = (with(second, first), with(first, second));
        let is_nearer = || {
            let captured = self.captured?;
            let distance = |time: Timestamp| time.since(captured).nanos().unsigned_abs();
            Some(distance(month_first?) < distance(day_first?))
        };
        let wall = match self.month_first.or_else(is_nearer) {
            Some(true) => month_first,
            _ => day_first,
        };
        Some(zoneless(wall?))
    }
}

/// Sessions that are followed at once.
const MAX_SESSIONS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::super::tests::known_claims;
    use super::*;
    use crate::reconcile::claim::ClaimStatus;

    fn read(mut reader: FilezillaReader, lines: &[&str]) -> Vec<Claim> {
        let mut claims = known_claims(lines, |line, claims| reader.read(line, claims));
        reader.finish(&mut claims);
        claims.into()
    }

    #[test]
    fn commands_have_code_and_time_of_their_final_reply() {
        let claims = read(
            FilezillaReader::new(false, None),
            &[
                "2026-08-25T00:15:14.000Z == [FTP Server] Listening on 0.0.0.0:21.",
                "2026-08-25T00:15:15.000Z >> [FTP Session 6 192.0.2.33] USER ida",
                "2026-08-25T00:15:15.000Z << [FTP Session 6 192.0.2.33] 331 Please, specify the password.",
                "2026-08-25T00:15:15.000Z >> [FTP Session 6 192.0.2.33] PASS ****",
                "2026-08-25T00:15:15.100Z << [FTP Session 6 192.0.2.33] 230 Login successful.",
                "2026-08-25T00:15:16.000Z >> [FTP Session 6 192.0.2.33 ida] RETR a b.txt",
                "2026-08-25T00:15:16.000Z >> [FTP Session 7 192.0.2.34] NOOP",
                "2026-08-25T00:15:16.100Z << [FTP Session 6 192.0.2.33 ida] 150 Starting data transfer.",
                "2026-08-25T00:15:17.500Z << [FTP Session 6 192.0.2.33 ida] 226-go on",
                "2026-08-25T00:15:18.500Z << [FTP Session 6 192.0.2.33 ida] 226 Operation successful",
            ],
        );
        assert_eq!(claims.len(), 4);
        assert_eq!(
            (claims[1].kind, claims[1].user.as_deref()),
            (ClaimKind::Login, Some("ida"))
        );
        let transfer = &claims[2];
        assert_eq!((transfer.line, transfer.code), (6, Some(226)));
        assert_eq!(transfer.path.as_deref(), Some(&b"a b.txt"[..]));
        assert_eq!(
            transfer.time.unwrap().wall.nanos() % 60_000_000_000,
            18_500_000_000
        );
        assert_eq!((claims[3].line, claims[3].status), (7, None));
    }

    #[test]
    fn window_form_is_read() {
        let claims = read(
            FilezillaReader::new(false, None),
            &[
                "<08/25/2026 12:15:15 AM> FTP Server [Status] Listening",
                "<08/25/2026 12:15:15 AM> FTP Session 6 192.0.2.33 [Command] DELE [Status] x",
                "<08/25/2026 12:15:15 AM> FTP Session 6 192.0.2.33 ida [Response] 550 Couldn't",
            ],
        );
        assert_eq!(claims[0].path.as_deref(), Some(&b"[Status] x"[..]));
        assert_eq!(claims[0].status, Some(ClaimStatus::Failed));
        assert_eq!(
            claims[0].time.unwrap().wall.nanos() / 1_000_000_000,
            1_787_616_915
        );
    }

    #[test]
    fn order_of_day_and_month_comes_from_any_line_or_the_capture() {
        let lines = [
            "(000012)03/04/2026 00:15:15 - (not logged in) (192.0.2.33)> Connected on port 21, sending welcome message...",
            "(000012) 03/04/2026 00:15:15 - ida (x) (192.0.2.33)> RETR a.txt",
            "(000012) 03/04/2026 00:15:15 - ida (x) (192.0.2.33)> 226 Successfully transferred \"/in/a.txt\"",
        ];
        let mut reader = FilezillaReader::new(true, None);
        reader.look_at(b"(000013) 03/25/2026 00:15:15 - ida (192.0.2.33)> QUIT");
        let claims = read(reader, &lines);
        assert_eq!(claims[0].user.as_deref(), Some("ida (x)"));
        assert_eq!(claims[0].path.as_deref(), Some(&b"/in/a.txt"[..]));
        let march = 1_772_583_315;
        assert_eq!(claims[0].time.unwrap().wall.nanos() / 1_000_000_000, march);
        let near = Timestamp::from_nanos((march + 7200) * 1_000_000_000);
        let claims = read(FilezillaReader::new(true, Some(near)), &lines);
        assert_eq!(claims[0].time.unwrap().wall.nanos() / 1_000_000_000, march);
        let claims = read(FilezillaReader::new(true, None), &lines);
        assert_eq!(
            claims[0].time.unwrap().wall.nanos() / 1_000_000_000,
            march + 30 * 86_400
        );
    }
}

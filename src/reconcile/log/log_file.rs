//! One log: its kind, its claims in order, and the counts of its lines.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use super::grammar::{Grammar, Line, Reading};
use super::lines::Lines;
use super::{Coverage, LogKind, Writer};
use crate::capture::{decompressed, is_capture};
use crate::model::{Timestamp, system_message};
use crate::reconcile::claim::{Claim, ClaimKind, Cut, Direction};

/// Options of reading, for all logs.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// `LogFormat` of `ProFTPD`'s `ExtendedLog`; `None` for its default.
    pub log_format: Option<String>,
    /// A time that the captures hold. It decides between day and month where the dates of a log do not.
    pub captured: Option<Timestamp>,
}

/// A log that is read line by line, in memory that does not grow with it.
pub struct LogFile {
    path: PathBuf,
    kind: LogKind,
    lines: Lines,
    grammar: Grammar,
    /// Claims that were read and not returned yet.
    claims: VecDeque<Claim>,
    counts: LogCounts,
    /// Numbers of the first unreadable lines.
    damaged: Vec<u64>,
    /// Lines that belong to the grammar.
    fitting: u64,
    seen: Seen,
    is_ended: bool,
    damage: Option<String>,
}

/// Counts of the lines read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// All lines, headers and empty ones included.
    pub lines: u64,
    /// Claims that were returned.
    pub claims: u64,
    /// Lines that the grammar does not have.
    pub unreadable: u64,
    /// Number of the first unreadable line; `None` without any.
    pub first_unreadable: Option<u64>,
    /// Lines that the grammar has and that claim nothing, among them empty ones and those of other programs.
    pub without_claim: u64,
}

/// The reason why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {}", system_message(cause))]
    Io {
        /// Path of the log.
        path: String,
        /// Message of the system.
        cause: io::Error,
    },
    /// The file has no bytes.
    #[error("cannot read {path}: it is empty")]
    Empty {
        /// Path of the log.
        path: String,
    },
    /// The file is a capture.
    #[error("cannot read {path} as a log: it is a capture")]
    IsCapture {
        /// Path of the file.
        path: String,
    },
    /// No line is of the kind that was given.
    #[error("cannot read {path}: none of its lines is one of {kind}")]
    NoLineOfKind {
        /// Path of the log.
        path: String,
        /// The kind given.
        kind: LogKind,
    },
    /// Too few of the first lines fit any grammar.
    #[error("cannot read {path}: its kind is not certain, {}", best_guess(*best, *fitting, *lines))]
    KindUncertain {
        /// Path of the log.
        path: String,
        /// The kind that most lines fit; `None` if none fits any.
        best: Option<LogKind>,
        /// Lines that fit it.
        fitting: u64,
        /// Lines that were looked at.
        lines: u64,
    },
    /// The name before the colon of `--log` is no kind.
    #[error("cannot read {argument}: '{name}' is no kind of log")]
    UnknownKind {
        /// The argument as given.
        argument: String,
        /// The name in front of the colon.
        name: String,
    },
    /// A folder holds no log.
    #[error("cannot read {path}: the folder holds no file")]
    NoFile {
        /// Path of the folder.
        path: String,
    },
    /// The `LogFormat` cannot be read backwards.
    #[error("cannot use the log format '{format}': {cause}")]
    Format {
        /// The format as given.
        format: String,
        /// The ambiguity, or the mistake.
        cause: String,
    },
}

/// An event of the wire, as far as it decides whether a log has a line for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sought<'a> {
    /// Kind of the event.
    pub kind: ClaimKind,
    /// Direction of a transfer.
    pub direction: Option<Direction>,
    /// Verb of the command, in upper case. Of a login, the last command that was sent: USER where no password was asked for.
    pub verb: &'a str,
    /// End of the event.
    pub ending: Ending,
}

/// The end of an event on the wire, as far as logs distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// Done, with a reply 2yz.
    Done,
    /// Refused with 4yz or 5yz before anything was done: no byte was moved.
    Refused,
    /// A transfer that began and broke off.
    BrokenOff,
}

/// Sorts of claims that a log was seen to hold.
#[derive(Debug, Default)]
struct Seen {
    kinds: Vec<ClaimKind>,
    directions: Vec<Direction>,
    /// Verbs of claims; a hostile log may invent at most [`MAX_VERBS`].
    verbs: BTreeSet<String>,
}

impl LogFile {
    /// Opens a log. Without a `kind` it is detected: at least 90 % of the first 200 lines must fit its grammar. The first and an
    /// open last line, which may be cut, are left out if they do not and enough others do.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is empty, its kind is not certain, or the `LogFormat` cannot be read backwards.
    pub fn open(
        path: &Path,
        kind: Option<LogKind>,
        options: &LogOptions,
    ) -> Result<Self, LogError> {
        let input = open(path).map_err(|cause| io_error(path, cause))?;
        let mut log = Self::read(path, input, kind, options)?;
        // A file can be read twice, a pipe cannot.
        if log.grammar.is_undecided() && path.is_file() {
            let input = open(path).map_err(|cause| io_error(path, cause))?;
            let mut lines = Lines::new(input, longest_line(log.kind));
            while log.grammar.is_undecided()
                && let Ok(Some(line)) = lines.next()
            {
                log.grammar.prepare(&[line.bytes]);
            }
        }
        Ok(log)
    }

    /// Reads a log from `input`; `path` is its name in messages.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn read(
        path: &Path,
        mut input: Box<dyn Read + Send>,
        kind: Option<LogKind>,
        options: &LogOptions,
    ) -> Result<Self, LogError> {
        let head = head(&mut *input).map_err(|cause| io_error(path, cause))?;
        if head.bytes.is_empty() {
            return Err(LogError::Empty {
                path: path.display().to_string(),
            });
        }
        if is_capture(&head.bytes) {
            return Err(LogError::IsCapture {
                path: path.display().to_string(),
            });
        }
        let kind = match kind {
            Some(kind) => kind,
            None => detect(path, &head, options)?,
        };
        let grammar = Grammar::new(kind, options)?;
        let mut log = Self {
            path: path.to_owned(),
            kind,
            lines: Lines::new(
                Box::new(Cursor::new(head.bytes.clone()).chain(input)),
                longest_line(kind),
            ),
            grammar,
            claims: VecDeque::new(),
            counts: LogCounts::default(),
            damaged: Vec::new(),
            fitting: 0,
            seen: Seen::default(),
            is_ended: false,
            damage: head.damage.clone(),
        };
        log.grammar.prepare(&head.lines());
        Ok(log)
    }

    /// Returns the path, as given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the kind, given or detected.
    #[must_use]
    pub const fn kind(&self) -> LogKind {
        self.kind
    }

    /// Returns the server that wrote the log; `None` while its lines do not show it.
    #[must_use]
    pub fn writer(&self) -> Option<Writer> {
        self.grammar.writer().or(self.kind.writer())
    }

    /// Returns the counts of what was read so far.
    #[must_use]
    pub const fn counts(&self) -> LogCounts {
        self.counts
    }

    /// Returns the numbers of the unreadable lines read so far, at most the first 10,000.
    #[must_use]
    pub fn damaged_lines(&self) -> &[u64] {
        &self.damaged
    }

    /// Returns the message of an error that ended the log early, such as a cut stream of gzip; `None` for a whole log.
    #[must_use]
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Returns the next claim; `None` at the end.
    ///
    /// Claims are in the order of their lines, but those of commands whose reply is a line of its own: they are in the order
    /// of the replies.
    ///
    /// # Errors
    ///
    /// The log has ended, and no line was of its kind.
    pub fn next_claim(&mut self) -> Result<Option<Claim>, LogError> {
        loop {
            if let Some(claim) = self.claims.pop_front() {
                self.counts.claims += 1;
                self.seen.note(&claim);
                return Ok(Some(claim));
            }
            if self.is_ended {
                if self.fitting == 0 {
                    return Err(LogError::NoLineOfKind {
                        path: self.path.display().to_string(),
                        kind: self.kind,
                    });
                }
                return Ok(None);
            }
            self.read_line();
        }
    }

    /// Returns true if an event without a line is missing in this log. Holds once all claims were returned.
    #[must_use]
    pub fn has_line_for(&self, sought: &Sought<'_>) -> bool {
        // A server that rejects a user at once never comes to the place where it writes about the login.
        if sought.kind == ClaimKind::Login
            && sought.verb == "USER"
            && sought.ending == Ending::Refused
        {
            return false;
        }
        let coverage = self
            .kind
            .coverage(self.writer(), sought.kind, sought.ending);
        match coverage {
            Coverage::Always => true,
            Coverage::Never => false,
            Coverage::IfAny => self.seen.has(sought),
        }
    }

    fn read_line(&mut self) {
        let raw = match self.lines.next() {
            Ok(Some(raw)) => raw,
            Ok(None) => {
                self.is_ended = true;
                self.grammar.finish(&mut self.claims);
                return;
            }
            Err(error) => {
                self.is_ended = true;
                self.damage = Some(error.to_string());
                self.grammar.finish(&mut self.claims);
                return;
            }
        };
        self.counts.lines += 1;
        let number = self.counts.lines;
        let bytes = match number {
            1 => without_mark(raw.bytes),
            _ => raw.bytes,
        };
        let before = self.claims.len();
        let cut = match number {
            _ if raw.is_open => Cut::End,
            1 => Cut::Start,
            _ => Cut::None,
        };
        let reading = if raw.is_cut {
            Reading::Unreadable
        } else if bytes.iter().all(u8::is_ascii_whitespace) {
            Reading::Unrelated
        } else {
            let line = Line { number, bytes };
            self.grammar.read(line, &mut self.claims)
        };
        match reading {
            Reading::Unreadable => {
                self.counts.unreadable += 1;
                if self.damaged.len() < MAX_DAMAGED {
                    self.damaged.push(number);
                }
                self.counts.first_unreadable.get_or_insert(number);
            }
            Reading::Known => self.fitting += 1,
            Reading::Unrelated => {}
        }
        if cut != Cut::None {
            // A reader that pairs lines may also have returned claims of earlier ones.
            for claim in self.claims.range_mut(before..) {
                if claim.line == number {
                    claim.cut = cut;
                }
            }
        }
        if reading != Reading::Unreadable && self.claims.len() == before {
            self.counts.without_claim += 1;
        }
    }
}

impl std::fmt::Debug for LogFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogFile")
            .field("path", &self.path)
            .field("kind", &self.kind)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl LogError {
    /// Returns true for wrong usage; false for a log that cannot be read.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::UnknownKind { .. } | Self::Format { .. })
    }

    /// Returns a hint about the remedy; `None` if there is none to give.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let all = || LogKind::ALL.map(LogKind::name).join(", ");
        match self {
            Self::Io { cause, .. } => match cause.kind() {
                io::ErrorKind::NotFound => Some("check the path".to_owned()),
                io::ErrorKind::PermissionDenied => Some("ask for the right to read it".to_owned()),
                _ => None,
            },
            Self::Empty { .. } | Self::NoFile { .. } => None,
            Self::IsCapture { .. } => {
                Some("name captures behind the options, without --log".to_owned())
            }
            Self::NoLineOfKind { .. } => Some("give another kind, or none to detect it".to_owned()),
            Self::KindUncertain { path, best, .. } => {
                let kind = best.map_or("KIND", LogKind::name);
                Some(format!(
                    "give it as --log {kind}:{path}, or what ProFTPD writes in a LogFormat of its own as --log proftpd:{path} \
                     --log-format FORMAT; kinds are {}",
                    all()
                ))
            }
            Self::UnknownKind { .. } => Some(format!("kinds are {}", all())),
            Self::Format { .. } => Some(
                "write text between fields, such as a quote or |; the default is %h %l %u %t \"%r\" %s %b"
                    .to_owned(),
            ),
        }
    }
}

impl Seen {
    fn note(&mut self, claim: &Claim) {
        if !self.kinds.contains(&claim.kind) {
            self.kinds.push(claim.kind);
        }
        if let Some(direction) = claim.direction
            && !self.directions.contains(&direction)
        {
            self.directions.push(direction);
        }
        if let Some(verb) = &claim.verb
            && self.verbs.len() < MAX_VERBS
            && !self.verbs.contains(verb)
        {
            self.verbs.insert(verb.clone());
        }
    }

    fn has(&self, sought: &Sought<'_>) -> bool {
        let has_kind = self.kinds.contains(&sought.kind);
        match sought.kind {
            // A class of commands may be logged without the others: READ without WRITE.
            ClaimKind::Transfer => {
                has_kind
                    && sought
                        .direction
                        .is_none_or(|direction| self.directions.contains(&direction))
            }
            ClaimKind::Command => self.verbs.contains(sought.verb),
            _ => has_kind,
        }
    }
}

/// The first lines of a log.
struct Head {
    bytes: Vec<u8>,
    /// True if the log has no more than `bytes`.
    is_all: bool,
    damage: Option<String>,
}

impl Head {
    /// Returns true if the last of `lines` has no end.
    fn is_open(&self) -> bool {
        self.is_all && !self.bytes.ends_with(b"\n")
    }

    /// Returns the first whole lines that are not empty.
    fn lines(&self) -> Vec<&[u8]> {
        let bytes = without_mark(&self.bytes);
        let end = match memchr::memrchr(b'\n', bytes) {
            Some(at) if !self.is_all => at,
            _ => bytes.len(),
        };
        bytes[..end]
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .take(FIRST_LINES)
            .filter(|line| !line.trim_ascii().is_empty())
            .collect()
    }
}

/// Reads what detection looks at. An error behind the first bytes is kept for later: what stands before it is read.
fn head(input: &mut (dyn Read + Send)) -> io::Result<Head> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let (mut lines, mut is_all, mut damage) = (0, false, None);
    while lines < FIRST_LINES && bytes.len() < LONGEST_HEAD {
        match input.read(&mut piece) {
            Ok(0) => {
                is_all = true;
                break;
            }
            Ok(count) => {
                lines += memchr::memchr_iter(b'\n', &piece[..count]).count();
                bytes.extend_from_slice(&piece[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if bytes.is_empty() => return Err(error),
            Err(error) => {
                damage = Some(error.to_string());
                is_all = true;
                break;
            }
        }
    }
    Ok(Head {
        bytes,
        is_all,
        damage,
    })
}

/// Detects the kind by the first lines.
fn detect(path: &Path, head: &Head, options: &LogOptions) -> Result<LogKind, LogError> {
    let lines = head.lines();
    let mut best: Option<(LogKind, u64, u64)> = None;
    let mut consider = |kind: LogKind, grammar: &mut Grammar| {
        let (fitting, cut) = fitting(grammar, &lines, head.is_open());
        if fitting > best.map_or(0, |(_, most, _)| most) {
            best = Some((kind, fitting, cut));
        }
    };
    for kind in ORDER {
        if kind == LogKind::Proftpd && options.log_format.is_none() {
            continue;
        }
        consider(kind, &mut Grammar::new(kind, options)?);
    }
    let count = lines.len() as u64;
    match best {
        Some((kind, fitting, cut)) if fitting * 10 >= (count - cut) * 9 => {
            Ok(Grammar::refined(kind, &lines))
        }
        _ => Err(LogError::KindUncertain {
            path: path.display().to_string(),
            best: best.map(|(kind, ..)| kind),
            fitting: best.map_or(0, |(_, fitting, _)| fitting),
            lines: count,
        }),
    }
}

/// Counts the lines that a grammar has, and those at the edges that it lacks because they may be cut.
fn fitting(grammar: &mut Grammar, lines: &[&[u8]], is_open: bool) -> (u64, u64) {
    let mut claims = VecDeque::new();
    let (mut fitting, mut cut) = (0, 0);
    grammar.prepare(lines);
    for (number, bytes) in (1..).zip(lines) {
        if grammar.read(Line { number, bytes }, &mut claims) == Reading::Known {
            fitting += 1;
        } else if number == 1 || is_open && number == lines.len() as u64 {
            cut += 1;
        }
        claims.clear();
    }
    let is_enough = fitting >= LEAST_FITTING;
    (fitting, if is_enough { cut } else { 0 })
}

fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    decompressed(Box::new(file), WINDOW_LIMIT)
}

/// Returns the bytes of a line that are kept. Names are at most a few thousand; a report may be a single line.
const fn longest_line(kind: LogKind) -> usize {
    match kind {
        LogKind::Ftpscope => 1 << 30,
        _ => 1 << 20,
    }
}

fn io_error(path: &Path, cause: io::Error) -> LogError {
    LogError::Io {
        path: path.display().to_string(),
        cause,
    }
}

/// Removes a byte order mark.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn best_guess(best: Option<LogKind>, fitting: u64, lines: u64) -> String {
    match best {
        Some(kind) => format!("{kind} at best: {fitting} of its first {lines} lines fit"),
        None => format!("none of its first {lines} lines fits any"),
    }
}

/// Order in which kinds are tried: of two that fit equally, the first is taken.
const ORDER: [LogKind; 12] = [
    LogKind::Proftpd,
    LogKind::Xferlog,
    LogKind::Vsftpd,
    LogKind::Clf,
    LogKind::PureftpdStats,
    LogKind::PureftpdSyslog,
    LogKind::W3c,
    LogKind::Iis,
    LogKind::Filezilla,
    LogKind::Filezilla09,
    LogKind::Pyftpdlib,
    LogKind::Ftpscope,
];
/// Lines that detection looks at.
const FIRST_LINES: usize = 200;
/// Lines that must fit for lines at the edges to be taken for cut ones.
const LEAST_FITTING: u64 = 4;
/// Bytes that detection reads at most.
const LONGEST_HEAD: usize = 2 << 20;
/// Unreadable lines whose numbers are kept.
const MAX_DAMAGED: usize = 10_000;
/// Verbs remembered of a log.
const MAX_VERBS: usize = 256;
/// Window that a compressed log may need, as of captures.
const WINDOW_LIMIT: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn log(text: &str, kind: Option<LogKind>) -> Result<LogFile, LogError> {
        let input = Box::new(Cursor::new(text.as_bytes().to_vec()));
        LogFile::read(Path::new("test.log"), input, kind, &LogOptions::default())
    }

    fn all(mut log: LogFile) -> (Vec<Claim>, LogFile) {
        let mut claims = Vec::new();
        while let Some(claim) = log.next_claim().unwrap() {
            claims.push(claim);
        }
        (claims, log)
    }

    const XFER: &str =
        "Thu Dec  3 10:15:00 2026 4 192.0.2.9 4711 /in/plan.bin b _ i r lena ftp 0 * c\n";
    const VSFTPD: &str =
        "Thu Dec  3 10:15:00 2026 [pid 7] [lena] OK DELETE: Client \"192.0.2.9\", \"/x\"\n";

    #[test]
    fn kinds_are_detected_and_damaged_lines_counted() {
        let text = format!(
            "{}\r\ngarbage\0\n\n{}",
            XFER.repeat(20).trim_end(),
            XFER.trim_end()
        );
        let (claims, log) = all(log(&text, None).unwrap());
        assert_eq!((log.kind(), claims.len()), (LogKind::Xferlog, 21));
        assert_eq!(claims.last().unwrap().line, 23);
        let expected = LogCounts {
            lines: 23,
            claims: 21,
            unreadable: 1,
            first_unreadable: Some(21),
            without_claim: 1,
        };
        assert_eq!(log.counts(), expected);
        assert_eq!(
            super::super::LogKind::Vsftpd,
            super::tests::log(VSFTPD, None).unwrap().kind()
        );
    }

    #[test]
    fn cut_lines_at_the_edges_do_not_prevent_detection() {
        let whole = XFER.repeat(6);
        let text = &whole[30..whole.len() - 40];
        let (claims, log) = all(log(text, None).unwrap());
        assert_eq!((log.kind(), claims.len()), (LogKind::Xferlog, 4));
        assert_eq!(log.damaged_lines(), [1, 6]);
    }

    #[test]
    fn mixture_names_the_best_guess() {
        let text = format!("{}{}", XFER.repeat(8), VSFTPD.repeat(2));
        let error = log(&text, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read test.log: its kind is not certain, xferlog at best: 8 of its first 10 lines fit"
        );
        assert!(!error.is_usage());
        assert!(log(&text, Some(LogKind::Vsftpd)).is_ok());
    }

    #[test]
    fn logs_without_a_line_of_the_kind_given_are_errors() {
        assert!(matches!(log("", None), Err(LogError::Empty { .. })));
        let mut of_other_kind = log(XFER, Some(LogKind::Vsftpd)).unwrap();
        let error = of_other_kind.next_claim().unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read test.log: none of its lines is one of vsftpd"
        );
        let missing = LogFile::open(Path::new("/nonexistent/x"), None, &LogOptions::default());
        assert!(matches!(missing, Err(LogError::Io { .. })));
    }

    #[test]
    fn event_without_a_line_is_missed_only_where_the_server_writes_one() {
        let (_, log) = all(log(XFER, None).unwrap());
        assert_eq!(log.writer(), Some(Writer::Vsftpd));
        let sought = |kind, ending| Sought {
            kind,
            direction: Some(Direction::Download),
            verb: "RETR",
            ending,
        };
        assert!(log.has_line_for(&sought(ClaimKind::Transfer, Ending::Refused)));
        assert!(!log.has_line_for(&sought(ClaimKind::Login, Ending::Done)));
        assert!(!log.has_line_for(&sought(ClaimKind::Delete, Ending::Done)));
    }
}

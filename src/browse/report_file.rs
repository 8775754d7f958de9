//! Reports made before: where the records of their sessions stand.
//!
//! An NDJSON report is read line by line, a JSON report byte by byte, without holding either. Of each session, offset and
//! length stay in memory; see [`Row`](super::sessions::Row).

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::sessions::{Extent, Feed, Head, Place};
use crate::model::record::{Capture, Finding};
use crate::report::SpooledText;
use crate::report::json::SessionScanner;

/// A report in JSON or NDJSON.
#[derive(Debug)]
pub struct ReportFile {
    name: String,
    text: Text,
}

#[derive(Debug)]
enum Text {
    File(File),
    /// Text that came through a pipe.
    Spooled(Mutex<SpooledText>),
}

impl ReportFile {
    /// Opens a file; `None` if its first bytes are not those of a report.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut start = [0; 64];
        let length = file.read_at(&mut start, 0)?;
        if !is_report(&start[..length]) {
            return Ok(None);
        }
        let name = path.display().to_string();
        let text = Text::File(file);
        Ok(Some(Self { name, text }))
    }

    /// Takes a report from a pipe, whose `start` was read already.
    pub fn spool(name: &str, start: &[u8], rest: &mut dyn Read) -> io::Result<Self> {
        let mut text = SpooledText::new(SPOOLED_IN_MEMORY);
        text.write_all(start)?;
        io::copy(rest, &mut text)?;
        Ok(Self {
            name: name.to_owned(),
            text: Text::Spooled(Mutex::new(text)),
        })
    }

    /// Returns the path, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads `length` bytes from `offset`.
    pub(super) fn part(&self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        match &self.text {
            Text::File(file) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(bytes)
            }
            Text::Spooled(text) => {
                let mut bytes = Vec::with_capacity(length);
                let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
                text.copy(offset, length as u64, &mut bytes)?;
                Ok(bytes)
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        match &self.text {
            Text::File(file) => Ok(file.metadata()?.len()),
            Text::Spooled(text) => Ok(text.lock().unwrap_or_else(PoisonError::into_inner).len()),
        }
    }

    /// Finds the sessions, of the file with this number, and gives their heads to `feed`. Ends early once `stop` is true.
    ///
    /// # Errors
    ///
    /// The file cannot be read. Parts of it that are no report are counted in a warning.
    pub fn index(&self, number: u16, feed: &Feed, stop: &AtomicBool) -> io::Result<()> {
        let mut indexer = Indexer {
            feed,
            number,
            all: self.len()?,
            unreadable: 0,
        };
        let mut reader = BufReader::with_capacity(READ_AT_ONCE, Reader { file: self, at: 0 });
        let mut first = Vec::new();
        (&mut reader)
            .take(LONGEST_FIRST_LINE)
            .read_until(b'\n', &mut first)?;
        // A line that is a whole event: no line of an indented document is, and no compact document has a type.
        if serde_json::from_slice::<Kind>(&first).is_ok() {
            indexer.lines(first, &mut reader, stop)?;
        } else {
            indexer.document(&first, &mut reader, stop)?;
        }
        if indexer.unreadable > 0 {
            feed.warn(format!(
                "{}: {} are no part of a report, or cut",
                self.name,
                crate::report::units::counted(indexer.unreadable, "line", "lines")
            ));
        }
        Ok(())
    }
}

/// Sequential reader, independent of others of the same file.
struct Reader<'f> {
    file: &'f ReportFile,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = match &self.file.text {
            Text::File(file) => file.read_at(buffer, self.at)?,
            Text::Spooled(_) => {
                let rest = self.file.len()?.saturating_sub(self.at);
                let part = self.file.part(self.at, rest.min(buffer.len() as u64))?;
                let length = part.len();
                buffer[..length].copy_from_slice(&part);
                length
            }
        };
        self.at += length as u64;
        Ok(length)
    }
}

/// Kind of a line, and fields that only some kinds have.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
    session: Option<u64>,
}

#[derive(Deserialize)]
struct EndLine {
    report: Head,
}

#[derive(Deserialize)]
struct FindingLine {
    finding: Finding,
}

#[derive(Deserialize)]
struct TotalsLine {
    captures: Vec<Capture>,
}

/// Fields of a report beside its sessions.
#[derive(Deserialize)]
struct Rest {
    #[serde(default)]
    captures: Vec<Capture>,
    #[serde(default)]
    findings: Vec<Finding>,
}

/// One pass over a report.
struct Indexer<'f> {
    feed: &'f Feed,
    number: u16,
    /// Bytes of the file.
    all: u64,
    /// Lines that are no events.
    unreadable: u64,
}

impl Indexer<'_> {
    fn lines(
        &mut self,
        first: Vec<u8>,
        reader: &mut BufReader<Reader<'_>>,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        let mut line = first;
        let (mut offset, mut reported) = (0, 0);
        while !line.is_empty() {
            let length = line.len() as u64;
            if self.line(&line, offset).is_none() {
                self.unreadable += 1;
            }
            offset += length;
            if offset - reported > PROGRESS_EVERY {
                reported = offset;
                self.feed.progress(offset, self.all);
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
            line.clear();
            let mut limited = reader.take(LONGEST_LINE);
            limited.read_until(b'\n', &mut line)?;
        }
        self.feed.progress(offset, self.all);
        Ok(())
    }

    /// Takes a line; `None` if it is not one of a report.
    fn line(&mut self, line: &[u8], offset: u64) -> Option<()> {
        const TYPE: &[u8] = b"{\"type\":\"";
        if line.iter().all(u8::is_ascii_whitespace) {
            return Some(());
        }
        // As it is written, the type stands first, and most lines need no more than that.
        let known = line.strip_prefix(TYPE).and_then(|rest| {
            let end = memchr::memchr(b'"', rest)?;
            std::str::from_utf8(&rest[..end]).ok().map(str::to_owned)
        });
        let kind = match known {
            Some(kind) => kind,
            None => serde_json::from_slice::<Kind>(line).ok()?.kind,
        };
        match kind.as_str() {
            "session_end" => {
                let head = serde_json::from_slice::<EndLine>(line).ok()?.report;
                let extent = Extent {
                    file: self.number,
                    offset,
                    length: line.len() as u64,
                };
                self.feed.head(&head, Place::Line(extent));
            }
            "finding" => {
                let about = serde_json::from_slice::<Kind>(line).ok()?;
                if about.session.is_none() {
                    let found = serde_json::from_slice::<FindingLine>(line).ok()?;
                    self.feed.finding(&found.finding);
                }
            }
            "totals" => {
                let found = serde_json::from_slice::<TotalsLine>(line).ok()?;
                self.feed.captures(found.captures);
            }
            _ => {}
        }
        Some(())
    }

    /// Takes a document, whose sessions are not held together.
    fn document(
        &mut self,
        first: &[u8],
        reader: &mut BufReader<Reader<'_>>,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        let mut scanner = SessionScanner::default();
        let mut offset = 0;
        let mut reported = 0;
        let mut chunk = first.to_vec();
        while !chunk.is_empty() {
            for &byte in &chunk {
                let found = scanner.byte(byte, offset);
                offset += 1;
                let Some((start, text)) = found else {
                    continue;
                };
                match serde_json::from_slice::<Head>(text) {
                    Ok(head) => {
                        let extent = Extent {
                            file: self.number,
                            offset: start,
                            length: offset - start,
                        };
                        self.feed.head(&head, Place::Element(extent));
                    }
                    Err(_) => self.unreadable += 1,
                }
            }
            if offset - reported > PROGRESS_EVERY {
                reported = offset;
                self.feed.progress(offset, self.all);
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            chunk.clear();
            chunk.extend_from_slice(reader.fill_buf()?);
            reader.consume(chunk.len());
        }
        self.feed.progress(offset, self.all);
        match serde_json::from_slice::<Rest>(scanner.rest()) {
            Ok(rest) => {
                rest.findings
                    .iter()
                    .for_each(|finding| self.feed.finding(finding));
                self.feed.captures(rest.captures);
            }
            Err(_) => self.unreadable += 1,
        }
        Ok(())
    }
}

/// Returns whether bytes are the beginning of a JSON object, which no capture begins with.
#[must_use]
pub fn is_report(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    start.trim_ascii_start().first() == Some(&b'{')
}

/// Bytes read at once.
const READ_AT_ONCE: usize = 1 << 20;
/// Bytes after which progress is noted.
const PROGRESS_EVERY: u64 = 4 << 20;
/// Bytes of the first line that are looked at to find out the format.
const LONGEST_FIRST_LINE: u64 = 64 << 20;
/// Bytes of a line; a longer one is taken in pieces, which are no events.
const LONGEST_LINE: u64 = 1 << 30;
/// Bytes in memory before a piped report goes to a file.
const SPOOLED_IN_MEMORY: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::super::sessions::Sessions;
    use super::*;
    use crate::report::example::example_report;
    use crate::report::json::write_report;

    /// Returns the sessions of a report, read back from `text`.
    fn sessions(text: &[u8]) -> (Sessions, Vec<String>) {
        let file = ReportFile::spool("x", &[], &mut &*text).expect("memory");
        let feed = Feed::within(1 << 20);
        file.index(0, &feed, &AtomicBool::new(false))
            .expect("memory");
        let mut sessions = Sessions::new(feed, vec![file].into());
        sessions.take();
        let warnings = sessions.news.warnings.clone();
        (sessions, warnings)
    }

    #[test]
    fn session_is_read_back_whole_from_an_indented_and_a_compact_report() {
        let report = example_report();
        let mut indented = Vec::new();
        write_report(&report, &mut indented).expect("memory");
        let compact = serde_json::to_vec(&report).expect("memory");
        for text in [indented, compact] {
            let (sessions, warnings) = sessions(&text);
            assert_eq!((sessions.len(), warnings), (1, vec![]));
            let found = sessions.load(0).expect("a session");
            assert_eq!(found.steps, report.sessions[0].steps);
            assert_eq!(found.transfers, report.sessions[0].transfers);
            assert_eq!(sessions.news.captures.len(), report.captures.len());
        }
    }

    #[test]
    fn brackets_and_names_in_strings_do_not_confuse_the_scanner() {
        let mut report = example_report();
        let session = std::sync::Arc::make_mut(&mut report.sessions[0]);
        session.verdict.text = r#"]}"sessions":[{\"#.to_owned();
        let text = serde_json::to_vec(&report).expect("memory");
        let (sessions, warnings) = sessions(&text);
        assert_eq!((sessions.len(), warnings), (1, vec![]));
        let row = sessions.row(0).expect("a row");
        assert_eq!(&*row.verdict, report.sessions[0].verdict.text);
    }

    #[test]
    fn lines_that_are_cut_or_no_events_are_counted() {
        let session = serde_json::to_string(&example_report().sessions[0]).expect("memory");
        let line =
            format!(r#"{{"type":"session_end","time":null,"session":1,"report":{session}}}"#);
        let text = format!("{line}\nnothing\n{line}\n{}", &line[..line.len() / 2]);
        let (sessions, warnings) = sessions(text.as_bytes());
        assert_eq!(sessions.len(), 2);
        assert_eq!(warnings, ["x: 2 lines are no part of a report, or cut"]);
        assert!(sessions.load(1).is_ok());
    }

    #[test]
    fn sessions_beyond_the_limit_of_memory_are_left_out_with_a_warning() {
        let feed = Feed::within(2 * size_of::<super::super::sessions::Row>());
        let report = example_report();
        for _ in 0..4 {
            let head = Head::from(report.sessions[0].as_ref());
            feed.head(&head, Place::Kept(0, 0));
        }
        let mut sessions = Sessions::new(feed, Vec::new().into());
        sessions.take();
        assert_eq!((sessions.len(), sessions.news.warnings.len()), (2, 1));
    }

    #[test]
    fn report_is_distinguished_from_a_capture_by_its_first_byte() {
        assert!(is_report(b"{\"type\"") && is_report(b"\xef\xbb\xbf\n {"));
        assert!(
            !is_report(b"\xd4\xc3\xb2\xa1") && !is_report(b"\x0a\x0d\x0d\x0a") && !is_report(b"")
        );
    }
}

//! `ftpscope integration wireshark`: a profile with colours, buttons and filters for the sessions of captures.
//!
//! Wireshark imports profiles from a zip archive (Edit, Configuration Profiles, Import from zip file). The archive is made
//! here: a few stored files need no compression, and no time, so that the same captures give the same bytes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use super::failure::{Exit, Failure};
use super::generated;
use super::messages;
use crate::capture::{CaptureSet, ReadOptions};
use crate::model::Limits;
use crate::model::record::{Session, VerdictStatus};
use crate::pipeline::{self, Options};
use crate::report::{KeptReport, units};

/// Prints the profile for `captures`; without any, one that marks refused commands only.
pub(super) fn profile(captures: &[PathBuf]) -> Result<Exit, Failure> {
    if io::stdout().is_terminal() {
        return Err(Failure::Refused(
            "the profile is a zip archive; write it to a file: ftpscope integration wireshark CAPTURE > ftpscope.zip"
                .to_owned(),
        ));
    }
    let mut profile = Profile::default();
    let mut exit = Exit::Done;
    if !captures.is_empty() {
        let mut source = CaptureSet::open(captures, ReadOptions::default());
        let mut kept = KeptReport::new(&Limits::default());
        let summary = pipeline::analyze(&mut source, &Options::default(), &mut kept, &mut ());
        for failure in &summary.failures {
            messages::print(&messages::input(failure));
            exit = Exit::Unreadable;
        }
        let several = summary.captures.len() > 1;
        let (_, sessions) = kept.finish(summary.captures, summary.totals);
        for session in sessions.iter() {
            let session = session.map_err(|cause| Failure::stdout(&cause))?;
            profile.add(&session);
        }
        if several {
            messages::note(
                "frames are those of all captures merged in order of time: open them together, as by mergecap",
            );
        }
        if profile.omitted > 0 {
            let omitted = units::counted(profile.omitted, "session", "sessions");
            messages::note(&format!(
                "{omitted} left out: Wireshark tries each rule on each packet; choose fewer captures"
            ));
        }
    }
    generated::print(&profile.archive())?;
    Ok(exit)
}

/// Lines of the profile's files for the sessions so far.
#[derive(Default)]
struct Profile {
    colors: String,
    buttons: String,
    filters: String,
    /// Server ports that Wireshark does not take for FTP by itself.
    ports: BTreeSet<u16>,
    sessions: usize,
    /// Sessions beyond the limit.
    omitted: u64,
}

impl Profile {
    fn add(&mut self, session: &Session) {
        // Packets are coloured by the first rule that holds, of which each costs time.
        if self.sessions >= MAX_SESSIONS || session.display_filter.len() > LONGEST_FILTER {
            self.omitted += 1;
            return;
        }
        let (word, colors) = match session.verdict.status {
            VerdictStatus::Failed => ("failed", &FAILED[..]),
            VerdictStatus::Warning => ("warning", &WARNING[..]),
            VerdictStatus::Ok => ("ok", &OK[..]),
        };
        let color = colors[self.sessions % colors.len()];
        self.sessions += 1;
        let is_opened_by_tls = session.tls.is_some() && session.greeting.is_none();
        if !KNOWN_PORTS.contains(&session.server.port) && !is_opened_by_tls {
            self.ports.insert(session.server.port);
        }
        // No text from the wire: names would have to be escaped in three formats, and the number finds the session.
        let name = format!("FTP session {} {word}", session.id);
        let filter = &session.display_filter;
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.colors, "@{name}@{filter}@[{color}][{BLACK}]");
        let label = format!("FTP//{} {word}", session.id);
        let _ = writeln!(
            self.buttons,
            "\"TRUE\",\"{label}\",\"{}\",\"{}\"",
            quoted(filter),
            quoted(&session.uid)
        );
        let _ = writeln!(self.filters, "\"{name}\" {filter}");
    }

    /// Returns the file that makes Wireshark decode FTP on other ports than 21: without it no filter on commands or
    /// replies holds there.
    fn decoded_ports(&self) -> String {
        let ports = self.ports.iter();
        let entries = ports.map(|port| format!("decode_as_entry: tcp.port,{port},(none),FTP\n"));
        entries.collect()
    }

    /// Returns the archive.
    fn archive(&self) -> Vec<u8> {
        let colors = format!(
            "@FTP refused@{REFUSED}@[{DARK_RED}][{WHITE}]\n{}",
            self.colors
        );
        let buttons = format!(
            "\"TRUE\",\"FTP//refused\",\"{REFUSED}\",\"replies 4yz and 5yz\"\n{}",
            self.buttons
        );
        let filters = format!("\"FTP refused\" {REFUSED}\n{}", self.filters);
        let mut archive = Archive::default();
        archive.add("colorfilters", colors.as_bytes());
        archive.add("decode_as_entries", self.decoded_ports().as_bytes());
        archive.add("dfilter_buttons", buttons.as_bytes());
        archive.add("dfilters", filters.as_bytes());
        archive.add("preferences", PREFERENCES.as_bytes());
        archive.finish()
    }
}

/// Escapes a string for a table of Wireshark: quotes and all but printable ASCII as `\xNN`.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (byte.is_ascii_graphic() || byte == b' ') && byte != b'"' && byte != b'\\' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// A zip archive of stored files (APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16).
#[derive(Default)]
struct Archive {
    files: Vec<u8>,
    /// Entries of the central directory.
    directory: Vec<u8>,
    count: u16,
}

impl Archive {
    /// Adds a file of the profile.
    fn add(&mut self, name: &str, bytes: &[u8]) {
        let name = format!("ftpscope/{name}");
        let mut check = flate2::Crc::new();
        check.update(bytes);
        let mut fields = Vec::new();
        // Version 1.0, no flags, stored, midnight of 1980-01-01.
        for field in [10_u16, 0, 0, 0, 0x21] {
            fields.extend(field.to_le_bytes());
        }
        fields.extend(check.sum().to_le_bytes());
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        fields.extend(length.to_le_bytes());
        fields.extend(length.to_le_bytes());
        fields.extend(u16::try_from(name.len()).unwrap_or_default().to_le_bytes());
        // No extra field.
        fields.extend([0, 0]);
        let offset = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.extend(b"PK\x03\x04");
        self.files.extend(&fields);
        self.files.extend(name.as_bytes());
        self.files.extend(bytes);
        // Made by a version 1.0 of MS-DOS, which has no permissions.
        self.directory.extend(b"PK\x01\x02\x0a\x00");
        self.directory.extend(&fields);
        // No comment, first disk, no attributes.
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let offset = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let length = u32::try_from(self.directory.len()).unwrap_or(u32::MAX);
        self.files.append(&mut self.directory);
        self.files.extend(b"PK\x05\x06\0\0\0\0");
        self.files.extend(self.count.to_le_bytes());
        self.files.extend(self.count.to_le_bytes());
        self.files.extend(length.to_le_bytes());
        self.files.extend(offset.to_le_bytes());
        self.files.extend([0, 0]);
        self.files
    }
}

/// Columns for FTP: commands with their arguments, and replies.
const PREFERENCES: &str = "\
gui.column.format: \n\
\t\"No.\", \"%m\",\n\
\t\"Time\", \"%t\",\n\
\t\"Source\", \"%s\",\n\
\t\"Destination\", \"%d\",\n\
\t\"Protocol\", \"%p\",\n\
\t\"Stream\", \"%Cus:tcp.stream:0:R\",\n\
\t\"FTP\", \"%Cus:ftp.request.command or ftp.response.code:0:R\",\n\
\t\"Info\", \"%i\"\n";

/// Replies that refuse (RFC 959 section 4.2.1).
const REFUSED: &str = "ftp.response.code >= 400";
/// Ports that Wireshark decodes as FTP, or as TLS with FTP in it.
const KNOWN_PORTS: [u16; 2] = [21, 990];
/// Sessions of a profile.
const MAX_SESSIONS: usize = 200;
/// Bytes of a filter that Wireshark still reads in a list.
const LONGEST_FILTER: usize = 16 << 10;

// Parts of red, green and blue, of 65,535 each.
const BLACK: &str = "4626,10023,11822";
const WHITE: &str = "65535,65535,65535";
const DARK_RED: &str = "42148,0,0";
const FAILED: [&str; 2] = ["65535,51400,51400", "65535,45746,48316"];
const WARNING: [&str; 2] = ["65535,62194,46260", "65535,58596,42148"];
const OK: [&str; 4] = [
    "55512,65535,55512",
    "55512,61680,65535",
    "62194,57568,65535",
    "52428,63479,61680",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example::example_session;

    #[test]
    fn archive_lists_each_file_at_its_offset_with_its_checksum() {
        let mut profile = Profile::default();
        profile.add(&example_session());
        let bytes = profile.archive();
        let end = bytes.len() - 22;
        assert_eq!(&bytes[end..end + 4], b"PK\x05\x06");
        let number =
            |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes")) as usize;
        let (length, mut at) = (number(end + 12), number(end + 16));
        assert_eq!(at + length, end);
        let mut names = Vec::new();
        while at < end {
            assert_eq!(&bytes[at..at + 4], b"PK\x01\x02");
            let name_length = usize::from(bytes[at + 28]);
            let name = &bytes[at + 46..at + 46 + name_length];
            let local = number(at + 42);
            assert_eq!(&bytes[local..local + 4], b"PK\x03\x04");
            assert_eq!(&bytes[local + 30..local + 30 + name_length], name);
            names.push(String::from_utf8_lossy(name).into_owned());
            at += 46 + name_length;
        }
        let files = [
            "colorfilters",
            "decode_as_entries",
            "dfilter_buttons",
            "dfilters",
            "preferences",
        ];
        assert_eq!(names, files.map(|file| format!("ftpscope/{file}")));
    }

    #[test]
    fn server_on_another_port_is_decoded_as_ftp() {
        let mut profile = Profile::default();
        let mut session = example_session();
        profile.add(&session);
        assert_eq!(profile.decoded_ports(), "");
        for port in [2121, 21, 2121, 990] {
            session.server.port = port;
            profile.add(&session);
        }
        let expected = "decode_as_entry: tcp.port,2121,(none),FTP\n";
        assert_eq!(profile.decoded_ports(), expected);
    }

    #[test]
    fn quotes_and_characters_beyond_ascii_are_escaped() {
        assert_eq!(
            quoted("a \"b\"\\\n\u{e9}"),
            "a \\x22b\\x22\\x5c\\x0a\\xc3\\xa9"
        );
    }
}

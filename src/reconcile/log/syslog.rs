//! Headers of syslog lines: RFC 3164, RFC 5424, and the file format of rsyslog with times of RFC 3339.

use super::scan::{Civil, Scan, iso_time, month, small, zoneless};
use crate::reconcile::claim::LogTime;

/// One line of a syslog daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SyslogLine<'a> {
    pub(super) time: LogTime,
    /// Name of the program, without its pid.
    pub(super) program: &'a [u8],
    pub(super) pid: Option<&'a [u8]>,
    pub(super) message: &'a [u8],
}

/// Parses a line; `None` if it has none of the headers.
pub(super) fn parse(line: &[u8]) -> Option<SyslogLine<'_>> {
    let mut scan = Scan::new(line);
    if scan.literal(b"<").is_some() {
        scan.digits().filter(|priority| *priority < 192)?;
        scan.literal(b">")?;
        let mut version = scan;
        if version.digits().is_some() && version.literal(b" ").is_some() {
            return with_fields(version);
        }
    }
    with_tag(scan)
}

/// Parses `TIME HOST TAG[PID]: MESSAGE` (RFC 3164 section 4.1).
fn with_tag(mut scan: Scan<'_>) -> Option<SyslogLine<'_>> {
    let time = if scan.rest.first()?.is_ascii_digit() {
        iso_time(scan.word()?)?
    } else {
        bsd_time(scan.bytes(15)?).filter(|_| scan.literal(b" ").is_some())?
    };
    scan.word()?;
    let tag_end = scan
        .rest
        .iter()
        .position(|byte| matches!(byte, b':' | b'[' | b' '))?;
    let program = scan.bytes(tag_end)?;
    let pid = match scan.literal(b"[") {
        Some(()) => Some(scan.until(b']')?),
        None => None,
    };
    scan.literal(b":")?;
    // A tag may hold a path, as `/usr/sbin/vsftpd`.
    let name = program.rsplit(|byte| *byte == b'/').next()?;
    Some(SyslogLine {
        time,
        program: name,
        pid,
        message: scan.rest.strip_prefix(b" ").unwrap_or(scan.rest),
    })
}

/// Parses what follows the version: `TIME HOST PROGRAM PROCID MSGID STRUCTURED-DATA MESSAGE` (RFC 5424 section 6).
fn with_fields(mut scan: Scan<'_>) -> Option<SyslogLine<'_>> {
    let time = iso_time(scan.word()?)?;
    scan.word()?;
    let program = scan.word()?;
    let pid = Some(scan.word()?).filter(|pid| *pid != b"-");
    scan.word()?;
    if scan.literal(b"-").is_none() {
        while scan.literal(b"[").is_some() {
            element_end(&mut scan)?;
        }
    }
    let message = scan.rest.strip_prefix(b" ").unwrap_or(scan.rest);
    Some(SyslogLine {
        time,
        program,
        pid,
        message: message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message),
    })
}

/// Takes an element of structured data up to its bracket; those in quotes may be escaped.
fn element_end(scan: &mut Scan<'_>) -> Option<()> {
    let mut is_quoted = false;
    let mut bytes = scan.rest.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' if is_quoted => {
                bytes.next();
            }
            b'"' => is_quoted = !is_quoted,
            b']' if !is_quoted => {
                scan.rest = &scan.rest[at + 1..];
                return Some(());
            }
            _ => {}
        }
    }
    None
}

/// Parses `Mmm dd hh:mm:ss`, which names no year.
fn bsd_time(text: &[u8]) -> Option<LogTime> {
    if [text[3], text[6]] != [b' '; 2] {
        return None;
    }
    let civil = Civil {
        // A leap year, so that 29 February is a date.
        year: 1972,
        month: month(&text[..3])?,
        day: small(text[4..6].trim_ascii_start())?,
        ..Civil::default()
    };
    Some(LogTime {
        has_year: false,
        ..zoneless(civil.with_clock(&text[7..])?.wall()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_three_forms_are_read() {
        let line =
            parse(b"<86>Feb 29 23:59:59 box /usr/sbin/pure-ftpd[41]: (?@192.0.2.9) [INFO] x")
                .unwrap();
        assert_eq!(
            (line.program, line.pid),
            (&b"pure-ftpd"[..], Some(&b"41"[..]))
        );
        assert_eq!(line.message, b"(?@192.0.2.9) [INFO] x");
        assert!(!line.time.has_year);
        let line = parse(b"<86>1 2026-12-03T10:15:00.25+01:00 box vsftpd 41 - [x@1 a=\"\\\"]\"][y] \xef\xbb\xbfhello").unwrap();
        assert_eq!(
            (line.message, line.time.offset),
            (&b"hello"[..], Some(3600))
        );
        let line = parse(b"2026-12-03T10:15:00.123456+01:00 box vsftpd: hello").unwrap();
        assert_eq!((line.pid, line.time.whole_seconds), (None, false));
        assert_eq!(line.program, b"vsftpd");
    }

    #[test]
    fn other_lines_have_no_header() {
        for line in [
            "",
            "Dec  3",
            "Foo  3 10:15:00 box a: b",
            "Dec  3 10:15:00 box",
            "<999>Dec  3 10:15:00 box a: b",
            "Dec  3 10:15:00 box a",
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }
}

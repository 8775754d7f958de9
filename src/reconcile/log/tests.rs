//! Properties of all grammars: lines written by a generator are read back, and no bytes make a reader panic.

use std::collections::VecDeque;
use std::io::Cursor;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

use super::grammar::{Line, Reading};
use super::scan::Civil;
use super::{Coverage, Ending, LogFile, LogKind, LogOptions, Writer};
use crate::reconcile::claim::{Claim, ClaimKind, ClaimStatus, Direction};

fn open(text: &[u8], kind: Option<LogKind>, options: &LogOptions) -> LogFile {
    let input = Box::new(Cursor::new(text.to_vec()));
    LogFile::read(Path::new("log"), input, kind, options).unwrap()
}

fn claims(log: &mut LogFile) -> Vec<Claim> {
    let mut claims = Vec::new();
    while let Ok(Some(claim)) = log.next_claim() {
        claims.push(claim);
    }
    claims
}

/// Gives numbered lines to a reader that has to know them all, and returns their claims.
pub(super) fn known_claims(
    lines: &[&str],
    mut read: impl FnMut(Line<'_>, &mut VecDeque<Claim>) -> Reading,
) -> VecDeque<Claim> {
    let mut claims = VecDeque::new();
    for (number, text) in (1..).zip(lines) {
        let bytes = text.as_bytes();
        assert_eq!(
            read(Line { number, bytes }, &mut claims),
            Reading::Known,
            "{text}"
        );
    }
    claims
}

/// A transfer that every grammar can write.
#[derive(Clone, Debug)]
struct Written {
    /// Days since 1 January 2026, seconds of the day.
    day: u32,
    second: u32,
    host: String,
    user: String,
    path: String,
    upload: bool,
    bytes: u64,
    seconds: u64,
}

fn written() -> impl Strategy<Value = Written> {
    (
        (0..28_u32, 0..86_400_u32),
        prop_oneof!["192\\.0\\.2\\.[1-9]", "2001:db8::[1-9a-f]{1,4}"],
        "[a-z][a-z0-9]{0,8}",
        // Names with all that confuses: blanks, quotes, commas, brackets, flags, percent signs, other scripts.
        r#"(/[a-z ",\[\]()%_öß-]{1,12}){1,3}[a-z]"#,
        (any::<bool>(), 0..u64::MAX / 2, 0..100_000_u64),
    )
        .prop_map(
            |((day, second), host, user, path, (upload, bytes, seconds))| Written {
                day,
                second,
                host,
                user,
                path,
                upload,
                bytes,
                seconds,
            },
        )
}

impl Written {
    fn clock(&self) -> String {
        let second = self.second;
        format!(
            "{:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }

    fn wall(&self) -> i64 {
        let civil = Civil {
            year: 2026,
            month: 12,
            day: self.day + 1,
            ..Civil::default()
        };
        civil
            .with_clock(self.clock().as_bytes())
            .unwrap()
            .wall()
            .unwrap()
            .nanos()
            / 1_000_000_000
    }

    /// Writes the line of a grammar. The second value is true where the name is percent-encoded.
    fn line(&self, kind: LogKind) -> Option<String> {
        let Self {
            host,
            user,
            path,
            bytes,
            seconds,
            ..
        } = self;
        let (day, clock) = (self.day + 1, self.clock());
        let letter = |download: &'static str, upload: &'static str| {
            if self.upload { upload } else { download }
        };
        let encoded: String = path
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
        Some(match kind {
            LogKind::Xferlog => format!(
                "Wed Dec {day:2} {clock} 2026 {seconds} {host} {bytes} {path} b _ {} r {user} ftp 0 * c",
                letter("o", "i")
            ),
            LogKind::Vsftpd => format!(
                "Wed Dec {day:2} {clock} 2026 [pid 3] [{user}] OK {}: Client \"{host}\", \"{path}\", {bytes} bytes, 1.00Kbyte/sec",
                letter("DOWNLOAD", "UPLOAD")
            ),
            LogKind::Proftpd => format!(
                "{host} UNKNOWN {user} [{day:02}/Dec/2026:{clock} +0000] \"{} {path}\" 226 {bytes}",
                letter("RETR", "STOR")
            ),
            LogKind::Clf => format!(
                "{host} - {user} [{day:02}/Dec/2026:{clock} +0000] \"{} {encoded}\" 200 {bytes}",
                letter("GET", "PUT")
            ),
            LogKind::PureftpdStats => format!(
                "{} 6b0c1759.9ae {user} {host} {} {bytes} {seconds} {path}",
                self.wall(),
                letter("D", "U")
            ),
            LogKind::PureftpdSyslog => format!(
                "Dec {day:2} {clock} box pure-ftpd: ({user}@{host}) [NOTICE] {path} {}  ({bytes} bytes, 1.00KB/sec)",
                letter("downloaded", "uploaded")
            ),
            LogKind::W3c => format!(
                "2026-12-{day:02} {clock} {host} []{} {encoded} 226 {user} {bytes}",
                letter("sent", "created")
            ),
            LogKind::Iis => format!(
                "2026-12-{day:02} {clock} {host} BOX\\{user} 192.0.2.99 21 {} {} 226 0 0 9a {}",
                letter("RETR", "STOR"),
                path.replace(' ', "+"),
                path.replace(' ', "+")
            ),
            LogKind::Pyftpdlib => format!(
                "[I 2026-12-{day:02} {clock}] {host}:50100-[{user}] {} {path} completed=1 bytes={bytes} seconds={seconds}.5",
                letter("RETR", "STOR")
            ),
            LogKind::Filezilla => format!(
                "2026-12-{day:02}T{clock}.000Z >> [FTP Session 6 {host} {user}] {} {path}\n\
                 2026-12-{day:02}T{clock}.000Z << [FTP Session 6 {host} {user}] 226 Operation successful",
                letter("RETR", "STOR")
            ),
            LogKind::Filezilla09 => format!(
                "(000006)12/{day:02}/2026 {clock} - {user} ({host})> {} {path}\n\
                 (000006)12/{day:02}/2026 {clock} - {user} ({host})> 226 Transfer OK",
                letter("RETR", "STOR")
            ),
            LogKind::Ftpscope => return None,
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn transfers_are_read_back_from_every_grammar(all in vec(written(), 1..12)) {
        for kind in LogKind::ALL {
            let lines: Vec<String> = all.iter().filter_map(|one| one.line(kind)).collect();
            if lines.is_empty() {
                continue;
            }
            let mut text = lines.join("\n");
            if kind == LogKind::Filezilla09 {
                text.push_str("\n(000007)12/31/2026 00:00:00 - x (192.0.2.1)> disconnected.");
            }
            // Without a kind the grammar is detected; an xferlog name cannot hold a line that is one of another.
            let mut log = open(text.as_bytes(), None, &LogOptions::default());
            prop_assert_eq!(log.kind(), kind, "{}", text);
            let found = claims(&mut log);
            prop_assert_eq!(log.counts().unreadable, 0, "{}", &text);
            prop_assert_eq!(found.len(), all.len(), "{}", &text);
            for (claim, one) in found.iter().zip(&all) {
                prop_assert_eq!(claim.kind, ClaimKind::Transfer);
                prop_assert_eq!(claim.host.as_deref(), Some(one.host.as_str()));
                prop_assert_eq!(claim.user.as_deref(), Some(one.user.as_str()), "{}", &text);
                let direction = if one.upload { Direction::Upload } else { Direction::Download };
                prop_assert_eq!(claim.direction, Some(direction));
                let path = String::from_utf8(claim.path.clone().unwrap()).unwrap();
                let path = if claim.name_changes.plus_signs { path.replace('+', " ") } else { path };
                prop_assert_eq!(&path, &one.path, "{}", kind);
                if let Some(bytes) = claim.bytes {
                    prop_assert_eq!(bytes.count, one.bytes);
                }
                prop_assert_ne!(claim.status, Some(ClaimStatus::Failed));
                let time = claim.time.unwrap();
                if time.has_year {
                    prop_assert_eq!(time.wall.nanos() / 1_000_000_000, one.wall(), "{}", kind);
                }
            }
        }
    }

    #[test]
    fn damage_to_a_line_costs_that_line_at_most(
        one in written(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        for kind in LogKind::ALL {
            let Some(line) = one.line(kind) else { continue };
            let mut damaged = line.clone().into_bytes();
            let at = at.index(damaged.len());
            damaged[at] = if byte == b'\n' { b'x' } else { byte };
            let text = [line.as_bytes(), b"\n", &damaged, b"\r\n", line.as_bytes(), b"\n"].concat();
            let mut log = open(&text, Some(kind), &LogOptions::default());
            let found = claims(&mut log);
            let lines = line.lines().count() as u64 * 3;
            prop_assert!(found.len() >= 2, "{kind}: {}", String::from_utf8_lossy(&text));
            prop_assert!(log.counts().lines == lines || kind == LogKind::Filezilla || kind == LogKind::Filezilla09);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 1..300), text in "[ -~\n]{1,200}") {
        for text in [&bytes[..], text.as_bytes()] {
            for kind in LogKind::ALL {
                let mut log = open(text, Some(kind), &LogOptions::default());
                let _ = claims(&mut log);
            }
        }
    }

    #[test]
    fn no_format_makes_the_pattern_panic(format in "[ -~]{0,30}", pieces in vec(r"%[a-zA-Z]|%\{[a-z-]{1,12}\}|%\{%[a-zA-Z]\}t|[|\x22 ]", 0..8), line in "[ -~]{0,60}") {
        for format in [format, pieces.concat()] {
            let options = LogOptions { log_format: Some(format), ..LogOptions::default() };
            let input = Box::new(Cursor::new(format!("{line}\n").into_bytes()));
            if let Ok(mut log) = LogFile::read(Path::new("log"), input, Some(LogKind::Proftpd), &options) {
                let _ = claims(&mut log);
            }
        }
    }
}

#[test]
fn every_name_is_read_back() {
    for kind in LogKind::ALL {
        assert_eq!(LogKind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(LogKind::from_name("syslog"), None);
}

#[test]
fn refused_transfers_have_a_line_only_where_the_server_writes_one() {
    let coverage = |kind: LogKind, writer| {
        let writer = kind.writer().or(writer);
        kind.coverage(writer, ClaimKind::Transfer, Ending::Refused)
    };
    assert_eq!(coverage(LogKind::Vsftpd, None), Coverage::Always);
    let of_vsftpd = coverage(LogKind::Xferlog, Some(Writer::Vsftpd));
    assert_eq!(of_vsftpd, Coverage::Always);
    for kind in [
        LogKind::Xferlog,
        LogKind::Clf,
        LogKind::PureftpdStats,
        LogKind::W3c,
        LogKind::Pyftpdlib,
    ] {
        assert_eq!(
            coverage(kind, Some(Writer::PureFtpd)),
            Coverage::Never,
            "{kind}"
        );
    }
}

#[test]
fn xferlog_guarantees_transfers_and_nothing_else() {
    assert!(LogKind::Xferlog.guarantees(ClaimKind::Transfer));
    assert!(!LogKind::Xferlog.guarantees(ClaimKind::Login));
    assert!(!LogKind::Xferlog.guarantees(ClaimKind::Delete));
    assert!(LogKind::Vsftpd.guarantees(ClaimKind::Rename));
    assert!(!LogKind::Proftpd.guarantees(ClaimKind::Transfer));
}

//! Sessions whose records are damaged: no byte that a wrong tag or MAC covers reaches a report or a saved file.
//!
//! `FTPSCOPE_DAMAGED_RECORDS` sets how many records are damaged, without it about 2,000.
//!
//! A capture of a whole session is repeated for many clients, and bytes of its records are changed. What a report says then has
//! to be part of what it says of the session as it was: commands, lines of replies, names, and runs of bytes of files.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{data, packets, payload};
use crate::support::folder::Folder;

/// Captures of whole sessions in passive mode, so that no command names the address of the client.
const WHOLE: [&str; 5] = [
    "proftpd-ccc",
    "pureftpd-lftp-1.3",
    "pyftpdlib-implicit-2121",
    "suite-1.0-AES256-SHA",
    "vsftpd-python-1.3",
];

/// Records that are damaged without another number.
const USUAL: usize = 2_000;

/// Sessions of one capture.
const SESSIONS: u8 = 100;

#[test]
fn damaged_records_let_no_byte_into_reports_and_files() {
    let number = std::env::var("FTPSCOPE_DAMAGED_RECORDS");
    let number = number.map_or(USUAL, |number| number.parse().expect("a number"));
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut damaged = 0;
    for name in WHOLE.iter().cycle() {
        let truth = Truth::of(name);
        let capture = std::fs::read(data(&format!("lab/{name}.pcap"))).expect("a capture");
        let mut lines = capture[..24].to_vec();
        let mut frames = Vec::new();
        for session in 0..SESSIONS {
            for packet in packets(&capture) {
                let mut packet = for_client(packet, session);
                // Each session has another share of damage, and one has none.
                if random.below(200) < usize::from(session) {
                    damaged += usize::from(damage(&mut packet, &mut random));
                }
                frames.push(packet);
            }
        }
        // Sessions at one time, as a reader expects them.
        frames.sort_by_key(|packet| {
            let word =
                |at: usize| u32::from_le_bytes(packet[at..at + 4].try_into().expect("4 bytes"));
            (word(0), word(4))
        });
        lines.extend(frames.concat());
        let folder = Folder::new("tls-damaged");
        folder.write("a.pcap", &lines);
        let keys = data(&format!("lab/{name}.keys"));
        let arguments = [
            "a.pcap",
            "--keylog",
            &keys,
            "--extract",
            "out",
            "--show-passwords",
        ];
        let report = folder.report(&arguments);
        let sessions = report["sessions"].as_array().expect("sessions");
        // Without AUTH only content that opens shows that a connection is FTP.
        let implicit = name.contains("implicit") && !sessions.is_empty();
        assert!(
            implicit || sessions.len() == usize::from(SESSIONS),
            "{name}: {}",
            sessions.len()
        );
        for session in sessions {
            truth.check(session, &folder.path().join("out"));
        }
        if damaged >= number {
            break;
        }
    }
    println!("{damaged} records damaged");
}

/// Words and files of the session as it was recorded.
struct Truth {
    name: &'static str,
    words: BTreeSet<String>,
    files: Vec<Vec<u8>>,
}

impl Truth {
    fn of(name: &'static str) -> Self {
        let folder = Folder::new("tls-undamaged");
        let (capture, keys) = (
            data(&format!("lab/{name}.pcap")),
            data(&format!("lab/{name}.keys")),
        );
        let arguments = [
            &*capture,
            "--keylog",
            &keys,
            "--extract",
            "out",
            "--show-passwords",
        ];
        let report = folder.report(&arguments);
        let session = &report["sessions"][0];
        let mut words = BTreeSet::new();
        said(session, &mut |text| {
            words.insert(text.to_owned());
        });
        let transfers = session["transfers"].as_array().expect("transfers");
        let saved = transfers.iter().filter_map(|one| one["saved_as"].as_str());
        let files = saved.map(|path| std::fs::read(folder.path().join("out").join(path)));
        let files: Vec<Vec<u8>> = files.collect::<Result<_, _>>().expect("files");
        assert_eq!(files.len(), 3, "{name}");
        Self { name, words, files }
    }

    fn check(&self, session: &Value, out: &Path) {
        said(session, &mut |text| {
            let known = self.words.contains(text) || text == "<hidden>";
            assert!(known, "{}: {text:?} in {session}", self.name);
        });
        let of = |list: &str| session[list].as_array().expect("a list").iter();
        for content in of("transfers").chain(of("encrypted_data")) {
            let Some(path) = content["saved_as"].as_str() else {
                continue;
            };
            let bytes = std::fs::read(out.join(path)).expect("a file");
            let mut from = 0;
            let ranges = content["missing_ranges"].as_array().expect("ranges");
            let number = |value: &Value| {
                usize::try_from(value.as_u64().expect("a number")).expect("a length")
            };
            let holes = ranges
                .iter()
                .map(|range| (number(&range[0]), number(&range[1])));
            for (start, end) in holes.chain([(bytes.len(), bytes.len())]) {
                let run = &bytes[from..start.min(bytes.len()).max(from)];
                let is_part = |file: &Vec<u8>| memchr::memmem::find(file, run).is_some();
                // A listing is saved only where its command is unknown.
                let listed = run.starts_with(b"-rw") || run.starts_with(b"type=");
                assert!(
                    self.files.iter().any(is_part) || listed,
                    "{}: bytes {from} to {start} of {path}: {content}",
                    self.name
                );
                from = end.min(bytes.len());
            }
        }
    }
}

/// Calls `each` with every command, line of a reply and name in a report.
fn said(session: &Value, each: &mut dyn FnMut(&str)) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let lines = |reply: &Value, each: &mut dyn FnMut(&str)| {
        for line in list(&reply["lines"]) {
            each(line.as_str().expect("a line"));
        }
    };
    for step in list(&session["steps"]) {
        for command in list(&step["commands"]) {
            for text in [&command["verb"], &command["argument"]] {
                text.as_str().into_iter().for_each(&mut *each);
            }
            for reply in list(&command["replies"]) {
                lines(&reply, each);
            }
        }
    }
    for reply in list(&session["unsolicited_replies"]) {
        lines(&reply, each);
    }
    for transfer in list(&session["transfers"]) {
        for entry in list(&transfer["entries"]) {
            each(entry["name"].as_str().expect("a name"));
        }
    }
    for text in [&session["login"]["user"], &session["login"]["password"]] {
        text.as_str().into_iter().for_each(&mut *each);
    }
}

/// Returns a packet as another client would have sent or received it.
fn for_client(packet: &[u8], session: u8) -> Vec<u8> {
    const CLIENT: [u8; 4] = [192, 168, 0, 2];
    let mut packet = packet.to_vec();
    for at in [42, 46] {
        if packet.get(at..at + 4) == Some(&CLIENT) {
            packet[at + 2] = 1 + session / 200;
            packet[at + 3] = 30 + session % 200;
        }
    }
    packet
}

/// Changes some bytes of a packet that carries records behind the hellos. Returns whether it does.
fn damage(packet: &mut [u8], random: &mut Random) -> bool {
    let Some((bytes, _)) = payload(packet) else {
        return false;
    };
    let is_hello = matches!(bytes, [22, 3, _, _, _, 1 | 2, ..]);
    // In the middle of a long record anything may stand; what is short and begins like text is in clear.
    let in_clear = bytes.len() < 600 && bytes.iter().take(4).all(|byte| (32..127).contains(byte));
    if bytes.len() < 24 || is_hello || in_clear {
        return false;
    }
    let length = bytes.len();
    let start = packet.len() - length;
    for _ in 0..=random.below(3) {
        let at = start + random.below(length);
        packet[at] ^= 1 << random.below(8);
    }
    true
}

/// Pseudo-random numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let limit = u64::try_from(limit).expect("64 bits");
        usize::try_from(self.0 % limit).expect("less than the limit")
    }
}

//! Variants of sessions with a known password, each damaged in another way; no output may show the password.
//!
//! `FTPSCOPE_SECRET_VARIANTS` sets how many are made, without it some hundred, and `FTPSCOPE_SECRET_FIRST` the number of the
//! first one, so that many are tried in slices.

use std::fmt::Write as _;
use std::ops::Range;

use ftpscope::capture::{CaptureSet, ReadOptions};
use ftpscope::pipeline::{Options, analyze};
use ftpscope::report::ReportBuilder;

use crate::support::connection::Side;
use crate::support::conversation::Conversation;
use crate::support::frames::{Frame, Random, payload, payload_range, read, split, write};
use crate::support::outputs;
use crate::support::wire::Wire;

/// Password of the generated sessions.
pub(crate) const SECRET: &str = "Kq7vXwZ9";

/// Variants of a usual run, of each kind.
const USUAL: u64 = 500;

/// Sessions in one capture, so that each format is written once for all of them.
const BATCH: u64 = 250;

/// Frame of the greeting, behind the handshake.
const GREETING: usize = 3;

/// Leaks that a failure shows.
const SHOWN: usize = 6;

/// Recorded sessions whose password is sent in clear, over Ethernet and IPv4.
const CAPTURES: &[&str] = &[
    "classic.pcap",
    "passive-lftp.pcap",
    "upload.pcap",
    "failed-login.pcap",
    "pureftpd-curl.pcap",
    "proftpd-lftp.pcap",
    "pyftpdlib-ftplib.pcap",
    "loss.pcap",
    "blocked-active.pcap",
    "blocked-passive.pcap",
    "classic-real.pcap",
];

#[test]
fn no_variant_of_a_generated_session_shows_its_password() {
    let numbers = numbers(1);
    let end = numbers.end;
    let mut leaks = Vec::new();
    for first in numbers.step_by(usize::try_from(BATCH).expect("a small number")) {
        let batch = first..end.min(first + BATCH);
        if leak(generated(batch.clone()), &[SECRET.as_bytes()]).is_none() {
            continue;
        }
        let before = leaks.len();
        for number in batch {
            if leaks.len() > SHOWN {
                break;
            }
            let capture = generated(number..number + 1);
            if let Some(found) = leak(capture, &[SECRET.as_bytes()]) {
                leaks.push(format!("variant {number}: {found}\n{}", dialogue(number)));
            }
        }
        if leaks.len() == before {
            leaks.push(format!("variants from {first} on together, none alone"));
        }
        if leaks.len() > SHOWN {
            break;
        }
    }
    assert!(
        leaks.is_empty(),
        "{}",
        leaks[..leaks.len().min(SHOWN)].join("\n")
    );
}

#[test]
fn no_variant_of_a_recorded_session_shows_its_password() {
    let recorded: Vec<(&str, Vec<Vec<u8>>)> = CAPTURES
        .iter()
        .map(|name| (*name, passwords(&write(&read(name)))))
        .filter(|(_, passwords)| !passwords.is_empty())
        .collect();
    assert!(recorded.len() > 3, "{recorded:?}");
    for number in numbers(4) {
        let random = &mut Random(number);
        let (name, passwords) = &recorded[random.below(recorded.len())];
        let frames = damaged(read(name), passwords, random);
        let secrets: Vec<&[u8]> = passwords.iter().map(Vec::as_slice).collect();
        if let Some(found) = leak(write(&frames), &secrets) {
            let lines: Vec<_> = frames
                .iter()
                .map(|frame| String::from_utf8_lossy(payload(frame)).into_owned())
                .filter(|text| !text.is_empty() && text.len() < 200)
                .collect();
            panic!("variant {number} of {name}: {found}\n{lines:?}");
        }
    }
}

/// Returns the numbers of the variants to make, one in `share` of what was asked for.
fn numbers(share: u64) -> Range<u64> {
    let number = |variable: &str, usual: u64| {
        let set = std::env::var(variable).ok();
        set.map_or(usual, |number| number.parse().expect("a number"))
    };
    let first = number("FTPSCOPE_SECRET_FIRST", 0) / share;
    first..first + number("FTPSCOPE_SECRET_VARIANTS", USUAL) / share
}

/// Returns the output that shows one of the secrets, and the text around it; `None` if none does.
fn leak(capture: Vec<u8>, secrets: &[&[u8]]) -> Option<String> {
    let outputs = outputs::of(capture);
    outputs.into_iter().find_map(|(name, written)| {
        let at = secrets
            .iter()
            .find_map(|secret| memchr::memmem::find(&written, secret))?;
        let around = &written[at.saturating_sub(300)..written.len().min(at + 100)];
        Some(format!("{name}: {}", String::from_utf8_lossy(around)))
    })
}

/// Makes a capture of the generated sessions with these numbers.
pub(crate) fn generated(numbers: Range<u64>) -> Vec<u8> {
    let mut wire = Wire::new();
    for number in numbers {
        wire = generated_session(wire, number).0;
    }
    wire.to_pcap()
}

/// Returns what client and server of a generated session send, as it was captured.
fn dialogue(number: u64) -> String {
    generated_session(Wire::new(), number).1
}

/// Adds a session whose login is damaged, and whose server repeats what it has read.
fn generated_session(wire: Wire, number: u64) -> (Wire, String) {
    let random = &mut Random(number + 1);
    let client = format!("192.168.{}.2:{}", number % 200, 30_000 + number % 30_000);
    let port = ["21", "21", "2121"][random.below(3)];
    let server = format!("192.168.0.21:{port}");
    let first = wire.len();
    let mut script = Script {
        talk: Conversation::connect_on(wire, &client, &server),
        log: String::new(),
        losses: random.one_in(3),
    };
    // By its first lines a connection to another port is recognized: what passes before that is not known to be FTP.
    let recognized = port != "21";
    if random.one_in(12) {
        // The capture begins in the middle.
        script.talk.wire.truncate(first);
        if recognized {
            script.talk.exchange("SYST", "215 UNIX Type: L8");
        }
    } else {
        let losses = script.losses;
        script.losses &= !recognized;
        script.reply("220 Specimen FTP server ready.", random);
        script.losses = losses;
    }
    if random.one_in(10) {
        script.line("USER ftp", random);
        script.reply("331 Guest", random);
        script.line("PASS me@example.com", random);
        script.reply(random.pick(&["230 In", "530 Out"]), random);
    }
    if !random.one_in(8) {
        let verb = damaged_verb("USER", random);
        script.line(&format!("{verb} mira"), random);
        script.reply(
            random.pick(&["331 Go on", "331-Go\r\n331 on", "230 In", ""]),
            random,
        );
    }
    let (line, bare) = secret_line(random);
    script.line(&line, random);
    for _ in 0..=random.below(3) {
        let code = random.pick(&[
            "331", "230", "530", "500", "332", "202", "220", "421", "200",
        ]);
        let echo = if bare && !random.one_in(3) {
            SECRET.to_owned()
        } else {
            line.replace(['\r', '\n', '\0', '\t'], "_")
        };
        let reply = match random.below(6) {
            0 => format!("{code} '{echo}': not understood"),
            1 => format!("{code}-What\r\n {echo}\r\n{code} is that"),
            2 => format!("{code} {}{echo}", random.pick(&["", "<", "mira:", "?"])),
            3 => format!("{code}{echo}"),
            4 => format!("{code} Fine"),
            _ => String::new(),
        };
        script.reply(&reply, random);
        let later = random.pick(&[
            "",
            "",
            "NOOP ",
            "SITE HELP ",
            "XBAR ",
            "HELP ",
            "ALLO ",
            "REIN",
            "SYST",
            "PWD",
            "QUIT",
            "USER mira",
            "TYPE I",
            "PASV",
            "ABOR",
        ]);
        if !later.is_empty() {
            let with = if bare && later.ends_with(' ') {
                SECRET
            } else {
                ""
            };
            script.line(&format!("{later}{with}"), random);
        }
    }
    script.reply("221 Bye", random);
    if !random.one_in(4) {
        script
            .talk
            .control
            .close(&mut script.talk.wire, Side::Server);
    }
    if random.one_in(3) {
        capture_some_late(&mut script, first, random);
    }
    (script.talk.wire, script.log)
}

/// Captures one segment or two of those from `first` on late: behind a reply that repeats what they hold.
fn capture_some_late(script: &mut Script, first: usize, random: &mut Random) {
    let frames = script.talk.wire.len() - first;
    let mut moved = usize::MAX;
    for _ in 0..=random.below(2) {
        let from = first + random.below(frames);
        let to = (from + 1 + random.below(5)).min(first + frames - 1);
        let to = to.min(latest_place(&script.talk.wire, from));
        // Not the greeting: segments that wait for it are dropped if the connection closes first.
        if from - first <= GREETING || from == moved || from >= to {
            continue;
        }
        script.talk.wire.move_frame(from, to);
        moved = to;
        let _ = writeln!(script.log, "frame {} to {}", from - first, to - first);
    }
}

/// Returns the last place to which a frame may be moved: not behind the acknowledgment of what the server answered, or of its FIN.
///
/// That proves a segment missing, and what comes then is read for its secrets only. The answer has come before them, and only
/// later occurrences are hidden.
fn latest_place(wire: &Wire, from: usize) -> usize {
    let sender = wire.segment_at(from).map(|(port, ..)| port);
    let mut answered = false;
    for place in from + 1..wire.len() {
        if let Some((port, payload, fin)) = wire.segment_at(place) {
            let own = Some(port) == sender;
            if answered && own || fin && !own {
                return place - 1;
            }
            answered |= payload > 0 && !own;
        }
    }
    wire.len() - 1
}

/// Returns a line with the secret, and whether the secret is a value by itself: what is glued to an unknown verb is part of
/// that.
fn secret_line(random: &mut Random) -> (String, bool) {
    let verb = random.pick(&[
        "PASS",
        "PASS",
        "PASS",
        "ACCT",
        "ADAT",
        "SITE PSWD",
        "SITE CHPASS",
        "SITE PASSWD mira",
    ]);
    let blank = random.pick(&[" ", " ", " ", "  ", "\t", " \t "]);
    let tail = random.pick(&["", "", "", " ", "  ", " new"]);
    // What is a value: the whole argument, or each word behind SITE.
    let is_value = tail.trim().is_empty() || verb.starts_with("SITE");
    let login = random.pick(&["PASS", "ACCT", "ADAT"]);
    match random.below(12) {
        0 => (
            format!("{}{SECRET}{tail}", odd_case(verb, random)),
            is_value && !verb.contains("mira"),
        ),
        1 => (
            format!("{}{blank}{SECRET}{tail}", damaged_verb(login, random)),
            tail.trim().is_empty(),
        ),
        2 => (format!("{}{SECRET}", damaged_verb(login, random)), false),
        // Behind a line end of its own, or it would be a part of the user's name.
        3 => (format!("\r\n{SECRET}{tail}"), tail.trim().is_empty()),
        4 => {
            let between = ["\r", "\0", "\u{7}", "\rPASS ", "PASS "][random.below(5)];
            (format!("USER mira{between}{SECRET}"), true)
        }
        5 => {
            let verb = random.pick(&["CWD", "XFOO", "USER", "HOST"]);
            (format!("{verb} ftp://mira:{SECRET}@host/x"), true)
        }
        6 => {
            let before = random.pick(&["NOOP", "SYST", "FEAT"]);
            (format!("{before}\r{verb}{blank}{SECRET}"), true)
        }
        _ => (
            format!("{}{blank}{SECRET}{tail}", odd_case(verb, random)),
            is_value,
        ),
    }
}

/// Returns a verb in odd case.
fn odd_case(verb: &str, random: &mut Random) -> String {
    let odd = |letter: char| {
        if random.one_in(4) {
            letter.to_ascii_lowercase()
        } else {
            letter
        }
    };
    verb.chars().map(odd).collect()
}

/// Returns a verb with a letter changed, left out, doubled or swapped, so that it is none of the known ones.
fn damaged_verb(verb: &str, random: &mut Random) -> String {
    let mut bytes = odd_case(verb, random).into_bytes();
    let at = random.below(bytes.len());
    match random.below(8) {
        0 => bytes[at] = b'#',
        1 => bytes[at] ^= 0x20,
        2 => {
            bytes.remove(at);
        }
        3 => bytes.insert(at, bytes[at]),
        4 => bytes.swap(at, (at + 1).min(verb.len() - 1)),
        5 => bytes.insert(at, 7),
        _ => {}
    }
    String::from_utf8(bytes).expect("ASCII")
}

struct Script {
    talk: Conversation,
    log: String,
    losses: bool,
}

impl Script {
    /// Sends a line of the client with odd bytes around it, in segments of which some are lost or repeated.
    fn line(&mut self, line: &str, random: &mut Random) {
        let before = random.pick(&[
            "", "", "", "\r", "\0\0", " ", "\t", "\u{feff}", "\u{7}", "\0\r", "\n",
        ]);
        let end = random.pick(&[
            "\r\n", "\r\n", "\r\n", "\n", "\r", "\n\r", "\0", "\0\0\0\0", "", "\r\n\0", "\r\0\n",
        ]);
        let mut bytes = Vec::new();
        if random.one_in(15) {
            bytes.extend_from_slice(random.pick(&[
                &b"\xff\xf4\xff\xf2"[..],
                b"\xff\xfb\x01",
                b"\xf2",
            ]));
        }
        bytes.extend(format!("{before}{line}{end}").into_bytes());
        let secret = memchr::memmem::find(&bytes, SECRET.as_bytes());
        let secret = secret.map_or(0..0, |at| at..at + SECRET.len());
        let largest = if random.one_in(2) {
            1 + random.below(6)
        } else {
            64
        };
        let lost = if self.losses {
            random.below(bytes.len())
        } else {
            usize::MAX
        };
        let wire = &mut self.talk.wire;
        let mut from = 0;
        for part in bytes.chunks(largest) {
            let to = from + part.len();
            // Of the secret itself nothing is lost, or there would be nothing to find.
            let holds_secret = from < secret.end && secret.start < to;
            let text = String::from_utf8_lossy(part).escape_debug().to_string();
            let is_lost = (from..to).contains(&lost) && !holds_secret;
            let _ = writeln!(self.log, "> {text}{}", if is_lost { " lost" } else { "" });
            if is_lost {
                self.talk.control.lose(wire, Side::Client, part);
            } else {
                self.talk.control.say(wire, Side::Client, part);
                match random.below(20) {
                    0 => self.talk.control.retransmit(wire, Side::Client),
                    1 => {
                        let back = u32::try_from(to).expect("a short line");
                        self.talk
                            .control
                            .say_again(wire, Side::Client, back, &bytes[..to]);
                    }
                    _ => {}
                }
            }
            from = to;
        }
        if random.one_in(2) {
            self.talk.control.ack(&mut self.talk.wire, Side::Server);
        }
    }

    fn reply(&mut self, reply: &str, random: &mut Random) {
        if reply.is_empty() {
            return;
        }
        let end = random.pick(&["\r\n", "\r\n", "\r\n", "\n", "\n\r", "\0", ""]);
        let bytes = format!("{reply}{end}").into_bytes();
        let largest = if random.one_in(4) {
            1 + random.below(9)
        } else {
            200
        };
        let _ = writeln!(self.log, "< {}", reply.escape_debug());
        for part in bytes.chunks(largest) {
            if self.losses && random.one_in(20) {
                let _ = writeln!(self.log, "  a part is lost");
                self.talk
                    .control
                    .lose(&mut self.talk.wire, Side::Server, part);
            } else {
                self.talk
                    .control
                    .say(&mut self.talk.wire, Side::Server, part);
            }
        }
        if random.one_in(2) {
            self.talk.control.ack(&mut self.talk.wire, Side::Client);
        }
    }
}

/// Returns the passwords that a capture shows in no output unless asked to.
fn passwords(capture: &[u8]) -> Vec<Vec<u8>> {
    let reader: Box<dyn std::io::Read + Send> = Box::new(std::io::Cursor::new(capture.to_vec()));
    let inputs = vec![("a.pcap".into(), reader)];
    let mut source = CaptureSet::from_readers(inputs, ReadOptions::default());
    let options = Options {
        show_passwords: true,
        ..Options::default()
    };
    let mut builder = ReportBuilder::new(&options.limits);
    let summary = analyze(&mut source, &options, &mut builder, &mut ());
    let report = builder.finish(summary.captures, summary.totals);
    let mut found = Vec::new();
    for session in report
        .sessions
        .iter()
        .filter(|session| !session.login.anonymous)
    {
        let commands = session.steps.iter().flat_map(|step| &step.commands);
        for command in commands.filter(|command| command.verb == "PASS") {
            let value = command.argument.clone().unwrap_or_default().into_bytes();
            if value.len() >= 6 && leak(capture.to_vec(), &[&value]).is_none() {
                found.push(value);
            }
        }
    }
    found
}

/// Damages the control connection of a recorded session in place, so that every sequence number stays right.
fn damaged(mut frames: Vec<Frame>, passwords: &[Vec<u8>], random: &mut Random) -> Vec<Frame> {
    let secret_in = |frame: &Frame| {
        let mut passwords = passwords.iter().map(Vec::as_slice);
        passwords.find(|secret| memchr::memmem::find(payload(frame), secret).is_some())
    };
    let to_port_21 = |frame: &Frame| frame.bytes.get(36..38) == Some(&[0, 21]);
    let from_port_21 = |frame: &Frame| frame.bytes.get(34..36) == Some(&[0, 21]);
    // Client port of each session that has sent a password, and that password.
    let mut known: Vec<([u8; 2], &[u8])> = Vec::new();
    let client_port = |frame: &Frame| {
        let at = if frame.bytes[36..38] == [0, 21] {
            34
        } else {
            36
        };
        [frame.bytes[at], frame.bytes[at + 1]]
    };
    for frame in &mut frames {
        let Some(range) = payload_range(frame).filter(|range| range.len() > 4) else {
            continue;
        };
        let has_secret = secret_in(frame).is_some();
        if let Some(secret) = secret_in(frame) {
            known.push((client_port(frame), secret));
        }
        if to_port_21(frame) && random.one_in(3) {
            let bytes = &mut frame.bytes[range.clone()];
            let length = bytes.len();
            let ends = [b"\n\r", b"\0\0", b"\r\r", b"\n\n", b"\r\0", b" \n"];
            bytes[length - 2..].copy_from_slice(ends[random.below(6)]);
            match random.below(4) {
                0 => bytes[..4].make_ascii_lowercase(),
                1 if has_secret => bytes[random.below(4)] = b'#',
                2 => {
                    if let Some(blank) = bytes.iter().position(|&byte| byte == b' ') {
                        bytes[blank] = b'\t';
                    }
                }
                _ => {}
            }
        } else if from_port_21(frame)
            && let Some((_, secret)) = known.iter().find(|(port, _)| *port == client_port(frame))
            && random.one_in(3)
        {
            // A text that is not the name of a directory.
            let bytes = &mut frame.bytes[range.clone()];
            if bytes.len() >= secret.len() + 6 && !bytes.starts_with(b"257") && bytes[0] != b'1' {
                bytes[4..4 + secret.len()].copy_from_slice(secret);
            }
        }
    }
    // Not both losses and late segments: bytes that come after their hole counts as a gap are not read at all.
    let drops = random.one_in(2);
    let mut out: Vec<Frame> = Vec::new();
    for frame in frames {
        let is_control = to_port_21(&frame) || from_port_21(&frame);
        if is_control
            && !payload(&frame).is_empty()
            && secret_in(&frame).is_none()
            && drops
            && random.one_in(12)
        {
            continue;
        }
        let pieces = if is_control && random.one_in(3) {
            split(&frame, random)
        } else {
            vec![frame]
        };
        for piece in pieces {
            if is_control && random.one_in(30) {
                out.push(piece.clone());
            }
            out.push(piece);
        }
    }
    let micros = |frame: &Frame| {
        let word = |at: usize| {
            u64::from(u32::from_le_bytes(
                frame.time[at..at + 4].try_into().expect("four bytes"),
            ))
        };
        word(0) * 1_000_000 + word(4)
    };
    for _ in 0..if drops { 0 } else { random.below(3) } {
        let from = random.below(out.len());
        let to = (from + 1 + random.below(4)).min(out.len() - 1);
        if micros(&out[to]) > micros(&out[from]) + 20_000 {
            continue;
        }
        let frame = out.remove(from);
        out.insert(to, frame);
    }
    let mut times: Vec<[u8; 8]> = out.iter().map(|frame| frame.time).collect();
    times.sort_by_key(|time| {
        let word = |at: usize| u32::from_le_bytes(time[at..at + 4].try_into().expect("four bytes"));
        (word(0), word(4))
    });
    for (frame, time) in out.iter_mut().zip(times) {
        frame.time = time;
    }
    out
}

//! No output shows a secret, however the lines of the client are damaged on their way.

use std::fs;

use crate::support::connection::Side;
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;
use crate::support::wire::Wire;

const SECRET: &str = "Kq7vXwZ9";

/// Sessions in one capture: each with other damage, so that each format is written once for all of them.
const SESSIONS: u64 = 400;

#[test]
fn damaged_lines_show_the_password_in_no_output() {
    let folder = Folder::new("secrets-damaged");
    let mut wire = Wire::new();
    for number in 0..SESSIONS {
        wire = damaged_session(wire, &mut Random(number + 1), number);
    }
    folder.write("a.pcap", &wire.to_pcap());
    assert_hidden(&folder);
}

#[test]
fn password_that_equals_the_user_stays_visible_in_paths() {
    let folder = Folder::new("secrets-equal");
    let mut talk = Conversation::open("192.168.0.2:40000", "192.168.0.21:21");
    talk.exchange("USER rocky", "331 Password required for rocky");
    talk.exchange("PASS rocky", "230 User rocky logged in");
    talk.exchange("PWD", "257 \"/home/rocky\" is the current directory");
    talk.retrieve("notes.txt", 40_001, 50_001, b"notes");
    folder.write("a.pcap", &talk.quit());
    let report = folder.report(&["a.pcap"]);
    let session = &report["sessions"][0];
    assert_eq!(session["transfers"][0]["path"], "/home/rocky/notes.txt");
    assert_eq!(session["login"]["password"], "<hidden>");
    assert_eq!(
        session["steps"][2]["commands"][1]["replies"][0]["lines"][0],
        "User rocky logged in"
    );
}

#[test]
fn names_with_the_password_stay_visible_and_texts_do_not() {
    let folder = Folder::new("secrets-names");
    let mut talk = Conversation::open("[2001:db8::2]:40000", "[2001:db8::21]:21");
    talk.exchange("USER mira", "331 Password please");
    talk.exchange(&format!("PASS {SECRET}"), &format!("230 {SECRET} is right"));
    talk.exchange(&format!("MKD {SECRET}"), &format!("257 \"/{SECRET}\" made"));
    talk.exchange(&format!("CWD /{SECRET}"), &format!("250 in {SECRET} now"));
    folder.write("a.pcap", &talk.quit());
    let report = folder.report(&["a.pcap"]);
    let steps = report["sessions"][0]["steps"].as_array().expect("steps");
    let step = |kind: &str| {
        let mut of_kind = steps.iter().filter(|step| step["kind"] == kind);
        of_kind.next_back().expect("the step")
    };
    assert_eq!(step("cwd")["directory"], format!("/{SECRET}"));
    assert_eq!(step("cwd")["commands"][0]["argument"], format!("/{SECRET}"));
    let replies = &step("cwd")["commands"][0]["replies"];
    assert_eq!(replies[0]["lines"][0], "in <hidden> now");
}

#[test]
fn anonymous_password_is_shown_only_for_its_own_user() {
    let folder = Folder::new("secrets-anonymous");
    let mut talk = Conversation::open("192.168.0.2:40000", "192.168.0.21:21");
    talk.exchange("USER ftp", "331 Password please");
    talk.exchange("PASS me@example.com", "230 In");
    talk.control
        .lose(&mut talk.wire, Side::Client, b"USER mira\r\n");
    talk.reply("331 Password please");
    talk.exchange(&format!("PASS {SECRET}"), "230 In");
    folder.write("a.pcap", &talk.quit());
    let report = folder.report(&["a.pcap"]).to_string();
    assert!(report.contains("me@example.com"));
    assert_hidden(&folder);
}

#[test]
fn cut_line_on_another_port_is_not_joined_with_the_password() {
    let folder = Folder::new("secrets-other-port");
    let mut talk = Conversation::open("192.168.0.2:40000", "192.168.0.21:2121");
    talk.control.say(&mut talk.wire, Side::Client, b"USER mi");
    talk.control.lose(&mut talk.wire, Side::Client, b"ra\r\n");
    talk.reply("331 Password please");
    talk.exchange(&format!("PASS {SECRET}"), "230 In");
    folder.write("a.pcap", &talk.quit());
    assert_hidden(&folder);
    let report = folder.report(&["a.pcap"]);
    assert_eq!(report["sessions"][0]["login"]["password"], "<hidden>");
}

/// Adds a session whose login is damaged, and whose server repeats what it has read.
fn damaged_session(wire: Wire, random: &mut Random, number: u64) -> Wire {
    let client = format!("192.168.{}.2:{}", number % 7, 30_000 + number);
    let port = if random.one_in(3) { 2121 } else { 21 };
    let mut talk = Conversation::open_on(wire, &client, &format!("192.168.0.21:{port}"));
    let user = format!("{}mira", random.verb("USER"));
    let verb = random.verb(
        random
            .clone()
            .pick(&["PASS", "ACCT", "PASSS", "PAS", "SITE PSWD", ""]),
    );
    random.below(6);
    // A reply that overtakes what it repeats, behind a hole that is still open, is not covered here.
    let losses = random.one_in(3);
    for line in [user, format!("{verb}{SECRET}")] {
        let before = random.pick(&["", "", "\r", "\0\0", " ", "\t", "\u{feff}", "\u{7}", "\0\r"]);
        let end = random.pick(&[
            "\r\n", "\r\n", "\n", "\r", "\n\r", "\0", "\0\0\0\0", "", "\r\n\0",
        ]);
        let bytes = format!("{before}{line}{end}").into_bytes();
        let largest = if random.one_in(2) {
            1 + random.below(6)
        } else {
            64
        };
        let lost = if losses {
            random.below(bytes.len())
        } else {
            usize::MAX
        };
        let mut from = 0;
        for part in bytes.chunks(largest) {
            // Of the secret itself nothing is lost, or there would be nothing to find.
            let whole = String::from_utf8_lossy(&bytes[from + part.len()..]).contains(SECRET);
            if (from..from + part.len()).contains(&lost) && (whole || !line.contains(SECRET)) {
                talk.control.lose(&mut talk.wire, Side::Client, part);
            } else {
                talk.control.say(&mut talk.wire, Side::Client, part);
            }
            from += part.len();
        }
        let text = line.replace(' ', "_");
        let reply = random.pick(&["331 Go on", "230 In", "530 No: ", "500 ?: ", ""]);
        if !reply.is_empty() {
            // Nobody can know where the password begins that is glued to an unknown verb, or to the rest of one.
            let glued = !verb.ends_with([' ', '\t']);
            let echo = if random.one_in(2) || glued {
                text.as_str()
            } else {
                SECRET
            };
            // Nothing repeats what it has not read.
            let echo = if line.contains(SECRET) && !verb.is_empty() && !losses {
                echo
            } else {
                ""
            };
            talk.reply(&format!("{reply} {echo}"));
        }
    }
    talk.command("QUIT");
    talk.reply("221 Bye");
    talk.part();
    talk.wire
}

/// Runs every command and format over the capture of a folder, and looks for the secret.
fn assert_hidden(folder: &Folder) {
    let formats = [
        "table", "json", "ndjson", "csv", "html", "zeek", "eve", "ecs",
    ];
    let mut runs: Vec<Vec<&str>> = formats
        .iter()
        .map(|format| vec!["analyze", "--no-progress", "--format", format, "a.pcap"])
        .collect();
    runs.push(vec!["analyze", "--no-progress", "-v", "a.pcap"]);
    for format in ["text", "mermaid", "plantuml", "svg", "html"] {
        runs.push(vec![
            "diagram",
            "--no-progress",
            "--format",
            format,
            "a.pcap",
        ]);
    }
    for detail in ["steps", "packets"] {
        runs.push(vec![
            "diagram",
            "--no-progress",
            "--detail",
            detail,
            "a.pcap",
        ]);
    }
    runs.push(vec!["tree", "--no-progress", "a.pcap"]);
    runs.push(vec!["live", "-r", "a.pcap"]);
    runs.push(vec![
        "check",
        "--no-progress",
        "--record",
        "recorded.toml",
        "a.pcap",
    ]);
    for arguments in runs {
        let output = folder.command(&arguments).output().expect("it runs");
        let mut written = output.stdout;
        written.extend_from_slice(&output.stderr);
        if let Ok(recorded) = fs::read(folder.path().join("recorded.toml")) {
            written.extend_from_slice(&recorded);
        }
        let text = String::from_utf8_lossy(&written);
        if let Some(at) = text.find(SECRET) {
            let from = text.floor_char_boundary(at.saturating_sub(300));
            let to = text.floor_char_boundary(at + 100);
            panic!("{arguments:?} shows the secret: {}", &text[from..to]);
        }
    }
}

/// A small generator of numbers (xorshift), the same on every run.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        let mut value = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        value ^= value >> 12;
        value ^= value << 25;
        value ^= value >> 27;
        self.0 = value;
        value.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).expect("31 bits") % bound.max(1)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// Returns a verb in odd case, and what separates it from its argument.
    fn verb(&mut self, verb: &str) -> String {
        let odd = verb.chars().map(|letter| {
            if self.one_in(4) {
                letter.to_ascii_lowercase()
            } else {
                letter
            }
        });
        let odd: String = odd.collect();
        odd + self.pick(&[" ", " ", "  ", "\t", ""])
    }
}

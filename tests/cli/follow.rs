//! Events as they come: a capture that is still being written, and findings before their session ends.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::classic::classic;
use crate::support::connection::Side;
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::folder::Folder;

/// The tool while it follows, and its lines.
struct Following {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Following {
    fn start(folder: &Folder, file: &str) -> Self {
        Self::start_with(folder, &[file])
    }

    fn start_with(folder: &Folder, arguments: &[&str]) -> Self {
        let arguments = [&["analyze", "--follow", "--format", "ndjson"], arguments].concat();
        let mut child = folder
            .command(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, lines }
    }

    /// Waits for the next event of this type.
    fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).expect("text");
            assert!(!line.is_empty(), "it ended before {kind}");
            let event: Value = serde_json::from_str(&line).expect("JSON");
            if event["type"] == kind {
                return event;
            }
        }
    }

    fn interrupt(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.expect("kill is there").success());
    }
}

#[test]
fn events_come_while_the_file_grows_and_the_rest_at_an_interrupt() {
    let folder = Folder::new("follow");
    let capture = classic();
    // In the middle of a packet, as buffers are written out.
    let (first, rest) = capture.split_at(capture.len() / 2);
    folder.write("growing.pcap", first);
    let mut following = Following::start(&folder, "growing.pcap");
    following.wait_for("session_start");
    let mut file = File::options()
        .append(true)
        .open(folder.path().join("growing.pcap"))
        .expect("opened");
    // And again in the middle of one at the end.
    file.write_all(rest).expect("written");
    file.write_all(&capture[24..60]).expect("written");
    let report = following.wait_for("session_end")["report"].clone();
    assert_eq!(report["verdict"]["status"], "ok", "{report}");
    following.interrupt();
    let totals = following.wait_for("totals");
    assert_eq!(totals["totals"]["sessions"], 1);
    assert_eq!(totals["captures"][0]["truncated"], false);
    assert_eq!(following.child.wait().expect("ended").code(), Some(0));
}

#[test]
fn a_file_that_is_replaced_ends_the_run_with_a_warning() {
    let folder = Folder::new("follow-replaced");
    folder.write("growing.pcap", &classic());
    folder.write("new.pcap", &classic());
    let mut following = Following::start(&folder, "growing.pcap");
    following.wait_for("session_end");
    let place = |name| folder.path().join(name);
    std::fs::rename(place("new.pcap"), place("growing.pcap")).expect("renamed");
    let warning = following.wait_for("warning");
    assert_eq!(warning["warning"]["code"], "capture-replaced");
    following.wait_for("totals");
    assert_eq!(following.child.wait().expect("ended").code(), Some(0));
}

#[test]
fn only_one_plain_file_can_be_followed() {
    let folder = Folder::new("follow-refused");
    insta::assert_snapshot!(folder.run(&["analyze", "--follow", "headers.pcap", "cut.pcap"]), @r"
    exit 2
    -- stderr
    ftpscope: cannot follow several captures; give one file, or run once for each
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "--follow", "notes"]), @r"
    exit 2
    -- stderr
    ftpscope: cannot follow a directory; give one file
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "--follow", "-"]), @r"
    exit 2
    -- stderr
    ftpscope: cannot follow a pipe; it is read until it is closed anyway, leave out --follow
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "--follow", "nope.pcap"]), @r"
    exit 3
    -- stderr
    ftpscope: cannot read nope.pcap: no such file or directory; check the path
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "--follow", "text.txt"]), @r"
    exit 3
    -- stderr
    ftpscope: cannot read text.txt: not a pcap or pcapng capture; it looks like text; capture with tcpdump -w FILE: what tcpdump prints cannot be read back
    ");
}

/// Events of a capture, as NDJSON.
fn events(name: &str, capture: &[u8]) -> Vec<Value> {
    let folder = Folder::new(name);
    folder.write("capture.pcap", capture);
    let text = folder.run(&["analyze", "-q", "--format", "ndjson", "capture.pcap"]);
    let lines = text.strip_prefix("exit 0\n-- stdout\n").expect("events");
    let event = |line| serde_json::from_str(line).expect("JSON");
    lines.lines().map(event).collect()
}

/// Places in `events` of the findings of this kind.
fn findings(events: &[Value], id: &str) -> Vec<usize> {
    let is_it = |event: &Value| event["type"] == "finding" && event["finding"]["id"] == id;
    let all = events.iter().enumerate();
    all.filter(|(_, event)| is_it(event))
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn rejected_login_is_told_with_its_reply_and_once() {
    let mut ftp = Conversation::open("192.0.2.10:39021", "192.0.2.20:21");
    ftp.exchange("USER mira", "331 Password.");
    ftp.exchange("PASS wrong secret", "530 Login incorrect.");
    ftp.wire.wait(Duration::from_secs(14));
    let events = events("finding-login", &ftp.quit());
    let found = findings(&events, "login-rejected");
    assert_eq!(found.len(), 1, "{events:?}");
    let (step, finding) = (&events[found[0] - 1], &events[found[0]]);
    assert_eq!(step["step"]["kind"], "login");
    assert_eq!(finding["time"], step["time"]);
    assert_eq!(finding["session"], 1);
    assert_eq!(finding["client"]["port"], 39_021);
    assert_eq!(finding["server"]["port"], 21);
    assert_eq!(finding["user"], "mira");
    let end = &events.iter().find(|event| event["type"] == "session_end");
    let report = &end.expect("an end")["report"];
    assert_eq!(report["findings"][0], finding["finding"]);
    assert_eq!(events.last().expect("totals")["totals"]["findings"], 1);
}

#[test]
fn file_that_is_not_whole_is_told_with_its_transfer() {
    let mut ftp = Conversation::logged_in("192.0.2.10:39021", "192.0.2.20:21");
    ftp.passive(None, 50_001);
    let mut data = ftp.passive_data(40_001, 50_001);
    ftp.command("RETR a.txt");
    data.open(&mut ftp.wire);
    ftp.reply("150 Opening data connection.");
    data.stream(&mut ftp.wire, Side::Server, &[7; 4000], SEGMENT);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("451 Local error in processing.");
    ftp.wire.wait(Duration::from_mins(1));
    ftp.exchange("NOOP", "200 Here.");
    let events = events("finding-file", &ftp.quit());
    let found = findings(&events, "incomplete-file");
    assert_eq!(found.len(), 1, "{events:?}");
    let place = |kind: &str| {
        let mut all = events.iter();
        all.position(|event| event["type"] == kind).expect("one")
    };
    assert!(place("transfer") < found[0]);
    assert_eq!(events[place("transfer")]["time"], events[found[0]]["time"]);
    let totals = &events.last().expect("totals")["totals"];
    let report = &events[place("session_end")]["report"];
    let findings = report["findings"].as_array().expect("a list");
    assert_eq!(totals["findings"], findings.len());
}

#[test]
fn guessed_passwords_are_told_at_the_threshold_and_when_one_is_right() {
    let mut ftp = Conversation::open("192.0.2.10:39021", "192.0.2.20:21");
    for attempt in 1..=8 {
        ftp.exchange("USER mira", "331 Password.");
        ftp.exchange(&format!("PASS guess {attempt}"), "530 Login incorrect.");
    }
    ftp.exchange("USER mira", "331 Password.");
    ftp.exchange("PASS hazel lantern", "230 Logged in.");
    ftp.wire.wait(Duration::from_secs(30));
    let events = events("finding-guess", &ftp.quit());
    let found = findings(&events, "brute-force");
    let told: Vec<(&Value, &Value)> = found
        .iter()
        .map(|&at| {
            (
                &events[at]["finding"]["severity"],
                &events[at]["finding"]["title"],
            )
        })
        .collect();
    let title =
        |count, then| format!("192.0.2.10 was refused {count} logins at 192.0.2.20:21{then}");
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0].0, "medium");
    assert_eq!(*told[0].1, title(5, ""));
    assert_eq!(told[1].0, "high");
    assert_eq!(*told[1].1, title(8, ", then one succeeded"));
    // At the end of the input, as the report has it.
    assert_eq!(told[2], told[1]);
    let steps = |until: usize| {
        let logins = events[..until]
            .iter()
            .filter(|event| event["step"]["kind"] == "login");
        logins.count()
    };
    assert_eq!((steps(found[0]), steps(found[1])), (5, 9));
    assert_eq!(events.last().expect("totals")["totals"]["findings"], {
        let end = events.iter().find(|event| event["type"] == "session_end");
        let findings = end.expect("an end")["report"]["findings"].as_array();
        findings.expect("a list").len() + 1
    });
}

#[test]
fn secrets_later_than_their_packets_open_the_session_from_its_beginning() {
    let folder = Folder::new("follow-keys");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls/lab");
    let read = |name: &str| std::fs::read(data.join(name)).expect("a file");
    folder.write("growing.pcap", &read("vsftpd-python-1.3.pcap"));
    folder.write("late.keys", b"# nothing yet\n");
    let arguments = [
        "growing.pcap",
        "--keylog",
        "late.keys",
        "--keylog-wait",
        "10min",
    ];
    let mut following = Following::start_with(&folder, &arguments);
    let start = following.wait_for("session_start");
    assert_eq!(start.get("late"), None);
    let keys = read("vsftpd-python-1.3.keys");
    let mut log = File::options()
        .append(true)
        .open(folder.path().join("late.keys"))
        .expect("opened");
    // In the middle of a line, as buffers are written out.
    let (first, rest) = keys.split_at(keys.len() / 3);
    log.write_all(first).expect("written");
    log.write_all(rest).expect("written");
    let transfer = following.wait_for("transfer");
    assert_eq!(transfer["late"], true);
    let report = following.wait_for("session_end")["report"].clone();
    assert_eq!(report["tls"]["decrypted"], true);
    assert_eq!(report["verdict"]["status"], "ok", "{report}");
    assert_eq!(report["transfers"].as_array().map(Vec::len), Some(4));
    following.interrupt();
    following.wait_for("totals");
    assert_eq!(following.child.wait().expect("ended").code(), Some(0));
}

#[test]
fn session_without_its_secrets_is_reported_once_the_wait_is_over() {
    let folder = Folder::new("follow-no-keys");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls/lab");
    let capture = std::fs::read(data.join("vsftpd-python-1.3.pcap")).expect("a capture");
    folder.write("growing.pcap", &capture);
    folder.write("late.keys", b"");
    let arguments = [
        "growing.pcap",
        "--keylog",
        "late.keys",
        "--keylog-wait",
        "1s",
    ];
    let mut following = Following::start_with(&folder, &arguments);
    let report = following.wait_for("session_end")["report"].clone();
    assert_eq!(report["tls"]["obstacle"], "no-secret");
    assert_eq!(report["encrypted_data"].as_array().map(Vec::len), Some(4));
    following.interrupt();
    following.wait_for("totals");
}

//! `--follow`: a capture that is still being written.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::support::classic::classic;
use crate::support::folder::Folder;

/// The tool while it follows, and its lines.
struct Following {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Following {
    fn start(folder: &Folder, file: &str) -> Self {
        let mut child = folder
            .command(&["analyze", "--follow", "--format", "ndjson", file])
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

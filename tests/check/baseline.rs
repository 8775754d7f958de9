//! Comparison of two runs.

use crate::check::{Change, capture};
use crate::support::folder::Folder;

fn compared(change: Change) -> String {
    compared_in("each", change)
}

fn compared_in(name: &str, change: Change) -> String {
    let folder = Folder::new(&format!("baseline-{name}-{change:?}"));
    folder.write("good.pcap", &capture(Change::None));
    folder.write("run.pcap", &capture(change));
    folder.run(&["check", "--baseline", "good.pcap", "run.pcap"])
}

#[test]
fn two_equal_runs_have_no_difference() {
    let text = compared(Change::None);
    assert!(text.starts_with("exit 0\n"), "{text}");
    assert!(text.contains("1 passed, 0 failed"), "{text}");
}

#[test]
fn step_is_compared_only_with_one_of_its_command() {
    use crate::check::{CLIENT, SERVER};
    use crate::support::conversation::Conversation;
    let folder = Folder::new("baseline-unlike");
    let run = |command: &str, reply: &str| {
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        ftp.exchange(command, reply);
        ftp.quit()
    };
    folder.write("good.pcap", &run("OPTS UTF8 ON", "501 No."));
    folder.write("run.pcap", &run("MKD new", "257 \"/new\" created"));
    let text = folder.run(&["check", "--baseline", "good.pcap", "run.pcap"]);
    for part in [
        "before    not asked\n    now       MKD new: ok (257)",
        "before    OPTS UTF8 ON: failed (501)\n    now       not asked",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn baseline_from_a_pipe_is_a_capture_and_a_report_is_to_be_saved_first() {
    let folder = Folder::new("baseline-pipe");
    let good = capture(Change::None);
    folder.write("good.pcap", &good);
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let report = folder.report(&["good.pcap"]).to_string().into_bytes();
    for (written, exit, part) in [
        (report, "exit 3\n", "save a report to a file first"),
        (good, "exit 0\n", "1 passed, 0 failed"),
    ] {
        let pipe = pipe.clone();
        let writer = std::thread::spawn(move || std::fs::write(pipe, written));
        let text = folder.run(&["check", "--baseline", "pipe", "good.pcap"]);
        assert!(text.starts_with(exit), "{text}");
        assert!(text.contains(part), "{text}");
        // A reader that leaves early fails it.
        let _ = writer.join().expect("no panic");
    }
}

#[test]
fn each_change_is_described_before_and_after() {
    for (change, before, now) in [
        (
            Change::LostPacket,
            "RETR /pub/firmware.bin: complete, 7,000 bytes",
            "gaps, 5,600 bytes, 1,400 bytes missing",
        ),
        (
            Change::Content,
            "content with SHA-256 ",
            "the same size and other content",
        ),
        (
            Change::Login,
            "login as mira: accepted",
            "login as eve: accepted",
        ),
        (
            Change::ExtraCommand,
            "not asked",
            "SITE CHMOD 777 pub: ok (200)",
        ),
        (Change::NoQuit, "QUIT: ok (221)", "not asked"),
        (
            Change::Refused,
            "RETR firmware.bin: ok (226)",
            "RETR firmware.bin: failed (550)",
        ),
        (
            Change::NoFile,
            "RETR /pub/firmware.bin: complete",
            "no such transfer",
        ),
        (
            Change::OtherName,
            "STOR log-1.txt: ok (226)",
            "STOR log-2.txt: ok (226)",
        ),
        (Change::Active, "in passive mode", "in active mode"),
        (Change::SecondSession, "no such session", "login"),
    ] {
        let text = compared(change);
        assert!(text.starts_with("exit 1\n"), "{change:?}: {text}");
        assert!(text.contains(before), "{change:?}: no {before:?} in {text}");
        assert!(text.contains(now), "{change:?}: no {now:?} in {text}");
    }
}

#[test]
fn the_text_says_before_and_now() {
    insta::assert_snapshot!(compared_in("text", Change::Login));
}

#[test]
fn a_report_serves_as_well_as_its_capture() {
    let folder = Folder::new("baseline-report");
    folder.write("good.pcap", &capture(Change::None));
    folder.write("run.pcap", &capture(Change::NoQuit));
    let arguments = [
        "analyze",
        "--format",
        "json",
        "-o",
        "good.json",
        "good.pcap",
    ];
    assert_eq!(folder.run(&arguments), "exit 0\n");
    let same = folder.run(&["check", "--baseline", "good.json", "good.pcap"]);
    assert!(same.starts_with("exit 0\n"), "{same}");
    let by_report = folder.run(&["check", "--baseline", "good.json", "run.pcap"]);
    let by_capture = folder.run(&["check", "--baseline", "good.pcap", "run.pcap"]);
    assert!(by_report.starts_with("exit 1\n"), "{by_report}");
    assert_eq!(by_report, by_capture);
}

#[test]
fn what_is_no_baseline_is_refused() {
    let folder = Folder::new("baseline-none");
    folder.write("run.pcap", &capture(Change::None));
    folder.write("other.json", b"{\"a\": 1}");
    let text = folder.run(&["check", "--baseline", "other.json", "run.pcap"]);
    assert!(text.starts_with("exit 2\n"), "{text}");
    assert!(text.contains("it is no report of this version"), "{text}");
    let text = folder.run(&["check", "--baseline", "missing.pcap", "run.pcap"]);
    assert!(text.starts_with("exit 3\n"), "{text}");
}

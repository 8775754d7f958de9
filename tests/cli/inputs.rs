//! Inputs that cannot be read, or only in part.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::classic::classic;
use crate::support::folder::Folder;
use crate::support::recording::{packets, pcap};

#[test]
fn what_cannot_be_read_is_one_line_each() {
    let folder = Folder::new("unreadable");
    insta::assert_snapshot!(folder.run(&["analyze", "nope.pcap"]), @"
    exit 3
    -- stderr
    ftpscope: cannot read nope.pcap: no such file or directory; check the path
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "text.txt"]), @"
    exit 3
    -- stderr
    ftpscope: cannot read text.txt: not a pcap or pcapng capture; it looks like text; capture with tcpdump -w FILE: what tcpdump prints cannot be read back
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "empty.pcap"]), @"
    exit 3
    -- stderr
    ftpscope: cannot read empty.pcap: it is empty (0 bytes); did the capture program stop before it wrote a packet, or is the disk full?
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "notes"]), @"
    exit 3
    -- stderr
    ftpscope: cannot read notes: the directory holds no capture, only 1 other file; run with -v to see which files were passed over
    ");
}

#[test]
fn a_capture_without_packets_is_no_error() {
    insta::assert_snapshot!(Folder::new("no-packets").run(&["analyze", "headers.pcap"]), @"
    exit 0
    -- stdout
    No FTP session in 0 packets
    ");
}

#[test]
fn the_rest_is_reported_before_exit_3() {
    let text = Folder::new("rest").run(&["analyze", "nope.pcap", "headers.pcap"]);
    insta::assert_snapshot!(text, @"
    exit 3
    -- stdout
    No FTP session in 0 packets
    -- stderr
    ftpscope: cannot read nope.pcap: no such file or directory; check the path
    ");
}

#[test]
fn a_cut_capture_is_a_warning_and_with_strict_an_error() {
    let folder = Folder::new("cut");
    let text = folder.run(&["analyze", "cut.pcap"]);
    insta::assert_snapshot!(text, @"
    exit 0
    -- stdout
    │ About the capture
    │ ! cut.pcap: ends inside a packet that begins at byte 24

    No FTP session in 0 packets
    ");
    let strict = folder.run(&["analyze", "--strict", "cut.pcap"]);
    assert_eq!(strict, text.replacen("exit 0", "exit 3", 1));
}

#[test]
fn no_session_is_4_and_an_unreadable_input_weighs_more() {
    let folder = Folder::new("empty");
    let exit = |arguments: &[&str]| {
        let output = folder.command(arguments).output().expect("it runs");
        output.status.code()
    };
    assert_eq!(
        exit(&["analyze", "--fail-if-empty", "headers.pcap"]),
        Some(4)
    );
    assert_eq!(
        exit(&["analyze", "--fail-if-empty", "headers.pcap", "nope.pcap"]),
        Some(3)
    );
}

#[test]
fn files_that_are_no_captures_are_named_with_v() {
    let folder = Folder::new("passed-over");
    let capture = std::fs::read(folder.path().join("headers.pcap")).expect("a file");
    folder.write("notes/b.pcap", &capture);
    let note = "ftpscope: note: passed over notes/a.txt: no capture\n";
    assert!(folder.run(&["analyze", "-v", "notes"]).contains(note));
    assert!(!folder.run(&["analyze", "notes"]).contains(note));
}

#[test]
fn a_capture_by_its_name_alone_is_named_and_with_strict_an_error() {
    let folder = Folder::new("damaged");
    let capture = std::fs::read(folder.path().join("headers.pcap")).expect("a file");
    folder.write("notes/a.pcap", &capture);
    folder.write("notes/b.pcapng.gz", b"\x01\x02\x03 no capture");
    folder.write("notes/ring.pcap3", b"");
    insta::assert_snapshot!(folder.run(&["analyze", "-q", "notes"]), @"
    exit 0
    -- stdout
    No FTP session in 0 packets
    -- stderr
    ftpscope: cannot read notes/b.pcapng.gz: not a pcap or pcapng capture; it looks like Arbitrary Binary Data
    ftpscope: cannot read notes/ring.pcap3: it is empty (0 bytes); did the capture program stop before it wrote a packet, or is the disk full?
    ");
    insta::assert_snapshot!(folder.run(&["analyze", "-q", "--strict", "notes"]), @"
    exit 3
    -- stdout
    No FTP session in 0 packets
    -- stderr
    ftpscope: cannot read notes/b.pcapng.gz: not a pcap or pcapng capture; it looks like Arbitrary Binary Data
    ftpscope: cannot read notes/ring.pcap3: it is empty (0 bytes); did the capture program stop before it wrote a packet, or is the disk full?
    ");
}

#[test]
fn event_lines_begin_with_the_capture_and_end_with_totals() {
    let text = Folder::new("lines").run(&["analyze", "--format", "ndjson", "headers.pcap"]);
    let types: Vec<_> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .map(|line| line["type"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(types, ["capture", "totals"]);
}

#[test]
fn standard_input_that_ends_early_is_unreadable() {
    let folder = Folder::new("stdin");
    let mut child = folder
        .command(&["analyze", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(b"\xd4\xc3\xb2\xa1").expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(3));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"ftpscope: cannot read -: it ends inside its pcap file header, after 4 bytes; copy the file again; it is not whole");
}

#[test]
fn a_directory_without_any_file_is_unreadable() {
    let folder = Folder::new("no-files");
    std::fs::create_dir(folder.path().join("nothing")).expect("a folder");
    insta::assert_snapshot!(folder.run(&["analyze", "nothing"]), @"
    exit 3
    -- stderr
    ftpscope: cannot read nothing: the directory holds no capture, and no other file; check the path
    ");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_to_its_end_after_the_first_interrupt() {
    let folder = Folder::new("interrupt");
    let mut child = folder
        .command(&["analyze", "--format", "ndjson", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let capture = std::fs::read(folder.path().join("headers.pcap")).expect("a file");
    let packet = [1_700_000_000_u32, 0, 4, 4, 0].map(u32::to_le_bytes);
    stdin.write_all(&capture).expect("it reads");
    stdin.write_all(&packet.concat()).expect("it reads");
    let mut line = String::new();
    stdout.read_line(&mut line).expect("the capture is told");
    let process = child.id().to_string();
    let kill = Command::new("kill").args(["-INT", &process]).status();
    assert!(kill.expect("kill runs").success());
    stdin.write_all(&packet.concat()).expect("it still reads");
    drop(stdin);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("it ends");
    assert!(rest.contains(r#""packets":2"#), "{rest}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn captures_that_follow_one_another_are_one_series() {
    let folder = Folder::new("series-of-captures");
    let recorded = packets(&classic());
    let (first, second) = recorded.split_at(recorded.len() / 2);
    folder.write("eth0-1.pcap", &pcap(1, first));
    folder.write("eth0-2.pcap", &pcap(1, second));
    folder.write("other-1.pcap", &pcap(1, first));
    let arguments = ["series", "eth0-2.pcap", "other-1.pcap", "eth0-1.pcap"];
    insta::assert_snapshot!(folder.run(&arguments), @r#"
    exit 0
    -- stdout
    {"bytes":6265,"first_packet":"2026-03-02T10:00:00.000180000Z","last_packet":"2026-03-02T10:00:15.444060000Z","paths":["eth0-1.pcap","eth0-2.pcap"],"series":"eth0"}
    {"bytes":2425,"first_packet":"2026-03-02T10:00:00.000180000Z","last_packet":"2026-03-02T10:00:07.229940000Z","paths":["other-1.pcap"],"series":"other"}
    "#);
    let arguments = [
        "series",
        "--format",
        "text",
        "--gap",
        "1s",
        "eth0-1.pcap",
        "eth0-2.pcap",
    ];
    insta::assert_snapshot!(folder.run(&arguments), @r"
    exit 0
    -- stdout
    eth0#1: 2026-03-02 10:00:00 UTC to 2026-03-02 10:00:07 UTC, 2,425 bytes in 1 file
      eth0-1.pcap
    eth0#2: 2026-03-02 10:00:09 UTC to 2026-03-02 10:00:15 UTC, 3,840 bytes in 1 file
      eth0-2.pcap
    ");
    insta::assert_snapshot!(folder.run(&["series", "missing.pcap"]), @r"
    exit 3
    -- stderr
    ftpscope: cannot read missing.pcap: no such file or directory; check the path
    ");
    insta::assert_snapshot!(folder.run(&["series", "-"]), @r"
    exit 2
    -- stderr
    ftpscope: series are made of files; standard input is always one by itself
    ");
}

#[test]
fn first_interrupt_ends_a_stalled_pipe_at_once_and_reports_what_is_there() {
    let folder = Folder::new("stalled");
    let capture = classic();
    let made = Command::new("mkfifo")
        .arg(folder.path().join("fifo"))
        .status();
    assert!(made.expect("it runs").success());
    for input in ["-", "fifo"] {
        let output = format!("out-{}.json", input.len());
        let mut child = folder
            .command(&["analyze", "--format", "json", "-o", &output, input])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let half = &capture[..capture.len() - 700];
        let mut writer: Box<dyn std::io::Write> = if input == "-" {
            Box::new(child.stdin.take().expect("a pipe"))
        } else {
            let path = folder.path().join(input);
            Box::new(
                std::fs::File::options()
                    .write(true)
                    .open(path)
                    .expect("opened"),
            )
        };
        writer.write_all(half).expect("written");
        std::thread::sleep(Duration::from_millis(500));
        let id = child.id().to_string();
        let started = Instant::now();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.expect("it runs").success());
        let ended = child.wait_with_output().expect("it ends");
        assert!(started.elapsed() < Duration::from_secs(5), "{input}");
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{input}: {errors}");
        let report: serde_json::Value =
            serde_json::from_str(&folder.read(&output)).expect("a whole report");
        assert_eq!(report["sessions"][0]["login"]["outcome"], "accepted");
        assert_eq!(report["captures"][0]["truncated"], false);
        drop(writer);
    }
    let left = std::fs::read_dir(folder.path())
        .expect("a folder")
        .flatten();
    let hidden = left.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."));
    assert_eq!(hidden.count(), 0, "no temporary file is left");
}

//! Packets through a pipe: the same report as from the file, as it happens, and a clean end.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::live::monitor::{Monitor, analyzed, capture, events, folder, sessions};
use crate::support::conversation::Conversation;

#[test]
fn pipe_gives_the_same_events_as_the_file() {
    for name in [
        "classic.pcap",
        "classic-real.pcapng",
        "passive-lftp.pcap.gz",
        "loss.pcap",
        "ipv6-epsv.pcap",
        "upload.pcap",
        "failed-login.pcap",
        "ftps-explicit.pcap",
    ] {
        let path = capture(name);
        let expected = sessions(&analyzed(&path));
        assert!(!expected.is_empty(), "{name}");

        let bytes = fs::read(&path).expect("a capture");
        let mut monitor = Monitor::start(&["-r", "-", "--format", "ndjson"]);
        let mut input = monitor.input.take().expect("a pipe");
        input.write_all(&bytes).expect("written");
        drop(input);
        let ended = monitor.end();
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.errors);
        assert_eq!(sessions(&events(&ended.lines)), expected, "{name}");

        let path = path.to_str().expect("UTF-8");
        let ended = Monitor::start(&["-r", path, "--format", "ndjson"]).end();
        assert_eq!(sessions(&events(&ended.lines)), expected, "{name}");
    }
}

#[test]
fn events_are_emitted_while_the_pipe_is_open_and_a_signal_ends_it_cleanly() {
    let mut monitor = Monitor::start(&["-r", "-", "--format", "ndjson"]);
    let bytes = fs::read(capture("classic.pcap")).expect("a capture");
    let input = monitor.input.as_mut().expect("a pipe");
    input.write_all(&bytes).expect("written");
    let lines = monitor.wait_for(|line| line.contains("\"session_end\""));
    assert_eq!(events(&lines).last().expect("one")["report"]["id"], 1);
    monitor.signal(Signal::TERM);
    let last = monitor.wait_for(|line| line.contains("\"totals\""));
    let totals = &events(&last)[last.len() - 1];
    assert_eq!(totals["totals"]["sessions"], 1);
    assert_eq!(totals["captures"][0]["truncated"], false);
    let ended = monitor.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.lines.is_empty());
}

#[test]
fn a_fifo_that_nobody_writes_yet_is_waited_for() {
    let path = crate::live::monitor::folder("fifo").join("packets");
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("started").success());
    let text = path.to_str().expect("UTF-8");
    // Nobody comes at all.
    let monitor = Monitor::start(&["-r", text]);
    std::thread::sleep(Duration::from_millis(500));
    monitor.signal(Signal::INT);
    let ended = monitor.end();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(
        ended.lines[0].starts_with("No FTP session in 0 packets"),
        "{:?}",
        ended.lines
    );
    // Somebody comes, and leaves.
    let monitor = Monitor::start(&["-r", text]);
    std::thread::sleep(Duration::from_millis(500));
    fs::write(&path, fs::read(capture("classic.pcap")).expect("a capture")).expect("written");
    let lines = monitor.wait_for(|line| line.starts_with("1 session in 67 packets"));
    assert!(lines.len() > 5, "{lines:?}");
    assert_eq!(monitor.end().code, Some(0));
}

#[test]
fn an_open_session_is_reported_at_the_end() {
    let mut monitor = Monitor::start(&["-r", "-"]);
    let bytes = fs::read(capture("classic.pcap")).expect("a capture");
    let input = monitor.input.as_mut().expect("a pipe");
    input.write_all(&bytes[..3_000]).expect("written");
    monitor.wait_for(|line| line.contains("login as ftp"));
    monitor.signal(Signal::INT);
    let lines = monitor.wait_for(|line| line.starts_with("1 session in "));
    assert!(
        lines.iter().any(|line| line.contains("session ends")),
        "{lines:#?}"
    );
    assert_eq!(monitor.end().code, Some(0));
}

#[test]
fn a_summary_comes_when_it_is_asked_for() {
    let mut monitor = Monitor::start(&["-r", "-"]);
    let bytes = fs::read(capture("classic.pcap")).expect("a capture");
    let input = monitor.input.as_mut().expect("a pipe");
    input.write_all(&bytes).expect("written");
    monitor.wait_for(|line| line.contains("session ends"));
    monitor.signal(Signal::USR1);
    // The signal is noticed between packets, or when none arrives for a moment.
    std::thread::sleep(Duration::from_secs(1));
    let ended = monitor.end();
    assert!(
        ended
            .errors
            .contains("67 packets, 0 packets dropped; 1 session (0 open), 2 transfers"),
        "{}",
        ended.errors
    );
}

#[test]
fn it_ends_after_so_many_packets_or_so_long_a_time() {
    let path = capture("classic.pcap");
    let path = path.to_str().expect("UTF-8");
    let ended = Monitor::start(&["-r", path, "-c", "20", "--format", "ndjson"]).end();
    let events = events(&ended.lines);
    let totals = events.last().expect("the totals");
    assert_eq!(totals["totals"]["packets"], 20);
    assert_eq!(ended.code, Some(0));

    let mut monitor = Monitor::start(&["-r", "-", "--duration", "1s"]);
    let input = monitor.input.take();
    let lines = monitor.wait_for(|line| line.starts_with("No FTP session in 0 packets"));
    assert_eq!(lines.len(), 1);
    drop(input);
}

#[test]
fn impossible_options_are_reported_before_anything_is_read() {
    for (arguments, code, words) in [
        (
            vec!["-r", "-", "--alert", "nosuch == 1"],
            2,
            "there is no nosuch",
        ),
        (
            vec!["-r", "-", "--alert", "true", "--exec", "/no/such/program"],
            2,
            "there is no such program",
        ),
        (
            vec!["-r", "-", "--alert", "true", "--exec", "/etc/passwd"],
            2,
            "it is there, but not executable",
        ),
        (
            vec!["-r", "-", "--alert", "true", "--exec", "/etc"],
            2,
            "it is a folder",
        ),
        (
            vec!["-r", "-", "--alert", "type == \"transfers\""],
            2,
            "type is never \"transfers\" at column 9 of type == \"transfers\"; did you mean \"transfer\"?",
        ),
        (
            vec!["-r", "-", "--alert", "type in [\"step\", \"no-such-type\"]"],
            2,
            "session_end",
        ),
        (
            vec!["-r", "-", "--alert", "finding.id == \"brute-forse\""],
            2,
            "did you mean \"brute-force\"?",
        ),
        (vec!["-r", "/no/such/pipe"], 3, "cannot read /no/such/pipe"),
        (
            vec!["-r", "-", "--rotate", "10m"],
            2,
            "100MB, 1GiB, 30min or 24h",
        ),
        (vec!["-r", "-", "--exec", "/bin/true"], 2, "--alert"),
        (
            vec!["-r", "-", "--user", "no-such-user"],
            2,
            "--user no-such-user",
        ),
    ] {
        let ended = Monitor::start(&arguments).end();
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.errors);
        assert!(
            ended.errors.contains(words),
            "{arguments:?}: {}",
            ended.errors
        );
    }
}

#[cfg(feature = "live")]
#[test]
fn an_interface_that_is_not_there_is_named() {
    let ended = Monitor::start(&["-i", "nosuch0"]).end();
    // Without the right to capture it is that which is missing.
    if ended.code == Some(2) {
        assert!(
            ended.errors.contains("setcap cap_net_raw+ep"),
            "{}",
            ended.errors
        );
    } else {
        assert_eq!(ended.code, Some(3));
        assert!(ended.errors.contains("nosuch0"), "{}", ended.errors);
    }
}

#[test]
fn guessing_that_is_told_at_once_is_one_alert_for_each_of_its_stages() {
    let mut ftp = Conversation::open("192.0.2.10:39021", "192.0.2.20:21");
    for attempt in 1..=8 {
        ftp.exchange("USER mira", "331 Password.");
        ftp.exchange(&format!("PASS guess {attempt}"), "530 Login incorrect.");
    }
    ftp.exchange("USER mira", "331 Password.");
    ftp.exchange("PASS hazel lantern", "230 Logged in.");
    let place = folder("pipes-guessing").join("guessing.pcap");
    fs::write(&place, ftp.quit()).expect("written");
    let path = place.to_str().expect("UTF-8");
    let alert = "finding.id == \"brute-force\"";
    let ended = Monitor::start(&["-r", path, "--format", "ndjson", "--alert", alert]).end();
    let alerts = ended
        .lines
        .iter()
        .filter(|line| line.contains("\"alert\":true"));
    assert_eq!(alerts.count(), 2, "{:#?}", ended.lines);
}

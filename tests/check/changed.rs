//! A recorded file fails on each change of the device, and names the cause.

use crate::check::{Change, capture};
use crate::support::folder::Folder;

/// Checks a changed run against the recorded good one, and returns the output.
fn checked(change: Change) -> String {
    let folder = Folder::new(&format!("changed-{change:?}"));
    folder.write("good.pcap", &capture(Change::None));
    folder.write("run.pcap", &capture(change));
    let recorded = folder.run(&["check", "-q", "--record", "session.toml", "good.pcap"]);
    assert_eq!(recorded, "exit 0\n");
    folder.run(&["check", "--expect", "session.toml", "run.pcap"])
}

fn assert_reported(change: Change, parts: &[&str]) {
    let text = checked(change);
    assert!(text.starts_with("exit 1\n"), "{change:?}: {text}");
    for part in parts {
        assert!(text.contains(part), "{change:?}: no {part:?} in {text}");
    }
}

#[test]
fn the_same_again_passes() {
    let text = checked(Change::None);
    assert!(text.starts_with("exit 0\n"), "{text}");
    assert!(
        text.contains(" 0 failed, 0 skipped, 1 session in run.pcap"),
        "{text}"
    );
}

#[test]
fn lost_packets_of_a_file() {
    let text = checked(Change::LostPacket);
    insta::assert_snapshot!(text);
}

#[test]
fn other_content() {
    insta::assert_snapshot!(checked(Change::Content));
}

#[test]
fn another_login() {
    insta::assert_snapshot!(checked(Change::Login));
}

#[test]
fn a_command_more() {
    insta::assert_snapshot!(checked(Change::ExtraCommand));
    assert_reported(
        Change::ExtraSize,
        &["no other commands", "SIZE firmware.bin", "in        frame"],
    );
}

#[test]
fn no_quit() {
    insta::assert_snapshot!(checked(Change::NoQuit));
}

#[test]
fn a_refused_file() {
    insta::assert_snapshot!(checked(Change::Refused));
}

#[test]
fn what_is_missing_or_new_is_named() {
    assert_reported(
        Change::NoFile,
        &["RETR /pub/firmware.bin", "step retrieve firmware.bin: ok"],
    );
    assert_reported(
        Change::OtherName,
        &[
            "path is \"/pub/log-1.txt\"",
            "STOR /pub/log-2.txt (12 bytes, complete)",
        ],
    );
    assert_reported(
        Change::Active,
        &["mode is \"passive\"", "\"active\"", "PORT 10,0,0,2"],
    );
    assert_reported(
        Change::SecondSession,
        &["no other sessions", "session 2 (anonymous at 10.0.0.1)"],
    );
}

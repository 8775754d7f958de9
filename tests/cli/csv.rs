//! `analyze --format csv`: a row for each transfer.

use std::path::Path;

use crate::support::conversation::Conversation;
use crate::support::folder::Folder;

/// Captures of ours, in the folder that the tool runs in.
fn with_captures(name: &str, captures: &[&str]) -> Folder {
    let folder = Folder::new(name);
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    for capture in captures {
        folder.write(
            capture,
            &std::fs::read(from.join(capture)).expect("a capture"),
        );
    }
    folder
}

/// Compares the output, with its carriage returns made visible.
fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text.replace('\r', "␍")));
}

#[test]
fn a_capture_becomes_rows() {
    let folder = with_captures("csv", &["failed-login.pcap"]);
    let text = folder.run(&["analyze", "--format", "csv", "failed-login.pcap"]);
    assert_snapshot("csv_of_one_capture", &text);
}

#[test]
fn several_captures_and_digests_have_columns_of_their_own() {
    let names = ["upload.pcap", "failed-login.pcap"];
    let folder = with_captures("csv-several", &names);
    let arguments = ["analyze", "--format", "csv", "--hash", "sha1,md5"];
    let text = folder.run(&[&arguments[..], &names].concat());
    assert_snapshot("csv_of_several_captures", &text);
}

#[test]
fn sessions_are_chosen_as_in_other_formats() {
    let folder = with_captures("csv-chosen", &["failed-login.pcap"]);
    for choice in [["--session", "3"], ["--where", "size(transfers) > 0"]] {
        let options = ["analyze", "--format", "csv", "failed-login.pcap"];
        let text = folder.run(&[&options[..], &choice].concat());
        let rows: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(rows.len(), 1, "{text}");
        assert!(rows[0].starts_with("3,"), "{text}");
    }
}

#[test]
fn a_file_appears_whole_and_zones_change_nothing() {
    let folder = with_captures("csv-file", &["classic.pcap"]);
    let options = ["--tz", "Asia/Tokyo", "-o", "report.csv", "classic.pcap"];
    let arguments = [&["analyze", "--format", "csv"][..], &options].concat();
    assert_eq!(folder.run(&arguments), "exit 0\n");
    let shown = folder.run(&["analyze", "--format", "csv", "classic.pcap"]);
    let expected = shown.strip_prefix("exit 0\n-- stdout\n");
    assert_eq!(Some(folder.read("report.csv").as_str()), expected);
}

#[test]
fn what_the_rows_have_no_place_for_is_a_note() {
    let folder = Folder::new("csv-notes");
    let text = folder.run(&["analyze", "--format", "csv", "cut.pcap"]);
    let (rows, notes) = text.split_once("-- stderr\n").expect("a note");
    assert_eq!(rows.lines().count(), 3, "the header alone: {rows}");
    assert_eq!(
        notes,
        "ftpscope: note: cut.pcap: ends inside a packet that begins at byte 24\n"
    );
    let quiet = folder.run(&["analyze", "--format", "csv", "-q", "cut.pcap"]);
    assert_eq!(quiet, rows);
}

#[test]
fn hostile_names_stay_text_and_secrets_stay_hidden() {
    let mut ftp = Conversation::logged_in("10.0.0.2:40000", "10.0.0.1:21");
    ftp.exchange("RETR =cmd|' /C calc'!A0", "550 No.");
    ftp.exchange("RETR a\"b,c\t\u{1b}[2J", "550 No.");
    ftp.exchange("RETR hazel-lantern", "550 No hazel-lantern.");
    let folder = Folder::new("csv-hostile");
    folder.write("a.pcap", &ftp.quit());
    let text = folder.run(&["analyze", "--format", "csv", "a.pcap"]);
    for part in [
        ",RETR,'=cmd|' /C calc'!A0,",
        ",RETR,\"a\"\"b,c\\x09\\x1b[2J\",",
        // A name stands for a thing, and is shown; the same word in the text of a reply is not.
        ",RETR,hazel-lantern,",
        "550 No <hidden>.",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("No hazel-lantern"), "{text}");
    let shown = folder.run(&["analyze", "--format", "csv", "--show-passwords", "a.pcap"]);
    assert!(shown.contains("No hazel-lantern"), "{shown}");
}

//! Files in parts: resumed, appended, fetched in segments (field guide 3.6).

use serde_json::{Value, json};

use super::{CLIENT, DONE, OPENING, SERVER, analyzed, pass};
use crate::support::connection::Side;
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::folder::Folder;

const TEXT: &[u8] = b"0123456789abcdefghij";
const WHOLE: &str = "out/192.0.2.20_21/1/pub/a.bin~assembled";

fn begin() -> Conversation {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("CWD /pub", "250 Directory changed.");
    ftp
}

/// The client takes `bytes` and closes; the server says 426.
fn broken_off(ftp: &mut Conversation, bytes: &[u8], ports: (u16, u16)) {
    ftp.passive(None, ports.1);
    let mut data = ftp.passive_data(ports.0, ports.1);
    ftp.command("RETR a.bin");
    data.open(&mut ftp.wire);
    ftp.reply(OPENING);
    data.stream(&mut ftp.wire, Side::Server, bytes, SEGMENT);
    data.close(&mut ftp.wire, Side::Client);
    ftp.reply("426 Connection closed; transfer aborted.");
}

fn resumed(ftp: &mut Conversation, offset: usize, bytes: &[u8], ports: (u16, u16)) {
    ftp.exchange(&format!("REST {offset}"), "350 Restarting.");
    pass(
        ftp,
        "RETR a.bin",
        ports,
        (OPENING, DONE),
        Side::Server,
        bytes,
    );
}

fn manifest(name: &str, capture: &[u8]) -> (Value, Option<Vec<u8>>) {
    let (_report, folder) = analyzed(name, capture, &["-x", "out"]);
    let manifest = serde_json::from_str(&folder.read("out/manifest.json")).expect("JSON");
    (manifest, std::fs::read(folder.path().join(WHOLE)).ok())
}

#[test]
fn a_download_that_was_resumed_is_assembled_beside_its_parts() {
    let mut ftp = begin();
    broken_off(&mut ftp, &TEXT[..12], (40_001, 50_001));
    resumed(&mut ftp, 8, &TEXT[8..], (40_002, 50_002));
    let (manifest, whole) = manifest("resumed", &ftp.quit());
    assert_eq!(whole.as_deref(), Some(TEXT));
    let assembled = &manifest["assembled"][0];
    assert_eq!(
        (&assembled["path"], &assembled["bytes"]),
        (&json!("/pub/a.bin"), &json!(20))
    );
    assert_eq!(assembled["conflicting_bytes"], 0);
    let map: Vec<_> = assembled["parts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|part| {
            json!([
                part["transfer"],
                part["from"],
                part["to"],
                part["from_in_part"]
            ])
        })
        .collect();
    assert_eq!(map, [json!([1, 0, 12, 0]), json!([2, 12, 20, 4])]);
    let versions: Vec<_> = (0..2)
        .map(|at| manifest["transfers"][at]["version"].clone())
        .collect();
    assert_eq!(versions, [json!(1), json!(2)]);
}

#[test]
fn conflicting_bytes_of_overlapping_parts_are_reported() {
    let mut ftp = begin();
    broken_off(&mut ftp, b"0123456789ab", (40_001, 50_001));
    resumed(&mut ftp, 8, b"8XY bcdefghij", (40_002, 50_002));
    let (manifest, whole) = manifest("conflict", &ftp.quit());
    assert_eq!(whole.expect("a file").len(), 21);
    assert_eq!(
        manifest["assembled"][0]["conflicting_ranges"],
        json!([[9, 12]])
    );
}

#[test]
fn parts_with_a_hole_between_them_are_not_assembled() {
    let mut ftp = begin();
    broken_off(&mut ftp, &TEXT[..8], (40_001, 50_001));
    resumed(&mut ftp, 9, &TEXT[9..], (40_002, 50_002));
    let (manifest, whole) = manifest("hole", &ftp.quit());
    assert_eq!((whole, &manifest["assembled"]), (None, &Value::Null));
}

#[test]
fn two_downloads_of_the_whole_file_are_two_versions() {
    let mut ftp = begin();
    for ports in [(40_001, 50_001), (40_002, 50_002)] {
        pass(
            &mut ftp,
            "RETR a.bin",
            ports,
            (OPENING, DONE),
            Side::Server,
            TEXT,
        );
    }
    let (manifest, whole) = manifest("versions", &ftp.quit());
    assert_eq!((whole, &manifest["assembled"]), (None, &Value::Null));
    assert_eq!(manifest["transfers"][1]["version"], 2);
}

#[test]
fn what_was_appended_goes_on_where_the_upload_ended() {
    let mut ftp = begin();
    pass(
        &mut ftp,
        "STOR a.bin",
        (40_001, 50_001),
        (OPENING, DONE),
        Side::Client,
        &TEXT[..7],
    );
    pass(
        &mut ftp,
        "APPE a.bin",
        (40_002, 50_002),
        (OPENING, DONE),
        Side::Client,
        &TEXT[7..],
    );
    let (manifest, whole) = manifest("appended", &ftp.quit());
    assert_eq!(whole.as_deref(), Some(TEXT));
    assert_eq!(manifest["assembled"][0]["direction"], "upload");
}

#[test]
fn segments_of_several_sessions_make_one_file() {
    let mut first = begin();
    broken_off(&mut first, &TEXT[..10], (40_001, 50_001));
    let mut second = Conversation::logged_in("192.0.2.10:39022", SERVER);
    second.exchange("CWD /pub", "250 Directory changed.");
    resumed(&mut second, 10, &TEXT[10..], (40_002, 50_002));
    let folder = Folder::new("segments");
    folder.write("first.pcap", &first.quit());
    folder.write("second.pcap", &second.quit());
    let run = folder.run(&["analyze", "-q", "-x", "out", "first.pcap", "second.pcap"]);
    assert!(run.starts_with("exit 0"), "{run}");
    // Each session says so, and the finding about both.
    let said = run
        .matches("a.bin was fetched in 2 parts over 2 sessions")
        .count();
    assert_eq!(said, 3, "{run}");
    let manifest: Value = serde_json::from_str(&folder.read("out/manifest.json")).expect("JSON");
    let saved_as = manifest["assembled"][0]["saved_as"]
        .as_str()
        .expect("a path");
    let whole = std::fs::read(folder.path().join("out").join(saved_as)).expect("a file");
    assert_eq!(whole, TEXT);
}

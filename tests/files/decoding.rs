//! MODE Z and B, STRU R, TYPE E and the line ends of TYPE A (pitfalls 65 to 69 of the field guide).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{CLIENT, DONE, OPENING, SERVER, analyzed, pass, transfer};
use crate::support::connection::Side;
use crate::support::conversation::Conversation;

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn with(set_up: &[&str], command: &str, sender: Side, bytes: &[u8]) -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("CWD /pub", "250 Directory changed.");
    for command in set_up {
        ftp.exchange(command, "200 OK.");
    }
    pass(
        &mut ftp,
        command,
        (40_001, 50_001),
        (OPENING, DONE),
        sender,
        bytes,
    );
    ftp.quit()
}

#[test]
fn mode_z_is_saved_as_sent_and_inflated_and_both_are_in_the_manifest() {
    let text = b"inflate me ".repeat(2000);
    let wire = zlib(&text);
    let capture = with(&["MODE Z"], "RETR a.txt", Side::Server, &wire);
    let (report, folder) = analyzed("mode-z", &capture, &["-x", "out"]);
    let download = transfer(&report, 0);
    assert_eq!(download["completeness"], "complete");
    assert_eq!(download["bytes"], wire.len());
    assert_eq!(download["sha256"], sha256(&wire).as_str());
    let decoded = &download["decoded"];
    assert_eq!(decoded["steps"], json!(["deflate"]));
    assert_eq!(decoded["sha256"], sha256(&text).as_str());
    assert_eq!(
        (&decoded["bytes"], &decoded["whole"]),
        (&json!(text.len()), &json!(true))
    );
    assert_eq!(decoded["media_type"], "text/plain");

    let place = "out/192.0.2.20_21/1/pub/a.txt";
    assert_eq!(
        std::fs::read(folder.path().join(place)).expect("a file"),
        wire
    );
    let copy = std::fs::read(folder.path().join(format!("{place}~decoded"))).expect("a file");
    assert_eq!(copy, text);
    let manifest: Value = serde_json::from_str(&folder.read("out/manifest.json")).expect("JSON");
    let entry = &manifest["transfers"][0];
    assert_eq!(entry["sha256"], sha256(&wire).as_str());
    assert_eq!(entry["decoded"]["sha256"], sha256(&text).as_str());
    assert_eq!(
        entry["decoded"]["saved_as"],
        "192.0.2.20_21/1/pub/a.txt~decoded"
    );
    let sums = folder.read("out/SHA256SUMS");
    assert!(sums.contains(&format!(
        "{}  192.0.2.20_21/1/pub/a.txt~decoded\n",
        sha256(&text)
    )));
}

#[test]
fn a_listing_under_mode_z_has_entries() {
    let listing = zlib(b"-rw-r--r-- 1 ftp ftp 5 Nov 20 10:00 a.txt\r\n");
    let capture = with(&["MODE Z"], "LIST", Side::Server, &listing);
    let (report, _folder) = analyzed("mode-z-listing", &capture, &[]);
    assert_eq!(transfer(&report, 0)["entries"][0]["name"], "a.txt");
}

#[test]
fn a_zlib_stream_that_is_cut_is_decoded_as_far_as_it_goes() {
    let wire = zlib(b"hello hello hello");
    let capture = with(&["MODE Z"], "STOR a", Side::Client, &wire[..wire.len() - 2]);
    let (report, folder) = analyzed("mode-z-cut", &capture, &["-x", "out"]);
    let decoded = &transfer(&report, 0)["decoded"];
    assert_eq!(decoded["whole"], false);
    assert_eq!(decoded["problem"], "the zlib stream has no end");
    let copy = folder.read("out/192.0.2.20_21/1/pub/a~decoded.partial");
    assert_eq!(copy, "hello hello hello");
}

#[test]
fn blocks_records_and_ebcdic_are_decoded() {
    for (name, set_up, wire, text) in [
        (
            "mode-b",
            &["MODE B"][..],
            &b"\0\0\x02hi\x40\0\x01!"[..],
            "hi!",
        ),
        (
            "stru-r",
            &["TYPE A", "STRU R"],
            b"hi\xff\x01you\xff\x03",
            "hi\r\nyou\r\n",
        ),
        ("type-e", &["TYPE E"], b"\xc8\x89\x15", "Hi\n"),
    ] {
        let capture = with(set_up, "RETR a", Side::Server, wire);
        let (report, _folder) = analyzed(name, &capture, &[]);
        let download = transfer(&report, 0);
        assert_eq!(download["sha256"], sha256(wire).as_str(), "{name}");
        let decoded = &download["decoded"];
        assert_eq!(
            decoded["sha256"],
            sha256(text.as_bytes()).as_str(),
            "{name}: {decoded}"
        );
        assert_eq!(decoded["whole"], true, "{name}: {decoded}");
    }
}

#[test]
fn line_ends_are_converted_only_on_request_and_beside_the_file() {
    let capture = with(&["TYPE A"], "RETR a.txt", Side::Server, b"one\r\ntwo\r\n");
    let (report, _folder) = analyzed("type-a", &capture, &["-x", "out"]);
    assert_eq!(transfer(&report, 0)["decoded"], Value::Null);
    let (report, folder) = analyzed("text-lines", &capture, &["-x", "out", "--text-lines"]);
    assert_eq!(transfer(&report, 0)["decoded"]["bytes"], 8);
    let place = "out/192.0.2.20_21/1/pub/a.txt";
    assert_eq!(folder.read(place), "one\r\ntwo\r\n");
    assert_eq!(folder.read(&format!("{place}~decoded")), "one\ntwo\n");
}

#[test]
fn data_that_comes_before_its_command_is_decoded_too() {
    let text = b"early bytes ".repeat(50);
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("MODE Z", "200 OK.");
    ftp.passive(None, 50_001);
    let mut data = ftp.passive_data(40_001, 50_001);
    data.open(&mut ftp.wire);
    data.say(&mut ftp.wire, Side::Client, &zlib(&text));
    ftp.command("STOR /a.txt");
    ftp.reply(OPENING);
    data.close(&mut ftp.wire, Side::Client);
    ftp.reply(DONE);
    let (report, _folder) = analyzed("early-mode-z", &ftp.quit(), &[]);
    let decoded = &transfer(&report, 0)["decoded"];
    assert_eq!(decoded["sha256"], sha256(&text).as_str(), "{decoded}");
}

//! Sizes and digests that the server states beside a transfer (pitfalls 60 to 63 of the field guide).

use super::{CLIENT, DONE, OPENING, SERVER, analyzed, pass, says, transfer};
use crate::support::connection::Side;
use crate::support::conversation::Conversation;

const ABC_CRC32: &str = "352441C2";
const ABC_SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";

fn listing_then_download(listed: u64) -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("CWD /pub", "250 Directory changed.");
    let line = format!("-rw-r--r-- 1 ftp ftp {listed} Nov 20 10:00 a.txt\r\n");
    pass(
        &mut ftp,
        "LIST",
        (40_001, 50_001),
        (OPENING, DONE),
        Side::Server,
        line.as_bytes(),
    );
    pass(
        &mut ftp,
        "RETR a.txt",
        (40_002, 50_002),
        (OPENING, DONE),
        Side::Server,
        b"hello",
    );
    ftp.quit()
}

#[test]
fn an_earlier_listing_proves_the_size_or_contradicts_it() {
    let (report, _folder) = analyzed("listed-size", &listing_then_download(5), &[]);
    let download = transfer(&report, 1);
    assert_eq!(download["completeness"], "complete");
    assert!(says(download, "said 5 bytes: equal"), "{download}");
    let (report, _folder) = analyzed("listed-other-size", &listing_then_download(6), &[]);
    let download = transfer(&report, 1);
    assert_eq!(download["completeness"], "unverifiable");
    assert!(
        says(download, "said 6 bytes, but 5 were seen"),
        "{download}"
    );
}

#[test]
fn the_150_of_the_transfer_outweighs_an_older_listing() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("CWD /", "250 Directory changed.");
    pass(
        &mut ftp,
        "LIST",
        (40_001, 50_001),
        (OPENING, DONE),
        Side::Server,
        b"-rw-r--r-- 1 ftp ftp 3 Nov 20 10:00 a.txt\r\n",
    );
    ftp.retrieve("a.txt", 40_002, 50_002, b"hello");
    let (report, _folder) = analyzed("older-listing", &ftp.quit(), &[]);
    let download = transfer(&report, 1);
    assert_eq!(download["completeness"], "complete");
    assert!(
        says(download, "said 3 bytes, but 5 were seen"),
        "{download}"
    );
}

fn upload_then_size(stated: u64) -> Vec<u8> {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("ALLO 5", "202 No storage allocation necessary.");
    pass(
        &mut ftp,
        "STOR a.txt",
        (40_001, 50_001),
        (OPENING, "226 Transfer complete. 5 bytes received."),
        Side::Client,
        b"hello",
    );
    ftp.exchange("SIZE a.txt", &format!("213 {stated}"));
    ftp.quit()
}

#[test]
fn size_stated_after_an_upload_proves_or_contradicts_it() {
    let (report, _folder) = analyzed("size-after", &upload_then_size(5), &[]);
    let upload = transfer(&report, 0);
    assert_eq!(upload["completeness"], "complete");
    assert!(says(upload, "the reply to SIZE afterwards"), "{upload}");
    assert!(says(upload, "ALLO said 5 bytes: equal"), "{upload}");
    assert!(
        says(upload, "the final reply said 5 bytes: equal"),
        "{upload}"
    );

    let (report, folder) = analyzed("other-size-after", &upload_then_size(4), &["-x", "out"]);
    let upload = transfer(&report, 0);
    assert_eq!(upload["completeness"], "unverifiable");
    assert!(says(upload, "said 4 bytes, but it must have 5"), "{upload}");
    let title = report["sessions"][0]["steps"]
        .as_array()
        .expect("a list")
        .iter()
        .find_map(|step| {
            step["title"]
                .as_str()
                .filter(|title| title.starts_with("STOR"))
        });
    assert!(title.is_some_and(|title| title.ends_with("cannot be verified")));
    assert!(
        folder
            .read("out/manifest.json")
            .contains("\"completeness\":\"unverifiable\"")
    );
}

#[test]
fn size_stated_in_type_a_contradicts_nothing() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("TYPE A", "200 Switching to ASCII mode.");
    ftp.exchange("SIZE a.txt", "213 6");
    ftp.exchange("TYPE I", "200 Switching to Binary mode.");
    pass(
        &mut ftp,
        "RETR a.txt",
        (40_001, 50_001),
        (OPENING, DONE),
        Side::Server,
        b"hello",
    );
    let (report, _folder) = analyzed("size-in-type-a", &ftp.quit(), &[]);
    assert_eq!(transfer(&report, 0)["completeness"], "complete");
    assert_eq!(transfer(&report, 0)["announced_bytes"], 6);
}

#[test]
fn an_upload_makes_earlier_sizes_a_thing_of_the_past() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("SIZE a.txt", "213 600");
    pass(
        &mut ftp,
        "STOR a.txt",
        (40_001, 50_001),
        (OPENING, DONE),
        Side::Client,
        b"hello",
    );
    pass(
        &mut ftp,
        "RETR a.txt",
        (40_002, 50_002),
        (OPENING, DONE),
        Side::Server,
        b"hello",
    );
    let (report, _folder) = analyzed("sizes-of-the-past", &ftp.quit(), &[]);
    assert_eq!(transfer(&report, 1)["completeness"], "complete");
    assert_eq!(
        transfer(&report, 1)["announced_bytes"],
        serde_json::Value::Null
    );
}

#[test]
fn digests_stated_by_the_server_are_compared() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("FEAT", "211-Features:\r\n XCRC\r\n211 End");
    ftp.exchange("XCRC a.txt", &format!("250 {ABC_CRC32}"));
    ftp.retrieve("a.txt", 40_001, 50_001, b"abc");
    ftp.exchange("HASH a.txt", &format!("213 SHA-1 0-3 {ABC_SHA1} a.txt"));
    ftp.exchange("XMD5 \"a.txt\"", "250 00000000000000000000000000000000");
    ftp.exchange("XMD5 \"a.txt\" 0 1", "250 11111111111111111111111111111111");
    let (report, _folder) = analyzed("digests", &ftp.quit(), &["--hash", "sha1,md5"]);
    let download = transfer(&report, 0);
    assert!(says(download, "said CRC-32 352441c2: equal"), "{download}");
    assert!(
        says(download, &format!("said SHA-1 {ABC_SHA1}: equal")),
        "{download}"
    );
    assert!(
        says(
            download,
            "0000, but the bytes captured have 900150983cd24fb0d6963f7d28e17f72"
        ),
        "{download}"
    );
    assert!(
        !says(download, "1111"),
        "a part of the file was compared: {download}"
    );
}

#[test]
fn pure_ftpd_rounds_what_it_announces() {
    let content = vec![b'x'; 12_345];
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    pass(
        &mut ftp,
        "RETR a.bin",
        (40_001, 50_001),
        (
            "150-Accepted data connection\r\n150 12.1 kbytes to download",
            "226-File successfully transferred\r\n226 0.001 seconds (measured here), 11.98 Mbytes per second",
        ),
        Side::Server,
        &content,
    );
    let (report, _folder) = analyzed("kilobytes", &ftp.quit(), &[]);
    let download = transfer(&report, 0);
    assert_eq!(download["completeness"], "complete");
    assert_eq!(download["announced_bytes"], serde_json::Value::Null);
    assert!(says(download, "said 12.1 kbytes: agrees"), "{download}");
}

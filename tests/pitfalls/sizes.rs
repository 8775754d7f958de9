//! Sizes that servers state, and offsets of parts (60 to 63).

use std::time::Duration;

use serde_json::{Value, json};

use crate::pitfalls::run::{DONE, OPENING, PUB, Run, begin, fetch, open, pass, says, store};
use crate::support::connection::Side;
use crate::support::conversation::{Conversation, SEGMENT};

const TEXT: &[u8] = b"0123456789abcdefghij";

fn said(opening: &str, done: &str, content: &[u8]) -> Vec<u8> {
    let mut ftp = begin();
    pass(
        &mut ftp,
        "RETR a.bin",
        50_001,
        (opening, done),
        Side::Server,
        content,
    );
    ftp.quit()
}

fn resumed(set_up: &[(&str, &str)], opening: &str) -> Vec<u8> {
    let mut ftp = begin();
    for (command, reply) in set_up {
        ftp.exchange(command, reply);
    }
    ftp.exchange("REST 12", "350 Restarting at 12.");
    pass(
        &mut ftp,
        "RETR a.bin",
        50_001,
        (opening, DONE),
        Side::Server,
        &TEXT[12..],
    );
    ftp.quit()
}

#[test]
fn pitfall_60_a_resumed_file_has_an_offset_and_its_size_is_the_whole_or_the_rest() {
    let size = ("SIZE a.bin", "213 20");
    for (name, set_up, opening) in [
        // vsftpd states the size of the file, ProFTPD of the rest, pure-ftpd of the rest in kilobytes.
        (
            "60-vsftpd",
            vec![],
            "150 Opening BINARY mode data connection for a.bin (20 bytes).",
        ),
        (
            "60-proftpd",
            vec![],
            "150 Opening BINARY mode data connection for a.bin (8 bytes)",
        ),
        ("60-size", vec![size], "150 Ok."),
        (
            "60-both",
            vec![size],
            "150 Opening BINARY mode data connection for a.bin (8 bytes)",
        ),
        (
            "60-pureftpd",
            vec![],
            "150-Accepted data connection\r\n150 0.0 kbytes to download",
        ),
    ] {
        let run = Run::on(name, &resumed(&set_up, opening));
        let transfer = run.only();
        run.assert_whole(transfer, &TEXT[12..]);
        assert_eq!(transfer["restart_offset"], 12, "{name}");
        assert!(
            run.findings().iter().all(|id| !id.contains("size")),
            "{name}"
        );
    }
}

#[test]
fn pitfall_60_a_resumed_file_that_is_neither_is_cut_short() {
    let opening = "150 Opening BINARY mode data connection for a.bin (24 bytes).";
    let run = Run::on("60-short", &resumed(&[], opening));
    assert_eq!(run.only()["completeness"], "truncated");
    assert_eq!(run.only()["announced_bytes"], 24);
}

#[test]
fn pitfall_60_rest_is_used_up_by_the_next_transfer_even_if_that_is_refused() {
    let mut ftp = begin();
    ftp.exchange("REST 12", "350 Restarting at 12.");
    ftp.passive(None, 50_001);
    ftp.exchange("RETR none", "550 No such file.");
    fetch(&mut ftp, "RETR a.bin", 50_002, TEXT);
    let run = Run::on("60-used-up", &ftp.quit());
    assert_eq!(run.transfer(0)["restart_offset"], 12);
    assert_eq!(run.transfer(1)["restart_offset"], 0);
    run.assert_whole(run.transfer(1), TEXT);
}

#[test]
fn pitfall_61_the_size_in_the_150_is_read_in_every_form() {
    for (name, opening) in [
        (
            "61-vsftpd",
            "150 Opening BINARY mode data connection for a.bin (20 bytes).",
        ),
        (
            "61-bsd",
            "150 Opening BINARY mode data connection for 'a.bin' (20 bytes).",
        ),
        (
            "61-proftpd",
            "150 Opening BINARY mode data connection for a.bin (20 bytes)",
        ),
        ("61-one", "125 Data connection already open (20 Bytes)"),
        (
            "61-name",
            "150 Opening data connection for a (123 bytes) b (20 bytes).",
        ),
    ] {
        let run = Run::on(name, &said(opening, DONE, TEXT));
        run.assert_whole(run.only(), TEXT);
        assert_eq!(run.only()["announced_bytes"], 20, "{name}");
        assert!(
            says(run.only(), "the 150 reply said 20 bytes: equal"),
            "{name}"
        );
    }
}

#[test]
fn pitfall_61_most_servers_state_no_size() {
    for (name, opening) in [
        (
            "61-iis-open",
            "125 Data connection already open; Transfer starting.",
        ),
        ("61-iis", "150 Opening BINARY mode data connection."),
        (
            "61-filezilla-09",
            "150 Opening data channel for file download from server of \"/pub/a.bin\"",
        ),
        ("61-filezilla-1", "150 About to start data transfer."),
        ("61-filezilla-open", "150 Starting data transfer."),
        ("61-pureftpd", "150 Accepted data connection"),
        ("61-pureftpd-active", "150 Connecting to port 50001"),
        (
            "61-special",
            "150 Opening BINARY mode data connection for a.bin (-1 bytes).",
        ),
    ] {
        let run = Run::on(name, &said(opening, DONE, TEXT));
        run.assert_whole(run.only(), TEXT);
        assert_eq!(run.only()["announced_bytes"], Value::Null, "{name}");
        assert_eq!(run.findings(), ["cleartext-credentials"], "{name}");
    }
}

#[test]
fn pitfall_61_zero_bytes_is_what_servers_say_of_special_files() {
    let opening = "150 Opening BINARY mode data connection for a.bin (0 bytes).";
    let run = Run::on("61-zero", &said(opening, DONE, TEXT));
    run.assert_whole(run.only(), TEXT);
    assert_eq!(run.only()["announced_bytes"], 0);
    assert!(says(run.only(), "as servers do where they do not know"));
    let run = Run::on("61-zero-zero", &said(opening, DONE, b""));
    assert!(says(run.only(), "said 0 bytes: equal"));
}

#[test]
fn pitfall_61_kilobytes_are_rounded_and_prove_nothing() {
    let content = vec![b'x'; 5_000];
    for (name, opening, agrees) in [
        (
            "61-agrees",
            "150-Accepted data connection\r\n150 4.9 kbytes to download",
            true,
        ),
        (
            "61-differs",
            "150-Accepted data connection\r\n150 9.9 kbytes to download",
            false,
        ),
    ] {
        let run = Run::on(name, &said(opening, DONE, &content));
        run.assert_whole(run.only(), &content);
        assert_eq!(says(run.only(), "kbytes: agrees"), agrees, "{name}");
    }
}

#[test]
fn pitfall_62_the_final_reply_is_evidence_only_and_250_is_as_good_as_226() {
    for (name, done, evidence) in [
        ("62-plain", "226 Transfer complete.", "final reply 226"),
        ("62-250", "250 File transfer completed", "final reply 250"),
        (
            "62-servu",
            "226 Transfer complete. 20 bytes transferred. 5.6 KB/sec.",
            "the final reply said 20 bytes: equal",
        ),
        (
            "62-servu-other",
            "226 Transfer complete. 1,024 bytes transferred. 5.6 KB/sec.",
            "the final reply said 1,024 bytes, but 20 were seen",
        ),
        (
            "62-pureftpd",
            "226-File successfully transferred\r\n226 0.001 seconds (measured here), 11.98 Mbytes per second",
            "measured here",
        ),
        (
            "62-quota",
            "226-12 files used (1%) - authorized: 1000 files\r\n226-3 Kbytes used (0%) - authorized: 10240 Kb\r\n226 Done",
            "final reply 226 Done",
        ),
    ] {
        let run = Run::on(name, &said(OPENING, done, TEXT));
        run.assert_whole(run.only(), TEXT);
        assert!(says(run.only(), evidence), "{name}: {:#}", run.only());
    }
    for (name, done) in [("62-200", "200 OK"), ("62-225", "225 Data connection open")] {
        let run = Run::on(name, &said(OPENING, done, TEXT));
        assert_eq!(run.only()["completeness"], "unverifiable", "{name}");
    }
    let run = Run::on("62-451", &said(OPENING, "451 Local error.", TEXT));
    assert_eq!(run.only()["completeness"], "aborted");
}

/// The client sends `bytes` and gives up.
fn broken_upload(ftp: &mut crate::support::conversation::Conversation, bytes: &[u8]) {
    let mut data = open(ftp, "STOR a.bin", 50_001, OPENING);
    data.say(&mut ftp.wire, Side::Client, bytes);
    data.ack(&mut ftp.wire, Side::Server);
    data.rst(&mut ftp.wire, Side::Client);
    ftp.reply("426 Failure reading network stream.");
}

#[test]
fn pitfall_63_an_upload_at_an_offset_goes_on_in_place() {
    let mut ftp = begin();
    broken_upload(&mut ftp, &TEXT[..12]);
    ftp.exchange("SIZE a.bin", "213 8");
    ftp.exchange("REST 8", "350 Restarting at 8.");
    ftp.exchange("ALLO 12", "202 No storage allocation necessary.");
    store(&mut ftp, "STOR a.bin", 50_002, &TEXT[8..]);
    let run = Run::on("63-rest", &ftp.quit());
    let second = run.transfer(1);
    assert_eq!(run.transfer(0)["completeness"], "aborted");
    run.assert_whole(second, &TEXT[8..]);
    assert_eq!(second["restart_offset"], 8);
    assert!(says(second, "ALLO said 12 bytes: equal"));
    assert_eq!(run.file(&format!("{PUB}/a.bin~assembled")), TEXT);
}

#[test]
fn pitfall_63_appe_completes_a_partial_upload() {
    let mut ftp = begin();
    broken_upload(&mut ftp, &TEXT[..12]);
    ftp.exchange("SIZE a.bin", "213 10");
    store(&mut ftp, "APPE a.bin", 50_002, &TEXT[10..]);
    ftp.exchange("SIZE a.bin", "213 20");
    let run = Run::on("63-appe", &ftp.quit());
    run.assert_whole(run.transfer(1), &TEXT[10..]);
    assert_eq!(run.transfer(1)["restart_offset"], 0);
    assert!(says(run.transfer(1), "afterwards"), "{:#}", run.transfer(1));
    assert_eq!(run.file(&format!("{PUB}/a.bin~assembled")), TEXT);
    let parts = &run.manifest()["assembled"][0]["parts"];
    assert_eq!(
        json!([parts[0]["to"], parts[1]["from"], parts[1]["from_in_part"]]),
        json!([12, 12, 2])
    );
}

#[test]
fn pitfall_63_a_reservation_is_a_size_to_expect_and_no_proof() {
    let mut ftp = begin();
    ftp.exchange("ALLO 4096 R 80", "200 ALLO OK");
    store(&mut ftp, "STOR a.bin", 50_001, TEXT);
    store(&mut ftp, "STOR b.bin", 50_002, TEXT);
    let run = Run::on("63-allo", &ftp.quit());
    run.assert_whole(run.transfer(0), TEXT);
    assert!(says(run.transfer(0), "ALLO said 4,096 bytes"));
    assert!(!says(run.transfer(1), "ALLO"));
}

#[test]
fn pitfall_60_segments_of_parallel_connections_make_one_file() {
    // What lftp's pget does: each connection asks for the rest from its offset, and leaves when it has its part.
    let mut captures = Vec::new();
    for (number, from, to) in [(0_u16, 0, 9), (1, 7, 15), (2, 14, 20)] {
        let mut ftp = crate::support::conversation::Conversation::logged_in(
            &format!("192.0.2.10:{}", 39_021 + number),
            crate::pitfalls::run::SERVER,
        );
        // The other connections ask for the name at once.
        if from == 0 {
            ftp.exchange("CWD /pub", "250 Directory changed.");
        }
        if from > 0 {
            ftp.exchange(&format!("REST {from}"), "350 Restarting.");
        }
        let mut data = open(&mut ftp, "RETR a.bin", 50_001 + number, OPENING);
        data.say(&mut ftp.wire, Side::Server, &TEXT[from..to]);
        let last = to == TEXT.len();
        data.close(
            &mut ftp.wire,
            if last { Side::Server } else { Side::Client },
        );
        ftp.reply(if last { DONE } else { "426 Connection closed." });
        captures.push(ftp.quit());
    }
    let captures: Vec<&[u8]> = captures.iter().map(Vec::as_slice).collect();
    let run = Run::with("60-pget", &captures, &[]);
    let assembled = &run.manifest()["assembled"][0];
    assert_eq!(
        (&assembled["path"], &assembled["bytes"]),
        (&json!("/pub/a.bin"), &json!(20))
    );
    assert_eq!(assembled["conflicting_bytes"], 0);
    assert_eq!(assembled["parts"].as_array().map(Vec::len), Some(3));
    let whole = run.file(assembled["saved_as"].as_str().expect("a path"));
    assert_eq!(whole, TEXT);
}

#[test]
fn pitfall_60_parts_of_one_name_that_differ_are_of_two_files() {
    let mut first = begin();
    let mut data = open(&mut first, "RETR a.bin", 50_001, OPENING);
    data.say(&mut first.wire, Side::Server, &TEXT[..12]);
    data.close(&mut first.wire, Side::Client);
    first.reply("426 Connection closed.");
    let mut second = crate::support::conversation::Conversation::logged_in(
        "192.0.2.10:39022",
        crate::pitfalls::run::SERVER,
    );
    second.exchange("REST 8", "350 Restarting.");
    fetch(&mut second, "RETR a.bin", 50_002, b"another file");
    let run = Run::with("60-differ", &[&first.quit(), &second.quit()], &[]);
    let path = &run.report["sessions"][1]["transfers"][0]["path"];
    assert_eq!(
        (path, &run.manifest()["assembled"]),
        (&Value::Null, &Value::Null)
    );
}

/// A capture of a transfer of `size` bytes that lacks all but the first and last 4,000.
fn bulk_missing(
    ftp: &mut Conversation,
    command: &str,
    replies: (&str, &str),
    sender: Side,
    size: u64,
) {
    let port = 50_077;
    let mut data = if ftp.is_ipv6() {
        ftp.exchange("EPSV", "229 Entering Extended Passive Mode (|||50077|)");
        ftp.passive_data(40_077, port)
    } else {
        ftp.passive(None, port);
        ftp.passive_data(40_077, port)
    };
    ftp.command(command);
    data.open(&mut ftp.wire);
    ftp.reply(replies.0);
    data.stream(&mut ftp.wire, sender, &[b'a'; 4_000], SEGMENT);
    let left = size - 8_000;
    // The capture pauses: nothing of either side is in it.
    ftp.wire.wait(Duration::from_mins(1));
    #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap")]
    data.skip(sender, left as u32);
    data.ack(&mut ftp.wire, sender.other());
    ftp.wire.wait(Duration::from_millis(5));
    data.ack(&mut ftp.wire, sender.other());
    data.stream(&mut ftp.wire, sender, &[b'z'; 4_000], SEGMENT);
    data.close(&mut ftp.wire, sender);
    ftp.reply(replies.1);
}

fn assert_bulk_missing(transfer: &Value, size: u64) {
    assert_eq!(transfer["completeness"], "gaps", "{transfer:#}");
    assert_eq!(transfer["bytes"], 8_000);
    assert_eq!(transfer["missing_bytes"], size - 8_000, "{transfer:#}");
    assert_eq!(transfer["missing_ranges"], json!([[4_000, size - 4_000]]));
}

#[test]
fn gap_of_more_than_4_gib_is_as_long_as_the_announced_size_proves() {
    let size = 5_400_000_123_u64;
    let mut ftp = begin();
    let opening = format!("150 Opening BINARY mode data connection for big.iso ({size} bytes).");
    bulk_missing(
        &mut ftp,
        "RETR big.iso",
        (&opening, DONE),
        Side::Server,
        size,
    );
    let run = Run::on("wrapped-download", &ftp.quit());
    assert_bulk_missing(run.only(), size);
    assert!(says(run.only(), "4,294,967,296 bytes more are missing"));
    // Bytes after the gap have no certain place in the file while it grows: it ends before them.
    let saved = run.saved(run.only());
    assert_eq!(saved, [b'a'; 4_000]);
}

#[test]
fn gap_of_more_than_4_gib_of_an_upload_over_ipv6_is_as_long_as_the_final_reply_proves() {
    let size = 3 * (1_u64 << 32) + 77_000_000;
    let mut ftp = Conversation::logged_in("[fd00:21::2]:39021", "[fd00:21::1]:21");
    let done = format!("226 Transfer complete, {size} bytes received.");
    bulk_missing(
        &mut ftp,
        "STOR big.iso",
        (OPENING, &done),
        Side::Client,
        size,
    );
    let run = Run::on("wrapped-upload", &ftp.quit());
    assert_bulk_missing(run.only(), size);
}

#[test]
fn gap_of_3_gb_is_no_step_back_in_the_stream() {
    let size = 3_000_000_000_u64;
    let mut ftp = begin();
    let opening = format!("150 Opening BINARY mode data connection for big.iso ({size} bytes).");
    bulk_missing(
        &mut ftp,
        "RETR big.iso",
        (&opening, DONE),
        Side::Server,
        size,
    );
    let run = Run::on("gap-of-3-gb", &ftp.quit());
    assert_bulk_missing(run.only(), size);
}

#[test]
fn gap_without_a_stated_size_says_that_4_gib_more_may_be_missing() {
    let size = 5_400_000_123_u64;
    let mut ftp = begin();
    bulk_missing(
        &mut ftp,
        "RETR big.iso",
        (OPENING, DONE),
        Side::Server,
        size,
    );
    let run = Run::on("wrapped-unknown", &ftp.quit());
    assert_eq!(run.only()["missing_bytes"], size - 8_000 - (1 << 32));
    assert!(says(
        run.only(),
        "a multiple of 4,294,967,296 bytes more may be missing"
    ));
}

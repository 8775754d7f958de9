//! Several files over one data connection that stays open: 46 and 68, RFC 959 section 3.4.2.

use serde_json::{Value, json};

use super::{
    CLIENT, DONE, OPENING, SERVER, analyzed, assert_link, assert_whole, content_of, findings,
    sha256, transfers, unmatched,
};
use crate::support::connection::Side;
use crate::support::conversation::Conversation;

/// A file in blocks of 900 bytes, the last of which says that it is the last.
fn blocks(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let last = content.chunks(900).count().saturating_sub(1);
    for (place, piece) in content.chunks(900).enumerate() {
        out.push(if place == last { 64 } else { 0 });
        out.extend(u16::try_from(piece.len()).expect("short").to_be_bytes());
        out.extend(piece);
    }
    if content.is_empty() {
        out.extend([64, 0, 0]);
    }
    out
}

/// The same in runs of MODE C; the string behind the last escape is the last.
fn runs(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let last = content.chunks(100).count().saturating_sub(1);
    for (place, piece) in content.chunks(100).enumerate() {
        if place == last {
            out.extend([0, 64]);
        }
        out.push(u8::try_from(piece.len()).expect("short"));
        out.extend(piece);
    }
    out
}

fn assert_decoded(transfer: &Value, content: &[u8]) {
    assert_eq!(
        transfer["decoded"]["sha256"],
        sha256(content).as_str(),
        "{transfer:#}"
    );
    assert_eq!(transfer["decoded"]["whole"], true);
}

#[test]
fn pitfall_46_several_files_over_one_connection_in_modes_b_and_c() {
    for (letter, mode) in [("B", "block"), ("C", "compressed")] {
        let encode = if letter == "B" { blocks } else { runs };
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        ftp.exchange(&format!("MODE {letter}"), "200 Mode set.");
        ftp.passive(None, 50_001);
        let mut data = ftp.passive_data(40_001, 50_001);
        data.open(&mut ftp.wire);
        for (seed, command, sender) in [
            (1, "RETR one.bin", Side::Server),
            (2, "STOR two.bin", Side::Client),
            (3, "RETR three.bin", Side::Server),
        ] {
            ftp.command(command);
            ftp.reply(OPENING);
            let bytes = encode(&content_of(seed, 3));
            data.stream(&mut ftp.wire, sender, &bytes, 1400);
            ftp.reply("250 Requested file action okay, completed.");
        }
        data.close(&mut ftp.wire, Side::Server);
        let report = analyzed(&format!("46-mode-{letter}"), &ftp.quit());
        let all = transfers(&report, 0);
        assert_eq!(all.len(), 3);
        let mut last_frame = 0;
        for (transfer, seed) in all.iter().zip([1, 2, 3]) {
            assert_eq!(transfer["transfer_mode"], mode);
            assert_eq!(transfer["announced"]["port"], 50_001);
            assert_link(transfer, "announced-address", 1.0);
            assert_whole(transfer, &encode(&content_of(seed, 3)));
            assert_decoded(transfer, &content_of(seed, 3));
            let connection = &transfer["connection"];
            assert_eq!(connection["client"]["port"], 40_001);
            // Each shows its own part of the connection.
            assert!(connection["first_frame"].as_u64() > Some(last_frame));
            last_frame = connection["last_frame"].as_u64().expect("a number");
        }
        assert_eq!(all[0]["connection"]["close"], "open");
        assert_eq!(all[2]["connection"]["close"], "fin");
        assert_eq!(findings(&report, 0), Vec::<&str>::new());
        assert!(unmatched(&report).is_empty());
    }
}

#[test]
fn pitfall_46_the_next_file_begins_in_the_segment_that_ends_the_one_before() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("MODE B", "200 Mode set.");
    ftp.passive(None, 50_001);
    let mut data = ftp.passive_data(40_001, 50_001);
    data.open(&mut ftp.wire);
    // Three commands at once, and a file without a byte in the middle.
    let three = b"RETR one.bin\r\nRETR empty.bin\r\nRETR two.bin\r\n";
    ftp.control.say(&mut ftp.wire, Side::Client, three);
    let files = [content_of(1, 2), Vec::new(), content_of(2, 2)];
    let bytes: Vec<u8> = files.iter().flat_map(|file| blocks(file)).collect();
    ftp.reply(OPENING);
    data.stream(&mut ftp.wire, Side::Server, &bytes, 1111);
    ftp.reply(DONE);
    ftp.reply(OPENING);
    ftp.reply(DONE);
    ftp.reply(OPENING);
    ftp.reply(DONE);
    data.close(&mut ftp.wire, Side::Server);
    let report = analyzed("46-pipelined", &ftp.quit());
    let all = transfers(&report, 0);
    assert_eq!(all.len(), 3);
    for (transfer, file) in all.iter().zip(&files) {
        assert_whole(transfer, &blocks(file));
        assert_decoded(transfer, file);
    }
}

#[test]
fn pitfall_46_a_refused_command_leaves_the_open_connection_to_the_next() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("MODE B", "200 Mode set.");
    ftp.passive(None, 50_001);
    let mut data = ftp.passive_data(40_001, 50_001);
    ftp.command("RETR one.bin");
    data.open(&mut ftp.wire);
    ftp.reply(OPENING);
    data.stream(
        &mut ftp.wire,
        Side::Server,
        &blocks(&content_of(1, 2)),
        1400,
    );
    ftp.reply("250 Done.");
    ftp.exchange("RETR missing.bin", "550 No such file.");
    ftp.exchange("RETR two.bin", OPENING);
    data.stream(
        &mut ftp.wire,
        Side::Server,
        &blocks(&content_of(2, 2)),
        1400,
    );
    ftp.reply("250 Done.");
    data.close(&mut ftp.wire, Side::Server);
    let report = analyzed("46-refused", &ftp.quit());
    let all = transfers(&report, 0);
    assert_eq!(all.len(), 3);
    assert_whole(&all[0], &blocks(&content_of(1, 2)));
    assert_eq!(all[1]["completeness"], "aborted");
    assert_eq!(all[1]["connection"], Value::Null);
    assert_whole(&all[2], &blocks(&content_of(2, 2)));
}

#[test]
fn pitfall_46_in_mode_b_a_server_may_still_close_after_each_file() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("MODE B", "200 Mode set.");
    ftp.exchange("PORT 10,0,0,2,19,137", "200 PORT command successful.");
    for seed in [1, 2] {
        ftp.command(&format!("RETR file{seed}.bin"));
        ftp.reply(OPENING);
        let mut data = ftp.active_data(20 + u16::from(seed), 5001);
        data.open(&mut ftp.wire);
        data.stream(
            &mut ftp.wire,
            Side::Client,
            &blocks(&content_of(seed, 2)),
            1400,
        );
        if seed == 1 {
            // The reply is quicker than the FIN.
            ftp.reply(DONE);
            data.close(&mut ftp.wire, Side::Client);
        } else {
            data.close(&mut ftp.wire, Side::Client);
            ftp.reply(DONE);
        }
    }
    let report = analyzed("46-closed", &ftp.quit());
    let all = transfers(&report, 0);
    assert_eq!(all.len(), 2);
    for (transfer, seed) in all.iter().zip([1, 2]) {
        assert_whole(transfer, &blocks(&content_of(seed, 2)));
        assert_decoded(transfer, &content_of(seed, 2));
    }
    for transfer in all {
        assert_eq!(transfer["connection"]["close"], "fin");
    }
    assert!(unmatched(&report).is_empty());
}

#[test]
fn pitfall_46_a_hole_in_one_file_does_not_reach_the_next() {
    for (name, at, length) in [("46-hole-data", 1400, 700), ("46-hole-header", 2600, 200)] {
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        ftp.exchange("MODE B", "200 Mode set.");
        ftp.passive(None, 50_001);
        let mut data = ftp.passive_data(40_001, 50_001);
        data.open(&mut ftp.wire);
        ftp.exchange("RETR one.bin", OPENING);
        let one = blocks(&content_of(1, 3));
        data.stream(&mut ftp.wire, Side::Server, &one[..at], 700);
        data.lose(&mut ftp.wire, Side::Server, &one[at..at + length]);
        data.stream(&mut ftp.wire, Side::Server, &one[at + length..], 700);
        ftp.wire.wait(std::time::Duration::from_millis(500));
        ftp.reply(DONE);
        ftp.exchange("RETR two.bin", OPENING);
        data.stream(
            &mut ftp.wire,
            Side::Server,
            &blocks(&content_of(2, 3)),
            1400,
        );
        data.close(&mut ftp.wire, Side::Server);
        ftp.reply(DONE);
        let report = analyzed(name, &ftp.quit());
        let all = transfers(&report, 0);
        assert_eq!(all.len(), 2, "{name}");
        assert_eq!(all[0]["completeness"], "gaps");
        assert_eq!(all[0]["missing_ranges"], json!([[at, at + length]]));
        assert_eq!(all[0]["bytes"], one.len() - length);
        assert_eq!(
            all[1]["sha256"],
            sha256(&blocks(&content_of(2, 3))).as_str()
        );
        assert_decoded(&all[1], &content_of(2, 3));
    }
}

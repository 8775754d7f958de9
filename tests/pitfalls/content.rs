//! File content and completeness: how a file ends, and which bytes are its own (54 to 59, 70 and 71). What servers say of
//! its size is in `sizes`, its form on the wire in `representation`, its name in `names`.

use serde_json::{Value, json};

use crate::pitfalls::run::{DONE, OPENING, PUB, Run, begin, open, says, sha256};
use crate::support::connection::{Connection, Side};
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::specimens;

const TEXT: &[u8] = b"0123456789abcdefghij";

/// A download of `TEXT` of which the server says `opening`, ended by `end`, confirmed by `reply`.
fn ended(
    opening: &str,
    reply: &str,
    end: impl FnOnce(&mut Conversation, &mut Connection),
) -> Vec<u8> {
    let mut ftp = begin();
    let mut data = open(&mut ftp, "RETR a.bin", 50_001, opening);
    data.say(&mut ftp.wire, Side::Server, TEXT);
    data.ack(&mut ftp.wire, Side::Client);
    end(&mut ftp, &mut data);
    ftp.reply(reply);
    ftp.quit()
}

const SIZED: &str = "150 Opening BINARY mode data connection for a.bin (20 bytes).";
const LARGER: &str = "150 Opening BINARY mode data connection for a.bin (21 bytes).";

#[test]
fn pitfall_54_a_reset_ends_a_file_only_where_226_and_size_agree() {
    let reset = |ftp: &mut Conversation, data: &mut Connection| {
        data.rst(&mut ftp.wire, Side::Server);
    };
    let whole = Run::on("54-size", &ended(SIZED, DONE, reset));
    whole.assert_whole(whole.only(), TEXT);
    assert_eq!(whole.only()["connection"]["close"], "reset");
    assert!(says(whole.only(), "RST from the sender"));
    for (name, opening) in [("54-no-size", OPENING), ("54-larger", LARGER)] {
        let run = Run::on(name, &ended(opening, DONE, reset));
        assert_eq!(run.only()["completeness"], "truncated", "{name}");
        assert_eq!(run.saved(run.only()), TEXT);
    }
    let run = Run::on("54-426", &ended(SIZED, "426 Connection closed.", reset));
    assert_eq!(run.only()["completeness"], "aborted");
}

#[test]
fn pitfall_54_a_reset_behind_the_fin_harms_nothing() {
    for side in [Side::Server, Side::Client] {
        let run = Run::on(
            &format!("54-{side:?}"),
            &ended(OPENING, DONE, |ftp, data| {
                data.fin(&mut ftp.wire, Side::Server);
                data.ack(&mut ftp.wire, Side::Client);
                data.rst(&mut ftp.wire, side);
            }),
        );
        run.assert_whole(run.only(), TEXT);
        assert_eq!(run.only()["connection"]["close"], "fin");
    }
}

#[test]
fn pitfall_54_a_receiver_that_closes_first_aborts() {
    for reset in [false, true] {
        let run = Run::on(
            &format!("54-receiver-{reset}"),
            &ended(OPENING, DONE, |ftp, data| {
                if reset {
                    data.rst(&mut ftp.wire, Side::Client);
                } else {
                    data.close(&mut ftp.wire, Side::Client);
                }
            }),
        );
        assert_eq!(run.only()["completeness"], "aborted");
        assert!(says(run.only(), "the receiver closed it"));
        assert_eq!(run.only()["saved_as"], format!("{PUB}/a.bin.partial"));
    }
}

#[test]
fn pitfall_55_fin_comes_with_the_last_bytes_and_data_may_be_sent_again_behind_it() {
    let mut ftp = begin();
    let mut data = open(&mut ftp, "RETR a.bin", 50_001, OPENING);
    data.say(&mut ftp.wire, Side::Server, &TEXT[..10]);
    data.say_and_fin(&mut ftp.wire, Side::Server, &TEXT[10..]);
    data.say_again(&mut ftp.wire, Side::Server, 21, &TEXT[..10]);
    data.retransmit(&mut ftp.wire, Side::Server);
    data.answer_fin(&mut ftp.wire, Side::Client);
    ftp.reply(DONE);
    let run = Run::on("55-with-fin", &ftp.quit());
    run.assert_whole(run.only(), TEXT);
    assert_eq!(run.only()["connection"]["retransmitted_bytes"], 20);
}

#[test]
fn pitfall_55_bytes_that_come_behind_the_fin_on_the_wire_go_before_it_in_the_file() {
    let mut ftp = begin();
    let mut data = open(&mut ftp, "RETR a.bin", 50_001, OPENING);
    let first = ftp.wire.len();
    data.say(&mut ftp.wire, Side::Server, &TEXT[..10]);
    data.say_and_fin(&mut ftp.wire, Side::Server, &TEXT[10..]);
    ftp.wire.reorder(first, first + 1);
    data.answer_fin(&mut ftp.wire, Side::Client);
    ftp.reply(DONE);
    let run = Run::on("55-late", &ftp.quit());
    run.assert_whole(run.only(), TEXT);
}

#[test]
fn pitfall_55_a_fin_that_was_not_captured_is_known_from_its_acknowledgment() {
    let lost_fin = |ftp: &mut Conversation, data: &mut Connection| {
        ftp.wire.unseen(|wire| data.fin(wire, Side::Server));
        data.answer_fin(&mut ftp.wire, Side::Client);
    };
    let run = Run::on("55-lost-fin", &ended(OPENING, DONE, lost_fin));
    run.assert_whole(run.only(), TEXT);
    let run = Run::on("55-lost-fin-size", &ended(SIZED, DONE, lost_fin));
    run.assert_whole(run.only(), TEXT);
    // One byte more than was seen, and one byte more acknowledged: a byte was lost, and the FIN too.
    let run = Run::on("55-lost-byte", &ended(LARGER, DONE, lost_fin));
    assert_ne!(run.only()["completeness"], "complete");
}

#[test]
fn pitfall_55_what_the_other_end_sends_is_none_of_the_file() {
    let run = Run::on(
        "55-half-close",
        &ended(OPENING, DONE, |ftp, data| {
            data.fin(&mut ftp.wire, Side::Server);
            data.ack(&mut ftp.wire, Side::Client);
            data.say(&mut ftp.wire, Side::Client, b"thank you");
            data.ack(&mut ftp.wire, Side::Server);
            data.fin(&mut ftp.wire, Side::Client);
            data.ack(&mut ftp.wire, Side::Server);
        }),
    );
    run.assert_whole(run.only(), TEXT);
    assert!(says(run.only(), "the receiver sent 9 bytes too"));
}

#[test]
fn pitfall_56_bytes_behind_a_reset_are_none_of_the_file() {
    let run = Run::on("56-reset", &specimens::bytes_after_reset());
    run.assert_whole(run.only(), &specimens::content());
}

#[test]
fn pitfall_56_bytes_outside_the_window_are_none_of_the_file() {
    let mut ftp = begin();
    let mut data = open(&mut ftp, "RETR a.bin", 50_001, SIZED);
    data.say(&mut ftp.wire, Side::Server, &TEXT[..10]);
    data.ack(&mut ftp.wire, Side::Client);
    // Far before the stream, and far beyond what the client has room for.
    data.say_again(&mut ftp.wire, Side::Server, 200_000, b"before it all");
    let beyond = 0_u32.wrapping_sub(3_000_000);
    data.say_again(&mut ftp.wire, Side::Server, beyond, b"beyond it all");
    data.say(&mut ftp.wire, Side::Server, &TEXT[10..]);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply(DONE);
    let run = Run::on("56-window", &ftp.quit());
    run.assert_whole(run.only(), TEXT);
}

#[test]
fn pitfall_57_a_file_of_no_bytes_is_an_empty_file() {
    let run = Run::on("57-empty", &specimens::zero_length());
    run.assert_whole(run.only(), b"");
    let mut ftp = begin();
    let mut data = open(&mut ftp, "STOR nothing", 50_001, OPENING);
    data.close(&mut ftp.wire, Side::Client);
    ftp.reply(DONE);
    let run = Run::on("57-empty-upload", &ftp.quit());
    run.assert_whole(run.only(), b"");
    assert_eq!(run.file(&format!("{PUB}/nothing")), b"");
    assert!(run.folder.read("out/SHA256SUMS").contains(&sha256(b"")));
}

#[test]
fn pitfall_57_without_a_data_connection_there_is_a_transfer_and_no_file() {
    let mut ftp = begin();
    ftp.passive(None, 50_001);
    ftp.exchange("RETR empty", "226 Transfer complete (0 bytes).");
    let run = Run::on("57-none", &ftp.quit());
    let transfer = run.only();
    assert_eq!(transfer["completeness"], "unverifiable");
    assert_eq!(
        (
            &transfer["connection"],
            &transfer["sha256"],
            &transfer["saved_as"]
        ),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[test]
fn pitfall_58_a_gap_has_a_range_and_is_never_joined() {
    let run = Run::on("58-lost", &specimens::lost_segment());
    let transfer = run.only();
    assert_eq!(transfer["completeness"], "gaps");
    assert_eq!(transfer["missing_ranges"], json!([[9800, 11_200]]));
    assert_eq!(transfer["sha256"], Value::Null);
    let mut expected = specimens::content();
    expected[9800..11_200].fill(0);
    assert_eq!(run.saved(transfer), expected);
    assert!(
        transfer["saved_as"]
            .as_str()
            .is_some_and(|path| path.ends_with(".partial"))
    );
    assert_eq!(run.folder.read("out/SHA256SUMS"), "");
    assert_eq!(
        run.manifest()["transfers"][0]["missing_ranges"],
        json!([[9800, 11_200]])
    );
}

#[test]
fn pitfall_58_packets_that_were_cut_are_gaps_of_their_true_size() {
    let run = Run::on("58-snap", &specimens::short_snap_length());
    let transfer = run.only();
    assert_eq!(transfer["completeness"], "gaps");
    let seen = transfer["bytes"].as_u64().expect("a number");
    let missing = transfer["missing_bytes"].as_u64().expect("a number");
    assert_eq!(seen + missing, 20_000);
    assert_eq!(transfer["missing_ranges"][0], json!([146, 1400]));
    assert_eq!(run.saved(transfer).len(), 20_000);
}

#[test]
fn pitfall_58_the_first_and_the_last_bytes_can_be_missing() {
    let mut ftp = begin();
    let mut data = open(&mut ftp, "RETR a.bin", 50_001, OPENING);
    data.lose(&mut ftp.wire, Side::Server, &TEXT[..5]);
    data.say(&mut ftp.wire, Side::Server, &TEXT[5..15]);
    data.ack(&mut ftp.wire, Side::Client);
    data.lose(&mut ftp.wire, Side::Server, &TEXT[15..]);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply(DONE);
    let run = Run::on("58-ends", &ftp.quit());
    assert_eq!(run.only()["missing_ranges"], json!([[0, 5], [15, 20]]));
    assert_eq!(run.only()["media_type"], Value::Null);
    assert_eq!(run.saved(run.only()), b"\0\0\0\0\x0056789abcde\0\0\0\0\0");
}

#[test]
fn pitfall_58_a_file_of_gigabytes_takes_no_gigabytes() {
    use std::os::unix::fs::MetadataExt as _;
    let mut ftp = begin();
    let opening = "150 Opening BINARY mode data connection for a.iso (10000000000 bytes).";
    let mut data = open(&mut ftp, "RETR a.iso", 50_001, opening);
    data.say(&mut ftp.wire, Side::Server, TEXT);
    data.ack(&mut ftp.wire, Side::Client);
    for _ in 0..10 {
        data.skip(Side::Server, 1_000_000_000);
        data.ack(&mut ftp.wire, Side::Client);
        data.say(&mut ftp.wire, Side::Server, TEXT);
        data.ack(&mut ftp.wire, Side::Client);
    }
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply(DONE);
    let run = Run::on("58-gigabytes", &ftp.quit());
    let transfer = run.only();
    assert_eq!(transfer["bytes"], 220);
    assert_eq!(transfer["missing_bytes"], 10_000_000_000_u64);
    assert_eq!(transfer["missing_ranges"][9][1], 10_000_000_200_u64);
    let path = run
        .folder
        .path()
        .join("out")
        .join(PUB)
        .join("a.iso.partial");
    let file = std::fs::metadata(path).expect("a file");
    assert_eq!(file.len(), 10_000_000_220);
    assert!(file.blocks() * 512 < 1 << 20, "{} blocks", file.blocks());
}

#[test]
fn pitfall_59_first_bytes_win_and_the_difference_is_reported() {
    let run = Run::on("59-conflict", &specimens::conflicting_retransmission());
    run.assert_whole(run.only(), &specimens::content());
    let told = run.findings();
    assert!(told.iter().any(|id| id.contains("conflict")), "{told:?}");
}

#[test]
fn pitfall_59_a_keep_alive_is_no_data() {
    let run = Run::on("59-keep-alive", &specimens::keep_alive());
    run.assert_whole(run.only(), &specimens::content());
    let told = run.findings();
    assert!(!told.iter().any(|id| id.contains("conflict")), "{told:?}");
}

#[test]
fn pitfall_70_an_upload_in_active_mode_goes_from_client_to_server() {
    let mut ftp = begin();
    ftp.exchange("PORT 192,0,2,10,195,81", "200 PORT command successful.");
    let mut data = ftp.active_data(20, 50_001);
    ftp.command("STOR up.bin");
    data.open(&mut ftp.wire);
    ftp.reply(OPENING);
    data.stream(&mut ftp.wire, Side::Server, TEXT, SEGMENT);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply(DONE);
    let run = Run::on("70-active", &ftp.quit());
    run.assert_whole(run.only(), TEXT);
    assert_eq!(run.only()["direction"], "upload");
    assert_eq!(run.only()["connection"]["opened_by"], "server");
    assert_eq!(run.only()["connection"]["client"]["ip"], "192.0.2.10");
}

#[test]
fn pitfall_71_what_the_client_writes_during_a_download_is_none_of_the_file() {
    let mut ftp = begin();
    let mut data = open(&mut ftp, "RETR a.bin", 50_001, OPENING);
    data.say(&mut ftp.wire, Side::Client, b"GET / HTTP/1.0\r\n\r\n");
    data.say(&mut ftp.wire, Side::Server, TEXT);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply(DONE);
    let run = Run::on("71-backward", &ftp.quit());
    run.assert_whole(run.only(), TEXT);
    assert!(says(run.only(), "the receiver sent 18 bytes too"));
    let files = std::fs::read_dir(run.folder.path().join("out")).expect("a folder");
    let mut names: Vec<_> = files
        .map(|file| file.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["192.0.2.20_21", "SHA256SUMS", "manifest.json"]);
}

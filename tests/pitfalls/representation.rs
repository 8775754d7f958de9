//! The form of files on the wire: TYPE, MODE and STRU (65 to 69).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};

use crate::pitfalls::run::{
    CLIENT, DONE, OPENING, PUB, Run, SERVER, begin, open, pass, says, sha256,
};
use crate::support::connection::Side;
use crate::support::conversation::Conversation;

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// A session in which these commands are accepted before the transfer.
fn set_up(commands: &[&str]) -> Conversation {
    let mut ftp = begin();
    for command in commands {
        ftp.exchange(command, "200 OK.");
    }
    ftp
}

/// A download in such a session.
fn fetched(commands: &[&str], opening: &str, wire: &[u8]) -> Vec<u8> {
    let mut ftp = set_up(commands);
    pass(
        &mut ftp,
        "RETR a.txt",
        50_001,
        (opening, DONE),
        Side::Server,
        wire,
    );
    ftp.quit()
}

#[test]
fn pitfall_65_text_is_kept_as_sent_and_its_size_is_that_with_lf() {
    let opening = "150 Opening ASCII mode data connection for a.txt (8 bytes).";
    let capture = fetched(&["TYPE A"], opening, b"one\r\ntwo\r\n");
    let run = Run::on("65-text", &capture);
    run.assert_whole(run.only(), b"one\r\ntwo\r\n");
    assert_eq!(run.only()["decoded"], Value::Null);
    assert!(says(
        run.only(),
        "said 8 bytes: equal to the text with LF for CR LF"
    ));
    assert_eq!(run.findings(), ["cleartext-credentials"]);
    // What a server counts as it sends is as good.
    let opening = "150 Opening ASCII mode data connection for a.txt (10 bytes).";
    let capture = fetched(&["TYPE A"], opening, b"one\r\ntwo\r\n");
    let run = Run::with("65-request", &[&capture], &["--text-lines"]);
    run.assert_whole(run.only(), b"one\r\ntwo\r\n");
    assert!(says(run.only(), "said 10 bytes: equal"));
    assert_eq!(run.only()["decoded"]["sha256"], sha256(b"one\ntwo\n"));
    assert_eq!(run.file(&format!("{PUB}/a.txt~decoded")), b"one\ntwo\n");
}

#[test]
fn pitfall_65_a_size_that_is_neither_contradicts_nothing() {
    let mut ftp = set_up(&["TYPE A"]);
    ftp.exchange("SIZE a.txt", "550 SIZE not allowed in ASCII mode.");
    let opening = "150 Opening ASCII mode data connection for a.txt (9 bytes).";
    pass(
        &mut ftp,
        "RETR a.txt",
        50_001,
        (opening, DONE),
        Side::Server,
        b"one\r\ntwo\r\n",
    );
    let run = Run::on("65-neither", &ftp.quit());
    run.assert_whole(run.only(), b"one\r\ntwo\r\n");
    assert!(says(run.only(), "make it another number"));
}

#[test]
fn pitfall_65_bare_line_ends_are_counted_and_kept() {
    let wire = b"one\ntwo\rthree\r\n\r\0";
    let capture = fetched(&["TYPE A"], OPENING, wire);
    let run = Run::with("65-bare", &[&capture], &["--text-lines"]);
    run.assert_whole(run.only(), wire);
    assert!(
        says(run.only(), "1 line ends of CR LF, 1 LF alone, 1 CR alone"),
        "{:#}",
        run.only()
    );
    let decoded = &run.only()["decoded"];
    assert_eq!(decoded["sha256"], sha256(b"one\ntwo\rthree\n\r"));
    assert_eq!(decoded["whole"], false);
}

#[test]
fn pitfall_65_a_binary_file_sent_as_text_is_damage_and_has_two_forms() {
    let content = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x0a!\n";
    let mut wire = Vec::new();
    for &byte in content {
        if byte == b'\n' {
            wire.push(b'\r');
        }
        wire.push(byte);
    }
    let opening = "150 Opening ASCII mode data connection for a.png (36 bytes).";
    let mut ftp = set_up(&["TYPE A"]);
    pass(
        &mut ftp,
        "RETR a.png",
        50_001,
        (opening, DONE),
        Side::Server,
        &wire,
    );
    let run = Run::on("65-damage", &ftp.quit());
    let transfer = run.only();
    assert!(
        run.findings().contains(&"ascii-damage"),
        "{:?}",
        run.findings()
    );
    assert_eq!(run.saved(transfer), wire);
    let entry = &run.manifest()["transfers"][0];
    assert_eq!(entry["sha256"], sha256(&wire));
    let decoded = &entry["decoded"];
    assert_eq!(decoded["steps"], json!(["line-ends"]));
    let restored = run.file(decoded["saved_as"].as_str().expect("a path"));
    assert_eq!(sha256(&restored), decoded["sha256"]);
    // A CR LF that was in the file is now CR CR LF, and comes back as it was.
    assert_eq!(restored, content);
}

#[test]
fn pitfall_65_listings_in_type_i_are_normal() {
    let mut ftp = set_up(&["TYPE I"]);
    let listing = b"-rw-r--r-- 1 ftp ftp 5 Nov 20 10:00 a.txt\n";
    pass(
        &mut ftp,
        "LIST",
        50_001,
        (OPENING, DONE),
        Side::Server,
        listing,
    );
    let run = Run::on("65-listing", &ftp.quit());
    assert_eq!(run.only()["data_type"], "image");
    assert_eq!(run.only()["completeness"], "complete");
    assert_eq!(run.only()["entries"][0]["name"], "a.txt");
    assert_eq!(run.findings(), ["cleartext-credentials"]);
}

#[test]
fn pitfall_66_ebcdic_is_decoded_with_both_line_ends() {
    // "Hi" NEL "all" LF, in code page 1047.
    let wire = b"\xc8\x89\x15\x81\x93\x93\x25";
    let run = Run::on("66-ebcdic", &fetched(&["TYPE E"], OPENING, wire));
    assert_eq!(run.only()["data_type"], "ebcdic");
    run.assert_whole(run.only(), wire);
    assert_eq!(run.only()["decoded"]["steps"], json!(["ebcdic"]));
    assert_eq!(run.file(&format!("{PUB}/a.txt~decoded")), b"Hi\nall\n");
}

#[test]
fn pitfall_66_type_a_in_all_its_forms_is_ascii() {
    for (name, command) in [
        ("66-n", "TYPE A N"),
        ("66-t", "TYPE A T"),
        ("66-c", "type a c"),
    ] {
        let capture = fetched(&["TYPE I", command], OPENING, b"1one\r\n two\r\n");
        let run = Run::on(name, &capture);
        assert_eq!(run.only()["data_type"], "ascii", "{name}");
        run.assert_whole(run.only(), b"1one\r\n two\r\n");
    }
}

#[test]
fn pitfall_66_type_l_8_is_image_and_l_36_is_not() {
    let opening = "150 Opening data connection for a.txt (9 bytes).";
    let run = Run::on("66-l8", &fetched(&["TYPE L 8"], opening, b"12345678"));
    assert_eq!(run.only()["data_type"], "local");
    assert_eq!(run.only()["completeness"], "truncated");
    let run = Run::on("66-l36", &fetched(&["TYPE L 36"], opening, b"12345678"));
    assert_eq!(run.only()["completeness"], "complete");
    let mut ftp = set_up(&["TYPE L 8"]);
    pass(
        &mut ftp,
        "STOR a.txt",
        50_001,
        (OPENING, DONE),
        Side::Client,
        b"1234",
    );
    ftp.exchange("SIZE a.txt", "213 4");
    let run = Run::on("66-l8-upload", &ftp.quit());
    assert!(says(run.only(), "said 4 bytes: equal"), "{:#}", run.only());
}

#[test]
fn pitfall_67_deflated_files_are_saved_both_ways_and_their_size_is_the_inflated_one() {
    let text = b"inflate me ".repeat(200);
    let wire = zlib(&text);
    let said = format!(
        "150 Opening BINARY mode data connection for a.txt ({} bytes).",
        text.len()
    );
    let run = Run::on(
        "67-size",
        &fetched(&["OPTS MODE Z LEVEL 9", "MODE Z"], &said, &wire),
    );
    let transfer = run.only();
    run.assert_whole(transfer, &wire);
    assert_eq!(transfer["transfer_mode"], "deflate");
    assert!(says(
        transfer,
        "said 2,200 bytes: equal to the decoded file"
    ));
    assert_eq!(transfer["decoded"]["sha256"], sha256(&text));
    assert_eq!(run.file(&format!("{PUB}/a.txt~decoded")), text);

    let said = "150 Opening BINARY mode data connection for a.txt (2300 bytes).";
    let run = Run::on("67-fewer", &fetched(&["MODE Z"], said, &wire));
    assert_eq!(run.only()["completeness"], "truncated");
    assert!(says(
        run.only(),
        "said 2,300 bytes, but the decoded file has 2,200"
    ));
}

#[test]
fn pitfall_67_a_zlib_stream_without_an_end_is_not_known_to_be_whole() {
    let wire = zlib(b"hello hello hello");
    let run = Run::on(
        "67-cut",
        &fetched(&["MODE Z"], OPENING, &wire[..wire.len() - 3]),
    );
    assert_eq!(run.only()["completeness"], "unverifiable");
    assert!(says(run.only(), "decoding it: the zlib stream has no end"));
    assert_eq!(run.only()["decoded"]["whole"], false);
}

#[test]
fn pitfall_67_who_inflates_knows_the_end_and_may_close_there() {
    let text = b"inflate me ".repeat(200);
    let wire = zlib(&text);
    for (name, sent, completeness) in [
        ("67-close", wire.len(), "complete"),
        ("67-close-early", wire.len() - 3, "aborted"),
    ] {
        let mut ftp = set_up(&["MODE Z"]);
        let mut data = open(&mut ftp, "RETR a.txt", 50_001, OPENING);
        data.say(&mut ftp.wire, Side::Server, &wire[..sent]);
        data.ack(&mut ftp.wire, Side::Client);
        data.close(&mut ftp.wire, Side::Client);
        ftp.reply(DONE);
        let run = Run::on(name, &ftp.quit());
        assert_eq!(run.only()["completeness"], completeness, "{name}");
    }
}

#[test]
fn pitfall_67_listings_are_deflated_too_and_rein_ends_the_mode() {
    let mut ftp = set_up(&["MODE Z"]);
    let listing = b"-rw-r--r-- 1 ftp ftp 5 Nov 20 10:00 a.txt\r\n";
    pass(
        &mut ftp,
        "LIST",
        50_001,
        (OPENING, DONE),
        Side::Server,
        &zlib(listing),
    );
    ftp.exchange("REIN", "220 Service ready for new user.");
    ftp.exchange("USER mira", "331 Password please.");
    ftp.exchange("PASS hazel-lantern", "230 Logged in.");
    pass(
        &mut ftp,
        "RETR a.txt",
        50_002,
        (OPENING, DONE),
        Side::Server,
        b"plain",
    );
    let run = Run::on("67-listing", &ftp.quit());
    assert_eq!(run.transfer(0)["entries"][0]["size"], 5);
    assert_eq!(run.transfer(1)["transfer_mode"], "stream");
    assert_eq!(run.transfer(1)["data_type"], "ascii");
    assert_eq!(run.transfer(1)["decoded"], Value::Null);
}

#[test]
fn pitfall_67_a_bomb_is_inflated_to_a_bound() {
    let wire = zlib(&vec![0; 80 << 20]);
    assert!(wire.len() < 100_000);
    let run = Run::on("67-bomb", &fetched(&["MODE Z"], OPENING, &wire));
    let decoded = &run.only()["decoded"];
    assert_eq!(decoded["whole"], false);
    let problem = decoded["problem"].as_str().expect("a sentence");
    assert!(problem.contains("200 times"), "{problem}");
    assert!(
        decoded["bytes"]
            .as_u64()
            .is_some_and(|bytes| bytes < 66 << 20)
    );
    assert_eq!(run.saved(run.only()), wire);
}

/// Two blocks, the second with what it ends, and a restart marker between them.
const BLOCKS: &[u8] = b"\x00\x00\x02hi\x10\x00\x06000002\x40\x00\x04 all";

#[test]
fn pitfall_68_blocks_end_the_file_themselves() {
    let opening = "150 Opening BINARY mode data connection for a.txt (6 bytes).";
    let run = Run::on("68-blocks", &fetched(&["MODE B"], opening, BLOCKS));
    run.assert_whole(run.only(), BLOCKS);
    assert_eq!(run.only()["decoded"]["sha256"], sha256(b"hi all"));
    assert!(says(run.only(), "said 6 bytes: equal to the decoded file"));
    assert_eq!(run.file(&format!("{PUB}/a.txt~decoded")), b"hi all");

    let run = Run::on(
        "68-no-end",
        &fetched(&["MODE B"], OPENING, b"\x00\x00\x02hi"),
    );
    assert_eq!(run.only()["completeness"], "unverifiable");
    assert!(says(run.only(), "decoding it: no block ends the file"));

    let run = Run::on(
        "68-suspect",
        &fetched(&["MODE B"], OPENING, b"\x60\x00\x02hi"),
    );
    assert_eq!(run.only()["completeness"], "unverifiable");
    assert_eq!(run.only()["decoded"]["sha256"], sha256(b"hi"));
}

#[test]
fn pitfall_68_the_connection_may_stay_open_behind_the_end_of_the_file() {
    let mut ftp = set_up(&["MODE B"]);
    let mut data = open(&mut ftp, "RETR a.txt", 50_001, OPENING);
    data.say(&mut ftp.wire, Side::Server, BLOCKS);
    data.ack(&mut ftp.wire, Side::Client);
    ftp.reply("250 File sent; the data connection stays open.");
    ftp.exchange("NOOP", "200 OK.");
    let run = Run::on("68-open", &ftp.quit());
    run.assert_whole(run.only(), BLOCKS);
    assert_eq!(run.only()["connection"]["close"], "open");
    assert!(says(run.only(), "the sender marked the end of the file"));
}

#[test]
fn pitfall_68_two_files_on_one_connection_are_two_files() {
    let mut ftp = set_up(&["MODE B"]);
    let mut data = open(&mut ftp, "RETR a.txt", 50_001, OPENING);
    data.say(&mut ftp.wire, Side::Server, BLOCKS);
    data.ack(&mut ftp.wire, Side::Client);
    ftp.reply("250 File sent; the data connection stays open.");
    ftp.command("RETR b.txt");
    ftp.reply("125 Data connection already open; transfer starting.");
    data.say(&mut ftp.wire, Side::Server, b"\x40\0\x06second");
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply(DONE);
    let run = Run::on("68-two", &ftp.quit());
    run.assert_whole(run.transfer(0), BLOCKS);
    run.assert_whole(run.transfer(1), b"\x40\0\x06second");
    assert_eq!(run.file(&format!("{PUB}/a.txt~decoded")), b"hi all");
    assert_eq!(run.file(&format!("{PUB}/b.txt~decoded")), b"second");
}

#[test]
fn pitfall_68_runs_and_fillers_are_written_out() {
    // "ab", three times "c", two fillers; then the descriptor of the end and "d".
    let wire = b"\x02ab\x83c\xc2\x00\x40\x01d";
    let run = Run::on("68-runs", &fetched(&["TYPE A", "MODE C"], OPENING, wire));
    run.assert_whole(run.only(), wire);
    assert_eq!(run.only()["transfer_mode"], "compressed");
    assert_eq!(run.only()["decoded"]["steps"], json!(["runs"]));
    assert_eq!(run.file(&format!("{PUB}/a.txt~decoded")), b"abccc  d");
}

#[test]
fn pitfall_69_records_end_by_escapes_and_ff_is_doubled() {
    for (name, commands, text) in [
        (
            "69-text",
            &["TYPE A", "STRU R"][..],
            &b"one\r\n\xfftwo\r\n"[..],
        ),
        ("69-image", &["STRU R"], b"one\xfftwo"),
    ] {
        let wire = b"one\xff\x01\xff\xfftwo\xff\x03";
        let run = Run::on(name, &fetched(commands, OPENING, wire));
        run.assert_whole(run.only(), wire);
        assert_eq!(run.only()["structure"], "record", "{name}");
        assert_eq!(run.file(&format!("{PUB}/a.txt~decoded")), text, "{name}");
    }
    // The escapes are none of the size.
    let opening = "150 Opening BINARY mode data connection for a.txt (7 bytes).";
    let run = Run::on(
        "69-size",
        &fetched(&["STRU R"], opening, b"one\xff\x01\xff\xfftwo\xff\x03"),
    );
    assert_eq!(run.only()["completeness"], "complete");
    assert!(says(run.only(), "said 7 bytes: equal to the decoded file"));
}

#[test]
fn pitfall_69_pages_are_kept_as_they_are_and_their_size_is_not_compared() {
    let opening = "150 Opening BINARY mode data connection for a.txt (5 bytes).";
    let run = Run::on(
        "69-pages",
        &fetched(&["STRU P"], opening, b"\0\x04\0\0\0\x05\0\x01hello"),
    );
    assert_eq!(run.only()["structure"], "page");
    assert_eq!(run.only()["completeness"], "complete");
    assert_eq!(run.only()["decoded"], Value::Null);
}

#[test]
fn pitfall_67_a_refused_mode_changes_nothing() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("MODE Z", "504 Bad MODE command.");
    ftp.exchange("STRU R", "504 Bad STRU command.");
    ftp.exchange("TYPE E", "504 Bad TYPE command.");
    pass(
        &mut ftp,
        "RETR /a.txt",
        50_001,
        (OPENING, DONE),
        Side::Server,
        b"x\x9cplain",
    );
    let run = Run::on("67-refused", &ftp.quit());
    let transfer = run.only();
    assert_eq!(
        json!([
            transfer["transfer_mode"],
            transfer["data_type"],
            transfer["structure"]
        ]),
        json!(["stream", "image", null])
    );
    run.assert_whole(transfer, b"x\x9cplain");
}

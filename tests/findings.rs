//! Findings of the whole program: each capture goes through it, and the report must hold the finding, or
//! must not.

use std::time::Duration;

use serde_json::Value;

use crate::support::connection::{Connection, Side};
use crate::support::containers::{Block, Container, Order};
use crate::support::conversation::{Conversation, SEGMENT, comma_address};
use crate::support::folder::Folder;
use crate::support::recording::{Recorded, packets};
use crate::support::wire::Wire;

#[test]
fn an_ordinary_session_is_ok_and_has_only_its_clear_password() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("PWD", "257 \"/\" is the current directory");
    ftp.retrieve("data.bin", 40_001, 5001, &content());
    let report = analyze("ordinary", &ftp.quit());
    assert_eq!(ids(&report), ["cleartext-credentials"]);
    let session = &report["sessions"][0];
    assert_eq!(session["verdict"]["status"], "ok");
    assert!(session["timing"]["handshake"].as_f64() > session["timing"]["syn_ack"].as_f64());
    assert!(session["timing"]["greeting"].as_f64() > Some(0.0));
    let connection = &session["transfers"][0]["connection"];
    assert_eq!(connection["zero_windows"], 0);
    let commands = session["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .flat_map(|step| step["commands"].as_array().expect("commands"));
    for command in commands {
        assert!(command["response_time"].as_f64() > Some(0.0), "{command}");
    }
}

#[test]
fn a_third_host_at_the_passive_port_is_port_theft() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 5001);
    ftp.command("RETR data.bin");
    let mut data = connection("10.0.0.66:41000", "10.0.0.1:5001");
    data.open(&mut ftp.wire);
    ftp.deliver("data.bin", &mut data, Side::Server, &content());
    let report = analyze("port_theft", &ftp.quit());
    let found = finding(&report, "port-theft");
    assert_eq!(found["severity"], "medium");
    assert_eq!(found["transfer"], 1);
}

#[test]
fn two_servers_that_one_client_lets_exchange_files_are_no_bounce_and_no_theft() {
    let report = analyze("fxp", &exchange(CLIENT, "10.0.0.2:40009"));
    assert_eq!(ids(&report), ["cleartext-credentials"; 2]);
    let found = &report["findings"][0];
    assert_eq!(found["id"], "fxp");
    assert_eq!(found["sessions"], serde_json::json!([1, 2]));
}

#[test]
fn the_same_for_another_client_is_a_bounce_and_a_theft() {
    let report = analyze("no_fxp", &exchange(CLIENT, "10.0.0.66:40009"));
    assert_eq!(report["findings"], serde_json::json!([]));
    finding(&report, "bounce");
}

#[test]
fn an_icmp_error_proves_a_block() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 5001);
    let mut data = ftp.passive_data(40_001, 5001);
    data.syn(&mut ftp.wire);
    data.unreachable(&mut ftp.wire, [10, 0, 0, 254], 13);
    ftp.exchange("RETR data.bin", "425 Failed to establish connection.");
    let report = analyze("icmp", &ftp.quit());
    let found = finding(&report, "data-connection-blocked");
    let text = found["explanation"].as_str().expect("a text");
    assert!(
        text.contains("10.0.0.254 answered with ICMP: prohibited by a filter"),
        "{text}"
    );
    assert_eq!(found["frames"].as_array().map(Vec::len), Some(2));
    assert!(!ids(&report).contains(&"data-connection-failed".to_owned()));
}

#[test]
fn a_receiver_that_closes_its_window_stalls_the_transfer() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 5001);
    let mut data = ftp.passive_data(40_001, 5001);
    ftp.command("RETR data.bin");
    data.open(&mut ftp.wire);
    let content = content();
    ftp.opening("data.bin", content.len());
    let (first, rest) = content.split_at(7 * SEGMENT);
    data.stream(&mut ftp.wire, Side::Server, first, SEGMENT);
    data.ack_with_window(&mut ftp.wire, Side::Client, 0);
    ftp.wire.wait(Duration::from_secs(41));
    data.ack(&mut ftp.wire, Side::Client);
    data.stream(&mut ftp.wire, Side::Server, rest, SEGMENT);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("226 Transfer complete.");
    let report = analyze("zero_window", &ftp.quit());
    let found = finding(&report, "stalled-transfer");
    assert_eq!(found["severity"], "medium");
    let text = found["explanation"].as_str().expect("a text");
    assert!(text.contains("the client did not take the bytes"), "{text}");
    let connection = &report["sessions"][0]["transfers"][0]["connection"];
    assert_eq!(connection["zero_windows"], 1);
    assert!(connection["zero_window_seconds"].as_f64() > Some(40.9));
}

#[test]
fn a_server_that_waits_with_its_first_byte_stalls_and_a_short_wait_is_nothing() {
    for (seconds, expected) in [(12, true), (8, false)] {
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        ftp.passive(None, 5001);
        let mut data = ftp.passive_data(40_001, 5001);
        ftp.command("RETR data.bin");
        data.open(&mut ftp.wire);
        ftp.opening("data.bin", SEGMENT);
        ftp.wire.wait(Duration::from_secs(seconds));
        data.stream(&mut ftp.wire, Side::Server, &[b'x'; SEGMENT], SEGMENT);
        data.close(&mut ftp.wire, Side::Server);
        ftp.reply("226 Transfer complete.");
        let report = analyze(&format!("late_start_{seconds}"), &ftp.quit());
        let stalled = ids(&report).contains(&"stalled-transfer".to_owned());
        assert_eq!(stalled, expected, "{seconds} s");
    }
}

#[test]
fn loss_in_the_capture_is_distinguished_from_loss_in_the_network() {
    let lost = analyze("capture_loss", &crate::support::specimens::lost_segment());
    let found = finding(&lost, "capture-loss");
    assert_eq!(
        found["title"],
        "the capture lost 1,400 bytes of this session"
    );
    // One session reports it itself.
    assert_eq!(lost["findings"], serde_json::json!([]));

    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 5001);
    let mut data = ftp.passive_data(40_001, 5001);
    ftp.command("RETR data.bin");
    data.open(&mut ftp.wire);
    ftp.opening("data.bin", 3 * SEGMENT);
    data.stream(&mut ftp.wire, Side::Server, &[b'a'; SEGMENT], SEGMENT);
    data.lose(&mut ftp.wire, Side::Server, &[b'b'; SEGMENT]);
    data.retransmit(&mut ftp.wire, Side::Server);
    data.stream(&mut ftp.wire, Side::Server, &[b'c'; SEGMENT], SEGMENT);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("226 Transfer complete.");
    let repaired = analyze("network_loss", &ftp.quit());
    assert_eq!(ids(&repaired), ["cleartext-credentials"]);
    assert_eq!(repaired["findings"], serde_json::json!([]));
}

#[test]
fn an_image_in_type_a_is_damaged_and_a_text_is_not() {
    let image = [
        b"\x89PNG\r\n\x1a\r\n\0\0\0\rIHDR\0\0\0\x10".as_slice(),
        &[0; 64],
    ]
    .concat();
    for (name, content, expected) in [
        ("logo.png", image.as_slice(), true),
        ("notes.txt", b"one\r\ntwo\r\n".as_slice(), false),
        (
            "bm.txt",
            b"BM is how a bitmap begins, and this text too.\r\n".as_slice(),
            false,
        ),
    ] {
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        ftp.exchange("TYPE A", "200 Switching to ASCII mode.");
        ftp.passive(None, 5001);
        let mut data = ftp.passive_data(40_001, 5001);
        ftp.command(&format!("RETR {name}"));
        data.open(&mut ftp.wire);
        ftp.reply(&format!(
            "150 Opening ASCII mode data connection for {name}."
        ));
        data.stream(&mut ftp.wire, Side::Server, content, SEGMENT);
        data.close(&mut ftp.wire, Side::Server);
        ftp.reply("226 Transfer complete.");
        let report = analyze(name, &ftp.quit());
        let damaged = ids(&report).contains(&"ascii-damage".to_owned());
        assert_eq!(damaged, expected, "{name}");
    }
}

#[test]
fn a_whole_file_of_another_size_is_a_mismatch_and_not_incomplete() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 5001);
    let mut data = ftp.passive_data(40_001, 5001);
    ftp.command("RETR data.bin");
    data.open(&mut ftp.wire);
    ftp.opening("data.bin", 2 * SEGMENT);
    data.stream(&mut ftp.wire, Side::Server, &[b'a'; SEGMENT], SEGMENT);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("226 Transfer complete.");
    let report = analyze("size_mismatch", &ftp.quit());
    let found = finding(&report, "size-mismatch");
    assert!(
        found["title"]
            .as_str()
            .is_some_and(|title| title.ends_with("1,400 fewer")),
        "{found}"
    );
    assert!(!ids(&report).contains(&"incomplete-file".to_owned()));
}

#[test]
fn password_guessing_is_reported_over_sessions_without_the_passwords() {
    let mut wire = Wire::new();
    for attempt in 0..6_u16 {
        let client = format!("10.0.0.66:{}", 42_000 + attempt);
        let mut ftp = Conversation::open_on(wire, &client, SERVER);
        ftp.exchange("USER admin", "331 Please specify the password.");
        let accepted = attempt == 5;
        let reply = if accepted {
            "230 Login successful."
        } else {
            "530 Login incorrect."
        };
        ftp.exchange(&format!("PASS guess-{attempt}"), reply);
        ftp.part();
        wire = ftp.wire;
    }
    let report = analyze("brute_force", &wire.to_pcap());
    let found = &report["findings"][0];
    assert_eq!(
        (&found["id"], &found["severity"]),
        (&"brute-force".into(), &"high".into())
    );
    assert_eq!(found["sessions"], serde_json::json!([1, 2, 3, 4, 5, 6]));
    assert!(!report.to_string().contains("guess-"));
}

/// Session 1 mistypes once and gets in; sessions 2 to 7 are refused; session 8 mistypes and gets in.
fn guessing() -> Vec<u8> {
    let mut wire = crate::support::wire::Wire::new();
    for number in 1..=8_u16 {
        let client = format!("10.0.0.2:{}", 40_000 + number);
        let mut ftp = Conversation::open_on(wire, &client, SERVER);
        ftp.exchange("USER root", "331 Password required.");
        ftp.exchange(&format!("PASS guess{number}"), "530 Login incorrect.");
        if number == 1 || number == 8 {
            ftp.exchange("USER root", "331 Password required.");
            ftp.exchange(&format!("PASS right{number}"), "230 Logged in.");
        }
        ftp.command("QUIT");
        ftp.reply("221 Goodbye.");
        ftp.part();
        wire = ftp.wire;
    }
    wire.to_pcap()
}

#[test]
fn sessions_named_by_a_finding_about_several_are_not_ok_in_any_format() {
    let folder = Folder::new("guessing");
    folder.write("a.pcap", &guessing());
    let report = folder.report(&["a.pcap"]);
    let sessions = report["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 8);
    for (session, id) in sessions.iter().zip(1..) {
        let status = if id == 1 || id == 8 {
            "warning"
        } else {
            "failed"
        };
        assert_eq!(session["verdict"]["status"], status, "session {id}");
    }
    let table = folder.run(&["analyze", "-q", "a.pcap"]);
    assert!(!table.contains(" OK "), "{table}");
    let events = folder.run(&["analyze", "-q", "--format", "ndjson", "a.pcap"]);
    let times: Vec<&str> = events
        .lines()
        .filter_map(|line| line.split_once("\"time\":\"")?.1.get(..30))
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    for (format, ok) in [
        ("csv", ",ok"),
        ("html", "\"status\":\"ok\""),
        ("ndjson", "\"status\":\"ok"),
    ] {
        let text = folder.run(&["analyze", "-q", "--format", format, "a.pcap"]);
        assert!(!text.contains(ok), "{format}: {text}");
    }
}

#[test]
fn findings_about_several_sessions_select_the_sessions_they_name() {
    let folder = Folder::new("guessing-where");
    folder.write("a.pcap", &guessing());
    for (id, count) in [("brute-force", 8), ("port-theft", 0)] {
        let expression = format!("findings.exists(f, f.id == '{id}')");
        let report = folder.report(&["--where", &expression, "a.pcap"]);
        assert_eq!(report["totals"]["sessions"], count, "{report:#}");
        assert_eq!(report["sessions"].as_array().map(Vec::len), Some(count));
        assert_eq!(
            report["totals"]["sessions_filtered"].as_u64().unwrap_or(0),
            8 - count as u64
        );
    }
}

#[test]
fn reply_violations_are_reported_with_their_rfc_section() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("SYST", "UNIX without a code");
    ftp.reply("215 UNIX Type: L8");
    ftp.exchange("PWD", "257 / is the current directory");
    let report = analyze("violations", &ftp.quit());
    let titles: Vec<&str> = report["sessions"][0]["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter(|finding| finding["id"] == "reply-violation")
        .filter_map(|finding| finding["title"].as_str())
        .collect();
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert_eq!(report["sessions"][0]["verdict"]["status"], "ok");
}

/// PASV at one server, PORT with that end point at another, RETR and STOR.
fn exchange(first: &str, second: &str) -> Vec<u8> {
    let mut from = Conversation::logged_in(first, SERVER);
    from.passive(None, 5001);
    let mut to = Conversation::open_on(
        std::mem::replace(&mut from.wire, Wire::new()),
        second,
        OTHER,
    );
    to.exchange("USER mira", "331 Please specify the password.");
    to.exchange("PASS hazel-lantern", "230 Login successful.");
    to.exchange("TYPE I", "200 Switching to Binary mode.");
    to.exchange(
        &format!("PORT {}", comma_address([10, 0, 0, 1], 5001)),
        "200 PORT command successful.",
    );
    to.command("STOR data.bin");
    let mut data = connection("10.0.0.9:20", "10.0.0.1:5001");
    from.wire = std::mem::replace(&mut to.wire, Wire::new());
    from.command("RETR data.bin");
    data.open(&mut from.wire);
    from.opening("data.bin", content().len());
    to.wire = std::mem::replace(&mut from.wire, Wire::new());
    to.reply("150 Ok to send data.");
    data.stream(&mut to.wire, Side::Server, &content(), SEGMENT);
    data.close(&mut to.wire, Side::Server);
    to.reply("226 Transfer complete.");
    from.wire = std::mem::replace(&mut to.wire, Wire::new());
    from.reply("226 Transfer complete.");
    from.part();
    to.wire = from.wire;
    to.quit()
}

fn connection(client: &str, server: &str) -> Connection {
    let address = |text: &str| text.parse().expect("a test names a socket address");
    Connection::new(address(client), address(server))
}

fn content() -> Vec<u8> {
    (0..20 * SEGMENT)
        .map(|place| u8::try_from(place % 251).expect("below 251"))
        .collect()
}

/// The ids of all findings of sessions.
fn ids(report: &Value) -> Vec<String> {
    report["sessions"]
        .as_array()
        .expect("sessions")
        .iter()
        .flat_map(|session| session["findings"].as_array().expect("findings"))
        .filter_map(|finding| finding["id"].as_str().map(Into::into))
        .collect()
}

fn finding<'a>(report: &'a Value, id: &str) -> &'a Value {
    report["sessions"]
        .as_array()
        .expect("sessions")
        .iter()
        .flat_map(|session| session["findings"].as_array().expect("findings"))
        .find(|finding| finding["id"] == id)
        .unwrap_or_else(|| panic!("no {id}: {:?}", ids(report)))
}

fn analyze(name: &str, pcap: &[u8]) -> Value {
    let folder = Folder::new(&format!("findings-{name}"));
    folder.write("capture.pcap", pcap);
    folder.report(&["capture.pcap"])
}

const CLIENT: &str = "10.0.0.2:40000";
const SERVER: &str = "10.0.0.1:21";
const OTHER: &str = "10.0.0.9:21";

/// A zip archive whose only line end is a CR LF.
fn archive() -> Vec<u8> {
    let mut archive = b"PK\x03\x04\x14\x00\x00\x00\x08\x00".to_vec();
    archive.extend((0..9_000_u32).map(|n| match n % 251 {
        10 | 13 => 0x80,
        byte => u8::try_from(byte).expect("below 251"),
    }));
    archive[4_000..4_002].copy_from_slice(b"\r\n");
    archive
}

#[test]
fn binary_file_in_type_a_whose_size_did_not_change_is_not_damaged() {
    for (size, damaged) in [(archive().len(), false), (archive().len() - 1, true)] {
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        ftp.exchange("TYPE A", "200 Switching to ASCII mode.");
        ftp.passive(None, 50_001);
        let mut data = ftp.passive_data(40_001, 50_001);
        ftp.command("RETR a.zip");
        data.open(&mut ftp.wire);
        ftp.reply(&format!(
            "150 Opening ASCII mode data connection for a.zip ({size} bytes)."
        ));
        data.stream(&mut ftp.wire, Side::Server, &archive(), SEGMENT);
        data.close(&mut ftp.wire, Side::Server);
        ftp.reply("226 Transfer complete.");
        let report = analyze("ascii_equal", &ftp.quit());
        assert_eq!(
            ids(&report).contains(&"ascii-damage".to_owned()),
            damaged,
            "{size}: {report:#}"
        );
    }
}

#[test]
fn syn_ack_that_comes_after_the_425_is_no_blocked_connection() {
    for active in [false, true] {
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        let mut data = if active {
            ftp.exchange("PORT 10,0,0,2,19,137", "200 PORT command successful.");
            ftp.active_data(20, 5_001)
        } else {
            ftp.passive(None, 50_001);
            ftp.passive_data(40_001, 50_001)
        };
        ftp.command("RETR f.bin");
        data.syn(&mut ftp.wire);
        ftp.reply("425 Can't open data connection.");
        ftp.wire.wait(Duration::from_millis(5));
        data.syn_ack(&mut ftp.wire);
        data.ack(&mut ftp.wire, Side::Client);
        data.close(&mut ftp.wire, Side::Server);
        let report = analyze("late_syn_ack", &ftp.quit());
        let found = ids(&report);
        assert!(
            !found.contains(&"data-connection-blocked".to_owned()),
            "{found:?}"
        );
    }
}

#[test]
fn pause_over_packets_that_the_capture_lost_is_no_standstill() {
    for (lost, stands) in [(true, false), (false, true)] {
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        ftp.passive(None, 50_001);
        let mut data = ftp.passive_data(40_001, 50_001);
        ftp.command("RETR f.bin");
        data.open(&mut ftp.wire);
        ftp.reply("150 Opening data connection.");
        data.stream(&mut ftp.wire, Side::Server, &[b'a'; 7_000], SEGMENT);
        ftp.wire.wait(Duration::from_secs(32));
        if lost {
            data.skip(Side::Server, 700_000);
            data.ack(&mut ftp.wire, Side::Client);
        }
        data.stream(&mut ftp.wire, Side::Server, &[b'b'; 7_000], SEGMENT);
        data.close(&mut ftp.wire, Side::Server);
        ftp.reply("226 Transfer complete.");
        let report = analyze("lost_pause", &ftp.quit());
        assert_eq!(
            ids(&report).contains(&"stalled-transfer".to_owned()),
            stands,
            "{report:#}"
        );
    }
}

#[test]
fn silence_up_to_another_section_of_the_capture_is_no_standstill() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 50_001);
    let mut data = ftp.passive_data(40_001, 50_001);
    ftp.command("RETR f.bin");
    data.open(&mut ftp.wire);
    ftp.reply("150 Opening data connection.");
    data.stream(&mut ftp.wire, Side::Server, &[b'a'; 7_000], SEGMENT);
    let first = ftp.wire.len();
    ftp.wire.wait(Duration::from_secs(32));
    let mut later = Conversation::open_on(ftp.wire, "192.0.2.10:39999", SERVER);
    later.exchange("USER mira", "331 Password required.");
    let all = packets(&later.quit());
    let section = |packets: &[Recorded]| {
        let container = Container::Next {
            order: Order::Little,
            block: Block::Enhanced,
            interfaces: 1,
            sections: 1,
            resolution: 6,
        };
        container.write(1, packets)
    };
    let (before, behind) = all.split_at(first);
    for (capture, stands) in [
        (section(&all), true),
        ([section(before), section(behind)].concat(), false),
    ] {
        let report = analyze("sections", &capture);
        assert_eq!(report["sessions"].as_array().map(Vec::len), Some(2));
        let found = ids(&report).contains(&"stalled-transfer".to_owned());
        assert_eq!(found, stands, "{report:#}");
    }
}

#[test]
fn listing_of_the_same_unknown_directory_contradicts_a_shorter_file() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    let line = b"-rw-r--r--   1 ftp ftp      20000 Jan 01 2020 f.bin\r\n";
    ftp.passive(None, 50_001);
    let mut data = ftp.passive_data(40_001, 50_001);
    ftp.command("LIST");
    data.open(&mut ftp.wire);
    ftp.reply("150 Here comes the directory listing.");
    data.stream(&mut ftp.wire, Side::Server, line, SEGMENT);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("226 Directory send OK.");
    ftp.passive(None, 50_002);
    let mut data = ftp.passive_data(40_002, 50_002);
    ftp.command("RETR f.bin");
    data.open(&mut ftp.wire);
    ftp.reply("150 Opening data connection.");
    data.stream(&mut ftp.wire, Side::Server, &[b'a'; 12_000], SEGMENT);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("226 Transfer complete.");
    let report = analyze("listed_size", &ftp.quit());
    let transfer = &report["sessions"][0]["transfers"][1];
    assert_ne!(transfer["completeness"], "complete", "{transfer:#}");
    assert!(ids(&report).contains(&"size-mismatch".to_owned()));
}

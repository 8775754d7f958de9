//! Connections that real networks disturb: refused and tried again, damaged on the way, announced wrongly, led through
//! proxies.

use std::time::Duration;

use serde_json::Value;

use crate::support::connection::{Connection, Side};
use crate::support::conversation::Conversation;
use crate::support::recording::{packets, pcap};
use crate::support::report::report;
use crate::support::wire::Wire;

const HOSTS: [[&str; 2]; 2] = [
    ["192.0.2.10:40000", "198.51.100.20:21"],
    ["[2001:db8::10]:40000", "[2001:db8::20]:21"],
];

/// Content whose segments all differ.
fn content() -> Vec<u8> {
    (0..9000_u32)
        .map(|at| (at * 7 + at / 256).to_le_bytes()[0])
        .collect()
}

fn digest(content: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(content);
    digest
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[test]
fn handshake_ends_with_the_acknowledgment_of_the_syn_ack_on_every_port() {
    let on_port = |port: u16| {
        let server = format!("198.51.100.20:{port}");
        let mut session = Conversation::logged_in("192.0.2.10:40000", &server);
        session.exchange("PWD", "257 \"/\" is the current directory.");
        let report = report(session.quit());
        let session = &report["sessions"][0];
        let connect = &session["steps"][0];
        assert_eq!(connect["kind"], "connect", "{session:#}");
        let timing = &session["timing"];
        assert_eq!(connect["duration"], timing["handshake"]);
        assert!(timing["handshake"].as_f64() > timing["syn_ack"].as_f64());
        timing.clone()
    };
    assert_eq!(on_port(21), on_port(2121));
}

fn assert_whole(report: &Value, content: &[u8]) {
    let transfer = &report["sessions"][0]["transfers"][0];
    assert_eq!(transfer["sha256"], digest(content), "{transfer:#}");
    assert_eq!(transfer["completeness"], "complete", "{transfer:#}");
    assert_eq!(report["unmatched_data"], Value::Array(Vec::new()));
}

/// Sends the SYN of `connection` and has it refused twice, 500 ms apart.
fn refuse_twice(wire: &mut Wire, connection: &Connection) {
    for _ in 0..2 {
        let mut attempt = connection.clone();
        attempt.syn(wire);
        attempt.rst(wire, Side::Server);
        wire.wait(Duration::from_millis(500));
    }
}

/// Negotiates a data connection, with EPSV or EPRT, which both address families know.
fn negotiate(talk: &mut Conversation, client: &str, active: bool) -> Connection {
    if active {
        let ip = client
            .rsplit_once(':')
            .expect("a port")
            .0
            .trim_matches(['[', ']']);
        let family = if ip.contains(':') { 2 } else { 1 };
        talk.exchange(&format!("EPRT |{family}|{ip}|50001|"), "200 ok");
        talk.active_data(20, 50_001)
    } else {
        talk.exchange("EPSV", "229 Entering Extended Passive Mode (|||60001|)");
        talk.passive_data(50_001, 60_001)
    }
}

/// Runs a transfer of `content` in which `carry` moves the bytes.
fn transfer(
    [client, server]: [&str; 2],
    active: bool,
    upload: bool,
    open: impl Fn(&mut Wire, &mut Connection),
    carry: impl Fn(&mut Wire, &mut Connection, Side, &[u8]),
) -> Value {
    let content = content();
    let mut talk = Conversation::logged_in(client, server);
    let mut data = negotiate(&mut talk, client, active);
    talk.command(if upload { "STOR f.bin" } else { "RETR f.bin" });
    open(&mut talk.wire, &mut data);
    // The end that opens the connection is its client: the FTP server in active mode.
    let sender = if upload == active {
        Side::Server
    } else {
        Side::Client
    };
    talk.reply("150 go");
    carry(&mut talk.wire, &mut data, sender, &content);
    data.close(&mut talk.wire, sender);
    talk.reply("226 done");
    report(talk.quit())
}

#[test]
fn refused_data_connection_that_is_tried_again_carries_its_file() {
    for hosts in HOSTS {
        for (active, upload) in [(false, false), (false, true), (true, false), (true, true)] {
            let report = transfer(
                hosts,
                active,
                upload,
                |wire, data| {
                    refuse_twice(wire, data);
                    data.open(wire);
                },
                |wire, data, sender, content| data.stream(wire, sender, content, 1400),
            );
            assert_whole(&report, &content());
            let session = &report["sessions"][0];
            assert_eq!(session["verdict"]["status"], "ok", "{session:#}");
        }
    }
}

#[test]
fn refused_control_connection_that_is_tried_again_is_one_session() {
    for [client, server] in HOSTS {
        let (from, to) = (
            client.parse().expect("an end"),
            server.parse().expect("an end"),
        );
        let mut wire = Wire::new();
        refuse_twice(&mut wire, &Connection::new(from, to));
        let mut talk = Conversation::open_on(wire, client, server);
        talk.exchange("USER bob", "331 pw");
        talk.exchange("PASS secret", "230 in");
        let report = report(talk.quit());
        assert_eq!(report["sessions"].as_array().map(Vec::len), Some(1));
        let session = &report["sessions"][0];
        assert_eq!(session["login"]["outcome"], "accepted");
        assert_eq!(session["midstream"], false);
        assert_eq!(report["connection_attempts"][0]["outcome"], "refused");
    }
}

#[test]
fn copy_of_a_damaged_segment_is_what_the_file_is_made_of() {
    for hosts in HOSTS {
        for (active, upload) in [(false, false), (false, true), (true, false), (true, true)] {
            let report = transfer(
                hosts,
                active,
                upload,
                |wire, data| data.open(wire),
                |wire, data, sender, content| {
                    let (first, rest) = content.split_at(1400);
                    data.say(wire, sender, first);
                    wire.damage_last();
                    wire.wait(Duration::from_millis(300));
                    data.say_again(wire, sender, 1400, first);
                    data.ack(wire, sender.other());
                    data.stream(wire, sender, rest, 1400);
                },
            );
            assert_whole(&report, &content());
            let findings = report["sessions"][0]["findings"].to_string();
            assert!(!findings.contains("conflict"), "{findings}");
        }
    }
}

#[test]
fn copy_of_a_damaged_command_is_the_command() {
    for [client, server] in HOSTS {
        let mut talk = Conversation::logged_in(client, server);
        talk.control
            .say(&mut talk.wire, Side::Client, b"CWD /pub/data\r\n");
        talk.wire.damage_last();
        talk.wire.wait(Duration::from_millis(300));
        talk.control
            .say_again(&mut talk.wire, Side::Client, 15, b"CWD /pub/data\r\n");
        talk.reply("250 there");
        let report = report(talk.quit());
        let steps = report["sessions"][0]["steps"].to_string();
        assert!(steps.contains("\"directory\":\"/pub/data\""), "{steps}");
        assert_eq!(steps.matches("\"CWD\"").count(), 1, "{steps}");
    }
}

/// A session with one download or upload, whose connections begin with `prelude`: client bytes and proxy bytes in turn.
fn proxied(
    upload: bool,
    server: &str,
    prelude: impl Fn(u16) -> Vec<Vec<u8>>,
    data_server: &str,
) -> Value {
    let content = content();
    let wire = Wire::new();
    let client = "192.0.2.10:40000";
    let begin = |wire: &mut Wire, connection: &mut Connection, port: u16| {
        for (at, bytes) in prelude(port).iter().enumerate() {
            let side = if at % 2 == 0 {
                Side::Client
            } else {
                Side::Server
            };
            connection.say(wire, side, bytes);
            connection.ack(wire, side.other());
        }
    };
    let mut talk = Conversation::connect_on(wire, client, server);
    begin(&mut talk.wire, &mut talk.control, 21);
    talk.reply("220 ready");
    talk.exchange("USER bob", "331 pw");
    talk.exchange("PASS secret", "230 in");
    talk.exchange("TYPE I", "200 ok");
    talk.exchange("PASV", "227 Entering Passive Mode (198,51,100,20,234,97)");
    let mut data = Connection::new(
        "192.0.2.10:50001".parse().expect("an end"),
        data_server.parse().expect("an end"),
    );
    data.open(&mut talk.wire);
    begin(&mut talk.wire, &mut data, 60_001);
    talk.command(if upload { "STOR f.bin" } else { "RETR f.bin" });
    talk.reply("150 go");
    let sender = if upload { Side::Client } else { Side::Server };
    data.stream(&mut talk.wire, sender, &content, 1400);
    data.close(&mut talk.wire, sender);
    talk.reply("226 done");
    report(talk.quit())
}

fn assert_proxied(report: &Value, layer: &str) {
    assert_whole(report, &content());
    let session = &report["sessions"][0];
    assert_eq!(session["login"]["outcome"], "accepted", "{session:#}");
    assert_eq!(session["greeting"]["code"], 220);
    assert_eq!(session["verdict"]["status"], "ok", "{session:#}");
    let layers = session["layers"].as_array().expect("a list");
    assert_eq!(layers.last(), Some(&Value::from(layer)));
}

#[test]
fn headers_of_load_balancers_are_no_commands_and_in_no_file() {
    let v1 = |port: u16| {
        vec![format!("PROXY TCP4 203.0.113.9 198.51.100.20 41000 {port}\r\n").into_bytes()]
    };
    let v2 = |port: u16| {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
        header.extend([203, 0, 113, 9, 198, 51, 100, 20, 0xa0, 0x28]);
        header.extend(port.to_be_bytes());
        vec![header]
    };
    for upload in [false, true] {
        let (server, data) = ("198.51.100.20:21", "198.51.100.20:60001");
        let report = proxied(upload, server, v1, data);
        assert_proxied(&report, "PROXY v1 from 203.0.113.9:41000");
        let report = proxied(upload, server, v2, data);
        assert_proxied(&report, "PROXY v2 from 203.0.113.9:41000");
    }
}

#[test]
fn tunnels_through_proxies_are_no_part_of_dialogue_and_files() {
    let connect = |port: u16| {
        vec![
            format!("CONNECT 198.51.100.20:{port} HTTP/1.1\r\n\r\n").into_bytes(),
            b"HTTP/1.1 200 ok\r\n\r\n".to_vec(),
        ]
    };
    let by_name = |port: u16| {
        vec![
            format!("CONNECT ftp.example.com:{port} HTTP/1.0\r\n\r\n").into_bytes(),
            b"HTTP/1.0 200 ok\r\n\r\n".to_vec(),
        ]
    };
    let socks4 = |port: u16| {
        let [high, low] = port.to_be_bytes();
        vec![
            vec![4, 1, high, low, 198, 51, 100, 20, b'm', b'e', 0],
            vec![0, 90, 0, 0, 0, 0, 0, 0],
        ]
    };
    let socks5 = |port: u16| {
        let [high, low] = port.to_be_bytes();
        vec![
            vec![5, 1, 0],
            vec![5, 0],
            vec![5, 1, 0, 1, 198, 51, 100, 20, high, low],
            vec![5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        ]
    };
    let target = "198.51.100.20:21";
    for upload in [false, true] {
        for proxy in ["192.0.2.80:3128", "192.0.2.80:80"] {
            let report = proxied(upload, proxy, connect, proxy);
            assert_proxied(&report, &format!("HTTP CONNECT to {target}"));
        }
        let proxy = "192.0.2.80:1080";
        let report = proxied(upload, proxy, socks4, proxy);
        assert_proxied(&report, &format!("SOCKS4 to {target}"));
        let report = proxied(upload, proxy, socks5, proxy);
        assert_proxied(&report, &format!("SOCKS5 to {target}"));
        let report = proxied(upload, proxy, by_name, proxy);
        let layers = report["sessions"][0]["layers"].to_string();
        assert!(layers.contains("HTTP CONNECT to ftp.example.com:21"));
        assert_eq!(report["sessions"][0]["login"]["outcome"], "accepted");
    }
}

#[test]
fn unusable_passive_reply_does_not_cost_the_file() {
    for (reply, mode) in [
        ("227 Entering Passive Mode (ftp.example.com).", "passive"),
        ("227 Entering Passive Mode", "passive"),
        (
            "227 Entering Passive Mode (198,51,100,20,97,234)",
            "passive",
        ),
        (
            "227 Entering Passive Mode (-58,51,100,20,-22,97)",
            "passive",
        ),
        ("229 Entering Extended Passive Mode", "extended-passive"),
    ] {
        for upload in [false, true] {
            let mut talk = Conversation::logged_in("192.0.2.10:40000", "198.51.100.20:21");
            let verb = if mode == "passive" { "PASV" } else { "EPSV" };
            talk.exchange(verb, reply);
            let mut data = talk.passive_data(50_001, 60_001);
            data.open(&mut talk.wire);
            talk.command(if upload { "STOR f.bin" } else { "RETR f.bin" });
            talk.reply("150 go");
            let sender = if upload { Side::Client } else { Side::Server };
            data.stream(&mut talk.wire, sender, &content(), 1400);
            data.close(&mut talk.wire, sender);
            talk.reply("226 done");
            let report = report(talk.quit());
            assert_whole(&report, &content());
            assert_eq!(report["sessions"][0]["transfers"][0]["mode"], mode);
        }
    }
}

#[test]
fn unusable_active_command_does_not_cost_the_file() {
    // Swapped bytes of the port, a name in place of numbers, a port that the server does not try.
    for (command, hosts, finding) in [
        ("PORT 192,0,2,10,81,195", V4_HOSTS, true),
        ("PORT client.example.com", V4_HOSTS, false),
        ("EPRT |2|2001:db8::10|999|", V6_HOSTS, true),
        ("EPRT 50001", V6_HOSTS, false),
    ] {
        for (upload, from_port) in [(false, 20), (true, 20), (false, 51_234)] {
            let mut talk = Conversation::logged_in(hosts[0], hosts[1]);
            talk.exchange(command, "200 Command okay.");
            talk.command(if upload { "STOR f.bin" } else { "RETR f.bin" });
            let mut data = talk.active_data(from_port, 50_001);
            data.open(&mut talk.wire);
            talk.reply("150 go");
            // The server opened the connection: it is the client of the TCP connection.
            let sender = if upload { Side::Server } else { Side::Client };
            data.stream(&mut talk.wire, sender, &content(), 1400);
            data.close(&mut talk.wire, sender);
            talk.reply("226 done");
            let report = report(talk.quit());
            assert_whole(&report, &content());
            let session = &report["sessions"][0];
            assert_eq!(session["transfers"][0]["link"]["method"], "port-and-time");
            let findings = session["findings"].as_array().expect("a list");
            let is_found = findings
                .iter()
                .any(|one| one["id"] == "announced-port-unused");
            assert_eq!(is_found, finding, "{command}");
        }
    }
}

#[test]
fn connection_of_another_service_is_not_taken_for_one_that_port_arranged() {
    let mut talk = Conversation::logged_in(V4_HOSTS[0], V4_HOSTS[1]);
    talk.exchange("PORT 192,0,2,10,195,81", "200 Command okay.");
    // The announced port is tried, so that the announcement is believed.
    let mut data = talk.active_data(20, 50_001);
    data.open(&mut talk.wire);
    let mut other = talk.active_data(40_404, 50_002);
    other.open(&mut talk.wire);
    other.say(&mut talk.wire, Side::Client, b"something else");
    other.close(&mut talk.wire, Side::Client);
    talk.command("RETR f.bin");
    talk.reply("150 go");
    data.stream(&mut talk.wire, Side::Client, &content(), 1400);
    data.close(&mut talk.wire, Side::Client);
    talk.reply("226 done");
    let report = report(talk.quit());
    assert_whole(&report, &content());
    assert_eq!(
        report["sessions"][0]["transfers"][0]["link"]["method"],
        "announced-address"
    );
}

const V4_HOSTS: [&str; 2] = ["192.0.2.10:40000", "198.51.100.20:21"];
const V6_HOSTS: [&str; 2] = ["[2001:db8::10]:40000", "[2001:db8::20]:21"];

#[test]
fn announced_connection_wins_over_an_unrelated_one_before_it() {
    let mut talk = Conversation::logged_in("192.0.2.10:40000", "198.51.100.20:21");
    talk.exchange("PASV", "227 Entering Passive Mode (198,51,100,20,234,97)");
    let mut other = talk.passive_data(50_000, 8000);
    other.open(&mut talk.wire);
    other.say(&mut talk.wire, Side::Client, b"hello");
    let mut data = talk.passive_data(50_001, 60_001);
    data.open(&mut talk.wire);
    talk.command("RETR f.bin");
    talk.reply("150 go");
    other.say(&mut talk.wire, Side::Server, b"and more");
    data.stream(&mut talk.wire, Side::Server, &content(), 1400);
    data.close(&mut talk.wire, Side::Server);
    other.close(&mut talk.wire, Side::Client);
    talk.reply("226 done");
    assert_whole(&report(talk.quit()), &content());
}

/// A session that a firewall recorded as packets arrived: those of the client with its inner address, those of the server
/// with the outer one.
fn recorded_by_a_firewall(talk: Conversation, inner: [u8; 4], outer: [u8; 4]) -> Vec<u8> {
    let mut packets = packets(&talk.quit());
    for packet in &mut packets {
        if packet.bytes[30..34] == inner {
            packet.bytes[30..34].copy_from_slice(&outer);
        }
    }
    pcap(1, &packets)
}

#[test]
fn halves_of_a_session_on_both_sides_of_a_translator_are_named_as_one() {
    let mut talk = Conversation::logged_in("10.0.0.2:40000", "198.51.100.21:21");
    talk.retrieve("f.bin", 40_001, 50_001, &content());
    let halves = report(recorded_by_a_firewall(
        talk.clone(),
        [10, 0, 0, 2],
        [203, 0, 113, 5],
    ));
    let findings = halves["findings"].as_array().expect("a list");
    let ids: Vec<&str> = findings
        .iter()
        .filter_map(|found| found["id"].as_str())
        .collect();
    assert_eq!(ids, ["session-in-halves"], "{halves:#}");
    assert_eq!(findings[0]["sessions"], serde_json::json!([1, 2]));
    assert!(!halves.to_string().contains("buffer"));
    let data = &halves["unmatched_data"].as_array().expect("a list");
    assert!(data.iter().any(|one| one["sha256"] == digest(&content())));

    // Two clients of one server, of each of which one direction was captured, are two sessions.
    let mut other = Conversation::logged_in("10.0.0.3:41000", "198.51.100.21:21");
    other.retrieve("f.bin", 41_001, 50_002, &content());
    let mut both = packets(&talk.quit());
    both.retain(|packet| packet.bytes[26..30] == [10, 0, 0, 2]);
    let mut back = packets(&other.quit());
    back.retain(|packet| packet.bytes[30..34] == [10, 0, 0, 3]);
    both.extend(back);
    both.sort_by_key(|packet| packet.time);
    let apart = report(pcap(1, &both));
    assert_eq!(apart["sessions"].as_array().map(Vec::len), Some(2));
    let findings = apart["findings"].to_string();
    assert!(!findings.contains("session-in-halves"), "{findings}");
}

/// Every packet of a session twice: with the inner address of the client, and with the outer one 20 µs later.
fn recorded_on_both_sides(talk: &Conversation, inner: [u8; 4], outer: [u8; 4]) -> Vec<u8> {
    let mut both = Vec::new();
    for packet in packets(&talk.clone().quit()) {
        let mut translated = packet.clone();
        translated.time += 20_000;
        for at in [26..30, 30..34] {
            if translated.bytes[at.clone()] == inner {
                translated.bytes[at].copy_from_slice(&outer);
            }
        }
        both.extend([packet, translated]);
    }
    pcap(1, &both)
}

#[test]
fn both_legs_of_a_session_without_data_are_named_as_one_by_their_sequence_numbers() {
    let mut talk = Conversation::logged_in("10.0.0.2:40000", "198.51.100.21:21");
    talk.exchange("CWD pub", "250 ok");
    let legs = report(recorded_on_both_sides(
        &talk,
        [10, 0, 0, 2],
        [203, 0, 113, 5],
    ));
    let findings = legs["findings"].as_array().expect("a list");
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0]["id"], "session-seen-twice");
    assert_eq!(findings[0]["sessions"], serde_json::json!([1, 2]));

    // The same dialogue of two clients at the same time, on connections of their own.
    let mut other = Conversation::logged_in("10.0.0.3:41000", "198.51.100.21:21");
    other.exchange("CWD pub", "250 ok");
    let mut two = packets(&talk.quit());
    two.extend(packets(&other.quit()));
    two.sort_by_key(|packet| packet.time);
    let apart = report(pcap(1, &two));
    assert_eq!(apart["sessions"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        apart["findings"].to_string().matches("seen-twice").count(),
        0
    );
}

#[test]
fn capture_of_another_year_says_nothing_about_a_session_that_was_open() {
    let mut talk = Conversation::logged_in(V4_HOSTS[0], V4_HOSTS[1]);
    talk.command("NOOP");
    let mut both = packets(&talk.quit());
    let quit = both
        .iter()
        .position(|packet| packet.bytes.ends_with(b"QUIT\r\n"));
    both.truncate(quit.expect("a packet with QUIT"));
    let alone = report(pcap(1, &both));
    let other = Conversation::logged_in("192.0.2.77:40000", "198.51.100.20:21");
    let years = 9 * 365 * 86_400 * 1_000_000_000;
    let later = packets(&other.quit()).into_iter().map(|mut packet| {
        packet.time += years;
        packet
    });
    both.extend(later);
    let merged = report(pcap(1, &both));
    let verdict = |report: &Value| report["sessions"][0]["verdict"].clone();
    assert_eq!(verdict(&merged), verdict(&alone));
    assert!(
        !merged["sessions"][0]["findings"]
            .to_string()
            .contains("no-answer")
    );
}

#[test]
fn control_connection_on_another_port_is_counted_from_its_handshake_on() {
    let control = |server: &str| {
        let talk = Conversation::logged_in("192.0.2.10:40000", server);
        let report = report(talk.quit());
        let control = report["sessions"][0]["control"].clone();
        ["packets_from_client", "ip_bytes_from_client", "tcp_history"]
            .map(|field| control[field].clone())
    };
    assert_eq!(control("198.51.100.20:2121"), control("198.51.100.20:21"));
}

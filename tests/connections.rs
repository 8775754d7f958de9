//! Connections that real networks disturb: refused and tried again, damaged on the way.

use std::time::Duration;

use serde_json::Value;

use crate::support::connection::{Connection, Side};
use crate::support::conversation::Conversation;
use crate::support::report::report;
use crate::support::wire::Wire;

const HOSTS: [[&str; 2]; 2] = [
    ["192.0.2.10:40000", "198.51.100.20:21"],
    ["[2001:db8::10]:40000", "[2001:db8::20]:21"],
];

/// Content whose segments all differ.
fn content() -> Vec<u8> {
    (0..9000_u32).map(|at| (at * 7 + at / 256) as u8).collect()
}

fn digest(content: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
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

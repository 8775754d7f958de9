//! Encryption seen from outside: what is claimed, and what is not.

use crate::support::connection::{Connection, Side};
use crate::support::conversation::Conversation;
use crate::support::folder::Folder;
use serde_json::Value;

const CLIENT: &str = "10.0.0.2:40000";
const SERVER: &str = "10.0.0.1:21";

fn report(name: &str, capture: &[u8]) -> Value {
    let folder = Folder::new(name);
    folder.write("a.pcap", capture);
    folder.report(&["a.pcap"])
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    [&[kind, 3, 3][..], &length, content].concat()
}

/// A hello of TLS 1.2: 1 is the client's, 2 the server's.
fn hello(kind: u8, session: &[u8], extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(u8::try_from(session.len()).expect("short"));
    body.extend(session);
    body.extend(if kind == 1 {
        &[0, 2, 0xc0, 0x2f, 1, 0][..]
    } else {
        &[0xc0, 0x2f, 0]
    });
    body.extend(
        u16::try_from(extensions.len())
            .expect("short")
            .to_be_bytes(),
    );
    body.extend(extensions);
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    record(22, &[&[kind], &length[1..], &body].concat())
}

/// A connection over which TLS was agreed, resumed so that no certificate is needed.
fn handshake(wire: &mut crate::support::wire::Wire, connection: &mut Connection, client: Side) {
    connection.say(wire, client, &hello(1, b"same", &[]));
    let answer = [
        hello(2, b"same", &[]),
        record(20, &[1]),
        record(22, &[0; 40]),
    ]
    .concat();
    connection.say(wire, client.other(), &answer);
    let end = [record(20, &[1]), record(22, &[0; 40])].concat();
    connection.say(wire, client, &end);
}

fn encrypted() -> Conversation {
    let mut talk = Conversation::open(CLIENT, SERVER);
    talk.exchange("AUTH TLS", "234 Proceed.");
    handshake(&mut talk.wire, &mut talk.control, Side::Client);
    talk
}

/// One command and its reply, which nobody can read.
fn hidden_exchange(talk: &mut Conversation) {
    for side in [Side::Client, Side::Server] {
        talk.control
            .say(&mut talk.wire, side, &record(23, &[9; 30]));
    }
}

fn verbs(report: &Value) -> Vec<String> {
    let steps = report["sessions"][0]["steps"].as_array().expect("steps");
    steps
        .iter()
        .flat_map(|step| step["commands"].as_array().expect("commands"))
        .map(|command| command["verb"].as_str().expect("a verb").to_owned())
        .collect()
}

#[test]
fn an_accepted_auth_without_tls_after_it_is_no_encryption() {
    let mut talk = Conversation::open(CLIENT, SERVER);
    talk.exchange("auth tls", "234 Proceed.");
    talk.exchange("USER mira", "331 Password.");
    talk.exchange("PASS x", "230 In.");
    let report = report("auth-without-tls", &talk.quit());
    assert_eq!(report["sessions"][0]["tls"], Value::Null);
    assert_eq!(verbs(&report), ["AUTH", "USER", "PASS", "QUIT"]);
    assert_eq!(report["sessions"][0]["login"]["outcome"], "accepted");
}

#[test]
fn tls_handshake_is_part_of_the_auth_step() {
    let mut talk = encrypted();
    hidden_exchange(&mut talk);
    let report = report("handshake", &talk.wire.to_pcap());
    let session = &report["sessions"][0];
    assert_eq!(session["tls"]["version"], "TLS 1.2");
    assert_eq!(session["tls"]["resumed"], true);
    let titles: Vec<&str> = session["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|step| step["title"].as_str())
        .collect();
    let expected = "AUTH TLS: TLS 1.2, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, resumed";
    assert_eq!(titles.last(), Some(&expected));
    assert_eq!(verbs(&report), ["AUTH"]);
}

#[test]
fn commands_after_ccc_are_read_and_tls_stays() {
    let mut talk = encrypted();
    hidden_exchange(&mut talk);
    for side in [Side::Client, Side::Server] {
        talk.control
            .say(&mut talk.wire, side, &record(21, &[1; 24]));
    }
    talk.retrieve("a.bin", 40_001, 50_001, b"clear after all");
    let report = report("ccc", &talk.quit());
    let session = &report["sessions"][0];
    assert_eq!(session["tls"]["version"], "TLS 1.2");
    assert_eq!(verbs(&report), ["AUTH", "PASV", "RETR", "QUIT"]);
    assert_eq!(session["transfers"][0]["completeness"], "complete");
    assert_eq!(session["encrypted_data"].as_array().map(Vec::len), Some(0));
}

#[test]
fn garbage_within_tls_is_no_command() {
    let mut talk = encrypted();
    let garbage = b"\x99\x88QUIT\r\nNOOP\r\n\0\0";
    talk.control.say(&mut talk.wire, Side::Client, garbage);
    talk.control
        .say(&mut talk.wire, Side::Server, b"\xff221 bye\0\r\n");
    let report = report("garbage", &talk.wire.to_pcap());
    assert_eq!(verbs(&report), ["AUTH"]);
    assert_eq!(
        report["sessions"][0]["unsolicited_replies"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
}

#[test]
fn protected_commands_of_gssapi_are_shown_as_they_are() {
    let mut talk = Conversation::open(CLIENT, SERVER);
    talk.exchange(
        "AUTH GSSAPI",
        "334 Using authentication type GSSAPI; ADAT must follow.",
    );
    talk.exchange("ADAT YIICsecret", "235 ADAT=YGgGtoken");
    talk.exchange("MIC BAQE//8AAA", "631 BAQF//8AAB");
    talk.exchange("ENC BgAA//8AAA", "632 BgAB//8AAB");
    let report = report("gssapi", &talk.wire.to_pcap());
    let session = &report["sessions"][0];
    assert_eq!(session["tls"], Value::Null);
    assert_eq!(verbs(&report), ["AUTH", "ADAT", "MIC", "ENC"]);
    let steps = session["steps"].as_array().expect("steps");
    let step = |verb: &str| {
        let is = |step: &&Value| step["commands"][0]["verb"] == verb;
        steps.iter().find(is).expect("a step")
    };
    assert_eq!(step("AUTH")["kind"], "tls");
    assert_eq!(step("ADAT")["commands"][0]["argument"], "<hidden>");
    assert_eq!(step("ENC")["commands"][0]["argument"], "BgAA//8AAA");
    assert_eq!(step("ENC")["outcome"], "unknown");
}

#[test]
fn encrypted_data_connections_are_found_and_sized() {
    let mut talk = encrypted();
    hidden_exchange(&mut talk);
    let mut passive = talk.passive_data(40_001, 50_001);
    passive.open(&mut talk.wire);
    handshake(&mut talk.wire, &mut passive, Side::Client);
    passive.say(&mut talk.wire, Side::Server, &record(23, &[5; 1000]));
    passive.close(&mut talk.wire, Side::Server);
    hidden_exchange(&mut talk);
    // Active, from a port of the server's choice: the FTP client is the client of TLS all the same.
    let mut active = talk.active_data(45_000, 40_002);
    active.open(&mut talk.wire);
    handshake(&mut talk.wire, &mut active, Side::Server);
    active.say(&mut talk.wire, Side::Server, &record(23, &[5; 200]));
    active.close(&mut talk.wire, Side::Server);
    // Not FTP: a web server beside it, a dialogue in clear, and TLS that the server's host asks the client's for.
    let mut web = talk.passive_data(40_003, 8443);
    web.open(&mut talk.wire);
    handshake(&mut talk.wire, &mut web, Side::Client);
    web.close(&mut talk.wire, Side::Client);
    let mut chat = talk.passive_data(40_004, 50_002);
    chat.open(&mut talk.wire);
    chat.say(&mut talk.wire, Side::Client, b"hello");
    chat.say(&mut talk.wire, Side::Server, b"hello yourself");
    chat.close(&mut talk.wire, Side::Client);
    let mut back = talk.active_data(45_001, 40_005);
    back.open(&mut talk.wire);
    handshake(&mut talk.wire, &mut back, Side::Client);
    back.close(&mut talk.wire, Side::Client);
    let report = report("encrypted-data", &talk.wire.to_pcap());
    let data = report["sessions"][0]["encrypted_data"]
        .as_array()
        .expect("a list");
    let facts: Vec<_> = data
        .iter()
        .map(|one| {
            let connection = &one["connection"];
            (
                connection["client"]["port"].as_u64().unwrap_or(0),
                connection["server"]["port"].as_u64().unwrap_or(0),
                connection["opened_by"].as_str().unwrap_or(""),
                one["direction"].as_str().unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            (40_001, 50_001, "client", "download"),
            (40_002, 45_000, "server", "upload")
        ]
    );
    assert_eq!(report["totals"]["transfers"], 0);
}

#[test]
fn another_control_connection_between_the_same_hosts_is_no_data() {
    let mut talk = encrypted();
    hidden_exchange(&mut talk);
    let mut other = Connection::new(
        "10.0.0.2:40009".parse().expect("an address"),
        "10.0.0.1:2121".parse().expect("an address"),
    );
    other.open(&mut talk.wire);
    other.say(&mut talk.wire, Side::Server, b"220 FTP ready\r\n");
    other.say(&mut talk.wire, Side::Client, b"USER mira\r\n");
    let report = report("second-control", &talk.wire.to_pcap());
    assert_eq!(report["sessions"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["sessions"][1]["server"]["port"], 2121);
}

#[test]
fn tls_from_the_first_byte_is_ftp_on_port_990_or_where_the_client_says_so() {
    let protocols = [0, 16, 0, 6, 0, 4, 3, b'f', b't', b'p'];
    for (server, extensions, sessions) in [
        ("10.0.0.1:990", &[][..], 1),
        ("10.0.0.1:9990", &protocols, 1),
        ("10.0.0.1:9990", &[], 0),
    ] {
        let mut wire = crate::support::wire::Wire::new();
        let mut control = Connection::new(
            CLIENT.parse().expect("an address"),
            server.parse().expect("an address"),
        );
        control.open(&mut wire);
        control.say(&mut wire, Side::Client, &hello(1, b"", extensions));
        control.say(&mut wire, Side::Server, &hello(2, b"", &[]));
        control.close(&mut wire, Side::Client);
        let report = report("implicit", &wire.to_pcap());
        let found = report["sessions"].as_array().expect("a list");
        assert_eq!(found.len(), sessions, "{server}");
        for session in found {
            assert_eq!(session["login"]["outcome"], "unseen");
            assert_eq!(session["tls"]["version"], "TLS 1.2");
            assert_eq!(session["midstream"], false);
        }
    }
}

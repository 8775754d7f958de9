//! Data connections that fail, and those that cannot be read: 49, 50, 52.

use serde_json::{Value, json};

use super::{
    CLIENT, DONE, OPENING, SERVER, analyzed, assert_link, content, findings, only_transfer, sha256,
    transfers,
};
use crate::support::connection::{Connection, Side};
use crate::support::conversation::Conversation;
use crate::support::wire::Wire;

/// One failed transfer without a data connection, and its cause.
fn assert_failed(report: &Value, said: &str) {
    let transfer = only_transfer(report);
    assert_eq!(transfer["connection"], Value::Null);
    assert_eq!(transfer["link"], Value::Null);
    assert_eq!(transfer["sha256"], Value::Null);
    assert_eq!(transfer["bytes"], 0);
    assert_eq!(transfer["completeness"], "aborted");
    assert_eq!(findings(report, 0), ["data-connection-blocked"]);
    let session = &report["sessions"][0];
    assert_eq!(session["verdict"]["status"], "failed");
    let all = session["findings"].as_array().expect("a list");
    let blocked = all
        .iter()
        .find(|one| one["id"] == "data-connection-blocked");
    let blocked = blocked.expect("it is there");
    assert_eq!(blocked["transfer"], 1);
    let text = blocked["explanation"].as_str().expect("a text");
    assert!(text.contains(said), "{text}");
}

#[test]
fn pitfall_49_a_data_connection_that_is_refused_with_rst() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 50_001);
    let mut data = ftp.passive_data(40_001, 50_001);
    data.syn(&mut ftp.wire);
    data.rst(&mut ftp.wire, Side::Server);
    ftp.exchange("RETR data.bin", "425 Failed to establish connection.");
    assert_failed(&analyzed("49-rst", &ftp.quit()), "RST");
}

#[test]
fn pitfall_49_a_data_connection_whose_syn_nobody_answers() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("PORT 10,0,0,2,19,137", "200 PORT command successful.");
    ftp.command("RETR data.bin");
    let mut data = ftp.active_data(20, 5001);
    data.syn(&mut ftp.wire);
    for seconds in [1, 2, 4] {
        ftp.wire.wait(std::time::Duration::from_secs(seconds));
        data.retransmit(&mut ftp.wire, Side::Client);
    }
    ftp.reply("425 Can't build data connection.");
    assert_failed(&analyzed("49-silent", &ftp.quit()), "4 times");
}

#[test]
fn pitfall_49_a_data_connection_that_a_router_refuses() {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.passive(None, 50_001);
    let mut data = ftp.passive_data(40_001, 50_001);
    data.syn(&mut ftp.wire);
    data.unreachable(&mut ftp.wire, [10, 0, 0, 254], 10);
    ftp.exchange("RETR data.bin", "425 Failed to establish connection.");
    assert_failed(&analyzed("49-icmp", &ftp.quit()), "10.0.0.254");
}

#[test]
fn pitfall_50_a_transfer_that_fails_after_its_150_keeps_its_bytes() {
    for code in [425, 426, 450, 451, 550] {
        let mut ftp = Conversation::logged_in(CLIENT, SERVER);
        ftp.passive(None, 50_001);
        let mut data = ftp.passive_data(40_001, 50_001);
        ftp.command("RETR data.bin");
        data.open(&mut ftp.wire);
        ftp.reply(OPENING);
        data.stream(&mut ftp.wire, Side::Server, &content(), 1400);
        data.close(&mut ftp.wire, Side::Server);
        ftp.reply(&format!("{code} Something went wrong."));
        let report = analyzed(&format!("50-{code}"), &ftp.quit());
        let transfer = only_transfer(&report);
        assert_eq!(transfer["completeness"], "aborted");
        assert_eq!(transfer["bytes"], content().len());
        assert_eq!(transfer["sha256"], sha256(&content()).as_str());
        assert_link(transfer, "announced-address", 1.0);
        assert_eq!(report["sessions"][0]["verdict"]["status"], "failed");
    }
}

#[test]
fn pitfall_52_under_tls_only_a_proper_end_proves_anything() {
    let mut ftp = clear_again();
    for (port, file, ends) in [
        (50_001, &content()[..], true),
        (50_002, &content()[..], false),
        (50_003, &[][..], true),
    ] {
        ftp.passive(None, port);
        let mut data = ftp.passive_data(port - 10_000, port);
        ftp.command(&format!("RETR {port}.bin"));
        data.open(&mut ftp.wire);
        ftp.reply(OPENING);
        handshake(&mut ftp.wire, &mut data, Side::Client);
        for piece in file.chunks(1300) {
            data.say(&mut ftp.wire, Side::Server, &record(23, piece));
        }
        if ends {
            data.say(&mut ftp.wire, Side::Server, &record(21, &[1; 26]));
        }
        data.close(&mut ftp.wire, Side::Server);
        ftp.reply(DONE);
    }
    // FileZilla's server insists on the session of the control connection.
    ftp.passive(None, 50_004);
    let mut data = ftp.passive_data(40_004, 50_004);
    ftp.command("RETR refused.bin");
    data.open(&mut ftp.wire);
    handshake(&mut ftp.wire, &mut data, Side::Client);
    data.close(&mut ftp.wire, Side::Server);
    ftp.reply("425 Unable to build data connection: TLS session of data connection not resumed.");
    let report = analyzed("52", &ftp.quit());
    let all = transfers(&report, 0);
    assert_eq!(all.len(), 4);
    for transfer in &all[..3] {
        // What was sent cannot be read; how long it is, the lengths of the records show.
        assert_eq!(transfer["completeness"], "unverifiable", "{transfer:#}");
        assert_eq!(transfer["media_type"], Value::Null);
        assert_link(transfer, "announced-address", 1.0);
    }
    // A handshake is no content.
    assert_eq!(all[2]["bytes"], 0);
    assert_eq!(all[3]["completeness"], "aborted");
    assert!(findings(&report, 0).contains(&"tls-session-not-resumed"));
}

#[test]
fn pitfall_52_without_commands_a_protected_connection_is_reported_with_the_session() {
    let mut ftp = protected();
    hidden_exchange(&mut ftp);
    let mut data = ftp.passive_data(40_001, 50_001);
    data.open(&mut ftp.wire);
    hidden_exchange(&mut ftp);
    handshake(&mut ftp.wire, &mut data, Side::Client);
    data.say(&mut ftp.wire, Side::Server, &record(23, &content()[..1300]));
    data.close(&mut ftp.wire, Side::Server);
    hidden_exchange(&mut ftp);
    ftp.control.close(&mut ftp.wire, Side::Server);
    let report = analyzed("52-hidden", &ftp.wire.to_pcap());
    assert!(transfers(&report, 0).is_empty());
    let told = report["sessions"][0]["encrypted_data"].as_array();
    let told = told.expect("a list");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["direction"], "download");
    assert_eq!(
        told[0]["link"],
        json!({"method": "tls-session", "confidence": 1.0})
    );
}

/// A session under TLS that went back to clear commands (CCC, RFC 4217 section 5); data stays protected.
fn clear_again() -> Conversation {
    let mut ftp = protected();
    hidden_exchange(&mut ftp);
    for side in [Side::Client, Side::Server] {
        ftp.control.say(&mut ftp.wire, side, &record(21, &[1; 24]));
    }
    ftp
}

fn protected() -> Conversation {
    let mut ftp = Conversation::open(CLIENT, SERVER);
    ftp.exchange("AUTH TLS", "234 Proceed.");
    handshake(&mut ftp.wire, &mut ftp.control, Side::Client);
    ftp
}

fn hidden_exchange(ftp: &mut Conversation) {
    for side in [Side::Client, Side::Server] {
        ftp.control.say(&mut ftp.wire, side, &record(23, &[9; 30]));
    }
}

/// TLS 1.2, resumed, so that no certificate is needed.
fn handshake(wire: &mut Wire, connection: &mut Connection, client: Side) {
    let finished = [record(20, &[1]), record(22, &[0; 40])].concat();
    connection.say(wire, client, &hello(1));
    connection.say(wire, client.other(), &[hello(2), finished.clone()].concat());
    connection.say(wire, client, &finished);
}

fn hello(kind: u8) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend(b"\x04same");
    body.extend(if kind == 1 {
        &[0, 2, 0xc0, 0x2f, 1, 0][..]
    } else {
        &[0xc0, 0x2f, 0]
    });
    body.extend([0, 0]);
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    record(22, &[&[kind], &length[1..], &body].concat())
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    [&[kind, 3, 3][..], &length, content].concat()
}

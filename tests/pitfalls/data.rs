//! Setting up data connections: 34 to 53.

mod announced;
mod failing;
mod late;
mod order;
mod parties;
mod shared_connection;

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::connection::{Connection, Side};
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::folder::Folder;
use crate::support::wire::Wire;

/// Returns the report of the program on a capture.
fn analyzed(name: &str, capture: &[u8]) -> Value {
    let folder = Folder::new(&format!("pitfall-{name}"));
    folder.write("capture.pcap", capture);
    folder.report(&["capture.pcap"])
}

/// The transfers of a session, by its place.
fn transfers(report: &Value, session: usize) -> &[Value] {
    report["sessions"][session]["transfers"]
        .as_array()
        .unwrap_or_else(|| panic!("no session {session}: {report:#}"))
}

/// The one transfer of the one session.
fn only_transfer(report: &Value) -> &Value {
    assert_eq!(report["sessions"].as_array().map(Vec::len), Some(1));
    match transfers(report, 0) {
        [one] => one,
        several => panic!("not one transfer: {several:#?}"),
    }
}

/// Bytes without a command.
fn unmatched(report: &Value) -> &[Value] {
    report["unmatched_data"].as_array().expect("a list")
}

/// The file is there, every byte of it, and nothing else.
fn assert_whole(transfer: &Value, content: &[u8]) {
    assert_eq!(transfer["bytes"], content.len(), "{transfer:#}");
    assert_eq!(transfer["missing_bytes"], 0);
    assert_eq!(transfer["sha256"], sha256(content).as_str());
    assert_eq!(transfer["completeness"], "complete", "{transfer:#}");
}

/// Returns the link between a transfer and its data connection.
fn assert_link(transfer: &Value, method: &str, confidence: f64) {
    assert_eq!(
        (&transfer["link"]["method"], &transfer["link"]["confidence"]),
        (&Value::from(method), &Value::from(confidence)),
        "{transfer:#}"
    );
}

/// The ids of a session's findings, without the one that every clear login has.
fn findings(report: &Value, session: usize) -> Vec<&str> {
    report["sessions"][session]["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|finding| finding["id"].as_str())
        .filter(|&id| id != "cleartext-credentials")
        .collect()
}

/// Commands of a step, with the code of the last reply to each.
fn commands(step: &Value) -> Vec<(String, Option<u64>)> {
    step["commands"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|command| {
            let last = command["replies"].as_array().and_then(|all| all.last());
            let verb = command["verb"].as_str().expect("a verb").to_owned();
            (verb, last.and_then(|reply| reply["code"].as_u64()))
        })
        .collect()
}

/// The step that made a transfer.
fn step_of(report: &Value, session: usize, transfer: u64) -> &Value {
    report["sessions"][session]["steps"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|step| step["transfer"] == transfer)
        .unwrap_or_else(|| panic!("no step for transfer {transfer}"))
}

/// A connection between any two hosts.
fn connection(client: &str, server: &str) -> Connection {
    let address = |text: &str| text.parse().expect("a test names a socket address");
    Connection::new(address(client), address(server))
}

/// The data connection carries `content` and is closed by its sender.
fn carry(wire: &mut Wire, data: &mut Connection, sender: Side, content: &[u8]) {
    data.stream(wire, sender, content, SEGMENT);
    data.close(wire, sender);
}

/// From now on `next` speaks on the wire that `before` spoke on.
fn hand_over(before: &mut Conversation, next: &mut Conversation) {
    std::mem::swap(&mut before.wire, &mut next.wire);
}

/// A second conversation on the wire of the first; the first speaks again after [`hand_over`].
fn beside(first: &mut Conversation, client: &str, server: &str) -> Conversation {
    let wire = std::mem::replace(&mut first.wire, Wire::new());
    let mut second = Conversation::open_on(wire, client, server);
    second.exchange("USER mira", "331 Please specify the password.");
    second.exchange("PASS hazel-lantern", "230 Login successful.");
    second.exchange("TYPE I", "200 Switching to Binary mode.");
    second
}

/// `segments` and a bit of bytes that differ with `seed`.
fn content_of(seed: u8, segments: usize) -> Vec<u8> {
    (0..segments * SEGMENT + 77)
        .map(|place| u8::try_from(place % 251).expect("below 251") ^ seed)
        .collect()
}

fn content() -> Vec<u8> {
    content_of(0, 6)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
}

const CLIENT: &str = "10.0.0.2:40000";
const SERVER: &str = "10.0.0.1:21";
const OPENING: &str = "150 Opening BINARY mode data connection.";
const DONE: &str = "226 Transfer complete.";

//! Files as a whole: what proves them, what contradicts, what they are when decoded, and what their parts make together.

mod decoding;
mod evidence;
mod parts;
mod sums;

use serde_json::Value;

use crate::support::connection::Side;
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::extraction::assert_lists_are_right;
use crate::support::folder::Folder;

/// The report of a capture, as JSON, and the folder that the tool ran in.
fn analyzed(name: &str, capture: &[u8], options: &[&str]) -> (Value, Folder) {
    let folder = Folder::new(name);
    folder.write("capture.pcap", capture);
    let report = folder.report(&[options, &["capture.pcap"]].concat());
    if options.contains(&"-x") {
        assert_lists_are_right(&folder.path().join("out"));
    }
    (report, folder)
}

/// A transfer of the first session, by its place.
fn transfer(report: &Value, index: usize) -> &Value {
    let transfer = &report["sessions"][0]["transfers"][index];
    assert!(transfer.is_object(), "there is no transfer {index}");
    transfer
}

/// True where a sentence of the evidence has this in it.
fn says(transfer: &Value, text: &str) -> bool {
    transfer["evidence"]
        .as_array()
        .expect("a list")
        .iter()
        .any(|line| line.as_str().is_some_and(|line| line.contains(text)))
}

/// A session in which a passive data connection carries `content` for `command`.
fn pass(
    ftp: &mut Conversation,
    command: &str,
    ports: (u16, u16),
    replies: (&str, &str),
    sender: Side,
    content: &[u8],
) {
    ftp.passive(None, ports.1);
    let mut data = ftp.passive_data(ports.0, ports.1);
    ftp.command(command);
    data.open(&mut ftp.wire);
    ftp.reply(replies.0);
    data.stream(&mut ftp.wire, sender, content, SEGMENT);
    data.close(&mut ftp.wire, sender);
    ftp.reply(replies.1);
}

const CLIENT: &str = "192.0.2.10:39021";
const SERVER: &str = "192.0.2.20:21";
const OPENING: &str = "150 Opening data connection.";
const DONE: &str = "226 Transfer complete.";

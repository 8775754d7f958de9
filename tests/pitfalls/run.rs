//! The program run on one capture, and the usual way of a file through a session.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::connection::{Connection, Side};
use crate::support::conversation::{Conversation, SEGMENT};
use crate::support::extraction::assert_lists_are_right;
use crate::support::folder::Folder;

/// Results of a run on one capture.
pub(crate) struct Run {
    /// The JSON report.
    pub(crate) report: Value,
    /// Folder of the run; extracted files are below `out`.
    pub(crate) folder: Folder,
}

impl Run {
    /// `ftpscope analyze --format json -x out`.
    pub(crate) fn on(name: &str, capture: &[u8]) -> Self {
        Self::with(name, &[capture], &[])
    }

    /// The same with more options, and several captures.
    pub(crate) fn with(name: &str, captures: &[&[u8]], options: &[&str]) -> Self {
        let folder = Folder::new(&format!("pitfall-{name}"));
        let mut arguments = vec!["-x", "out"];
        arguments.extend(options);
        let names: Vec<String> = (0..captures.len()).map(|at| format!("{at}.pcap")).collect();
        for (name, capture) in names.iter().zip(captures) {
            folder.write(name, capture);
        }
        arguments.extend(names.iter().map(String::as_str));
        let report = folder.report(&arguments);
        assert_lists_are_right(&folder.path().join("out"));
        Self { report, folder }
    }

    /// A transfer of the first session, by its place.
    pub(crate) fn transfer(&self, index: usize) -> &Value {
        let transfer = &self.report["sessions"][0]["transfers"][index];
        assert!(transfer.is_object(), "no transfer {index}");
        transfer
    }

    /// The only transfer of the only session.
    pub(crate) fn only(&self) -> &Value {
        let transfers = |at: usize| self.report["sessions"][at]["transfers"].as_array();
        assert_eq!(transfers(0).map(Vec::len), Some(1), "{:#}", self.report);
        assert_eq!(transfers(1), None);
        self.transfer(0)
    }

    /// The findings about the first session, by their ids.
    pub(crate) fn findings(&self) -> Vec<&str> {
        let findings = self.report["sessions"][0]["findings"].as_array();
        let ids = findings.expect("a list").iter();
        ids.filter_map(|finding| finding["id"].as_str()).collect()
    }

    /// An extracted file.
    pub(crate) fn file(&self, path: &str) -> Vec<u8> {
        let path = self.folder.path().join("out").join(path);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The saved bytes of a transfer.
    pub(crate) fn saved(&self, transfer: &Value) -> Vec<u8> {
        self.file(transfer["saved_as"].as_str().expect("it was saved"))
    }

    /// Returns the manifest.
    pub(crate) fn manifest(&self) -> Value {
        serde_json::from_str(&self.folder.read("out/manifest.json")).expect("JSON")
    }

    /// The transfer is this file, whole, in the report as on disk.
    pub(crate) fn assert_whole(&self, transfer: &Value, content: &[u8]) {
        assert_eq!(transfer["completeness"], "complete", "{transfer:#}");
        assert_eq!(transfer["bytes"], content.len());
        assert_eq!(transfer["missing_bytes"], 0);
        assert_eq!(transfer["sha256"], sha256(content));
        assert_eq!(self.saved(transfer), content);
    }
}

/// True where a sentence of the evidence has this in it.
pub(crate) fn says(transfer: &Value, text: &str) -> bool {
    let evidence = transfer["evidence"].as_array().expect("a list");
    let mut lines = evidence.iter().filter_map(Value::as_str);
    lines.any(|line| line.contains(text))
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

/// A session whose folder is known to be `/pub`.
pub(crate) fn begin() -> Conversation {
    let mut ftp = Conversation::logged_in(CLIENT, SERVER);
    ftp.exchange("CWD /pub", "250 Directory changed.");
    ftp
}

/// PASV, the command, an open data connection and the 150.
pub(crate) fn open(ftp: &mut Conversation, command: &str, port: u16, opening: &str) -> Connection {
    ftp.passive(None, port);
    let mut data = ftp.passive_data(port - 10_000, port);
    ftp.command(command);
    data.open(&mut ftp.wire);
    ftp.reply(opening);
    data
}

/// A transfer over a connection of its own, whole and well ended.
pub(crate) fn pass(
    ftp: &mut Conversation,
    command: &str,
    port: u16,
    replies: (&str, &str),
    sender: Side,
    content: &[u8],
) {
    let mut data = open(ftp, command, port, replies.0);
    data.stream(&mut ftp.wire, sender, content, SEGMENT);
    data.close(&mut ftp.wire, sender);
    ftp.reply(replies.1);
}

/// A download.
pub(crate) fn fetch(ftp: &mut Conversation, command: &str, port: u16, content: &[u8]) {
    pass(ftp, command, port, (OPENING, DONE), Side::Server, content);
}

/// An upload.
pub(crate) fn store(ftp: &mut Conversation, command: &str, port: u16, content: &[u8]) {
    pass(ftp, command, port, (OPENING, DONE), Side::Client, content);
}

/// The client of all these captures.
pub(crate) const CLIENT: &str = "192.0.2.10:39021";
/// The server of all these captures.
pub(crate) const SERVER: &str = "192.0.2.20:21";
/// A 150 without a size.
pub(crate) const OPENING: &str = "150 Opening data connection.";
/// A 226 without a size.
pub(crate) const DONE: &str = "226 Transfer complete.";
/// Folder to which files of `/pub` are extracted.
pub(crate) const PUB: &str = "192.0.2.20_21/1/pub";

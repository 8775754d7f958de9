//! Steps of a session, and the commands and replies that they consist of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CaptureFrame, ListingEntry, Place, is_zero};
use crate::model::Timestamp;

/// Kind of a step: the action that a person would name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepKind {
    /// Lookup of the server's name.
    Dns,
    /// TCP handshake of the control connection.
    Connect,
    /// The 220 reply.
    Greeting,
    /// AUTH, PBSZ, PROT, CCC.
    Tls,
    /// USER, PASS, ACCT: one attempt.
    Login,
    /// LIST, NLST, MLSD, STAT with a path.
    List,
    /// CWD, CDUP.
    Cwd,
    /// RETR.
    Retrieve,
    /// STOR, STOU, APPE.
    Store,
    /// RNFR and RNTO.
    Rename,
    /// DELE, RMD.
    Delete,
    /// Any other command.
    Command,
    /// QUIT.
    Quit,
    /// End of the TCP connection.
    Disconnect,
}

/// Outcome of a step, by the reply code (RFC 959 section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Final reply 2yz.
    Ok,
    /// Final reply 4yz or 5yz.
    Failed,
    /// 3yz, or no final reply.
    Incomplete,
    /// The reply was not captured.
    Unknown,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Step {
    /// Number within the session, from 1 in order of time.
    pub number: u64,
    /// Kind of the step.
    pub kind: StepKind,
    /// Title: the step in one line.
    pub title: String,
    /// Time of its first packet.
    pub time: Timestamp,
    /// Seconds from its first packet to its last.
    pub duration: f64,
    /// Outcome.
    pub outcome: Outcome,
    /// Commands, in order.
    pub commands: Vec<Command>,
    /// Working directory after the step; `null` if unknown.
    pub directory: Option<String>,
    /// Exact bytes of a directory that is not UTF-8, in base64; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory_b64: Option<String>,
    /// Id of the transfer that the step made; `null` if it made none.
    pub transfer: Option<u64>,
    /// Entries of a listing received as a reply (STAT with a path, MLST); omitted if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<ListingEntry>,
    /// Entries beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entries_omitted: u64,
    /// True if the step is inferred from replies, without its command.
    pub inferred: bool,
}

impl Step {
    /// Creates a successful step without commands, such as the TCP handshake. Its number, 0 here, is assigned when it
    /// is emitted.
    #[must_use]
    pub fn without_commands(kind: StepKind, title: String, time: Timestamp, duration: f64) -> Self {
        Self {
            number: 0,
            kind,
            title,
            time,
            duration,
            outcome: Outcome::Ok,
            commands: Vec::new(),
            directory: None,
            directory_b64: None,
            transfer: None,
            entries: Vec::new(),
            entries_omitted: 0,
            inferred: false,
        }
    }
}

/// One command line and its replies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Command {
    /// Number within the session, from 1 in the order of the wire.
    pub sequence: u64,
    /// Verb in upper case.
    pub verb: String,
    /// Exact bytes of a verb that is not UTF-8, in base64; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb_b64: Option<String>,
    /// Rest of the line after the first space; `null` if there is none.
    pub argument: Option<String>,
    /// Exact bytes of an argument that is not UTF-8, in base64; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument_b64: Option<String>,
    /// Time at which the line was complete.
    pub time: Timestamp,
    /// Frame that held the end of the line.
    pub frame: u64,
    /// With more than one capture: index into `captures`; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<u32>,
    /// With more than one capture: frame number within that capture; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_frame: Option<u64>,
    /// True if the line was longer than 65,535 bytes and is cut there; otherwise omitted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Seconds from the command to its first reply, the network included; `null` without a reply.
    pub response_time: Option<f64>,
    /// Preliminary and final replies, in order.
    pub replies: Vec<Reply>,
}

/// One reply, of one line or several (RFC 959 section 4.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Reply {
    /// Three-digit code.
    pub code: u16,
    /// Text of the lines: first and last line without the code, lines between them as sent.
    pub lines: Vec<String>,
    /// Exact bytes of all lines in base64 if one of them is not UTF-8; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines_b64: Option<Vec<String>>,
    /// Lines beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lines_omitted: u64,
    /// Time at which the last line was complete.
    pub time: Timestamp,
    /// Frame that held the end of the last line.
    pub frame: u64,
    /// With more than one capture: index into `captures`; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<u32>,
    /// With more than one capture: frame number within that capture; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_frame: Option<u64>,
    /// True if a line was longer than 65,535 bytes and is cut there; otherwise omitted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Earlier replies that only asked to wait (a 120 before the 220); omitted if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preliminary: Vec<Reply>,
}

impl Command {
    /// Returns the place of its frame; `None` with a single capture.
    #[must_use]
    pub fn place(&self) -> Option<CaptureFrame> {
        Place::known(self.capture, self.capture_frame)
    }
}

impl Reply {
    /// Returns the place of its frame; `None` with a single capture.
    #[must_use]
    pub fn place(&self) -> Option<CaptureFrame> {
        Place::known(self.capture, self.capture_frame)
    }
}

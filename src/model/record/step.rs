//! Steps of a session, and the commands and replies they are made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ListingEntry, is_zero};
use crate::model::Timestamp;

/// What a person would call one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StepKind {
    /// The lookup of the server's name.
    Dns,
    /// The TCP handshake.
    Connect,
    /// The 220.
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
    /// Anything else.
    Command,
    /// QUIT.
    Quit,
    /// The end of the TCP connection.
    Disconnect,
}

/// How a step came out.
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
    /// From 1 within the session, in order of time.
    pub number: u64,
    /// What it is.
    pub kind: StepKind,
    /// What happened, in one line.
    pub title: String,
    /// When it began.
    pub time: Timestamp,
    /// Seconds from its first packet to its last.
    pub duration: f64,
    /// How it came out.
    pub outcome: Outcome,
    /// The commands, in order.
    pub commands: Vec<Command>,
    /// Working directory after the step, where it is known.
    pub directory: Option<String>,
    /// The exact bytes of a directory that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory_b64: Option<String>,
    /// Id of the transfer it made.
    pub transfer: Option<u64>,
    /// Entries of a listing that came as a reply (STAT with a path, MLST).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<ListingEntry>,
    /// Entries beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entries_omitted: u64,
    /// True where the step is known from replies alone.
    pub inferred: bool,
}

impl Step {
    /// A step that went well and has no commands; its number is given when it is told.
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
    /// From 1 over the session, as on the wire.
    pub sequence: u64,
    /// In upper case.
    pub verb: String,
    /// The exact bytes of a verb that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb_b64: Option<String>,
    /// What follows the first space; `null` where nothing does.
    pub argument: Option<String>,
    /// The exact bytes of an argument that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument_b64: Option<String>,
    /// When its line was complete.
    pub time: Timestamp,
    /// The frame that held the end of the line.
    pub frame: u64,
    /// With more than one capture: index into `captures`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<u32>,
    /// With more than one capture: frame number within that capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_frame: Option<u64>,
    /// True where the line was longer than 65,535 bytes and is cut there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Seconds from the command to its first reply: what the server needed, and the way between.
    pub response_time: Option<f64>,
    /// Preliminary and final replies in order.
    pub replies: Vec<Reply>,
}

/// One reply, of one line or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The lines, without the reply's own code; lines inside as sent.
    pub lines: Vec<String>,
    /// The exact bytes of all lines in base64, where one of them is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines_b64: Option<Vec<String>>,
    /// Lines beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lines_omitted: u64,
    /// When its last line was complete.
    pub time: Timestamp,
    /// The frame that held the end of its last line.
    pub frame: u64,
    /// With more than one capture: index into `captures`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<u32>,
    /// With more than one capture: frame number within that capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_frame: Option<u64>,
    /// True where a line was longer than 65,535 bytes and is cut there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Replies that came before it and only asked to wait (a 120 before the 220).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preliminary: Vec<Reply>,
}

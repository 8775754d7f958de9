//! Inputs, and what was seen beside the sessions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Accounting, Address, Completeness, Connection};
use crate::model::{Timestamp, WarningCode};

/// One input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Capture {
    /// As it was given; `-` for standard input.
    pub path: String,
    /// The exact bytes of a path that is not UTF-8, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// `pcap`, `pcapng`, with the compression in front where there is one: `gzip pcap`.
    pub format: String,
    /// Link types met, by the names tcpdump knows them by: `EN10MB` is Ethernet.
    pub link_types: Vec<String>,
    /// Packets read; `null` while it is being read.
    pub packets: Option<u64>,
    /// Captured bytes of these packets.
    pub bytes: Option<u64>,
    /// Time of the earliest packet.
    pub first_packet: Option<Timestamp>,
    /// Time of the latest packet.
    pub last_packet: Option<Timestamp>,
    /// True where it ends inside a packet, block or compressed stream.
    pub truncated: Option<bool>,
    /// Where packets come from an interface: those that were lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drops: Option<Drops>,
}

/// Packets of an interface that were lost before they could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Drops {
    /// By the kernel, because the capture buffer was full.
    pub kernel: u64,
    /// By the interface or its driver.
    pub interface: u64,
}

/// How a connection attempt ended that never carried a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttemptOutcome {
    /// The server answered with RST.
    Refused,
    /// The server did not answer.
    Unanswered,
    /// It was opened, or its opening was not captured, and it ended without a byte.
    Closed,
}

/// A connection to port 21 that never carried a byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ConnectionAttempt {
    /// The end that tried.
    pub client: Address,
    /// The end with port 21.
    pub server: Address,
    /// Time of the first packet.
    pub time: Timestamp,
    /// Number of the first packet.
    pub frame: u64,
    /// With more than one capture: index into `captures`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<u32>,
    /// With more than one capture: frame number within that capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_frame: Option<u64>,
    /// How it ended.
    pub outcome: AttemptOutcome,
}

/// A data connection without a transfer command in the capture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct UnmatchedData {
    /// The session that announced its end point, where one did.
    pub session: Option<u64>,
    /// The connection.
    pub connection: Connection,
    /// Payload bytes captured, each once, in the direction that carried more.
    pub bytes: u64,
    /// Whether they are whole.
    pub completeness: Completeness,
    /// SHA-256 of the bytes, in hex; `null` where bytes are missing.
    pub sha256: Option<String>,
    /// MD5, on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1, on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// What the content looks like.
    pub media_type: Option<String>,
    /// Path below the extraction folder.
    pub saved_as: Option<String>,
}

/// A warning as the report writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct WarningRecord {
    /// Stable name.
    pub code: WarningCode,
    /// What happened and what to do.
    pub message: String,
    /// How often.
    pub count: u64,
    /// The first frame it is about, where it is about one.
    pub frame: Option<u64>,
    /// With more than one capture: index into `captures`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<u32>,
    /// With more than one capture: frame number within that capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_frame: Option<u64>,
}

/// Counts over the whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Totals {
    /// Packets read.
    pub packets: u64,
    /// Captured bytes of these packets.
    pub bytes: u64,
    /// Sessions.
    pub sessions: u64,
    /// Transfers, listings too.
    pub transfers: u64,
    /// Payload bytes of downloads and uploads.
    pub file_bytes: u64,
    /// Findings, of sessions and of the capture.
    pub findings: u64,
    /// Sessions left out by `--where` or `--session`; all other counts are without them.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub sessions_filtered: u64,
    /// What became of every packet.
    pub accounting: Accounting,
}

//! Inputs and their packets, and connections outside of sessions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, CaptureFrame, Completeness, Connection, Place, is_zero};
use crate::model::{Timestamp, WarningCode};

/// One input: a file, a pipe or an interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Capture {
    /// Path as given; `-` for standard input; the name of an interface.
    pub path: String,
    /// Exact bytes of a path that is not UTF-8, in base64; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// `pcap` or `pcapng`, preceded by the compression if any: `gzip pcap`; `live` for an interface.
    pub format: String,
    /// Link types found, by their names in tcpdump: `EN10MB` is Ethernet.
    pub link_types: Vec<String>,
    /// Packets read; `null` while the input is being read.
    pub packets: Option<u64>,
    /// Captured bytes of these packets; `null` while the input is being read.
    pub bytes: Option<u64>,
    /// Time of the earliest packet; `null` if there is none.
    pub first_packet: Option<Timestamp>,
    /// Time of the latest packet; `null` if there is none.
    pub last_packet: Option<Timestamp>,
    /// True if the input ends inside a packet, block or compressed stream; `null` while it is being read.
    pub truncated: Option<bool>,
    /// Packets lost before they were read; omitted unless packets come from an interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drops: Option<Drops>,
}

/// Packets of an interface lost before they could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Drops {
    /// Dropped by the kernel since the capture buffer was full.
    pub kernel: u64,
    /// Dropped by the interface or its driver.
    pub interface: u64,
}

/// End of a connection attempt that never became a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptOutcome {
    /// The server answered with RST.
    Refused,
    /// The server did not answer.
    Unanswered,
    /// The connection was opened, or its opening was not captured, and it ended without a byte.
    Closed,
    /// The peers spoke another protocol than FTP.
    OtherProtocol,
}

/// A connection to port 21 that never carried a byte of FTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct ConnectionAttempt {
    /// End point that tried to connect.
    pub client: Address,
    /// End point with port 21.
    pub server: Address,
    /// Time of the first packet.
    pub time: Timestamp,
    /// Number of the first packet.
    pub frame: u64,
    /// With more than one capture: index into `captures`; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<u32>,
    /// With more than one capture: frame number within that capture; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_frame: Option<u64>,
    /// End of the attempt.
    pub outcome: AttemptOutcome,
    /// For `other-protocol`: its name, `ssh`, `http`, `smtp` and others; omitted if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The connection.
    pub connection: Connection,
}

impl ConnectionAttempt {
    /// Returns the place of its frame; `None` with a single capture.
    #[must_use]
    pub fn place(&self) -> Option<CaptureFrame> {
        Place::known(self.capture, self.capture_frame)
    }

    /// Returns the outcome in words: `refused`, `no FTP but SSH`.
    #[must_use]
    pub fn text(&self) -> String {
        let words = match self.outcome {
            AttemptOutcome::Refused => "refused",
            AttemptOutcome::Unanswered => "unanswered",
            AttemptOutcome::Closed => "closed",
            AttemptOutcome::OtherProtocol => match &self.protocol {
                Some(protocol) => return format!("no FTP but {}", protocol.to_uppercase()),
                None => "no FTP",
            },
        };
        words.to_owned()
    }
}

/// A data connection without a transfer command in the capture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct UnmatchedData {
    /// Id of the session that announced the end point; `null` if none did.
    pub session: Option<u64>,
    /// The connection.
    pub connection: Connection,
    /// Payload bytes captured, each once, in the direction that carried more.
    pub bytes: u64,
    /// Completeness of these bytes.
    pub completeness: Completeness,
    /// SHA-256 of the bytes, in hex; `null` if bytes are missing.
    pub sha256: Option<String>,
    /// MD5 of the bytes, in hex; omitted unless requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1 of the bytes, in hex; omitted unless requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// Media type detected from the content; `null` if not recognized.
    pub media_type: Option<String>,
    /// Path of the saved file below the extraction directory; `null` if nothing was saved.
    pub saved_as: Option<String>,
}

/// A warning as the report writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct WarningRecord {
    /// Stable name.
    pub code: WarningCode,
    /// Sentence for people: the problem and the remedy.
    pub message: String,
    /// Number of occurrences.
    pub count: u64,
    /// Frame of the first occurrence; `null` if the warning concerns no packet.
    pub frame: Option<u64>,
    /// With more than one capture: index into `captures`; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<u32>,
    /// With more than one capture: frame number within that capture; otherwise omitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_frame: Option<u64>,
}

impl WarningRecord {
    /// Returns the place of its frame; `None` with a single capture, and without a frame.
    #[must_use]
    pub fn place(&self) -> Option<CaptureFrame> {
        Place::known(self.capture, self.capture_frame)
    }
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
    /// Transfers, listings included.
    pub transfers: u64,
    /// Payload bytes of downloads and uploads.
    pub file_bytes: u64,
    /// Findings, of sessions and of the capture.
    pub findings: u64,
    /// Sessions filtered out by `--where` or `--session`; they are not in the other counts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sessions_filtered: u64,
    /// Use of every packet.
    pub accounting: Accounting,
}

/// Use of every packet, each in exactly one place: `used`, `dns`, `not_ftp`, the reasons of `not_decodable`, `filtered`
/// and `outside_time_bounds` add up to `packets` of the totals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Accounting {
    /// Packets of control connections, data connections and connection attempts.
    pub used: u64,
    /// Packets of DNS, which give servers their names.
    pub dns: u64,
    /// Decoded packets that are none of these. Packets of a connection on another port than 21 that came before it was
    /// recognized as FTP stay here, except its opening.
    pub not_ftp: u64,
    /// Packets that could not be decoded, by reason: `encrypted`, `fragment` (of a datagram that is incomplete, or a
    /// second copy), `headers-cut`, `link-type-unsupported`, `malformed`, `too-many-layers`.
    pub not_decodable: BTreeMap<String, u64>,
    /// Packets excluded by `-f`.
    pub filtered: u64,
    /// Packets excluded by `--since` and `--until`.
    pub outside_time_bounds: u64,
    /// Packets captured in part; counted above as well.
    pub cut: u64,
    /// Packets of FTP connections that were captured a second time, as on a mirrored port or in two captures: IPv4 packets
    /// with the same identification within 10 ms. At least so many: a SYN ACK without identification and the last packet of a
    /// connection are not recognized. Counted above as well, and not in `retransmitted_bytes`.
    pub duplicates: u64,
}

impl Accounting {
    /// Sums up all packets, each once.
    #[must_use]
    pub fn packets(&self) -> u64 {
        // Without `cut` and `duplicates`, whose packets are in the other counts already.
        let undecoded = self.not_decodable.values().copied();
        [
            self.used,
            self.dns,
            self.not_ftp,
            self.filtered,
            self.outside_time_bounds,
        ]
        .into_iter()
        .chain(undecoded)
        .fold(0, u64::saturating_add)
    }
}

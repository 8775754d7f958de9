//! Warnings: problems with the input and limits that were reached. They are reported and counted, never fatal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FrameRef;

/// Stable names of the warnings.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WarningCode {
    /// The input ends inside a packet, block or compressed stream; it was analyzed up to there.
    CaptureTruncated,
    /// A capture followed while it grew became shorter or was replaced; packets written after that were not read.
    CaptureReplaced,
    /// A record or block is damaged; the input behind it could not be read.
    CaptureCorrupt,
    /// Packets of an unsupported link type were counted but not decoded.
    LinkTypeUnsupported,
    /// Much of the capture is of an ether type or IP protocol that is not read.
    EncapsulationUnread,
    /// The capture states that packets were dropped before they were written.
    PacketsDropped,
    /// Packets were captured in part (snap length); the rest of their bytes counts as missing.
    PacketsCut,
    /// A header could not be decoded.
    MalformedPacket,
    /// Overlapping segments differed in their bytes; the first seen were kept.
    ConflictingRetransmission,
    /// IP fragments overlapped, were incomplete or exceeded their limit.
    Fragments,
    /// A timestamp far from its neighbours was rejected.
    TimeJump,
    /// A limit was reached and something was omitted.
    LimitReached,
    /// Saved files or session text may hold secrets.
    SecretsInOutput,
    /// An output could not be written.
    OutputFailed,
}

/// One warning, with its count and its first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Stable name.
    pub code: WarningCode,
    /// Sentence for people: the problem and the remedy.
    pub message: String,
    /// Number of occurrences.
    pub count: u64,
    /// Frame of the first occurrence; `None` if the warning concerns no packet.
    pub frame: Option<FrameRef>,
}

impl Warning {
    /// Creates a warning that occurred once.
    #[must_use]
    pub fn new(code: WarningCode, message: impl Into<String>, frame: Option<FrameRef>) -> Self {
        Self {
            code,
            message: message.into(),
            count: 1,
            frame,
        }
    }
}

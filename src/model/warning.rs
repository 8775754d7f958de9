//! What went wrong with the input, or what bound was reached: said, counted, never fatal.

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
    /// The input ends inside a packet, block or compressed stream; it was analyzed to there.
    CaptureTruncated,
    /// A capture that was followed while it grew became shorter or was replaced; what came after that was not read.
    CaptureReplaced,
    /// A record or block is damaged; what follows it in that input could not be read.
    CaptureCorrupt,
    /// Packets of a link type that is not supported were counted but not read.
    LinkTypeUnsupported,
    /// The writer of the capture says that packets were dropped before they were written.
    PacketsDropped,
    /// Packets were captured in part (snap length); the rest of their bytes counts as missing.
    PacketsCut,
    /// A header could not be decoded.
    MalformedPacket,
    /// Overlapping bytes differed; the first seen were kept.
    ConflictingRetransmission,
    /// IP fragments overlapped, were incomplete or did not fit their bound.
    Fragments,
    /// A time stamp far from its neighbours was not believed.
    TimeJump,
    /// A bound was reached and something was left out.
    LimitReached,
    /// Saved files or session text may hold secrets.
    SecretsInOutput,
    /// Output could not be written.
    OutputFailed,
}

/// One warning, with how often it applied and where it applied first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is.
    pub code: WarningCode,
    /// What happened and what to do, in words.
    pub message: String,
    /// How often.
    pub count: u64,
    /// The first frame it is about, where it is about one.
    pub frame: Option<FrameRef>,
}

impl Warning {
    /// A warning that applied once.
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

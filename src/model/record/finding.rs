//! What deserves attention, and the one line that sums a session up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Unusual, seldom harmful.
    Low,
    /// Something did not work or is not safe.
    Medium,
    /// Needs action.
    High,
}

/// Something that deserves attention, with the frames that prove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Finding {
    /// Stable name in kebab case.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// What happened, with the values seen.
    pub explanation: String,
    /// What to do.
    pub advice: String,
    /// Proving frames.
    pub frames: Vec<u64>,
    /// Number of the step it is about.
    pub step: Option<u64>,
    /// Id of the transfer it is about.
    pub transfer: Option<u64>,
    /// For findings about several sessions: their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<u64>,
}

/// How a session came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictStatus {
    /// Nothing to complain about.
    Ok,
    /// A finding of `medium` or more, or a file that is not whole in the capture.
    Warning,
    /// The login was rejected, or a transfer was not completed on the wire.
    Failed,
}

/// The one line a person reads first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Verdict {
    /// How it came out.
    pub status: VerdictStatus,
    /// Why, in one line.
    pub text: String,
}

//! Findings, and the verdict that summarizes a session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Severity of a finding.
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

/// An observation that deserves attention, with the frames that prove it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Finding {
    /// Stable name in kebab case.
    pub id: String,
    /// Severity.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// Course of events, with the values seen.
    pub explanation: String,
    /// Recommended action.
    pub advice: String,
    /// Numbers of the frames that prove the finding.
    pub frames: Vec<u64>,
    /// Number of the step concerned; `null` if no single step is.
    pub step: Option<u64>,
    /// Id of the transfer concerned; `null` if no single transfer is.
    pub transfer: Option<u64>,
    /// For findings about several sessions: their ids; otherwise omitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<u64>,
}

/// Overall result of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictStatus {
    /// Login, transfers and findings are in order.
    Ok,
    /// A finding of `medium` or more, or a file that is not complete in the capture.
    Warning,
    /// The login was rejected, or a transfer was not completed on the wire.
    Failed,
}

/// Summary of a session in one line, the first that a person reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Verdict {
    /// Overall result.
    pub status: VerdictStatus,
    /// Reason in one line.
    pub text: String,
}

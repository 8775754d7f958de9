//! The report: one document with everything that was found.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::record::{
    Capture, ConnectionAttempt, Finding, Session, Totals, UnmatchedData, WarningRecord,
};

/// Everything that was found, in the order in which it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Report {
    /// Changes where a field changes its name, type or meaning; new fields leave it as it is.
    pub schema_version: Cow<'static, str>,
    /// The inputs, in the order of the timeline.
    pub captures: Vec<Capture>,
    /// FTP sessions by id.
    pub sessions: Vec<Arc<Session>>,
    /// Sessions beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sessions_omitted: u64,
    /// Data connections without a transfer command in the capture, by their first frame.
    pub unmatched_data: Vec<UnmatchedData>,
    /// Such connections beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unmatched_data_omitted: u64,
    /// Connections to port 21 that never carried a byte, by their first frame.
    pub connection_attempts: Vec<ConnectionAttempt>,
    /// Attempts beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub connection_attempts_omitted: u64,
    /// Findings about several sessions or the capture.
    pub findings: Vec<Finding>,
    /// Findings beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_omitted: u64,
    /// What went wrong with the input, or what bound was reached.
    pub warnings: Vec<WarningRecord>,
    /// Warnings beyond the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warnings_omitted: u64,
    /// Counts over the whole run.
    pub totals: Totals,
}

/// Version of the report's format.
pub const SCHEMA_VERSION: &str = "1";

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
pub(super) fn is_zero(count: &u64) -> bool {
    *count == 0
}

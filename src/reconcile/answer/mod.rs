//! The answer: what became of each claim, and its renderers.
//!
//! ```text
//! Answer ─┬─> text    for people: the line of the log, and below it the frames of the wire
//!         ├─> JSON    this type
//!         ├─> CSV     a row for each claim, and for each event without a line
//!         └─> JUnit   a suite for each log, a case for each claim
//! ```

pub mod csv;
pub mod junit;
pub mod text;

use std::io::{self, Write};

use compact_str::CompactString;
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::Timestamp;
use crate::model::record::{Capture, Finding, WarningRecord, is_zero};
use crate::report::json;

/// Claims of logs beside the events of captures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Answer {
    /// Version of the format.
    pub schema_version: &'static str,
    /// Captures in the order of the timeline.
    pub captures: Vec<Capture>,
    /// Logs, rotated ones by time.
    pub logs: Vec<Log>,
    /// Claims in the order of logs and lines.
    pub claims: Vec<ClaimRecord>,
    /// Claims outside the captures' time that are counted only; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub claims_omitted: u64,
    /// Events that a log which covers their time and kind has no line for.
    pub wire_only: Vec<WireOnly>,
    /// Counts.
    pub totals: Totals,
    /// Findings.
    pub findings: Vec<Finding>,
    /// Findings beyond the limit; omitted if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_omitted: u64,
    /// Problems with the captures and the logs.
    pub warnings: Vec<WarningRecord>,
}

/// Claims by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Totals {
    /// Claims that agree with the wire.
    pub agrees: u64,
    /// Claims that differ from it.
    pub differs: u64,
    /// Claims of which nothing was on the wire.
    pub log_only: u64,
    /// Events without a line.
    pub wire_only: u64,
    /// Claims that cannot be compared.
    pub not_comparable: u64,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Log {
    /// Path as given.
    pub path: String,
    /// Kind, given or told by content.
    pub kind: String,
    /// Lines, headers and empty ones included.
    pub lines: u64,
    /// Lines that claim something.
    pub claims: u64,
    /// Lines that do not fit the kind.
    pub unreadable: u64,
    /// Time of the earliest claim on the capture's clock; `null` without one.
    pub first: Option<Timestamp>,
    /// Time of the latest claim on the capture's clock; `null` without one.
    pub last: Option<Timestamp>,
    /// Clock of most lines.
    pub clock: ClockRecord,
    /// All clocks of the log, if there are several; otherwise omitted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<ClockRecord>,
}

/// The clock of a log against that of the captures.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ClockRecord {
    /// Zone of the times, `+01:00`.
    pub zone: String,
    /// Seconds by which the log is ahead of the captures, zone left out.
    pub error_seconds: f64,
    /// Matches that it was estimated from.
    pub from_matches: u64,
}

/// The outcome of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimOutcome {
    /// Matched, and nothing differs.
    Agrees,
    /// Matched, and something differs.
    Differs,
    /// Claimed, and nothing like it was on the wire.
    LogOnly,
    /// Not to be decided.
    NotComparable,
}

impl ClaimOutcome {
    /// Returns the name as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Differs => "differs",
            Self::LogOnly => "log-only",
            Self::NotComparable => "not-comparable",
        }
    }
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ClaimRecord {
    /// `login`, `transfer`, `list`, `delete`, `mkdir`, `rmdir`, `rename` or `command`.
    pub kind: &'static str,
    /// Outcome.
    pub outcome: ClaimOutcome,
    /// Index of the log.
    pub log: u32,
    /// Line, from 1.
    pub line: u64,
    /// The line, with passwords of accounts hidden.
    pub text: String,
    /// Time on the capture's clock; `null` if the line has none.
    pub time: Option<Timestamp>,
    /// `download` or `upload`; `null` for other kinds.
    pub direction: Option<&'static str>,
    /// Client as written; `null` if the line has none.
    pub client: Option<String>,
    /// Path or argument as written; `null` if the line has none.
    pub path: Option<String>,
    /// New path of a rename; omitted for other kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_path: Option<String>,
    /// User; `null` if the line has none.
    pub user: Option<String>,
    /// Bytes; `null` if the line has none.
    pub bytes: Option<u64>,
    /// `complete`, `failed`, `accepted`, `rejected`, `ok`; `null` if the line does not say.
    pub status: Option<&'static str>,
    /// Verb of the command; `null` if the line has none.
    pub verb: Option<String>,
    /// `uid` of the session on the wire; `null` without a match.
    #[schemars(with = "Option<String>")]
    pub session_uid: Option<CompactString>,
    /// Id of that session.
    pub session: Option<u64>,
    /// Number of the step in it, for the page; `None` without a match.
    #[serde(skip)]
    pub step: Option<u64>,
    /// Id of the transfer in it; `null` for other events.
    pub transfer: Option<u64>,
    /// Frames of the command and of the final reply; empty without a match.
    pub frames: Vec<u64>,
    /// The event on the wire, for people; `None` without a match.
    #[serde(skip)]
    pub on_wire: Option<String>,
    /// Differences; empty unless the outcome is `differs`.
    pub differences: Vec<Difference>,
    /// Reason why the claim cannot be compared; `null` otherwise.
    pub reason: Option<&'static str>,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    /// `bytes`, `status`, `user`, `path`, `type`, `duration` or `time`.
    pub field: &'static str,
    /// Value of the log.
    pub log: Value,
    /// Value of the wire.
    pub wire: Value,
}

/// A value of either side.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// Bytes.
    Count(u64),
    /// Seconds.
    Seconds(f64),
    /// Any other.
    Text(String),
    /// A time.
    Time(Timestamp),
    /// Not known.
    Null(()),
}

/// An event without a line.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct WireOnly {
    /// Kind, as of claims.
    pub kind: &'static str,
    /// `uid` of the session.
    #[schemars(with = "String")]
    pub session_uid: CompactString,
    /// Id of the session.
    pub session: u64,
    /// Number of the step, for the page; `None` if the command was not captured.
    #[serde(skip)]
    pub step: Option<u64>,
    /// Id of the transfer; `null` for other events.
    pub transfer: Option<u64>,
    /// Time of the final reply.
    pub time: Timestamp,
    /// Address of the client.
    pub client: String,
    /// `download` or `upload`; `null` for other kinds.
    pub direction: Option<&'static str>,
    /// Verb of the command.
    pub verb: String,
    /// Path, or the argument if the working directory is unknown; `null` without either.
    pub path: Option<String>,
    /// User; `null` if the login is not in the capture.
    pub user: Option<String>,
    /// Bytes of a transfer; `null` if they are not known.
    pub bytes: Option<u64>,
    /// Frames of the command and of the final reply.
    pub frames: Vec<u64>,
    /// Indices of the logs that lack it.
    pub logs: Vec<u32>,
    /// Reason.
    pub why: &'static str,
}

impl Answer {
    /// Returns true if anything contradicts.
    #[must_use]
    pub const fn disagrees(&self) -> bool {
        self.totals.differs > 0 || self.totals.log_only > 0 || self.totals.wire_only > 0
    }
}

/// Writes the answer as one JSON document.
pub fn write_json(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    json::write_indented(answer, out)
}

/// Returns the JSON Schema of that document.
#[must_use]
pub fn json_schema() -> String {
    json::schema_text::<Answer>()
}

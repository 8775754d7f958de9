//! What became of each expectation.

use schemars::JsonSchema;
use serde::Serialize;

use super::mistake::Position;

/// Everything that was expected, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Answer {
    /// Changes where a field changes its name, type or meaning; new fields leave it as it is.
    pub schema_version: &'static str,
    /// The captures, as they were given.
    pub captures: Vec<String>,
    /// Sessions in them.
    pub sessions: u64,
    /// Expectations that hold.
    pub passed: u64,
    /// Expectations that do not.
    pub failed: u64,
    /// Expectations that nothing was held against.
    pub skipped: u64,
    /// Captures that could not be read, and why.
    pub unreadable: Vec<String>,
    /// The expectations: a group for each file, for the rules by name, for a baseline, for findings.
    pub groups: Vec<Group>,
}

/// Expectations of one origin.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Group {
    /// Where the expectations come from.
    pub kind: Origin,
    /// What it is called.
    pub name: String,
    /// The expectation file.
    pub file: Option<String>,
    /// One verdict for each expectation.
    pub verdicts: Vec<Verdict>,
}

/// Where expectations come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// An expectation file.
    File,
    /// Rules by name.
    Rules,
    /// `--fail-on`.
    Findings,
    /// An earlier capture or report.
    Baseline,
}

/// What became of one expectation.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Verdict {
    /// What is expected, in short.
    pub name: String,
    /// What became of it.
    pub status: Status,
    /// Why it was skipped.
    pub reason: Option<String>,
    /// What differs, where it failed.
    pub differences: Vec<Difference>,
    /// Differences beyond the bound.
    #[serde(skip_serializing_if = "is_zero")]
    pub differences_omitted: u64,
    /// Where it stands in the expectation file: the line, from 1.
    pub line: Option<u64>,
    /// The character in that line, from 1.
    pub column: Option<u64>,
}

/// What became of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// There was nothing to hold it against.
    Skipped,
}

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// What is known of the cause.
    pub because: Vec<String>,
    /// What to do, where a finding says it.
    pub advice: Option<String>,
    /// Where it was found.
    pub place: Option<Place>,
}

/// Where something is in the captures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// Id of the session.
    pub session: Option<u64>,
    /// Number of the step in it.
    pub step: Option<u64>,
    /// Id of the transfer in it.
    pub transfer: Option<u64>,
    /// Frame over the whole timeline.
    pub frame: Option<u64>,
    /// The capture with that frame.
    pub capture: Option<String>,
    /// With more than one capture: the frame in it.
    pub capture_frame: Option<u64>,
}

impl Answer {
    /// Puts groups together and counts.
    #[must_use]
    pub fn new(captures: Vec<String>, sessions: u64, groups: Vec<Group>) -> Self {
        let count = |status| {
            let all = groups.iter().flat_map(|group| &group.verdicts);
            all.filter(|verdict| verdict.status == status).count() as u64
        };
        Self {
            schema_version: VERSION,
            captures,
            sessions,
            passed: count(Status::Passed),
            failed: count(Status::Failed),
            skipped: count(Status::Skipped),
            unreadable: Vec::new(),
            groups,
        }
    }
}

impl Verdict {
    /// It holds where nothing differs.
    #[must_use]
    pub fn of(name: impl Into<String>, mut differences: Vec<Difference>) -> Self {
        let omitted = differences.len().saturating_sub(MOST);
        differences.truncate(MOST);
        Self {
            name: name.into(),
            status: if differences.is_empty() {
                Status::Passed
            } else {
                Status::Failed
            },
            reason: None,
            differences,
            differences_omitted: omitted as u64,
            line: None,
            column: None,
        }
    }

    /// There was nothing to hold it against.
    #[must_use]
    pub fn skipped(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            status: Status::Skipped,
            reason: Some(reason.into()),
            ..Self::of(name, Vec::new())
        }
    }

    /// With its place in the file.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        Self {
            line: Some(position.line),
            column: Some(position.column),
            ..self
        }
    }
}

impl Difference {
    /// What was expected against what was found.
    #[must_use]
    pub fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            found: found.into(),
            because: Vec::new(),
            advice: None,
            place: None,
        }
    }

    /// With its place.
    #[must_use]
    pub fn at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }

    /// With what is known of the cause.
    #[must_use]
    pub fn because(self, because: Vec<String>) -> Self {
        Self { because, ..self }
    }

    /// With what to do.
    #[must_use]
    pub fn advice(self, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self { advice, ..self }
    }
}

impl Place {
    /// In words: `frame 38 of run.pcap`; `None` where no frame is known.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let frame = self.frame?;
        Some(match (&self.capture, self.capture_frame) {
            (Some(capture), Some(inside)) => format!("frame {frame} (frame {inside} of {capture})"),
            (Some(capture), None) => format!("frame {frame} of {capture}"),
            (None, _) => format!("frame {frame}"),
        })
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why something is skipped that is expected of a session which is not there.
pub(super) const NO_SESSION: &str = "there is no such session";

/// Differences kept of one expectation.
const MOST: usize = 50;

/// Version of the answer's format.
const VERSION: &str = "1";

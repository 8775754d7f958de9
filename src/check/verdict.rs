//! Verdicts on expectations: the types of the answer.

use schemars::JsonSchema;
use serde::Serialize;

use super::mistake::Position;
use crate::report::capture_words;

/// The verdicts on all expectations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Answer {
    /// Changes where a field changes its name, type or meaning; new fields leave it as it is.
    pub schema_version: &'static str,
    /// Paths of the captures, as given.
    pub captures: Vec<String>,
    /// Number of sessions in the captures.
    pub sessions: u64,
    /// Number of expectations that hold.
    pub passed: u64,
    /// Number of expectations that do not hold.
    pub failed: u64,
    /// Number of expectations that could not be judged.
    pub skipped: u64,
    /// Messages about captures that could not be read.
    pub unreadable: Vec<String>,
    /// With `--strict`: reasons for which the captures are not whole, and the run fails. They are among the warnings, unless
    /// about a file of a directory that is no capture.
    pub not_whole: Vec<String>,
    /// Warnings about the captures: a capture that is cut short may lack what expectations ask for.
    pub warnings: Vec<String>,
    /// Groups of verdicts: one for each file, for the built-in rules, for a baseline and for findings.
    pub groups: Vec<Group>,
}

/// Verdicts on expectations of one origin.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Group {
    /// Origin of the expectations.
    pub kind: Origin,
    /// Name of the group.
    pub name: String,
    /// Path of the expectation file; `null` for other origins.
    pub file: Option<String>,
    /// One verdict for each expectation.
    pub verdicts: Vec<Verdict>,
}

/// Origin of expectations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Expectation file.
    File,
    /// Built-in rules.
    Rules,
    /// `--fail-on`.
    Findings,
    /// Earlier capture or report.
    Baseline,
}

/// The verdict on one expectation.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Verdict {
    /// Short form of the expectation.
    pub name: String,
    /// Result.
    pub status: Status,
    /// Reason why it was skipped, or the sessions that one that passed could not judge, and why; `null` otherwise.
    pub reason: Option<String>,
    /// Differences of a failed expectation.
    pub differences: Vec<Difference>,
    /// Number of differences beyond the limit of 50.
    #[serde(skip_serializing_if = "is_zero")]
    pub differences_omitted: u64,
    /// Line in the expectation file, from 1; `null` for other origins.
    pub line: Option<u64>,
    /// Character in that line, from 1.
    pub column: Option<u64>,
}

/// Result of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The expectation holds.
    Passed,
    /// The expectation does not hold.
    Failed,
    /// There was nothing to judge.
    Skipped,
}

/// A deviation from an expectation.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Difference {
    /// Expected value.
    pub expected: String,
    /// Found value.
    pub found: String,
    /// Causes, as far as the session shows them.
    pub because: Vec<String>,
    /// Advice of a finding; `null` without one.
    pub advice: Option<String>,
    /// Place of the found value; `null` if it has none.
    pub place: Option<Place>,
}

/// A place in the captures; parts that are unknown are `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// Id of the session.
    pub session: Option<u64>,
    /// Number of the step in the session.
    pub step: Option<u64>,
    /// Id of the transfer in the session.
    pub transfer: Option<u64>,
    /// Frame number over all captures.
    pub frame: Option<u64>,
    /// Path of the capture with that frame.
    pub capture: Option<String>,
    /// With several captures: frame number within that capture.
    pub capture_frame: Option<u64>,
}

impl Answer {
    /// Builds an answer from groups and counts their verdicts.
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
            not_whole: Vec::new(),
            warnings: Vec::new(),
            groups,
        }
    }
}

impl Answer {
    /// Returns the warnings that are not among the reasons for which the run fails.
    pub(super) fn mere_warnings(&self) -> impl Iterator<Item = &String> {
        let is_reason = |warning: &&String| self.not_whole.contains(warning);
        self.warnings
            .iter()
            .filter(move |warning| !is_reason(warning))
    }

    /// Returns true if the run fails: since an expectation does not hold, or the captures cannot show that all hold.
    pub(super) fn fails(&self) -> bool {
        let is_blind = !self.unreadable.is_empty() || !self.not_whole.is_empty();
        self.failed > 0 || is_blind || self.sessions == 0
    }
}

impl Verdict {
    /// Builds a verdict that passed if nothing differs; differences beyond 50 are counted only.
    #[must_use]
    pub fn of(name: impl Into<String>, mut differences: Vec<Difference>) -> Self {
        let omitted = differences.len().saturating_sub(MAX_DIFFERENCES);
        differences.truncate(MAX_DIFFERENCES);
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

    /// Builds a verdict on something that could not be judged.
    #[must_use]
    pub fn skipped(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            status: Status::Skipped,
            reason: Some(reason.into()),
            ..Self::of(name, Vec::new())
        }
    }

    /// Names the sessions that a verdict which passed leaves out, if any.
    #[must_use]
    pub(super) fn but_for(self, hidden: Option<String>) -> Self {
        match self.status {
            Status::Passed => Self {
                reason: hidden,
                ..self
            },
            Status::Failed | Status::Skipped => self,
        }
    }

    /// Sets the position in the expectation file.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        Self {
            line: Some(position.line),
            column: Some(position.column),
            ..self
        }
    }
}

/// Differences of one expectation, of which those beyond 50 are counted only.
#[derive(Clone, Debug, Default)]
pub(super) struct Differences {
    kept: Vec<Difference>,
    omitted: u64,
}

impl Differences {
    /// Adds a difference, which is made only if it is kept.
    pub(super) fn push(&mut self, difference: impl FnOnce() -> Difference) {
        if self.is_full() {
            self.count();
        } else {
            self.kept.push(difference());
        }
    }

    /// Counts a difference without keeping it.
    pub(super) fn count(&mut self) {
        self.omitted = self.omitted.saturating_add(1);
    }

    /// Returns true if further differences are counted only.
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() >= MAX_DIFFERENCES
    }

    /// Returns true if there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Builds the verdict that passed if nothing differs.
    pub(super) fn into_verdict(self, name: impl Into<String>) -> Verdict {
        Verdict {
            differences_omitted: self.omitted,
            ..Verdict::of(name, self.kept)
        }
    }
}

impl Difference {
    /// Builds a difference without place and causes.
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

    /// Sets the place in the captures.
    #[must_use]
    pub fn at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }

    /// Sets the causes.
    #[must_use]
    pub fn because(self, because: Vec<String>) -> Self {
        Self { because, ..self }
    }

    /// Sets the advice.
    #[must_use]
    pub fn advice(self, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self { advice, ..self }
    }
}

impl Place {
    /// Renders the place as `frame 38 of run.pcap`; `None` without a frame.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let frame = self.frame?;
        let capture = self.capture.as_deref().map(capture_words);
        Some(match (capture, self.capture_frame) {
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

/// Reason for which expectations of a missing session are skipped.
pub(super) const NO_SESSION: &str = "there is no such session";

/// Differences kept of one expectation.
const MAX_DIFFERENCES: usize = 50;

/// Version of the JSON answer.
const VERSION: &str = "1";

//! Expectation files.
//!
//! In: TOML. Out: [`Expectations`], or every mistake in the file with its position.
//!
//! ```text
//! TOML -> toml_edit -> reader (sessions, transfers, rules) -> Expectations
//!                      fields (names and constraints), steps, absence (verbs, kinds of steps, findings)
//! ```

mod absence;
mod fields;
mod reader;
mod steps;

#[cfg(test)]
mod tests;

use super::built_in::BuiltIn;
use super::constraint::Constraint;
use super::expression::{Expression, Scope};
use super::mistake::{Mistake, Position};
use crate::model::record::StepKind;

pub use absence::Absence;

/// Expectations of one file.
#[derive(Debug)]
pub struct Expectations {
    /// Path of the file, as the user gave it.
    pub path: String,
    /// True if the report may have no sessions beside those of the file.
    pub exactly: bool,
    /// Position of `sessions`.
    pub exactly_at: Position,
    /// Sessions, in file order.
    pub sessions: Vec<SessionExpectation>,
    /// Rules of the file, in file order.
    pub rules: Vec<Rule>,
    /// Built-in rules.
    pub built_in: Vec<(&'static BuiltIn, Position)>,
    /// Items that must be absent from every session.
    pub absent: Vec<(Absence, Position)>,
}

/// An expected session: one `[[session]]`.
#[derive(Debug)]
pub struct SessionExpectation {
    /// Position in the file.
    pub at: Position,
    /// Name given by the author; `None` if the session is called by its number.
    pub name: Option<String>,
    /// Condition for the partner in the report; `None` if any session will do.
    pub condition: Option<Condition>,
    /// Constraints on fields.
    pub fields: Vec<FieldExpectation>,
    /// Expected steps in their order; `None` if steps are not checked.
    pub steps: Option<StepsExpectation>,
    /// True if other steps may occur between those expected.
    pub extra_steps: bool,
    /// Position of `extra_steps`.
    pub extra_steps_at: Position,
    /// True if the session may have other transfers.
    pub extra_transfers: bool,
    /// Position of `extra_transfers`.
    pub extra_transfers_at: Position,
    /// Verbs of the only commands that may be sent; `None` if any may.
    pub only_commands: Option<(Vec<String>, Position)>,
    /// Items that must be absent from the session.
    pub absent: Vec<(Absence, Position)>,
    /// Expected transfers.
    pub transfers: Vec<TransferExpectation>,
}

/// A CEL condition.
#[derive(Debug)]
pub struct Condition {
    /// Text of the condition, for messages.
    pub text: String,
    /// Compiled condition.
    pub expression: Expression,
}

/// A constraint on one field.
#[derive(Debug)]
pub struct FieldExpectation {
    /// Position in the file.
    pub at: Position,
    /// Names from the session or transfer down to the field.
    pub path: Vec<String>,
    /// Allowed values.
    pub constraint: Constraint,
}

impl FieldExpectation {
    /// Returns the dotted name: `login.user`.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.join(".")
    }
}

/// Expected steps: `steps = [ … ]`.
#[derive(Debug)]
pub struct StepsExpectation {
    /// Position in the file.
    pub at: Position,
    /// Steps in order of time.
    pub steps: Vec<StepExpectation>,
}

/// An expected step.
#[derive(Debug)]
pub struct StepExpectation {
    /// The step as it is written in the file, in one line.
    pub text: String,
    /// Kind of the step.
    pub kind: StepKind,
    /// Constraint on the argument of the command, the name looked up, or the user; `None` for any.
    pub subject: Option<Constraint>,
    /// Constraint on the outcome; `None` for any.
    pub outcome: Option<Constraint>,
    /// Constraint on the verb of the command; `None` for any.
    pub verb: Option<Constraint>,
    /// Constraint on the code of the last reply; `None` for any.
    pub code: Option<Constraint>,
    /// Constraint on the duration in seconds; `None` for any.
    pub duration: Option<Constraint>,
}

/// An expected transfer: one `[[session.transfer]]`.
#[derive(Debug)]
pub struct TransferExpectation {
    /// Position in the file.
    pub at: Position,
    /// Condition for the partner in the session; `None` if the fields alone select it.
    pub condition: Option<Condition>,
    /// Constraints on fields.
    pub fields: Vec<FieldExpectation>,
}

/// A rule of the file: one `[[rule]]`.
#[derive(Debug)]
pub struct Rule {
    /// Position in the file.
    pub at: Position,
    /// Name given by the author, else the text of the assertion.
    pub name: String,
    /// Kind of the objects that the rule is about.
    pub scope: Scope,
    /// Filter of these objects; `None` if the rule is about all of them.
    pub condition: Option<Condition>,
    /// Assertion about each object.
    pub assert: Condition,
}

/// Parses a file, and reports every mistake in it, not only the first.
pub fn read(path: &str, text: &str) -> Result<Expectations, Vec<Mistake>> {
    reader::read(path, text)
}

//! Expectation files.
//!
//! In: a TOML text. Out: [`Expectations`], or every mistake in the text with its place.
//!
//! ```text
//! text -> toml_edit -> reader (sessions, transfers, rules) -> Expectations
//!                      fields (what they are called), values (what they may be), steps (what a step is like)
//! ```

mod absence;
mod fields;
mod reader;
mod steps;
mod values;

#[cfg(test)]
mod tests;

use super::built_in::BuiltIn;
use super::constraint::Constraint;
use super::expression::{Expression, Scope};
use super::mistake::{Mistake, Position};

pub use absence::Absence;

/// What a file expects.
#[derive(Debug)]
pub struct Expectations {
    /// The file, as it was named.
    pub path: String,
    /// No session may stand beside those of the file.
    pub exactly: bool,
    /// Where that was said.
    pub exactly_at: Position,
    /// Sessions, in order of the file.
    pub sessions: Vec<SessionExpectation>,
    /// Rules, in order of the file.
    pub rules: Vec<Rule>,
    /// Rules by name.
    pub built_in: Vec<(&'static BuiltIn, Position)>,
    /// What must not be in any session.
    pub absent: Vec<(Absence, Position)>,
}

/// One `[[session]]`.
#[derive(Debug)]
pub struct SessionExpectation {
    /// Where it stands.
    pub at: Position,
    /// What its author calls it.
    pub name: Option<String>,
    /// Which sessions it may take, and the text of that.
    pub condition: Option<Condition>,
    /// What its fields may be.
    pub fields: Vec<FieldExpectation>,
    /// Steps, in this order.
    pub steps: Option<StepsExpectation>,
    /// Other steps may stand between.
    pub extra_steps: bool,
    /// Where that was said.
    pub extra_steps_at: Position,
    /// Other transfers may stand beside.
    pub extra_transfers: bool,
    /// Where that was said.
    pub extra_transfers_at: Position,
    /// The only commands that may be sent.
    pub only_commands: Option<(Vec<String>, Position)>,
    /// What must not be in it.
    pub absent: Vec<(Absence, Position)>,
    /// Its transfers.
    pub transfers: Vec<TransferExpectation>,
}

/// A condition and its text.
#[derive(Debug)]
pub struct Condition {
    /// As it was written.
    pub text: String,
    /// What it means.
    pub expression: Expression,
}

/// What one field may be.
#[derive(Debug)]
pub struct FieldExpectation {
    /// Where it stands.
    pub at: Position,
    /// Names from the object down.
    pub path: Vec<String>,
    /// What it may be.
    pub constraint: Constraint,
}

impl FieldExpectation {
    /// `login.user`.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.join(".")
    }
}

/// `steps = [ … ]`.
#[derive(Debug)]
pub struct StepsExpectation {
    /// Where it stands.
    pub at: Position,
    /// In order.
    pub steps: Vec<StepExpectation>,
}

/// One step.
#[derive(Debug)]
pub struct StepExpectation {
    /// As it was written, in one line.
    pub text: String,
    /// Its kind.
    pub kind: String,
    /// What it is about: the argument of its command, the name looked up, the user.
    pub subject: Option<Constraint>,
    /// How it may come out.
    pub outcome: Option<Constraint>,
    /// The verb of its command.
    pub verb: Option<Constraint>,
    /// The code of the last reply.
    pub code: Option<Constraint>,
    /// How long it may take, in seconds.
    pub duration: Option<Constraint>,
}

/// One `[[session.transfer]]`.
#[derive(Debug)]
pub struct TransferExpectation {
    /// Where it stands.
    pub at: Position,
    /// Which transfers it may take.
    pub condition: Option<Condition>,
    /// What its fields may be.
    pub fields: Vec<FieldExpectation>,
}

/// One `[[rule]]`.
#[derive(Debug)]
pub struct Rule {
    /// Where it stands.
    pub at: Position,
    /// What its author calls it.
    pub name: String,
    /// What it is held against.
    pub scope: Scope,
    /// Of these only those.
    pub condition: Option<Condition>,
    /// What must hold.
    pub assert: Condition,
}

/// Takes a file apart; with a mistake in it, all that can be told of them.
pub fn read(path: &str, text: &str) -> Result<Expectations, Vec<Mistake>> {
    reader::read(path, text)
}

//! Expectations held against a report, expressions, and what they select.
//!
//! In: expectation files, rules, CEL texts and the report. Out: verdicts with what was expected, what was found and where;
//! with every mistake in a text told before anything is read.
//!
//! ```text
//! text -> vocabulary (the names there are) -> Expression -> Selection: which sessions are kept
//! file, built_in -> Expectations -> judge (with a Report) -> Answer -> answer: text | junit | github | json
//! ```

mod alignment;
pub mod answer;
pub mod baseline;
pub mod built_in;
pub mod constraint;
mod expression;
pub mod file;
mod judge;
pub mod mistake;
pub mod record;
mod selection;
mod step_text;
pub mod verdict;
mod vocabulary;

pub use expression::{Error, Expression, Fact, Scope};
pub use judge::{Subject, judge_file, judge_findings, judge_rules};
pub use selection::{SelectedEvents, Selection};

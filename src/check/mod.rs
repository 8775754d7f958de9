//! Checks of a report by expectations, and selection of sessions by expressions.
//!
//! In: expectation files, rules, CEL expressions and the report. Out: verdicts with the expected and the found value,
//! the place and the cause. Every mistake in a file or expression is reported before any capture is read.
//!
//! ```text
//! expression -> vocabulary (names of the report's schema) -> Expression -> Selection (sessions to keep)
//! file, built_in -> Expectations -> judge <- Report, KeptSessions (or baseline <- two of them)
//!                                   judge -> Answer -> answer: text | junit | github | json
//! Report -> record -> expectation file
//! ```
//!
//! Checks read the records of the report, one session at a time. Fields named in a file and CEL expressions read a value
//! tree of it, which [`Subject`] builds of those fields alone.

pub mod answer;
pub mod baseline;
pub mod built_in;
pub mod constraint;
mod expression;
pub mod file;
mod judge;
pub mod mistake;
mod picked;
pub mod record;
mod selection;
pub mod verdict;
mod vocabulary;
mod wording;

pub use expression::{Error, Expression, Fact, Scope};
pub use judge::{FieldNames, Subject, capture_losses, judge_file, judge_findings, judge_rules};
pub use selection::{SelectedEvents, Selection};

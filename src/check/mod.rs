//! Expressions over the report, and what they select.
//!
//! In: CEL texts and the report's records. Out: true or false, with every mistake in a text told before anything is read.
//!
//! ```text
//! text -> vocabulary (the names there are) -> Expression -> Selection: which sessions are kept
//! ```

mod expression;
mod selection;
mod vocabulary;

pub use expression::{Error, Expression, Scope};
pub use selection::{SelectedEvents, Selection};

//! Which sessions a command looks at, and what it shows of them.

use clap::Args;

use super::error_text::Failure;
use crate::check::{Expression, Scope, Selection};

/// Options about the sessions.
#[derive(Debug, Args)]
pub(super) struct SelectionArguments {
    /// Keep only sessions for which a CEL expression is true, such as 'login.user == "bob"'
    #[arg(long = "where", value_name = "EXPR", help_heading = "Sessions")]
    condition: Option<String>,
    /// Keep only the session with this id; may be given more than once
    #[arg(long, value_name = "ID", help_heading = "Sessions")]
    session: Vec<u64>,
    /// Show secrets as they were sent
    #[arg(long, help_heading = "Sessions")]
    pub(super) show_passwords: bool,
}

impl SelectionArguments {
    /// Which sessions to keep; an expression that means nothing is told before anything is read.
    pub(super) fn selection(&self) -> Result<Selection, Failure> {
        let compile = |text: &String| Expression::compile(text, Scope::Session);
        let expression = self.condition.as_ref().map(compile).transpose();
        Ok(Selection {
            ids: self.session.iter().copied().collect(),
            expression: expression
                .map_err(|error| Failure::Refused(format!("--where: {error}")))?,
        })
    }
}

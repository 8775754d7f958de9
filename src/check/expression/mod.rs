//! CEL expressions over the objects of the report; the only folder that names the CEL crate.
//!
//! In scope are the fields of the object, the object under its own name and, if the whole report is available, `report`
//! and the enclosing `session`. An unknown name is an error before any capture is read. An expression that reads a
//! field of
//! `null` is false as a condition and fails as an assertion, which names the null field.
//!
//! ```text
//! text -> syntax (limits, parser) -> names (schema) -> types -> metered code = Expression
//! Expression -> is_true                     conditions
//!            \-> Prepared -> judge, explain   assertions, with the values they read
//! ```

mod evaluate;
mod explain;
mod names;
mod syntax;
mod types;

use std::fmt;

use cel::common::ast::IdedExpr;
use cel::{Context, Value};
use serde::Serialize;

use super::vocabulary::Vocabulary;
use evaluate::{Meter, add, metered};
use names::{NameCheck, Uses};
use syntax::{MAX_DEPTH, bracket_depth, depth};

pub(super) use evaluate::{GIVEN_UP, Judgement, Prepared};
pub use explain::Fact;
pub(super) use explain::fact_words;

/// The kind of object that an expression is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A session.
    Session,
    /// A transfer.
    Transfer,
    /// A step.
    Step,
    /// A finding.
    Finding,
    /// The whole report.
    Capture,
    /// An event: a line of NDJSON.
    Event,
}

/// Syntax, name or type error in an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// Message without the position.
    pub(super) message: String,
    /// The expression, for the position in the message.
    text: String,
    /// Offset in characters; `None` if the error concerns the whole expression.
    pub(super) at: Option<usize>,
    /// Number of characters to mark.
    pub(super) length: usize,
    /// Correction; `None` if none is known.
    pub(super) hint: Option<String>,
}

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    /// Code that counts the items it visits.
    code: IdedExpr,
    meter: Meter,
    scope: Scope,
    /// True if the object is read under its own name.
    uses_object: bool,
    /// Fields of the object that are read: only these are converted to CEL values.
    names: Vec<String>,
    /// Parts of enclosing objects that are read.
    enclosing: Vec<(&'static str, Uses)>,
}

impl Expression {
    /// Compiles an expression with only the object in scope, and checks names and types.
    pub fn compile(text: &str, scope: Scope) -> Result<Self, Error> {
        Self::compile_with(text, &Vocabulary::new(scope))
    }

    /// Compiles an expression with the whole report in scope and, for transfers and steps, their session.
    pub fn compile_in_report(text: &str, scope: Scope) -> Result<Self, Error> {
        Self::compile_with(text, &Vocabulary::in_report(scope))
    }

    fn compile_with(text: &str, words: &Vocabulary) -> Result<Self, Error> {
        let scope = words.scope();
        let mistake = |message: &str| Error {
            message: message.to_owned(),
            text: text.to_owned(),
            at: None,
            length: 1,
            hint: None,
        };
        if text.len() > MAX_LENGTH {
            let cut = text.chars().take(40).collect::<String>();
            return Err(Error {
                text: format!("{cut}…"),
                ..mistake("the expression is longer than 4 KiB")
            });
        }
        let too_deep = || mistake("the expression is nested deeper than 32 levels");
        if bracket_depth(text) > MAX_DEPTH {
            return Err(too_deep());
        }
        let program = syntax::parse(text).map_err(|error| Error {
            at: error.at,
            hint: error.hint,
            ..mistake(&error.message)
        })?;
        if depth(program.expression(), 0) > MAX_DEPTH {
            return Err(too_deep());
        }
        let mut check = NameCheck::new(words, &program, text);
        check.condition(program.expression())?;
        let enclosing = check.into_uses();
        let used = program.references();
        let names = words
            .names(words.object())
            .into_iter()
            .filter(|name| used.has_variable(name))
            .map(str::to_owned)
            .collect();
        let mut code = program.expression().clone();
        metered(&mut code);
        Ok(Self {
            code,
            meter: Meter::new(),
            scope,
            uses_object: used.has_variable(scope.name()),
            names,
            enclosing,
        })
    }

    /// Evaluates the expression for `object`; false also if evaluation fails or exceeds the work limit.
    #[must_use]
    pub fn is_true(&self, object: &impl Serialize) -> bool {
        let Ok(fields) = serde_json::to_value(object) else {
            return false;
        };
        let mut context = Context::default();
        self.meter.install(&mut context);
        self.meter.next_object();
        self.put(&fields, &mut context);
        let result = Value::resolve(&self.code, &context);
        matches!(result, Ok(Value::Bool(true))) && !self.meter.gives_up()
    }

    /// Adds the parts of `object` that are read to the scope.
    fn put(&self, object: &serde_json::Value, context: &mut Context<'_, '_>) {
        for name in &self.names {
            // Fields that the report omits when empty are null to an expression, not missing.
            let field = object.get(name).unwrap_or(&serde_json::Value::Null);
            add(context, name, field);
        }
        if self.uses_object {
            add(context, self.scope.name(), object);
        }
    }
}

impl Scope {
    /// Returns the name of the object in expressions.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transfer => "transfer",
            Self::Step => "step",
            Self::Finding => "finding",
            Self::Capture => "report",
            Self::Event => "event",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(at) = self.at {
            write!(
                f,
                " at column {} of {}",
                at + 1,
                self.text.replace('\n', " ")
            )?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// Bytes of an expression.
const MAX_LENGTH: usize = 4096;

#[cfg(test)]
mod tests;

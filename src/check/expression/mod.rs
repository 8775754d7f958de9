//! CEL expressions over the report's objects; the only folder that names the CEL crate.
//!
//! In scope are the fields of the object itself, and the object by its own name; where a whole report is at hand also `report`
//! and the `session` around it. A name that is not there is an error before anything is read. What stumbles over a `null`
//! while it runs is false for a condition, and fails an assertion, which names the field.
//!
//! ```text
//! text -> depth -> syntax -> names (kinds, operators) -> meter -> Expression
//! Expression -> is_true                     conditions
//!            \-> prepared -> judge, explain   assertions, with what was found
//! ```

mod depth;
mod explain;
mod kinds;
mod meter;
mod names;
mod operators;
mod prepared;
mod syntax;

use std::collections::HashMap;
use std::fmt;

use cel::common::ast::IdedExpr;
use cel::{Context, Value};
use serde::Serialize;

use super::vocabulary::Vocabulary;
use depth::{DEEPEST, bracket_depth, depth};
pub(super) use meter::GIVEN_UP;
use meter::{Meter, metered};
use names::{NameCheck, Uses};

pub use explain::Fact;
pub(super) use prepared::{Judgement, Prepared};

/// What an expression is about.
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
    /// An event, as it is a line of NDJSON.
    Event,
}

/// A mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What is wrong.
    pub(super) message: String,
    /// The expression, in which the place is shown.
    text: String,
    /// Where, in characters from 0, if it is at one place.
    pub(super) at: Option<usize>,
    /// How many characters of it are meant.
    pub(super) length: usize,
    /// What to do.
    pub(super) hint: Option<String>,
}

/// An expression that can be held against objects.
#[derive(Debug)]
pub struct Expression {
    /// What is run: it counts its steps.
    code: IdedExpr,
    meter: Meter,
    scope: Scope,
    /// It uses the object as a whole.
    uses_object: bool,
    /// The fields of the object that it uses, so that only these are converted.
    names: Vec<String>,
    /// What it uses of the objects around.
    around: Vec<(&'static str, Uses)>,
}

impl Expression {
    /// Takes a text apart and checks every name in it. Only the object itself is in scope.
    pub fn compile(text: &str, scope: Scope) -> Result<Self, Error> {
        Self::compile_with(text, &Vocabulary::new(scope))
    }

    /// The same with the whole report in scope, and for transfers and steps their session.
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
        if text.len() > LONGEST {
            let cut = text.chars().take(40).collect::<String>();
            return Err(Error {
                text: format!("{cut}…"),
                ..mistake("the expression is longer than 4 KiB")
            });
        }
        let too_deep = || mistake("the expression is nested deeper than 32 levels");
        if bracket_depth(text) > DEEPEST {
            return Err(too_deep());
        }
        let program = syntax::parse(text).map_err(|unreadable| Error {
            at: unreadable.at,
            hint: unreadable.hint,
            ..mistake(&unreadable.message)
        })?;
        if depth(program.expression(), 0) > DEEPEST {
            return Err(too_deep());
        }
        let mut check = NameCheck::new(words, &program, text);
        check.condition(program.expression())?;
        let around = check.into_uses();
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
            around,
        })
    }

    /// Whether it is true of `object`; what fails while it runs, and what is no truth value, is false.
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

    /// Puts what it uses of `object` into scope.
    fn put(&self, object: &serde_json::Value, context: &mut Context<'_, '_>) {
        for name in &self.names {
            // A field that is left out where it says nothing is null to an expression.
            let field = object.get(name).unwrap_or(&serde_json::Value::Null);
            add(context, name, field);
        }
        if self.uses_object {
            add(context, self.scope.name(), object);
        }
    }
}

impl Scope {
    /// The name of the object in expressions.
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

/// Puts a value of the report into scope.
fn add(context: &mut Context<'_, '_>, name: &str, value: &serde_json::Value) {
    context.add_variable_from_value(name, value_of(value));
}

/// A value of the report as a value of CEL. Whole numbers are `int`, as those written in expressions are: CEL does not
/// calculate with an `int` and a `uint`.
fn value_of(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Value::Int(number),
            (None, Some(number), _) => Value::UInt(number),
            (None, None, Some(number)) => Value::Float(number),
            (None, None, None) => Value::Null,
        },
        Json::String(text) => text.clone().into(),
        Json::Array(items) => items.iter().map(value_of).collect::<Vec<_>>().into(),
        Json::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.clone(), value_of(field)))
            .collect::<HashMap<_, _>>()
            .into(),
    }
}

/// Bytes of an expression.
const LONGEST: usize = 4096;

#[cfg(test)]
mod tests;

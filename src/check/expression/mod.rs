//! CEL expressions over the report's objects; the only folder that names the CEL crate.
//!
//! In scope are the fields of the object itself, and the object by its own name; where a whole report is at hand also `report`
//! and the `session` around it. A name that is not there is an error before anything is read. What stumbles over a `null`
//! while it runs is false for a condition, and fails an assertion, which names the field.
//!
//! ```text
//! text -> depth -> parser -> names -> Expression -> is_true                     conditions
//!                                                \-> prepared -> judge, explain   assertions, with what was found
//! ```

mod depth;
mod explain;
mod names;
mod prepared;

use std::collections::HashMap;
use std::fmt;
use std::thread;

use cel::{Context, Program, Value};
use serde::Serialize;

use super::vocabulary::Vocabulary;
use depth::{DEEPEST, bracket_depth, depth};
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
    /// What to do.
    pub(super) hint: Option<String>,
}

/// An expression that can be held against objects.
#[derive(Debug)]
pub struct Expression {
    program: Program,
    scope: Scope,
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
        let mistake = |message: &str, at, hint: Option<String>| Error {
            message: message.to_owned(),
            text: text.to_owned(),
            at,
            hint,
        };
        if text.len() > LONGEST {
            let cut = text.chars().take(40).collect::<String>();
            return Err(Error {
                text: format!("{cut}…"),
                ..mistake("the expression is longer than 4 KiB", None, None)
            });
        }
        let too_deep = || mistake("the expression is nested deeper than 32 levels", None, None);
        if bracket_depth(text) > DEEPEST {
            return Err(too_deep());
        }
        let program = parse(text).map_err(|(message, at)| mistake(&message, at, None))?;
        if depth(program.expression(), 0) > DEEPEST {
            return Err(too_deep());
        }
        let mut check = NameCheck::new(words, &program, text);
        check.expression(program.expression())?;
        let around = check.into_uses();
        let known = words.names(words.object());
        let used = program.references();
        let functions = used.functions();
        if let Some(unknown) = functions.iter().find(|name| !is_function(name)) {
            let at = text.find(*unknown).and_then(|byte| text.get(..byte));
            let at = at.map(|before| before.chars().count());
            let hint = format!("there are: {}", FUNCTIONS.join(", "));
            return Err(mistake(
                &format!("there is no function {unknown}"),
                at,
                Some(hint),
            ));
        }
        let names = known
            .into_iter()
            .filter(|name| used.has_variable(name))
            .map(str::to_owned)
            .collect();
        Ok(Self {
            program,
            scope,
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
        self.put(&fields, &mut context);
        matches!(self.program.execute(&context), Ok(Value::Bool(true)))
    }

    /// Puts what it uses of `object` into scope.
    fn put(&self, object: &serde_json::Value, context: &mut Context<'_, '_>) {
        for name in &self.names {
            // A field that is left out where it says nothing is null to an expression.
            let field = object.get(name).unwrap_or(&serde_json::Value::Null);
            add(context, name, field);
        }
        let own = self.scope.name();
        if self.program.references().has_variable(own) {
            add(context, own, object);
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

/// Parses on a stack of its own: the parser goes down one level for each operator.
fn parse(text: &str) -> Result<Program, (String, Option<usize>)> {
    let owned = text.to_owned();
    let worker = thread::Builder::new()
        .stack_size(PARSER_STACK)
        .spawn(move || Program::compile(&owned));
    let parsed = worker.map_err(|error| (error.to_string(), None))?.join();
    match parsed {
        Ok(Ok(program)) => Ok(program),
        Ok(Err(errors)) => {
            let first = errors.errors.first();
            let message = first.map_or("cannot be read", |error| error.msg.as_str());
            let message = message.lines().next().unwrap_or_default();
            // The parser lists every token that it would have taken.
            let message = message.split(" expecting ").next().unwrap_or_default();
            let message = message.trim_start_matches("Syntax error: ").to_owned();
            let at = first.and_then(|error| offset(text, error.pos));
            Err((message, at))
        }
        Err(_) => Err(("the expression cannot be read".to_owned(), None)),
    }
}

/// The character at a line and column, both from 1.
fn offset(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let line = usize::try_from(line.checked_sub(1)?).ok()?;
    let column = usize::try_from(column.checked_sub(1)?).ok()?;
    let before = text.split_inclusive('\n').take(line);
    Some(before.map(|line| line.chars().count()).sum::<usize>() + column)
}

/// Operators, which the parser names with signs around, and the functions there are.
fn is_function(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_alphabetic()) || FUNCTIONS.contains(&name)
}

/// The functions that need no more than the values at hand.
const FUNCTIONS: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "max",
    "min",
];

/// Bytes of an expression.
const LONGEST: usize = 4096;

/// Enough for the deepest expression of the longest text.
const PARSER_STACK: usize = 64 << 20;

#[cfg(test)]
mod tests;

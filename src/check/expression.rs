//! CEL expressions over the report's objects; the only file that names the CEL crate.
//!
//! In scope are the fields of the object itself, and the object by its own name. A name that is not there is an error before
//! anything is read. What stumbles over a `null` while it runs is false.

use std::fmt;
use std::thread;

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::{Context, Program, Value};
use serde::Serialize;

use super::vocabulary::Vocabulary;

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
}

/// A mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What is wrong.
    message: String,
    /// The expression, in which the place is shown.
    text: String,
    /// Where, in characters from 0, if it is at one place.
    at: Option<usize>,
    /// What to do.
    hint: Option<String>,
}

/// An expression that can be held against objects.
#[derive(Debug)]
pub struct Expression {
    program: Program,
    scope: Scope,
    /// The fields of the object that it uses, so that only these are converted.
    names: Vec<String>,
}

impl Expression {
    /// Takes a text apart and checks every name in it.
    pub fn compile(text: &str, scope: Scope) -> Result<Self, Error> {
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
        if bracket_depth(text) > DEEPEST {
            return Err(mistake(
                "the expression is nested deeper than 32 levels",
                None,
                None,
            ));
        }
        let program = parse(text).map_err(|(message, at)| mistake(&message, at, None))?;
        if depth(program.expression(), 0) > DEEPEST {
            return Err(mistake(
                "the expression is nested deeper than 32 levels",
                None,
                None,
            ));
        }
        let words = Vocabulary::new(scope);
        let mut check = NameCheck {
            words: &words,
            scope,
            program: &program,
            text,
            bound: Vec::new(),
        };
        check.expression(program.expression())?;
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
        })
    }

    /// Whether it is true of `object`; what fails while it runs, and what is no truth value, is false.
    #[must_use]
    pub fn is_true(&self, object: &impl Serialize) -> bool {
        let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(object) else {
            return false;
        };
        let mut context = Context::default();
        for name in &self.names {
            // A field that is left out where it says nothing is null to an expression.
            let field = fields.get(name).unwrap_or(&serde_json::Value::Null);
            if context.add_variable(name.clone(), field).is_err() {
                return false;
            }
        }
        let own = self.scope.name();
        if self.program.references().has_variable(own)
            && context.add_variable(own, &fields).is_err()
        {
            return false;
        }
        matches!(self.program.execute(&context), Ok(Value::Bool(true)))
    }
}

impl Scope {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transfer => "transfer",
            Self::Step => "step",
            Self::Finding => "finding",
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
            let at = first
                .filter(|error| error.pos.0 == 1)
                .and_then(|error| usize::try_from(error.pos.1 - 1).ok());
            Err((message, at))
        }
        Err(_) => Err(("the expression cannot be read".to_owned(), None)),
    }
}

/// Looks up every name before the expression runs.
struct NameCheck<'a> {
    words: &'a Vocabulary,
    scope: Scope,
    program: &'a Program,
    text: &'a str,
    /// Variables of macros such as `all`, and the schema of what they stand for.
    bound: Vec<(String, Option<&'a serde_json::Value>)>,
}

impl<'a> NameCheck<'a> {
    /// Checks an expression, and tells the schema of its value where that is known.
    fn expression(
        &mut self,
        expression: &'a IdedExpr,
    ) -> Result<Option<&'a serde_json::Value>, Error> {
        match &expression.expr {
            Expr::Ident(name) => self.name(name, expression.id),
            Expr::Select(select) => {
                let Some(of) = self.expression(&select.operand)? else {
                    return Ok(None);
                };
                match self.words.field(of, &select.field) {
                    Some(found) => Ok(Some(found)),
                    None if self.words.names(of).is_empty() => Ok(None),
                    None => Err(self.unknown(of, &select.field, expression.id)),
                }
            }
            Expr::Call(call) => {
                let mut of = None;
                if let Some(target) = &call.target {
                    self.expression(target)?;
                }
                for (index, argument) in call.args.iter().enumerate() {
                    let schema = self.expression(argument)?;
                    if index == 0 {
                        of = schema;
                    }
                }
                Ok(if call.func_name == "_[_]" {
                    of.and_then(|list| self.words.items(list))
                } else {
                    None
                })
            }
            Expr::List(list) => self.all(&list.elements),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.expression(&entry.key)?;
                        self.expression(&entry.value)?;
                    }
                }
                Ok(None)
            }
            Expr::Comprehension(of) => {
                let items = self
                    .expression(&of.iter_range)?
                    .and_then(|list| self.words.items(list));
                let before = self.bound.len();
                self.bound.push((of.iter_var.clone(), items));
                self.bound
                    .extend(of.iter_var2.iter().map(|name| (name.clone(), None)));
                self.bound.push((of.accu_var.clone(), None));
                for part in [&of.accu_init, &of.loop_cond, &of.loop_step, &of.result] {
                    self.expression(part)?;
                }
                self.bound.truncate(before);
                Ok(None)
            }
            Expr::Unspecified | Expr::Literal(_) | Expr::Struct(_) => Ok(None),
        }
    }

    fn all(&mut self, expressions: &'a [IdedExpr]) -> Result<Option<&'a serde_json::Value>, Error> {
        for expression in expressions {
            self.expression(expression)?;
        }
        Ok(None)
    }

    fn name(&self, name: &str, id: u64) -> Result<Option<&'a serde_json::Value>, Error> {
        if let Some((_, schema)) = self.bound.iter().rev().find(|(bound, _)| bound == name) {
            return Ok(*schema);
        }
        let object = self.words.object();
        if name == self.scope.name() {
            return Ok(Some(object));
        }
        match self.words.field(object, name) {
            Some(found) => Ok(Some(found)),
            None => Err(self.unknown(object, name, id)),
        }
    }

    fn unknown(&self, of: &serde_json::Value, name: &str, id: u64) -> Error {
        let hint = match self.words.nearest(of, name) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are: {}", self.words.names(of).join(", ")),
        };
        let start = self
            .program
            .source_info()
            .offset_for(id)
            .map(|(start, _)| start as usize);
        // A selection is placed at its dot; the name that is meant stands behind it.
        let at = start.and_then(|start| {
            let rest: String = self.text.chars().skip(start).collect();
            let found = rest.find(name)?;
            Some(start + rest.get(..found)?.chars().count())
        });
        let at = at.or_else(|| {
            self.text
                .find(name)
                .and_then(|byte| self.text.get(..byte))
                .map(|before| before.chars().count())
        });
        Error {
            message: format!("there is no {name}"),
            text: self.text.to_owned(),
            at,
            hint: Some(hint),
        }
    }
}

fn bracket_depth(text: &str) -> usize {
    let mut depth: usize = 0;
    let mut deepest = 0;
    let mut prefixes: usize = 0;
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '!' | '-' => prefixes += 1,
            ' ' | '\t' | '\n' => continue,
            _ => prefixes = 0,
        }
        deepest = deepest.max(depth).max(prefixes);
    }
    deepest
}

fn depth(expression: &IdedExpr, above: usize) -> usize {
    let here = above + 1;
    // Deep enough to refuse: no need to go on, and no stack for it.
    if here > DEEPEST {
        return here;
    }
    let of = |child: &IdedExpr| depth(child, here);
    match &expression.expr {
        Expr::Select(select) => of(&select.operand),
        Expr::Call(call) => call
            .args
            .iter()
            .chain(call.target.as_deref())
            .map(of)
            .max()
            .unwrap_or(here),
        Expr::List(list) => list.elements.iter().map(of).max().unwrap_or(here),
        Expr::Map(map) => map
            .entries
            .iter()
            .map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => of(&entry.key).max(of(&entry.value)),
                EntryExpr::StructField(_) => here,
            })
            .max()
            .unwrap_or(here),
        Expr::Comprehension(all) => of(&all.iter_range).max(of(&all.loop_step)),
        _ => here,
    }
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

/// Levels of an expression.
const DEEPEST: usize = 32;

/// Enough for the deepest expression of the longest text.
const PARSER_STACK: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_true(text: &str, object: &serde_json::Value) -> bool {
        Expression::compile(text, Scope::Session)
            .expect(text)
            .is_true(object)
    }

    fn mistake(text: &str) -> String {
        Expression::compile(text, Scope::Session)
            .expect_err(text)
            .to_string()
    }

    #[test]
    fn fields_stand_in_scope_and_behind_the_name_of_the_object() {
        let session = json!({
            "id": 7, "login": {"user": "bob", "password": null}, "dns": null, "start": "2026-01-02T00:00:00Z",
            "transfers": [{"name": "a.zip", "bytes": 10}, {"name": "b.txt", "bytes": 2_000_000}]
        });
        for text in [
            "login.user == 'bob'",
            "session.id == 7",
            "transfers.exists(t, t.bytes > 1000000)",
            "transfers.all(t, t.name.matches('[.](zip|txt)$'))",
            "transfers[0].name == 'a.zip'",
            "dns == null",
            "size(transfers) == 2 && start < '2026-02'",
            "transfers.filter(t, t.bytes > 5.5).size() == 2",
            "'b' in ['a', 'b']",
        ] {
            assert!(is_true(text, &session), "{text}");
        }
        for text in [
            "dns.name == 'x'",
            "login.user",
            "1 / 0 == 1",
            "login.user == 'eve'",
            "transfers[9].bytes == 1",
        ] {
            assert!(!is_true(text, &session), "{text}");
        }
    }

    #[test]
    fn an_unknown_name_is_shown_with_the_nearest_there_is() {
        let text = mistake("login.usr == 'bob'");
        assert_eq!(
            text,
            "there is no usr at column 7 of login.usr == 'bob'; did you mean user?"
        );
        assert!(mistake("lgoin.user == 'bob'").contains("did you mean login?"));
        assert!(mistake("transfers.exists(t, t.sha265 == '')").contains("did you mean sha256?"));
        assert!(mistake("transfers[0].foo == 1").contains("there is no foo"));
        assert!(mistake("report.sessions.size() > 0").contains("there is no report"));
    }

    #[test]
    fn what_cannot_be_read_is_shown_with_its_place() {
        assert_eq!(
            mistake("login.user =="),
            "mismatched input '<EOF>' at column 14 of login.user =="
        );
        assert!(mistake("foo(id) == 1").starts_with("there is no function foo at column 1"));
        assert!(!mistake("").is_empty());
    }

    #[test]
    fn long_and_deep_expressions_are_refused() {
        assert!(mistake(&"a".repeat(5000)).contains("4 KiB"));
        assert!(mistake(&format!("{}1{}", "(".repeat(40), ")".repeat(40))).contains("32 levels"));
        assert!(mistake(&format!("{}true", "!".repeat(2000))).contains("32 levels"));
        assert!(mistake(&vec!["id"; 900].join("+")).contains("32 levels"));
    }
}

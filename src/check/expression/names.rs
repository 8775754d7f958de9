//! Lookup of every name of an expression in the schema of the report, before it runs.

use std::collections::BTreeSet;

use cel::Program;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use serde_json::Value;

use super::types::{self, Basic, Kind, TypeError, words_of};
use super::{Error, Vocabulary};
use crate::check::vocabulary::nearest;

/// The part of an enclosing object that an expression reads, so that only this is converted to CEL values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Uses {
    /// These fields only.
    Fields(BTreeSet<String>),
    /// The whole object.
    Whole,
}

/// Checks names against a vocabulary and records which fields of enclosing objects are read.
pub(super) struct NameCheck<'a> {
    words: &'a Vocabulary,
    program: &'a Program,
    text: &'a str,
    /// Variables of enclosing macros such as `all`, with the type of the items they stand for.
    bound: Vec<(String, Kind<'a>)>,
    uses: Vec<(&'static str, Uses)>,
    /// Every name and string that may be one of a field.
    fields: BTreeSet<String>,
    /// True if an object is used otherwise than by its fields, such as compared with another.
    reads_whole_objects: bool,
    /// Times that the report spells in another way, by the ids of their texts.
    times: Vec<(u64, String)>,
}

impl<'a> NameCheck<'a> {
    pub(super) fn new(words: &'a Vocabulary, program: &'a Program, text: &'a str) -> Self {
        Self {
            words,
            program,
            text,
            bound: Vec::new(),
            uses: Vec::new(),
            fields: BTreeSet::new(),
            reads_whole_objects: false,
            times: Vec::new(),
        }
    }

    /// Returns the times that the report spells in another way, by the ids of their texts.
    pub(super) fn take_times(&mut self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.times)
    }

    /// Returns true if the expression reads objects otherwise than by their fields.
    pub(super) const fn reads_whole_objects(&self) -> bool {
        self.reads_whole_objects
    }

    /// Returns the parts of enclosing objects that the expression reads, by the name of the object, and the names of all fields
    /// that it may read.
    pub(super) fn into_names(self) -> (Vec<(&'static str, Uses)>, BTreeSet<String>) {
        (self.uses, self.fields)
    }

    /// Checks an expression that must be boolean.
    pub(super) fn condition(&mut self, expression: &'a IdedExpr) -> Result<(), Error> {
        let kind = self.expression(expression)?;
        types::flag(&(expression, kind), self.words).map_err(|error| self.type_error(&error))
    }

    /// Checks an expression and returns its type.
    fn expression(&mut self, expression: &'a IdedExpr) -> Result<Kind<'a>, Error> {
        match &expression.expr {
            Expr::Ident(name) => self.name(name, None, expression.id),
            Expr::Select(select) => {
                self.fields.insert(select.field.clone());
                let of = match &select.operand.expr {
                    Expr::Ident(name) => self.name(name, Some(&select.field), select.operand.id)?,
                    _ => self.expression(&select.operand)?,
                };
                let kind = self.field(&(&select.operand, of), &select.field, expression)?;
                // `has(a.b)` asks whether there is one.
                Ok(if select.test { Kind::Flag } else { kind })
            }
            Expr::Call(call) => self.call(call, expression),
            Expr::Literal(literal) => {
                // `login["user"]`.
                if let LiteralValue::String(text) = literal {
                    self.fields.insert(text.inner().to_owned());
                }
                Ok(Kind::of_literal(literal))
            }
            Expr::List(list) => {
                let mut items = Vec::new();
                for element in &list.elements {
                    items.push(self.expression(element)?);
                }
                let basic = |kind: &Kind<'a>| kind.basic(self.words);
                let all = items.windows(2).all(|two| basic(&two[0]) == basic(&two[1]));
                let first = items.into_iter().next().filter(|_| all);
                Ok(Kind::List(Box::new(first.unwrap_or(Kind::Any))))
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.expression(&entry.key)?;
                        let kind = self.expression(&entry.value)?;
                        self.reads_whole_objects |= self.holds_objects(&kind);
                    }
                }
                Ok(Kind::Object)
            }
            Expr::Comprehension(of) => self.comprehension(of),
            Expr::Unspecified | Expr::Struct(_) => Ok(Kind::Any),
        }
    }

    fn call(&mut self, call: &'a CallExpr, whole: &'a IdedExpr) -> Result<Kind<'a>, Error> {
        let name = call.func_name.as_str();
        if MACROS.contains(&name) {
            return Err(Error {
                hint: Some(format!("write steps.{name}(s, s.outcome == \"ok\")")),
                ..self.mistake(format!("{name} takes a name and a condition"), whole)
            });
        }
        if name.starts_with(|first: char| first.is_ascii_alphabetic())
            && types::function_names().all(|known| known != name)
        {
            let all: Vec<_> = types::function_names()
                .chain(MACROS.iter().copied())
                .collect();
            let hint = nearest(all.iter().copied(), name).map_or_else(
                || format!("there are: {}", all.join(", ")),
                |near| format!("did you mean {near}?"),
            );
            let mut error = Error {
                hint: Some(hint),
                ..self.mistake(format!("there is no function {name}"), whole)
            };
            error.at = self.place_of(name, error.at);
            return Err(error);
        }
        let mut parts = Vec::new();
        for part in call.target.as_deref().into_iter().chain(&call.args) {
            let kind = self.expression(part)?;
            parts.push((part, kind));
        }
        self.note_whole_objects(name, &parts);
        // `login["user"]` is `login.user`: the name in brackets is checked as well.
        if let ("_[_]", [of, (index, _)]) = (name, parts.as_slice()) {
            return match (&index.expr, of.1.basic(self.words)) {
                (Expr::Literal(LiteralValue::String(field)), Some(Basic::Object)) => {
                    self.field(of, field.inner(), index)
                }
                _ => Ok(of.1.clone().items(self.words)),
            };
        }
        let kind =
            types::call(call, &parts, self.words).map_err(|error| self.type_error(&error))?;
        let times = types::times(name, &parts, self.words);
        self.times
            .extend(times.map_err(|error| self.type_error(&error))?);
        Ok(kind)
    }

    /// Records that a call reads more of an object than the fields that are named elsewhere in the expression.
    fn note_whole_objects(&mut self, function: &str, parts: &[(&'a IdedExpr, Kind<'a>)]) {
        let is_null = |part: &IdedExpr| matches!(part.expr, Expr::Literal(LiteralValue::Null));
        let is_exempt = match function {
            // An item of a list, a field of an object.
            "_[_]" => true,
            "_==_" | "_!=_" => parts.iter().any(|(part, _)| is_null(part)),
            // Items that a macro collects; what becomes of the list is judged where that is used.
            "_+_" => parts.first().is_some_and(|(part, _)| is_generated(part)),
            "_?_:_" => parts.last().is_some_and(|(part, _)| is_generated(part)),
            // Of an object it would count the fields.
            "size" => parts
                .iter()
                .all(|(_, kind)| kind.basic(self.words) == Some(Basic::List)),
            _ => false,
        };
        let mut rest = parts.iter().filter(|(part, _)| !is_generated(part));
        if !is_exempt && rest.any(|(_, kind)| self.holds_objects(kind)) {
            self.reads_whole_objects = true;
        }
    }

    /// Returns true for objects, lists of objects, and for values that may be either.
    fn holds_objects(&self, kind: &Kind<'a>) -> bool {
        match kind.basic(self.words) {
            None | Some(Basic::Object) => true,
            Some(Basic::List) => match kind {
                Kind::Field(schema) => self.words.items(schema).is_none_or(|items| {
                    let items = Kind::Field(items);
                    self.holds_objects(&items)
                }),
                Kind::List(items) => self.holds_objects(items),
                _ => true,
            },
            Some(_) => false,
        }
    }

    fn comprehension(&mut self, of: &'a ComprehensionExpr) -> Result<Kind<'a>, Error> {
        let list = self.expression(&of.iter_range)?;
        // A macro over an object visits the names of its fields.
        self.reads_whole_objects |= list.basic(self.words) != Some(Basic::List);
        match list.basic(self.words) {
            None | Some(Basic::List | Basic::Object) => {}
            Some(basic) => {
                let message = format!(
                    "{} is {}, not a list",
                    words_of(&of.iter_range),
                    basic.words()
                );
                return Err(self.mistake(message, &of.iter_range));
            }
        }
        let items = match list.basic(self.words) {
            Some(Basic::List) => list.items(self.words),
            _ => Kind::Any,
        };
        let before = self.bound.len();
        self.bound.push((of.iter_var.clone(), items));
        self.bound
            .extend(of.iter_var2.iter().map(|name| (name.clone(), Kind::Any)));
        self.bound.push((of.accu_var.clone(), Kind::Any));
        for part in [&of.accu_init, &of.loop_cond, &of.result] {
            self.expression(part)?;
        }
        self.expression(&of.loop_step)?;
        // The item that a `map` or `filter` appends decides the type of the resulting list.
        let gathered = gathered(&of.loop_step).map(|item| self.expression(item));
        self.bound.truncate(before);
        Ok(match (&of.accu_init.expr, gathered) {
            (Expr::List(_), Some(item)) => Kind::List(Box::new(item?)),
            (Expr::Literal(LiteralValue::Boolean(_) | LiteralValue::Int(_)), _) => Kind::Flag,
            _ => Kind::Any,
        })
    }

    /// Resolves a name; `field` is the field selected from it, if any.
    fn name(&mut self, name: &str, field: Option<&str>, id: u64) -> Result<Kind<'a>, Error> {
        if let Some((_, kind)) = self.bound.iter().rev().find(|(bound, _)| bound == name) {
            return Ok(kind.clone());
        }
        let object = self.words.object();
        if let Some(found) = self.words.field(object, name) {
            self.fields.insert(name.to_owned());
            return Ok(Kind::Field(found));
        }
        if name == self.words.scope().name() {
            return Ok(Kind::Field(object));
        }
        if let Some((name, schema)) = self.words.enclosing(name) {
            self.note(name, field);
            return Ok(Kind::Field(schema));
        }
        Err(self.unknown(object, name, id))
    }

    /// Resolves a field of an object.
    fn field(
        &self,
        (part, of): &(&'a IdedExpr, Kind<'a>),
        name: &str,
        whole: &IdedExpr,
    ) -> Result<Kind<'a>, Error> {
        match (of, of.basic(self.words)) {
            (Kind::Field(schema), Some(Basic::Object)) => match self.words.field(schema, name) {
                Some(found) => Ok(Kind::Field(found)),
                None => Err(self.unknown(schema, name, whole.id)),
            },
            (_, None | Some(Basic::Object)) => Ok(Kind::Any),
            (_, Some(basic)) => {
                let hint = matches!(basic, Basic::List).then(|| {
                    let part = words_of(part);
                    format!("write {part}[0].{name}, or {part}.exists(one, one.{name} == …)")
                });
                let message = format!(
                    "{} is {} and has no field {name}",
                    words_of(part),
                    basic.words()
                );
                Err(Error {
                    hint,
                    ..self.mistake(message, part)
                })
            }
        }
    }

    /// Records that an enclosing object is read.
    fn note(&mut self, name: &'static str, field: Option<&str>) {
        if !self.uses.iter().any(|(used, _)| *used == name) {
            self.uses.push((name, Uses::Fields(BTreeSet::new())));
        }
        let mut all = self.uses.iter_mut();
        let Some((_, uses)) = all.find(|(used, _)| *used == name) else {
            return;
        };
        match (uses, field) {
            (Uses::Fields(fields), Some(field)) => {
                fields.insert(field.to_owned());
            }
            (uses, _) => *uses = Uses::Whole,
        }
    }

    fn unknown(&self, of: &Value, name: &str, id: u64) -> Error {
        let start = self.offset(id);
        let place = self.place_of(name, start);
        let before: String = self.text.chars().take(place.unwrap_or(0)).collect();
        let before = before.trim_end();
        let hint = if ["==", "!="].iter().any(|sign| before.ends_with(sign)) {
            format!("write \"{name}\" to compare with text")
        } else if let Some(path) = self.words.path_to(of, name) {
            format!("did you mean {path}?")
        } else {
            match self.words.nearest(of, name) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are: {}", self.words.names(of).join(", ")),
            }
        };
        Error {
            message: format!("there is no {name}"),
            text: self.text.to_owned(),
            // CEL locates a selection at its dot; the name follows it.
            at: place,
            length: name.chars().count(),
            hint: Some(hint),
        }
    }

    fn type_error(&self, error: &TypeError<'_>) -> Error {
        Error {
            hint: error.hint.clone(),
            ..self.mistake(error.message.clone(), error.part)
        }
    }

    /// Builds an error at a part of the text.
    fn mistake(&self, message: String, part: &IdedExpr) -> Error {
        let first = first_of(part);
        let mut at = self.offset(first.id);
        if let Expr::Call(call) = &first.expr
            && call.func_name.starts_with(char::is_alphabetic)
        {
            // CEL locates a call at its bracket; the name precedes it.
            at = at.map(|at| at.saturating_sub(call.func_name.chars().count()));
        }
        let shown = words_of(part);
        let rest: String = self.text.chars().skip(at.unwrap_or(0)).collect();
        let is_as_written = rest.starts_with(&shown);
        Error {
            message,
            text: self.text.to_owned(),
            at,
            length: if is_as_written {
                shown.chars().count()
            } else {
                1
            },
            hint: None,
        }
    }

    /// Returns the offset of a name at or after `start`, else anywhere; `None` if it does not occur.
    fn place_of(&self, name: &str, start: Option<usize>) -> Option<usize> {
        let from = |start: usize| {
            let rest: String = self.text.chars().skip(start).collect();
            let found = rest.find(name)?;
            Some(start + rest.get(..found)?.chars().count())
        };
        start.and_then(from).or_else(|| from(0))
    }

    /// Returns the offset of a part in characters; `None` for parts that macros generate.
    fn offset(&self, id: u64) -> Option<usize> {
        let place = self.program.source_info().offset_for(id);
        place.map(|(start, _)| start as usize)
    }
}

/// Returns true for an accumulator that a macro generates, such as `@result`.
fn is_generated(part: &IdedExpr) -> bool {
    matches!(&part.expr, Expr::Ident(name) if name.starts_with('@'))
}

/// Returns the part of an expression that comes first in its text.
fn first_of(expression: &IdedExpr) -> &IdedExpr {
    match &expression.expr {
        Expr::Select(select) => first_of(&select.operand),
        Expr::Call(call) => {
            let is_sign = !call
                .func_name
                .starts_with(|first: char| first.is_ascii_alphabetic());
            let is_prefix = matches!(call.func_name.as_str(), "!_" | "-_");
            match (&call.target, call.args.first()) {
                (Some(target), _) => first_of(target),
                (None, Some(first)) if is_sign && !is_prefix => first_of(first),
                _ => expression,
            }
        }
        Expr::Comprehension(of) => first_of(&of.iter_range),
        _ => expression,
    }
}

/// Returns the item that a `map` or `filter` appends at each step (`@result + [item]`); `None` for other macros.
fn gathered(step: &IdedExpr) -> Option<&IdedExpr> {
    let Expr::Call(call) = &step.expr else {
        return None;
    };
    match (call.func_name.as_str(), call.args.as_slice()) {
        ("_?_:_", [_, add, _]) => gathered(add),
        ("_+_", [_, list]) => match &list.expr {
            Expr::List(list) => list.elements.first(),
            _ => None,
        },
        _ => None,
    }
}

/// Macros, which the parser expands if their arguments are right; a call left over has wrong ones.
const MACROS: &[&str] = &["all", "exists", "exists_one", "filter", "map", "has"];

//! Looks up every name of an expression before it runs.

use std::collections::BTreeSet;

use cel::Program;
use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use serde_json::Value;

use super::{Error, Vocabulary};

/// What is used of an object around the one an expression is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Uses {
    /// Nothing but these fields.
    Fields(BTreeSet<String>),
    /// The object as it is.
    Whole,
}

/// Checks names against a vocabulary, and remembers what is used of the objects around.
pub(super) struct NameCheck<'a> {
    words: &'a Vocabulary,
    program: &'a Program,
    text: &'a str,
    /// Variables of macros such as `all`, and the schema of what they stand for.
    bound: Vec<(String, Option<&'a Value>)>,
    uses: Vec<(&'static str, Uses)>,
}

impl<'a> NameCheck<'a> {
    pub(super) fn new(words: &'a Vocabulary, program: &'a Program, text: &'a str) -> Self {
        Self {
            words,
            program,
            text,
            bound: Vec::new(),
            uses: Vec::new(),
        }
    }

    /// What the expression uses of the objects around.
    pub(super) fn into_uses(self) -> Vec<(&'static str, Uses)> {
        self.uses
    }

    /// Checks an expression, and tells the schema of its value where that is known.
    pub(super) fn expression(
        &mut self,
        expression: &'a IdedExpr,
    ) -> Result<Option<&'a Value>, Error> {
        match &expression.expr {
            Expr::Ident(name) => self.name(name, None, expression.id),
            Expr::Select(select) => {
                let of = match &select.operand.expr {
                    Expr::Ident(name) => self.name(name, Some(&select.field), select.operand.id)?,
                    _ => self.expression(&select.operand)?,
                };
                let Some(of) = of else {
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

    fn all(&mut self, expressions: &'a [IdedExpr]) -> Result<Option<&'a Value>, Error> {
        for expression in expressions {
            self.expression(expression)?;
        }
        Ok(None)
    }

    /// A name that stands alone, or of which a field is selected.
    fn name(
        &mut self,
        name: &str,
        field: Option<&str>,
        id: u64,
    ) -> Result<Option<&'a Value>, Error> {
        if let Some((_, schema)) = self.bound.iter().rev().find(|(bound, _)| bound == name) {
            return Ok(*schema);
        }
        let object = self.words.object();
        if let Some(found) = self.words.field(object, name) {
            return Ok(Some(found));
        }
        if name == self.words.scope().name() {
            return Ok(Some(object));
        }
        if let Some((name, schema)) = self.words.around(name) {
            self.note(name, field);
            return Ok(Some(schema));
        }
        Err(self.unknown(object, name, id))
    }

    /// Remembers that an object around is used.
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

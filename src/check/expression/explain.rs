//! The values that an expression reads, shown where it does not hold.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::{Context, Value as CelValue};
use serde_json::Value;

use super::evaluate::add;
use crate::check::constraint::shown;

/// A value that an expression read.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Path of the value: `login.user`, `transfers[1].completeness`.
    pub name: String,
    /// The value in the report.
    pub value: Value,
    /// True for a `null` of which the expression reads a field or an item.
    pub is_blocking_null: bool,
}

/// Objects in scope.
pub(super) struct Known<'a> {
    pub(super) object: &'a Value,
    pub(super) own_name: &'static str,
    /// Enclosing session; `None` if the object is a session or the report.
    pub(super) session: Option<&'a Value>,
    pub(super) report: &'a Value,
}

/// Returns the values that an expression reads, in the order of its text; of lists only the items that fail.
pub(super) fn facts(
    expression: &IdedExpr,
    known: &Known<'_>,
    scope: &Context<'_, '_>,
) -> Vec<Fact> {
    let mut search = Search {
        known,
        bound: Vec::new(),
        facts: Vec::new(),
        is_in_size: false,
    };
    search.expression(expression, scope);
    search.facts
}

struct Search<'a> {
    known: &'a Known<'a>,
    /// Variables of enclosing macros: name, path of the item they stand for, and the item.
    bound: Vec<(String, String, &'a Value)>,
    facts: Vec<Fact>,
    /// True inside `size(…)`: a list is shown by its length.
    is_in_size: bool,
}

impl<'a> Search<'a> {
    fn expression(&mut self, expression: &IdedExpr, scope: &Context<'_, '_>) {
        if self.facts.len() >= MAX_FACTS {
            return;
        }
        if let Some((name, found)) = self.chain(expression) {
            match found {
                Found::Value(value) => self.add(name, value, false),
                Found::Null(of) => self.add(of, &Value::Null, true),
            }
            return;
        }
        match &expression.expr {
            Expr::Select(select) => self.expression(&select.operand, scope),
            Expr::Call(call) => self.call(call, scope),
            Expr::List(list) => {
                for element in &list.elements {
                    self.expression(element, scope);
                }
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.expression(&entry.value, scope);
                    }
                }
            }
            Expr::Comprehension(of) => self.comprehension(of, scope),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
        }
    }

    fn call(&mut self, call: &CallExpr, scope: &Context<'_, '_>) {
        let before = self.is_in_size;
        self.is_in_size = call.func_name == "size";
        for part in call.target.as_deref().into_iter().chain(&call.args) {
            self.expression(part, scope);
        }
        self.is_in_size = before;
    }

    /// Adds the items of a list for which the body of the macro is not true.
    fn comprehension(&mut self, of: &ComprehensionExpr, scope: &Context<'_, '_>) {
        let Some((name, Found::Value(Value::Array(items)))) = self.chain(&of.iter_range) else {
            self.expression(&of.iter_range, scope);
            return;
        };
        if items.is_empty() {
            self.add(name, &EMPTY, false);
            return;
        }
        let Some(body) = body(of) else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            if self.facts.len() >= MAX_FACTS {
                return;
            }
            let mut inner = scope.new_inner_scope();
            add(&mut inner, &of.iter_var, item);
            if matches!(CelValue::resolve(body, &inner), Ok(CelValue::Bool(true))) {
                continue;
            }
            self.bound
                .push((of.iter_var.clone(), format!("{name}[{index}]"), item));
            self.expression(body, &inner);
            self.bound.pop();
        }
    }

    /// Resolves a name followed by fields and indices; `None` for any other expression.
    fn chain(&self, expression: &IdedExpr) -> Option<(String, Found<'a>)> {
        match &expression.expr {
            Expr::Ident(name) => {
                if let Some((_, words, value)) =
                    self.bound.iter().rev().find(|(bound, ..)| bound == name)
                {
                    return Some((words.clone(), Found::Value(value)));
                }
                let known = self.known;
                let value = match known.object.get(name) {
                    Some(value) => value,
                    None if name == known.own_name => known.object,
                    None if name == "report" => known.report,
                    None if name == "session" => known.session?,
                    // `@result` and the like are accumulators that macros generate, not names of the report.
                    None if name.starts_with('@') => return None,
                    None => &Value::Null,
                };
                Some((name.clone(), Found::Value(value)))
            }
            Expr::Select(select) => {
                let (words, of) = self.chain(&select.operand)?;
                let value = match of {
                    Found::Null(at) => return Some((words, Found::Null(at))),
                    Found::Value(Value::Null) => return Some((words.clone(), Found::Null(words))),
                    Found::Value(value) => value,
                };
                let found = Found::Value(value.get(&select.field).unwrap_or(&Value::Null));
                Some((format!("{words}.{}", select.field), found))
            }
            Expr::Call(call) if call.func_name == "_[_]" => {
                let [of, index] = call.args.as_slice() else {
                    return None;
                };
                let Expr::Literal(LiteralValue::Int(index)) = &index.expr else {
                    return None;
                };
                let index = usize::try_from(*index.inner()).ok()?;
                let (words, Found::Value(value)) = self.chain(of)? else {
                    return None;
                };
                let found = Found::Value(value.get(index).unwrap_or(&Value::Null));
                Some((format!("{words}[{index}]"), found))
            }
            _ => None,
        }
    }

    fn add(&mut self, name: String, value: &Value, is_blocking_null: bool) {
        let fact = match value {
            Value::Array(items) if self.is_in_size => Fact {
                name: format!("size({name})"),
                value: items.len().into(),
                is_blocking_null,
            },
            _ => Fact {
                name,
                value: value.clone(),
                is_blocking_null,
            },
        };
        if !self.facts.iter().any(|known| known.name == fact.name) {
            self.facts.push(fact);
        }
    }
}

/// Result of a lookup.
enum Found<'a> {
    /// Value at the path.
    Value(&'a Value),
    /// Path of the null on the way.
    Null(String),
}

/// Returns the condition that a macro evaluates for each item: the argument beside its accumulator.
fn body(of: &ComprehensionExpr) -> Option<&IdedExpr> {
    match &of.loop_step.expr {
        Expr::Call(call) => call
            .args
            .iter()
            .find(|part| !matches!(&part.expr, Expr::Ident(name) if *name == of.accu_var)),
        _ => None,
    }
}

/// Renders values as `login.user is "mira", tls is null`; those of more than two items of a list are grouped.
pub(crate) fn fact_words(facts: &[Fact]) -> String {
    let mut words: Vec<(String, Vec<String>)> = Vec::new();
    let of_list = |fact: &Fact| without_index(&fact.name);
    for fact in facts {
        let list = of_list(fact).filter(|list| {
            let same = facts
                .iter()
                .filter(|other| of_list(other).as_ref() == Some(list));
            same.count() > MAX_SINGLE_ITEMS
        });
        let name = list.unwrap_or_else(|| fact.name.clone());
        let value = match &fact.value {
            Value::Object(_) => "there".to_owned(),
            value => shown(value),
        };
        match words.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => words.push((name, vec![value])),
        }
    }
    let words = words.into_iter().map(|(name, values)| match values.len() {
        1 => format!("{name} is {}", values.join("")),
        _ => format!("{name} are {}", values.join(", ")),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Returns `steps[].kind` for `steps[3].kind`; `None` for a path without an index.
fn without_index(name: &str) -> Option<String> {
    let (list, rest) = name.split_once('[')?;
    let (_, field) = rest.split_once(']')?;
    Some(format!("{list}[]{field}"))
}

/// Values shown of one expression.
const MAX_FACTS: usize = 8;

static EMPTY: Value = Value::Array(Vec::new());

/// Items of a list shown one by one.
const MAX_SINGLE_ITEMS: usize = 2;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn more_than_two_items_of_a_list_are_grouped() {
        let fact = |name: &str, value: &str| Fact {
            name: name.to_owned(),
            value: json!(value),
            is_blocking_null: false,
        };
        let mut facts = vec![
            fact("login.user", "a"),
            fact("steps[0].kind", "dns"),
            fact("steps[1].kind", "login"),
        ];
        assert_eq!(
            fact_words(&facts),
            "login.user is \"a\", steps[0].kind is \"dns\", steps[1].kind is \"login\""
        );
        facts.push(fact("steps[2].kind", "quit"));
        assert_eq!(
            fact_words(&facts),
            "login.user is \"a\", steps[].kind are \"dns\", \"login\", \"quit\""
        );
    }
}

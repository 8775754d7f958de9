//! The values that an expression looks at: what is shown where it does not hold.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::{Context, Value as CelValue};
use serde_json::Value;

use super::add;

/// One value that an expression looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What it is: `login.user`, `transfers[1].completeness`.
    pub name: String,
    /// Its value in the report.
    pub value: Value,
    /// True where the expression wants something of it that a `null` does not have.
    pub is_in_the_way: bool,
}

/// The objects in scope.
pub(super) struct Known<'a> {
    pub(super) object: &'a Value,
    pub(super) own_name: &'static str,
    pub(super) session: Option<&'a Value>,
    pub(super) report: &'a Value,
}

/// The values that an expression looks at, in the order of its text; of lists only the items that matter.
pub(super) fn facts(
    expression: &IdedExpr,
    known: &Known<'_>,
    scope: &Context<'_, '_>,
) -> Vec<Fact> {
    let mut search = Search {
        known,
        bound: Vec::new(),
        facts: Vec::new(),
        asks_size: false,
    };
    search.expression(expression, scope);
    search.facts
}

struct Search<'a> {
    known: &'a Known<'a>,
    /// Variables of macros: their name, what they stand for in words, and its value.
    bound: Vec<(String, String, &'a Value)>,
    facts: Vec<Fact>,
    /// The value is wanted for its size only.
    asks_size: bool,
}

impl<'a> Search<'a> {
    fn expression(&mut self, expression: &IdedExpr, scope: &Context<'_, '_>) {
        if self.facts.len() >= MOST {
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
        let before = self.asks_size;
        self.asks_size = call.func_name == "size";
        for part in call.target.as_deref().into_iter().chain(&call.args) {
            self.expression(part, scope);
        }
        self.asks_size = before;
    }

    /// The items of a list for which the body does not hold; where it holds for none, all of them.
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
            if self.facts.len() >= MOST {
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

    /// The value of a name with fields and indices behind it.
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

    fn add(&mut self, name: String, value: &Value, is_in_the_way: bool) {
        let fact = match value {
            Value::Array(items) if self.asks_size => Fact {
                name: format!("size({name})"),
                value: items.len().into(),
                is_in_the_way,
            },
            _ => Fact {
                name,
                value: value.clone(),
                is_in_the_way,
            },
        };
        if !self.facts.iter().any(|known| known.name == fact.name) {
            self.facts.push(fact);
        }
    }
}

enum Found<'a> {
    /// What is there.
    Value(&'a Value),
    /// There is nothing to look into: what is null.
    Null(String),
}

/// What is asked of each item: the macros fold it into what was found so far.
fn body(of: &ComprehensionExpr) -> Option<&IdedExpr> {
    match &of.loop_step.expr {
        Expr::Call(call) => call
            .args
            .iter()
            .find(|part| !matches!(&part.expr, Expr::Ident(name) if *name == of.accu_var)),
        _ => None,
    }
}

/// Values that are told; a person looks at the first ones.
const MOST: usize = 8;

static EMPTY: Value = Value::Array(Vec::new());

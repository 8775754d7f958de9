//! Evaluation of expressions within a work limit, with the values they read where an assertion fails.
//!
//! The only place where values of the report become CEL values.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::{Context, ExecutionError, Value as CelValue};
use serde_json::{Map, Value};

use super::super::constraint::shown;
use super::Expression;
use super::names::Uses;

/// Result of an assertion about one object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judgement {
    /// The expression is true.
    True,
    /// The expression is false; the values that it read.
    False(Vec<Fact>),
    /// Evaluation failed: the cause, and the values that it read.
    Undecided(String, Vec<Fact>),
}

/// An expression with the report in scope, which is converted once for all objects.
pub(crate) struct Prepared<'e> {
    expression: &'e Expression,
    report: &'e Value,
    root: Context<'static, 'static>,
}

impl<'e> Prepared<'e> {
    /// Adds the parts of the report that the expression reads to the scope.
    pub(crate) fn new(expression: &'e Expression, report: &'e Value) -> Self {
        let mut root = Context::default();
        expression.meter.install(&mut root);
        if let Some(used) = expression.uses_of("report") {
            add(&mut root, "report", &part(report, used));
        }
        Self {
            expression,
            report,
            root,
        }
    }

    /// Evaluates the expression for an object; false also if evaluation fails or exceeds the work limit.
    pub(crate) fn is_true(&self, object: &Value, session: Option<&Value>) -> bool {
        self.holds(&self.scope(object, session))
    }

    /// Evaluates the expression for an object too large to be held both as a value of the report and as one of CEL.
    pub(crate) fn is_true_of_large(&self, object: Value) -> bool {
        self.holds(&self.scope_of_large(object))
    }

    fn holds(&self, scope: &Context<'_, '_>) -> bool {
        let result = CelValue::resolve(self.code(), scope);
        matches!(result, Ok(CelValue::Bool(true))) && !self.expression.meter.gives_up()
    }

    /// Evaluates the expression as an assertion, with the values that it read if it fails.
    pub(crate) fn judge(&self, object: &Value, session: Option<&Value>) -> Judgement {
        let scope = self.scope(object, session);
        let result = CelValue::resolve(self.code(), &scope);
        self.conclude(result, |result| {
            self.explain(result, object, session, &scope)
        })
    }

    /// Evaluates the expression as an assertion about a large object, which is made anew for the values that it read.
    pub(crate) fn judge_large(&self, make: &dyn Fn() -> Value) -> Judgement {
        let scope = self.scope_of_large(make());
        let result = CelValue::resolve(self.code(), &scope);
        drop(scope);
        self.conclude(result, |result| {
            let object = make();
            let mut scope = self.root.new_inner_scope();
            self.expression.put_short(&object, &mut scope);
            self.explain(result, &object, None, &scope)
        })
    }

    fn conclude(
        &self,
        result: Result<CelValue, ExecutionError>,
        explain: impl FnOnce(Result<CelValue, ExecutionError>) -> Judgement,
    ) -> Judgement {
        // Checked before the result: `||` absorbs the error of the counter and could still be true.
        if self.expression.meter.gives_up() {
            return Judgement::Undecided(GIVEN_UP.to_owned(), Vec::new());
        }
        match result {
            Ok(CelValue::Bool(true)) => Judgement::True,
            result => explain(result),
        }
    }

    fn explain(
        &self,
        result: Result<CelValue, ExecutionError>,
        object: &Value,
        session: Option<&Value>,
        scope: &Context<'_, '_>,
    ) -> Judgement {
        let known = Known {
            object,
            own_name: self.expression.scope.name(),
            session,
            report: self.report,
        };
        let facts = facts(self.code(), &known, scope);
        match result {
            Ok(CelValue::Bool(false)) => Judgement::False(facts),
            Ok(_) => Judgement::Undecided("it is neither true nor false".to_owned(), facts),
            Err(error) => {
                let through = facts.iter().find(|fact| fact.is_blocking_null);
                let null = through.or_else(|| facts.iter().find(|fact| fact.value.is_null()));
                let cause = null.map_or_else(
                    || error.to_string(),
                    |fact| format!("{} is null", fact.name),
                );
                Judgement::Undecided(cause, facts)
            }
        }
    }

    fn scope(&self, object: &Value, session: Option<&Value>) -> Context<'_, 'static> {
        self.expression.meter.next_object();
        let mut scope = self.root.new_inner_scope();
        if let (Some(session), Some(used)) = (session, self.expression.uses_of("session")) {
            add(&mut scope, "session", &part(session, used));
        }
        self.expression.put(object, &mut scope);
        scope
    }

    fn scope_of_large(&self, object: Value) -> Context<'_, 'static> {
        self.expression.meter.next_object();
        let mut scope = self.root.new_inner_scope();
        self.expression.put_owned(object, &mut scope);
        scope
    }

    /// Returns true if some object exceeded the work limit.
    pub(crate) fn has_given_up(&self) -> bool {
        self.expression.has_given_up()
    }

    fn code(&self) -> &'e IdedExpr {
        &self.expression.code
    }
}

impl Expression {
    /// Returns true if some object exceeded the work limit.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        self.meter.has_given_up()
    }

    pub(super) fn uses_of(&self, name: &str) -> Option<&Uses> {
        let found = self.enclosing.iter().find(|(used, _)| *used == name);
        found.map(|(_, uses)| uses)
    }

    /// Returns the values that the expression reads of an object, whether it is true or not.
    pub(crate) fn facts(&self, object: &Value) -> Vec<Fact> {
        let known = Known {
            object,
            own_name: self.scope.name(),
            session: None,
            report: &Value::Null,
        };
        let mut scope = Context::default();
        self.meter.install(&mut scope);
        self.put(object, &mut scope);
        facts(&self.code, &known, &scope)
    }
}

/// Returns the fields of an object that are read.
fn part(object: &Value, uses: &Uses) -> Value {
    match uses {
        Uses::Whole => object.clone(),
        Uses::Fields(names) => {
            let field = |name: &String| {
                let value = object.get(name).unwrap_or(&Value::Null);
                (name.clone(), value.clone())
            };
            Value::Object(names.iter().map(field).collect::<Map<_, _>>())
        }
    }
}

/// Adds a value of the report to the scope, and frees it on the way.
pub(super) fn add_owned(context: &mut Context<'_, '_>, name: &str, value: Value) {
    context.add_variable_from_value(name, converted(value));
}

/// Adds a value of the report to the scope.
pub(super) fn add(context: &mut Context<'_, '_>, name: &str, value: &Value) {
    context.add_variable_from_value(name, value_of(value));
}

/// Converts a value of the report to CEL.
///
/// Integers become `int`, as literals in expressions are: CEL does not mix `int` and `uint` in arithmetic.
fn value_of(value: &Value) -> CelValue {
    match value {
        Value::Array(items) => items.iter().map(value_of).collect::<Vec<_>>().into(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (name.clone(), value_of(field)))
            .collect::<HashMap<_, _>>()
            .into(),
        value => converted(value.clone()),
    }
}

/// Converts a value of the report to CEL as [`value_of`] does, and frees each part of it on the way.
fn converted(value: Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(flag) => CelValue::Bool(flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => CelValue::Int(number),
            (None, Some(number), _) => CelValue::UInt(number),
            (None, None, Some(number)) => CelValue::Float(number),
            (None, None, None) => CelValue::Null,
        },
        Value::String(text) => text.into(),
        Value::Array(items) => items.into_iter().map(converted).collect::<Vec<_>>().into(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| (name, converted(field)))
            .collect::<HashMap<_, _>>()
            .into(),
    }
}

/// Work limit of an expression: the items that its `all`, `exists`, `filter` and `map` visit are counted, and the length of
/// what `+` joins, which nested `map` can double with each level.
///
/// Nested lists multiply: four levels over a session of 100,000 steps would not end. Items are counted rather than
/// seconds, so that the same input gives the same output on every machine.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    /// Items that may still be visited.
    left: Arc<AtomicU64>,
    /// True if the current object exceeded the limit.
    gives_up: Arc<AtomicBool>,
    /// True if any object exceeded the limit.
    has_given_up: Arc<AtomicBool>,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            left: Arc::new(AtomicU64::new(AT_FIRST)),
            gives_up: Arc::default(),
            has_given_up: Arc::default(),
        }
    }

    /// Adds the counting function to the scope.
    pub(super) fn install(&self, context: &mut Context<'_, '_>) {
        let meter = self.clone();
        let count = move || -> Result<bool, ExecutionError> { meter.spend(1).map(|()| true) };
        // Adding fails only if the language declares the name, and no name of the language begins with `@`.
        let _ = context.add_function(COUNT, count);
        let meter = self.clone();
        let joined = move |value: CelValue| -> Result<CelValue, ExecutionError> {
            let length = match &value {
                CelValue::String(text) => text.len() / BYTES_OF_ONE,
                CelValue::Bytes(bytes) => bytes.len() / BYTES_OF_ONE,
                CelValue::List(items) => items.len(),
                _ => 0,
            };
            meter.spend(u64::try_from(length).unwrap_or(u64::MAX))?;
            Ok(value)
        };
        let _ = context.add_function(JOINED, joined);
    }

    /// Counts work; fails once there is none left.
    fn spend(&self, work: u64) -> Result<(), ExecutionError> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            self.gives_up.store(true, Ordering::Relaxed);
            self.has_given_up.store(true, Ordering::Relaxed);
            return Err(ExecutionError::function_error(COUNT, GIVEN_UP));
        }
        self.left
            .store(left.saturating_sub(work), Ordering::Relaxed);
        Ok(())
    }

    /// Grants the work of one more object.
    pub(super) fn next_object(&self) {
        let left = self.left.load(Ordering::Relaxed);
        let more = left.saturating_add(FOR_EACH).min(AT_FIRST);
        self.left.store(more, Ordering::Relaxed);
        self.gives_up.store(false, Ordering::Relaxed);
    }

    /// Returns true if the current object exceeded the limit.
    pub(super) fn gives_up(&self) -> bool {
        self.gives_up.load(Ordering::Relaxed)
    }

    /// Returns true if any object exceeded the limit.
    pub(super) fn has_given_up(&self) -> bool {
        self.has_given_up.load(Ordering::Relaxed)
    }
}

/// Inserts calls of the counting function into the body of every macro.
pub(super) fn metered(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Select(select) => metered(&mut select.operand),
        Expr::Call(call) => {
            metered_parts(call);
            if call.func_name == "_+_" && !accumulates(call) {
                let joined = IdedExpr {
                    id: expression.id,
                    expr: std::mem::take(&mut expression.expr),
                };
                expression.expr = Expr::Call(CallExpr {
                    func_name: JOINED.to_owned(),
                    target: None,
                    args: vec![joined],
                });
            }
        }
        Expr::List(list) => list.elements.iter_mut().for_each(metered),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    metered(&mut entry.key);
                    metered(&mut entry.value);
                }
            }
        }
        Expr::Comprehension(of) => {
            metered(&mut of.iter_range);
            match &mut of.loop_step.expr {
                // The outer operator of the step stays as it is, since the interpreter inspects it.
                Expr::Call(call) => metered_parts(call),
                _ => metered(&mut of.loop_step),
            }
            count_in(&mut of.loop_step);
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
    }
}

fn metered_parts(call: &mut CallExpr) {
    call.args.iter_mut().for_each(metered);
    if let Some(target) = &mut call.target {
        metered(target);
    }
}

/// Returns whether a call adds an item to the result of a macro, whose items are counted anyway.
fn accumulates(call: &CallExpr) -> bool {
    let first = call.args.first().map(|first| &first.expr);
    matches!(first, Some(Expr::Ident(name)) if name.starts_with('@'))
}

/// Inserts the call into one step of a comprehension, to which macros expand.
///
/// The outer operator of the step stays as it is, since the interpreter inspects it.
fn count_in(step: &mut IdedExpr) {
    let Expr::Call(call) = &mut step.expr else {
        return;
    };
    let asked = match (call.func_name.as_str(), call.args.as_mut_slice()) {
        // all, exists: `@result && asked`.
        // filter, exists_one, map with a condition: `asked ? … : @result`.
        ("_&&_" | "_||_", [_, asked]) | ("_?_:_", [asked, ..]) => asked,
        // map: `@result + [asked]`.
        (_, [_, list]) => match &mut list.expr {
            Expr::List(list) => match list.elements.as_mut_slice() {
                [asked] => asked,
                _ => return,
            },
            _ => return,
        },
        _ => return,
    };
    let of = std::mem::take(asked);
    let call = |func_name: &str, args| {
        Expr::Call(CallExpr {
            func_name: func_name.to_owned(),
            target: None,
            args,
        })
    };
    let with = |id, expr| IdedExpr { id, expr };
    let never = with(of.id, Expr::Literal(LiteralValue::Boolean(false.into())));
    let count = with(of.id, call(COUNT, Vec::new()));
    *asked = with(of.id, call("_?_:_", vec![count, of, never]));
}

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
        // Where one operand alone is not true, the others are no reason.
        if call.func_name == "_&&_" {
            let is_true = |part: &IdedExpr| {
                matches!(CelValue::resolve(part, scope), Ok(CelValue::Bool(true)))
            };
            let reasons: Vec<_> = call.args.iter().filter(|part| !is_true(part)).collect();
            if !reasons.is_empty() {
                for part in reasons {
                    self.expression(part, scope);
                }
                return;
            }
        }
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

/// Message where the work limit was exceeded.
pub(crate) const GIVEN_UP: &str =
    "it is too much work: lists within lists, 500,000 items were looked at";

/// Name of the function that counts the length of what `+` joins.
const JOINED: &str = "@joined";

/// Bytes of a joined string that count as much as an item.
const BYTES_OF_ONE: usize = 8;

/// Name of the counting function; `@` keeps it out of reach of expressions.
const COUNT: &str = "@count";

/// Items that an expression may visit at first.
const AT_FIRST: u64 = 500_000;

/// Items granted for each object, so that many small objects never exhaust the limit.
const FOR_EACH: u64 = 1000;

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

//! Expressions held against the objects of one report, with what was found where one is not true.

use cel::common::ast::IdedExpr;
use cel::{Context, Value as CelValue};
use serde_json::{Map, Value};

use super::explain::{Fact, Known, facts};
use super::names::Uses;
use super::{Expression, add, meter};

/// What an assertion says about an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judgement {
    /// It holds.
    True,
    /// It does not; these are the values that it looked at.
    False(Vec<Fact>),
    /// It could not be told: what the cause is, and the values that it looked at.
    Stumbled(String, Vec<Fact>),
}

/// An expression with the report in scope: converted once, however many objects it is held against.
pub(crate) struct Prepared<'e> {
    expression: &'e Expression,
    report: &'e Value,
    root: Context<'static, 'static>,
}

impl<'e> Prepared<'e> {
    /// Puts what the expression uses of the report into scope.
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

    /// True where it holds; what it stumbles over is false.
    pub(crate) fn is_true(&self, object: &Value, session: Option<&Value>) -> bool {
        let scope = self.scope(object, session);
        let result = CelValue::resolve(self.code(), &scope);
        matches!(result, Ok(CelValue::Bool(true))) && !self.expression.meter.gives_up()
    }

    /// Whether it holds, and if not, what was found.
    pub(crate) fn judge(&self, object: &Value, session: Option<&Value>) -> Judgement {
        let scope = self.scope(object, session);
        let result = CelValue::resolve(self.code(), &scope);
        if self.expression.meter.gives_up() {
            return Judgement::Stumbled(meter::GIVEN_UP.to_owned(), Vec::new());
        }
        if matches!(result, Ok(CelValue::Bool(true))) {
            return Judgement::True;
        }
        let known = Known {
            object,
            own_name: self.expression.scope.name(),
            session,
            report: self.report,
        };
        let facts = facts(self.code(), &known, &scope);
        match result {
            Ok(CelValue::Bool(false)) => Judgement::False(facts),
            Ok(_) => Judgement::Stumbled("it is neither true nor false".to_owned(), facts),
            Err(error) => {
                let through = facts.iter().find(|fact| fact.is_in_the_way);
                let null = through.or_else(|| facts.iter().find(|fact| fact.value.is_null()));
                let cause = null.map_or_else(
                    || error.to_string(),
                    |fact| format!("{} is null", fact.name),
                );
                Judgement::Stumbled(cause, facts)
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

    /// True where it was too much work to tell of some object.
    pub(crate) fn has_given_up(&self) -> bool {
        self.expression.has_given_up()
    }

    fn code(&self) -> &'e IdedExpr {
        &self.expression.code
    }
}

impl Expression {
    /// True where it was too much work to tell of some object whether it is true.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        self.meter.has_given_up()
    }

    fn uses_of(&self, name: &str) -> Option<&Uses> {
        let found = self.around.iter().find(|(used, _)| *used == name);
        found.map(|(_, uses)| uses)
    }

    /// What it looks at of an object, whether it is true or not.
    pub(crate) fn values(&self, object: &Value) -> Vec<Fact> {
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

/// Of an object, what is used of it.
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

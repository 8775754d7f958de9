//! A bound on the work of an expression: the items that its `all`, `exists`, `filter` and `map` look at are counted.
//!
//! Lists within lists multiply: four levels over a session of 100,000 steps would not end. The count is a function of the
//! expression and the report alone, so that the same input gives the same output on every machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::{Context, ExecutionError};

/// What is left of the work that an expression may do.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    left: Arc<AtomicU64>,
    /// It was too much for this object.
    gives_up: Arc<AtomicBool>,
    /// It was too much for some object.
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

    /// Puts the function that counts into scope, for one more object.
    pub(super) fn install(&self, context: &mut Context<'_, '_>) {
        let meter = self.clone();
        let count = move || -> Result<bool, ExecutionError> {
            let left = meter.left.load(Ordering::Relaxed);
            if left == 0 {
                meter.gives_up.store(true, Ordering::Relaxed);
                meter.has_given_up.store(true, Ordering::Relaxed);
                return Err(ExecutionError::function_error(COUNT, GIVEN_UP));
            }
            meter.left.store(left - 1, Ordering::Relaxed);
            Ok(true)
        };
        // It fails only where a function of that name is declared by the language, and no name there begins so.
        let _ = context.add_function(COUNT, count);
    }

    /// One more object is looked at, which may cost something.
    pub(super) fn next_object(&self) {
        let left = self.left.load(Ordering::Relaxed);
        let more = left.saturating_add(FOR_EACH).min(AT_FIRST);
        self.left.store(more, Ordering::Relaxed);
        self.gives_up.store(false, Ordering::Relaxed);
    }

    /// True where the answer for this object was not found within the bound.
    pub(super) fn gives_up(&self) -> bool {
        self.gives_up.load(Ordering::Relaxed)
    }

    /// True where the answer for some object was not found within the bound.
    pub(super) fn has_given_up(&self) -> bool {
        self.has_given_up.load(Ordering::Relaxed)
    }
}

/// Counts in an expression: what is asked of each item is asked only while there is something left.
pub(super) fn metered(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Select(select) => metered(&mut select.operand),
        Expr::Call(call) => {
            call.args.iter_mut().for_each(metered);
            if let Some(target) = &mut call.target {
                metered(target);
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
            metered(&mut of.loop_step);
            count_in(&mut of.loop_step);
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
    }
}

/// The macros fold each item into what was found so far. The shape of that stays, which the interpreter looks at.
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

/// What is told where the bound is reached.
pub(crate) const GIVEN_UP: &str =
    "it is too much work: lists within lists, 500,000 items were looked at";

/// The name of the function that counts; nobody can write it.
const COUNT: &str = "@count";

/// Items that may be looked at.
const AT_FIRST: u64 = 500_000;

/// Items more for each object, so that many small ones never end it.
const FOR_EACH: u64 = 1000;

//! How deeply an expression is nested, told before anything goes down as many levels.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};

/// Levels of an expression.
pub(super) const DEEPEST: usize = 32;

/// The deepest nesting of brackets, or run of prefix operators, in a text that was not parsed yet.
pub(super) fn bracket_depth(text: &str) -> usize {
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

/// The levels of a parsed expression below `above`.
pub(super) fn depth(expression: &IdedExpr, above: usize) -> usize {
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

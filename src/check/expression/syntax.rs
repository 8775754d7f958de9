//! Parsing within limits, with syntax errors in the words of people who write conditions, not of a parser generator.

use std::thread;

use cel::Program;
use cel::common::ast::{EntryExpr, Expr, IdedExpr};

/// A syntax error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) message: String,
    /// Offset in characters; `None` if the parser reports no position.
    pub(super) at: Option<usize>,
    /// Correction; `None` if none is known.
    pub(super) hint: Option<String>,
}

/// Parses an expression.
pub(super) fn parse(text: &str) -> Result<Program, SyntaxError> {
    let plain = |message: String| SyntaxError {
        message,
        at: None,
        hint: None,
    };
    if text.trim().is_empty() {
        return Err(SyntaxError {
            hint: Some("write such as login.user == \"mira\"".to_owned()),
            ..plain("there is no expression".to_owned())
        });
    }
    let owned = text.to_owned();
    // The parser recurses once per operator, also in flat chains such as `a + b + c`, which `bracket_depth` does not
    // see.
    let worker = thread::Builder::new()
        .stack_size(PARSER_STACK)
        .spawn(move || Program::compile(&owned));
    let parsed = worker.map_err(|error| plain(error.to_string()))?.join();
    match parsed {
        Ok(Ok(program)) => Ok(program),
        Ok(Err(errors)) => {
            let first = errors.errors.first();
            let message = first.map_or("it cannot be read", |error| error.msg.as_str());
            let at = first.and_then(|error| offset(text, error.pos));
            Err(reworded(text, message, at))
        }
        // The generated parser panicked: one expression must not end the program.
        Err(_) => Err(plain("the expression cannot be read".to_owned())),
    }
}

/// Rewords a parser message by the text at its position.
fn reworded(text: &str, message: &str, at: Option<usize>) -> SyntaxError {
    let message = message.lines().next().unwrap_or_default();
    // The rest is a list of every token that the grammar allows here.
    let message = message.split(" expecting ").next().unwrap_or_default();
    let message = message.trim_start_matches("Syntax error: ");
    let rest: String = text.chars().skip(at.unwrap_or(0)).collect();
    let rest = rest.trim_start();
    let before: String = text.chars().take(at.unwrap_or(0)).collect();
    let make = |message: String, hint: Option<&str>| SyntaxError {
        message,
        at,
        hint: hint.map(str::to_owned),
    };
    if let Some(word) = message.strip_prefix("reserved identifier: ") {
        return make(format!("{word} is a word that CEL reserves"), None);
    }
    if message.contains("simple name") {
        let hint = "write steps.all(s, s.outcome == \"ok\")";
        return make(
            "a name for the items is expected here".to_owned(),
            Some(hint),
        );
    }
    if message.starts_with("Incomplete") {
        let hint = "write condition ? one : other";
        return make("the expression is not complete".to_owned(), Some(hint));
    }
    if rest.is_empty() {
        let hint = CLOSING
            .iter()
            .find(|(sign, _)| message.contains(sign))
            .map(|(_, hint)| *hint);
        return make("the expression ends too early".to_owned(), hint);
    }
    if rest.starts_with(['"', '\'']) && message.contains("token recognition") {
        let hint = "it does not end, or has a \\ that says nothing; \\\\ stands for one";
        return make("this text cannot be read".to_owned(), Some(hint));
    }
    let sign = rest.split(char::is_whitespace).next().unwrap_or_default();
    if let Some((_, hint)) = SIGNS.iter().find(|(wrong, _)| sign.starts_with(wrong)) {
        let end = sign.find(|one: char| one.is_alphanumeric() || matches!(one, '"' | '\'' | '('));
        let sign = sign.get(..end.unwrap_or(sign.len())).unwrap_or(sign);
        return make(format!("there is no {sign} in CEL"), Some(hint));
    }
    let word: String = rest
        .chars()
        .take_while(|one| one.is_alphanumeric() || *one == '_')
        .collect();
    let hint = WORDS.iter().find(|(wrong, _)| *wrong == word);
    if let Some((_, hint)) = hint {
        return make(format!("there is no {word} in CEL"), Some(hint));
    }
    if before.trim_end().ends_with("not") {
        return make("there is no not in CEL".to_owned(), Some("write !"));
    }
    let first: String = if word.is_empty() {
        rest.chars().take(1).collect()
    } else {
        word
    };
    make(format!("{first} does not belong here"), None)
}

/// Converts a line and column, both from 1, to an offset in characters; `None` before the text.
fn offset(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let line = usize::try_from(line.checked_sub(1)?).ok()?;
    let column = usize::try_from(column.checked_sub(1)?).ok()?;
    let before = text.split_inclusive('\n').take(line);
    Some(before.map(|line| line.chars().count()).sum::<usize>() + column)
}

/// Returns the deepest nesting of brackets, or longest run of prefix operators, in an unparsed text.
///
/// Checked before parsing: the parser itself recurses, so that a hostile text could exhaust even its own stack.
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

/// Returns the depth of a parsed expression that is `above` levels deep already.
pub(super) fn depth(expression: &IdedExpr, above: usize) -> usize {
    let here = above + 1;
    // Such an expression is refused: its full depth is of no interest and may not fit on this stack.
    if here > MAX_DEPTH {
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

/// Closing signs that may be missing at the end.
const CLOSING: &[(&str, &str)] = &[("')'", "a ) is missing"), ("']'", "a ] is missing")];

/// Operators and quotes of other languages, with their CEL counterparts.
const SIGNS: &[(&str, &str)] = &[
    ("=~", "write text.matches(\"…\")"),
    ("=>", "write >="),
    ("=<", "write <="),
    ("=", "write == to compare"),
    ("&", "write && for and"),
    ("|", "write || for or"),
    ("“", "texts stand between \" or '"),
    ("”", "texts stand between \" or '"),
    ("‘", "texts stand between \" or '"),
    ("’", "texts stand between \" or '"),
];

/// Keywords of other languages, with their CEL counterparts.
const WORDS: &[(&str, &str)] = &[
    ("and", "write &&"),
    ("AND", "write &&"),
    ("or", "write ||"),
    ("OR", "write ||"),
    ("not", "write !"),
    ("is", "write =="),
    ("like", "write text.matches(\"…\")"),
    ("matches", "write text.matches(\"…\")"),
    ("contains", "write text.contains(\"…\")"),
];

/// Bytes of the parser's stack: enough for 4 KiB of operators.
const PARSER_STACK: usize = 64 << 20;

/// Levels of nesting that an expression may have.
pub(super) const MAX_DEPTH: usize = 32;

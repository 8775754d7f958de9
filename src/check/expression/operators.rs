//! Whether operators and functions are given what they can work with.
//!
//! CEL tells such mistakes when it meets the values, one at a time, and a comparison of a text with a number is just never
//! true. Here they are told before anything is read.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};

use super::kinds::{Basic, Kind, words_of};
use crate::check::vocabulary::{Vocabulary, nearest};

/// What is wrong, with which part, and what to do.
pub(super) struct Wrong<'e> {
    pub(super) part: &'e IdedExpr,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// A part of an expression and its kind.
type Part<'e, 'a> = (&'e IdedExpr, Kind<'a>);

/// The names of all functions.
pub(super) fn function_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name)
}

/// The kind of what a call gives.
pub(super) fn call<'e, 'a>(
    call: &CallExpr,
    parts: &[Part<'e, 'a>],
    words: &'a Vocabulary,
) -> Result<Kind<'a>, Wrong<'e>> {
    match (call.func_name.as_str(), parts) {
        ("_&&_" | "_||_", [left, right]) => {
            flag(left, words)?;
            flag(right, words)?;
            Ok(Kind::Flag)
        }
        ("!_", [of]) => flag(of, words).map(|()| Kind::Flag),
        ("_?_:_", [condition, one, other]) => {
            flag(condition, words)?;
            let same = one.1.basic(words) == other.1.basic(words);
            Ok(if same { one.1.clone() } else { Kind::Any })
        }
        ("_==_" | "_!=_", [left, right]) => {
            comparable(left, right, words)?;
            Ok(Kind::Flag)
        }
        ("_<_" | "_<=_" | "_>_" | "_>=_", [left, right]) => {
            ordered(left, right, words)?;
            Ok(Kind::Flag)
        }
        ("@in", [left, right]) => {
            contained(left, right, words)?;
            Ok(Kind::Flag)
        }
        ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", [left, right]) => {
            calculated(&call.func_name, left, right, words)
        }
        ("-_", [of]) => match of.1.basic(words) {
            Some(basic) if !basic.is_number() => Err(is_not(of, basic, "a number")),
            _ => Ok(of.1.clone()),
        },
        (name, parts) => function(name, parts, words),
    }
}

/// Refuses what is neither true nor false.
pub(super) fn flag<'e>(part: &Part<'e, '_>, words: &Vocabulary) -> Result<(), Wrong<'e>> {
    match part.1.basic(words) {
        None | Some(Basic::Flag) => Ok(()),
        Some(basic) => {
            let hint = match basic {
                Basic::Text => "write such as login.user == \"mira\"",
                Basic::Whole | Basic::Fraction => "compare it with a number, such as bytes > 0",
                Basic::List => "write size(…) > 0, or .exists(one, …)",
                Basic::Object | Basic::Null | Basic::Flag => "write … != null",
            };
            Err(Wrong {
                hint: Some(hint.to_owned()),
                ..is_not(part, basic, "true or false")
            })
        }
    }
}

fn comparable<'e>(
    left: &Part<'e, '_>,
    right: &Part<'e, '_>,
    words: &Vocabulary,
) -> Result<(), Wrong<'e>> {
    if let (Some(one), Some(other)) = (left.1.basic(words), right.1.basic(words))
        && !one.may_equal(other)
    {
        return Err(Wrong {
            part: left.0,
            message: format!(
                "{} is {}, {} is {}: they are never equal",
                words_of(left.0),
                one.words(),
                words_of(right.0),
                other.words()
            ),
            hint: quotes(left, right, words).or_else(|| quotes(right, left, words)),
        });
    }
    is_a_choice(left, right, words)?;
    is_a_choice(right, left, words)
}

/// How a value would be written so that it is of the kind of the other.
fn quotes(value: &Part<'_, '_>, other: &Part<'_, '_>, words: &Vocabulary) -> Option<String> {
    let Expr::Literal(literal) = &value.0.expr else {
        return None;
    };
    match (literal, other.1.basic(words)?) {
        (LiteralValue::String(text), Basic::Whole | Basic::Fraction) => {
            let text = text.inner();
            let number = text.parse::<f64>().is_ok();
            number.then(|| format!("numbers stand without quotes: {text}"))
        }
        (LiteralValue::String(text), Basic::Flag) => {
            let text = text.inner();
            let is_flag = matches!(text, "true" | "false");
            is_flag.then(|| format!("{text} stands without quotes"))
        }
        (LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_), Basic::Text) => {
            Some(format!("texts stand in quotes: \"{}\"", words_of(value.0)))
        }
        _ => None,
    }
}

/// Refuses a text that the field can never be.
fn is_a_choice<'e>(
    field: &Part<'_, '_>,
    text: &Part<'e, '_>,
    words: &Vocabulary,
) -> Result<(), Wrong<'e>> {
    let Expr::Literal(LiteralValue::String(literal)) = &text.0.expr else {
        return Ok(());
    };
    let choices = field.1.choices(words);
    if choices.is_empty() || choices.contains(&literal.inner()) {
        return Ok(());
    }
    let hint = match nearest(choices.iter().copied(), literal.inner()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("there are: {}", choices.join(", ")),
    };
    Err(Wrong {
        part: text.0,
        message: format!("{} is never {}", words_of(field.0), words_of(text.0)),
        hint: Some(hint),
    })
}

fn ordered<'e>(
    left: &Part<'e, '_>,
    right: &Part<'e, '_>,
    words: &Vocabulary,
) -> Result<(), Wrong<'e>> {
    for part in [left, right] {
        if let Some(basic @ (Basic::List | Basic::Object | Basic::Flag | Basic::Null)) =
            part.1.basic(words)
        {
            return Err(Wrong {
                hint: matches!(basic, Basic::List)
                    .then(|| format!("write size({})", words_of(part.0))),
                ..is_not(part, basic, "a number or a text")
            });
        }
    }
    match (left.1.basic(words), right.1.basic(words)) {
        (Some(one), Some(other)) if one != other && !(one.is_number() && other.is_number()) => {
            Err(Wrong {
                part: left.0,
                message: format!(
                    "{} is {}, {} is {}: neither is more than the other",
                    words_of(left.0),
                    one.words(),
                    words_of(right.0),
                    other.words()
                ),
                hint: quotes(left, right, words).or_else(|| quotes(right, left, words)),
            })
        }
        _ => Ok(()),
    }
}

fn contained<'e>(
    left: &Part<'e, '_>,
    right: &Part<'e, '_>,
    words: &Vocabulary,
) -> Result<(), Wrong<'e>> {
    match right.1.basic(words) {
        Some(
            basic @ (Basic::Text | Basic::Whole | Basic::Fraction | Basic::Flag | Basic::Null),
        ) => {
            let hint = matches!(basic, Basic::Text)
                .then(|| format!("write {}.contains(…)", words_of(right.0)));
            return Err(Wrong {
                hint,
                ..is_not(right, basic, "a list")
            });
        }
        Some(Basic::List) => {}
        _ => return Ok(()),
    }
    if let Expr::List(list) = &right.0.expr {
        for element in &list.elements {
            if let Expr::Literal(literal) = &element.expr {
                comparable(left, &(element, Kind::of_literal(literal)), words).map_err(
                    |wrong| Wrong {
                        part: element,
                        ..wrong
                    },
                )?;
            }
        }
    }
    Ok(())
}

fn calculated<'e, 'a>(
    operator: &str,
    left: &Part<'e, 'a>,
    right: &Part<'e, 'a>,
    words: &'a Vocabulary,
) -> Result<Kind<'a>, Wrong<'e>> {
    let joins = operator == "_+_";
    for part in [left, right] {
        match part.1.basic(words) {
            None | Some(Basic::Whole | Basic::Fraction) => {}
            Some(Basic::Text | Basic::List) if joins => {}
            Some(basic) => return Err(is_not(part, basic, "a number")),
        }
    }
    match (left.1.basic(words), right.1.basic(words)) {
        (Some(one), Some(other)) if one == other => Ok(left.1.clone()),
        (Some(one), Some(other)) => {
            let hint = (one.is_number() && other.is_number()).then(|| {
                let whole = if one == Basic::Whole { left } else { right };
                match &whole.0.expr {
                    Expr::Literal(_) => format!("write {}.0", words_of(whole.0)),
                    _ => format!("write double({})", words_of(whole.0)),
                }
            });
            Err(Wrong {
                part: left.0,
                message: format!(
                    "{} is {}, {} is {}: CEL does not calculate with both",
                    words_of(left.0),
                    one.words(),
                    words_of(right.0),
                    other.words()
                ),
                hint,
            })
        }
        _ => Ok(Kind::Any),
    }
}

fn function<'e, 'a>(
    name: &str,
    parts: &[Part<'e, 'a>],
    words: &'a Vocabulary,
) -> Result<Kind<'a>, Wrong<'e>> {
    let known = FUNCTIONS.iter().find(|(known, ..)| *known == name);
    let Some((_, wanted, gives)) = known.filter(|(_, wanted, _)| !wanted.is_empty()) else {
        return Ok(Kind::Any);
    };
    if parts.len() != wanted.len()
        && let Some(part) = parts.last().or(parts.first())
    {
        return Err(Wrong {
            part: part.0,
            message: format!("{name} is for {}", values(wanted.len())),
            hint: Some(match wanted.len() {
                1 => format!("write {name}(…)"),
                _ => format!("write text.{name}(\"…\")"),
            }),
        });
    }
    for (part, wanted) in parts.iter().zip(*wanted) {
        let Some(basic) = part.1.basic(words) else {
            continue;
        };
        let fits = match wanted {
            Wanted::Text => basic == Basic::Text,
            Wanted::Sized => matches!(basic, Basic::Text | Basic::List | Basic::Object),
            Wanted::Value => matches!(basic, Basic::Text | Basic::Whole | Basic::Fraction),
        };
        if !fits {
            let expected = match wanted {
                Wanted::Text => "a text",
                Wanted::Sized => "a text or a list",
                Wanted::Value => "a number or a text",
            };
            return Err(is_not(part, basic, expected));
        }
    }
    if let ("matches", [_, (part, _)]) = (name, parts)
        && let Expr::Literal(LiteralValue::String(pattern)) = &part.expr
        && let Err(message) = crate::check::constraint::matches(pattern.inner())
    {
        return Err(Wrong {
            part,
            message: format!("{} is no regular expression: {message}", words_of(part)),
            hint: None,
        });
    }
    Ok(match gives {
        Gives::Flag => Kind::Flag,
        Gives::Whole => Kind::Whole,
        Gives::Fraction => Kind::Fraction,
        Gives::Text => Kind::Text,
        Gives::Any => Kind::Any,
    })
}

fn values(count: usize) -> &'static str {
    match count {
        1 => "one value",
        _ => "a text and one value",
    }
}

fn is_not<'e>(part: &Part<'e, '_>, basic: Basic, expected: &str) -> Wrong<'e> {
    Wrong {
        part: part.0,
        message: format!("{} is {}, not {expected}", words_of(part.0), basic.words()),
        hint: None,
    }
}

#[derive(Clone, Copy)]
enum Wanted {
    Text,
    Sized,
    Value,
}

#[derive(Clone, Copy)]
enum Gives {
    Flag,
    Whole,
    Fraction,
    Text,
    Any,
}

/// The functions that need no more than the values at hand: what they are given, the text before the dot first (nothing
/// stands for any number of values), and what they give.
const FUNCTIONS: &[(&str, &[Wanted], Gives)] = &[
    ("size", &[Wanted::Sized], Gives::Whole),
    ("contains", &[Wanted::Text, Wanted::Text], Gives::Flag),
    ("startsWith", &[Wanted::Text, Wanted::Text], Gives::Flag),
    ("endsWith", &[Wanted::Text, Wanted::Text], Gives::Flag),
    ("matches", &[Wanted::Text, Wanted::Text], Gives::Flag),
    ("int", &[Wanted::Value], Gives::Whole),
    ("uint", &[Wanted::Value], Gives::Any),
    ("double", &[Wanted::Value], Gives::Fraction),
    ("string", &[Wanted::Value], Gives::Text),
    ("bytes", &[Wanted::Value], Gives::Any),
    ("max", &[], Gives::Any),
    ("min", &[], Gives::Any),
];

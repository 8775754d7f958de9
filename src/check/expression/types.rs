//! Type check of an expression before it runs.
//!
//! CEL itself reports a type error only when it meets the values, one at a time, and a comparison of a string with a
//! number is silently false. Here both are errors before any capture is read.

use std::net::IpAddr;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::Vocabulary;
use super::impossible::{is_possible, is_possible_part};
use crate::check::vocabulary::FieldKind;
use crate::model::{Timestamp, instant_in};

/// Type of a part of an expression, as far as it is known before evaluation.
#[derive(Clone, Debug)]
pub(super) enum Kind<'a> {
    /// Unknown.
    Any,
    /// Field of the report, by its schema; may be null as well.
    Field(&'a Value),
    /// String.
    Text,
    /// Integer.
    Whole,
    /// Floating-point number.
    Fraction,
    /// Boolean.
    Flag,
    /// Null.
    Null,
    /// List, with the type of its items.
    List(Box<Kind<'a>>),
    /// Map, or object of the report.
    Object,
}

/// Type without its schema or items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basic {
    Text,
    Whole,
    Fraction,
    Flag,
    Null,
    List,
    Object,
}

impl<'a> Kind<'a> {
    /// Returns the type without its schema or items; `None` if it is unknown.
    pub(super) fn basic(&self, words: &Vocabulary) -> Option<Basic> {
        Some(match self {
            Self::Any => return None,
            Self::Field(schema) => match words.kind(schema) {
                FieldKind::Text(_) => Basic::Text,
                FieldKind::Number if is(schema, "integer") => Basic::Whole,
                FieldKind::Number => Basic::Fraction,
                FieldKind::Flag => Basic::Flag,
                FieldKind::List => Basic::List,
                FieldKind::Object if words.names(schema).is_empty() => return None,
                FieldKind::Object => Basic::Object,
            },
            Self::Text => Basic::Text,
            Self::Whole => Basic::Whole,
            Self::Fraction => Basic::Fraction,
            Self::Flag => Basic::Flag,
            Self::Null => Basic::Null,
            Self::List(_) => Basic::List,
            Self::Object => Basic::Object,
        })
    }

    /// Returns the type of a list's items.
    pub(super) fn items(self, words: &'a Vocabulary) -> Self {
        match self {
            Self::List(items) => *items,
            Self::Field(schema) => words.items(schema).map_or(Self::Any, Self::Field),
            _ => Self::Any,
        }
    }

    /// Returns the strings that a field can be; empty if it can be any.
    pub(super) fn choices(&self, words: &'a Vocabulary) -> Vec<&'a str> {
        match self {
            Self::Field(schema) => match words.kind(schema) {
                FieldKind::Text(choices) => choices,
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Returns true for a time of the report.
    fn is_time(&self, words: &Vocabulary) -> bool {
        matches!(self, Self::Field(schema) if words.is_time(schema))
    }

    /// Returns true for an IP address.
    pub(super) fn is_address(&self, words: &Vocabulary) -> bool {
        matches!(self, Self::Field(schema) if words.is_address(schema))
    }

    /// Returns the type of a literal.
    pub(super) fn of_literal(literal: &LiteralValue) -> Self {
        match literal {
            LiteralValue::Boolean(_) => Self::Flag,
            LiteralValue::Double(_) => Self::Fraction,
            LiteralValue::Int(_) | LiteralValue::UInt(_) => Self::Whole,
            LiteralValue::Null => Self::Null,
            LiteralValue::String(_) => Self::Text,
            LiteralValue::Bytes(_) => Self::Any,
        }
    }
}

impl Basic {
    /// Renders the type as it follows "is" in a message.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Whole => "a number",
            Self::Fraction => "a number with a fraction",
            Self::Flag => "true or false",
            Self::Null => "null",
            Self::List => "a list",
            Self::Object => "an object with fields",
        }
    }

    /// Returns true for integers and floating-point numbers.
    pub(super) const fn is_number(self) -> bool {
        matches!(self, Self::Whole | Self::Fraction)
    }

    /// Returns true if values of the two types can be equal.
    pub(super) fn may_equal(self, other: Self) -> bool {
        self == other
            || matches!(self, Self::Null)
            || matches!(other, Self::Null)
            || (self.is_number() && other.is_number())
    }
}

/// Renders a part of an expression for a message: `login.user`, `"x"`, `size(…)`, else `this`.
pub(super) fn words_of(expression: &IdedExpr) -> String {
    match &expression.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Select(select) => format!("{}.{}", words_of(&select.operand), select.field),
        Expr::Literal(literal) => literal_words(literal),
        Expr::Call(call) if call.func_name == "_[_]" => match call.args.as_slice() {
            [of, index] => format!("{}[{}]", words_of(of), words_of(index)),
            _ => "this".to_owned(),
        },
        Expr::Call(call) if call.func_name.starts_with(char::is_alphabetic) => match &call.target {
            Some(target) => format!("{}.{}(…)", words_of(target), call.func_name),
            None => format!("{}(…)", call.func_name),
        },
        _ => "this".to_owned(),
    }
}

fn literal_words(literal: &LiteralValue) -> String {
    match literal {
        LiteralValue::Boolean(flag) => flag.inner().to_string(),
        LiteralValue::Double(number) => number.inner().to_string(),
        LiteralValue::Int(number) => number.inner().to_string(),
        LiteralValue::UInt(number) => number.inner().to_string(),
        LiteralValue::String(text) => Value::from(text.inner()).to_string(),
        LiteralValue::Null => "null".to_owned(),
        LiteralValue::Bytes(_) => "this".to_owned(),
    }
}

fn is(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().any(|one| one == name),
        Some(one) => one == name,
        None => false,
    }
}

/// A type error.
pub(super) struct TypeError<'e> {
    /// Part of the expression to mark.
    pub(super) part: &'e IdedExpr,
    pub(super) message: String,
    /// Correction; `None` if none is known.
    pub(super) hint: Option<String>,
}

/// A part of an expression and its type.
type Part<'e, 'a> = (&'e IdedExpr, Kind<'a>);

/// Returns the names of all functions.
pub(super) fn function_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name)
}

/// Checks the operands of an operator or function and returns the type of its result.
pub(super) fn call<'e, 'a>(
    call: &CallExpr,
    parts: &[Part<'e, 'a>],
    words: &'a Vocabulary,
) -> Result<Kind<'a>, TypeError<'e>> {
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

/// Checks that a part is boolean.
pub(super) fn flag<'e>(part: &Part<'e, '_>, words: &Vocabulary) -> Result<(), TypeError<'e>> {
    match part.1.basic(words) {
        None | Some(Basic::Flag) => Ok(()),
        Some(basic) => {
            let hint = match basic {
                Basic::Text => "write such as login.user == \"mira\"",
                Basic::Whole | Basic::Fraction => "compare it with a number, such as bytes > 0",
                Basic::List => "write size(…) > 0, or .exists(one, …)",
                Basic::Object | Basic::Null | Basic::Flag => "write … != null",
            };
            Err(TypeError {
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
) -> Result<(), TypeError<'e>> {
    if let (Some(one), Some(other)) = (left.1.basic(words), right.1.basic(words))
        && !one.may_equal(other)
    {
        return Err(TypeError {
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
    is_possible(left, right, words)?;
    is_possible(right, left, words)
}

/// Suggests how to quote a literal so that it has the type of the other operand; `None` if quotes are not the problem.
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

/// Returns the texts of a comparison with a time of the report that are spelled in another way, by their ids, as the report has
/// them.
///
/// There all times have the same length, so that the order of the texts is that of the times. Without a zone a time is in UTC.
pub(super) fn times<'e>(
    operator: &str,
    parts: &[Part<'e, '_>],
    words: &Vocabulary,
) -> Result<Vec<(u64, String)>, TypeError<'e>> {
    let ([left, right], true) = (parts, COMPARISONS.contains(&operator)) else {
        return Ok(Vec::new());
    };
    let (time, other) = if left.1.is_time(words) {
        (left, right.0)
    } else if right.1.is_time(words) {
        (right, left.0)
    } else {
        return Ok(Vec::new());
    };
    let texts = match &other.expr {
        Expr::List(list) => list.elements.as_slice(),
        _ => std::slice::from_ref(other),
    };
    let mut found = Vec::new();
    for part in texts {
        let Expr::Literal(LiteralValue::String(text)) = &part.expr else {
            continue;
        };
        let Some(as_reported) = time_of(text.inner()) else {
            return Err(TypeError {
                part,
                message: format!(
                    "{} is a time, and {} is none",
                    words_of(time.0),
                    words_of(part)
                ),
                hint: Some("write such as \"2026-11-20T15:53:01Z\"".to_owned()),
            });
        };
        found.push((part.id, as_reported));
    }
    Ok(found)
}

/// Reads a time of RFC 3339, or with its zone left out or named UTC as in tables, or the beginning of one, and writes it as
/// reports do.
fn time_of(text: &str) -> Option<String> {
    let text = text.strip_suffix(" UTC").unwrap_or(text).trim();
    let rest = match text.len() {
        // A year, and a month.
        4 => "-01-01",
        7 => "-01",
        _ => "",
    };
    let time = instant_in(&format!("{text}{rest}"), &TimeZone::UTC)?;
    let nanos = i64::try_from(time.as_nanosecond()).ok()?;
    Some(Timestamp::from_nanos(nanos).to_string())
}

/// Operators that compare two values.
const COMPARISONS: [&str; 7] = ["_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"];

fn ordered<'e>(
    left: &Part<'e, '_>,
    right: &Part<'e, '_>,
    words: &Vocabulary,
) -> Result<(), TypeError<'e>> {
    for part in [left, right] {
        if let Some(basic @ (Basic::List | Basic::Object | Basic::Flag | Basic::Null)) =
            part.1.basic(words)
        {
            return Err(TypeError {
                hint: matches!(basic, Basic::List)
                    .then(|| format!("write size({})", words_of(part.0))),
                ..is_not(part, basic, "a number or a text")
            });
        }
    }
    match (left.1.basic(words), right.1.basic(words)) {
        (Some(one), Some(other)) if one != other && !(one.is_number() && other.is_number()) => {
            Err(TypeError {
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
        _ => {
            for part in [left, right] {
                let choices = part.1.choices(words);
                if !choices.is_empty() {
                    return Err(TypeError {
                        part: part.0,
                        message: format!(
                            "{} is a word, and words have no order but that of their letters",
                            words_of(part.0)
                        ),
                        hint: Some(format!(
                            "write {} in […] with some of {}",
                            words_of(part.0),
                            choices.join(", ")
                        )),
                    });
                }
            }
            Ok(())
        }
    }
}

/// Returns the octets, or groups, that the addresses of a network in prefix notation have in common as text (RFC 4632
/// section 3.1), to the last whole one; `None` for another text.
pub(super) fn network_prefix(text: &str) -> Option<String> {
    let (address, bits) = text.split_once('/')?;
    let bits: usize = bits.parse().ok()?;
    match address.parse().ok()? {
        IpAddr::V4(_) => {
            let octets: Vec<_> = address.split('.').take((bits / 8).min(3)).collect();
            (!octets.is_empty()).then(|| format!("{}.", octets.join(".")))
        }
        IpAddr::V6(address) => {
            let groups = address.segments();
            let groups = groups.iter().take((bits / 16).min(7));
            let groups: Vec<_> = groups
                .take_while(|group| **group != 0)
                .map(|group| format!("{group:x}"))
                .collect();
            (!groups.is_empty()).then(|| format!("{}:", groups.join(":")))
        }
    }
}

fn contained<'e>(
    left: &Part<'e, '_>,
    right: &Part<'e, '_>,
    words: &Vocabulary,
) -> Result<(), TypeError<'e>> {
    match right.1.basic(words) {
        Some(
            basic @ (Basic::Text | Basic::Whole | Basic::Fraction | Basic::Flag | Basic::Null),
        ) => {
            let network = match &right.0.expr {
                Expr::Literal(LiteralValue::String(text)) => network_prefix(text.inner()),
                _ => None,
            };
            let hint = matches!(basic, Basic::Text).then(|| match network {
                Some(prefix) => format!("write {}.startsWith(\"{prefix}\")", words_of(left.0)),
                None => format!("write {}.contains(…)", words_of(right.0)),
            });
            return Err(TypeError {
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
                    |error| TypeError {
                        part: element,
                        ..error
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
) -> Result<Kind<'a>, TypeError<'e>> {
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
            Err(TypeError {
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
) -> Result<Kind<'a>, TypeError<'e>> {
    let known = FUNCTIONS.iter().find(|(known, ..)| *known == name);
    let Some((_, wanted, gives)) = known.filter(|(_, wanted, _)| !wanted.is_empty()) else {
        return Ok(Kind::Any);
    };
    if parts.len() != wanted.len()
        && let Some(part) = parts.last().or(parts.first())
    {
        return Err(TypeError {
            part: part.0,
            message: format!("{name} is for {}", arity_words(wanted.len())),
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
    if let [field, value] = parts {
        is_possible_part(name, field, value)?;
    }
    if let ("matches", [_, (part, _)]) = (name, parts)
        && let Expr::Literal(LiteralValue::String(pattern)) = &part.expr
        && let Err(message) = super::super::constraint::matches(pattern.inner())
    {
        return Err(TypeError {
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

fn arity_words(count: usize) -> &'static str {
    match count {
        1 => "one value",
        _ => "a text and one value",
    }
}

fn is_not<'e>(part: &Part<'e, '_>, basic: Basic, expected: &str) -> TypeError<'e> {
    TypeError {
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

/// The functions an expression may call, all without side effects: name, types of the arguments with the receiver first
/// (empty for any number of any type), type of the result.
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

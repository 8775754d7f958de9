//! What kind of value a part of an expression has, as far as it is known before anything is read.

use cel::common::ast::{Expr, IdedExpr, LiteralValue};
use serde_json::Value;

use super::Vocabulary;
use crate::check::vocabulary::FieldKind;

/// The kind of a value.
#[derive(Clone, Debug)]
pub(super) enum Kind<'a> {
    /// Not known.
    Any,
    /// A field of the report, by its schema; it may be null as well.
    Field(&'a Value),
    /// A text.
    Text,
    /// A whole number.
    Whole,
    /// A number with a fraction.
    Fraction,
    /// True or false.
    Flag,
    /// Null.
    Null,
    /// A list, with the kind of its items.
    List(Box<Kind<'a>>),
    /// Names with values.
    Object,
}

/// A kind without what is in it.
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
    /// Without what is in it; `None` where it is not known.
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

    /// The kind of what is in a list.
    pub(super) fn items(self, words: &'a Vocabulary) -> Self {
        match self {
            Self::List(items) => *items,
            Self::Field(schema) => words.items(schema).map_or(Self::Any, Self::Field),
            _ => Self::Any,
        }
    }

    /// The words that a text may be, where they are known.
    pub(super) fn choices(&self, words: &'a Vocabulary) -> Vec<&'a str> {
        match self {
            Self::Field(schema) => match words.kind(schema) {
                FieldKind::Text(choices) => choices,
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// Of what is written as it is.
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
    /// In words, after "is".
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

    /// True for numbers.
    pub(super) const fn is_number(self) -> bool {
        matches!(self, Self::Whole | Self::Fraction)
    }

    /// True where a value of the one can be equal to one of the other.
    pub(super) fn may_equal(self, other: Self) -> bool {
        self == other
            || matches!(self, Self::Null)
            || matches!(other, Self::Null)
            || (self.is_number() && other.is_number())
    }
}

/// A part of an expression in words: `login.user`, `"x"`, `size(…)`, else `this`.
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

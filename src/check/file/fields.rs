//! Fields by their names in the report (`login.user`, `connection.close`), and the constraints on them.
//!
//! ```text
//! 1715  "complete"  true          this value
//! "1000..2000"  "..5"             number in a range that includes both ends
//! { glob = "*.txt" }              string that matches a pattern of * and ?
//! { matches = "[.]zip$" }         string in which a regular expression is found
//! [ … ]                           one of these
//! { absent = true }               null
//! ```

use serde_json::{Number, Value as Json};
use toml_edit::{Item, TableLike, Value};

use super::super::constraint::{self, Constraint};
use super::super::expression::Scope;
use super::super::vocabulary::{FieldKind, Vocabulary, nearest};
use super::FieldExpectation;
use super::reader::Reader;

impl Reader<'_> {
    /// Reads a field, or the fields of an object, by the names of the report.
    pub(super) fn field(
        &mut self,
        table: &dyn TableLike,
        name: &str,
        scope: Scope,
        keys: &[&str],
    ) -> Vec<FieldExpectation> {
        let vocabulary = if scope == Scope::Transfer {
            self.transfer.clone()
        } else {
            self.session.clone()
        };
        let mut fields = Vec::new();
        self.fields_below(
            table,
            name,
            (&vocabulary, vocabulary.object()),
            keys,
            &mut Vec::new(),
            &mut fields,
        );
        fields
    }

    fn fields_below(
        &mut self,
        table: &dyn TableLike,
        name: &str,
        (vocabulary, of): (&Vocabulary, &Json),
        keys: &[&str],
        path: &mut Vec<String>,
        fields: &mut Vec<FieldExpectation>,
    ) {
        let Some((key, item)) = table.get_key_value(name) else {
            return;
        };
        let Some(schema) = vocabulary.field(of, name) else {
            let all = vocabulary.names(of).into_iter().chain(keys.iter().copied());
            let all: Vec<&str> = all.collect();
            let what = match path.last() {
                Some(object) => object.clone(),
                None => format!("a {}", vocabulary.scope().name()),
            };
            self.unknown_key(table, name, &what, &all);
            return;
        };
        path.push(name.to_owned());
        let kind = vocabulary.kind(schema);
        let inner = item.as_table_like();
        let has_fields = inner.is_some_and(|inner| {
            let mut names = inner.iter();
            // `tls = { absent = true }` is a pattern for the object itself, `tls = { version = "…" }` names a field.
            names.any(|(name, _)| !matches!(name, "absent" | "glob" | "matches"))
        });
        match inner {
            Some(inner) if kind == FieldKind::Object && has_fields => {
                for (name, _) in inner.iter() {
                    self.fields_below(inner, name, (vocabulary, schema), &[], path, fields);
                }
            }
            _ => {
                if let Some(constraint) = self.constraint(item, &kind) {
                    fields.push(FieldExpectation {
                        at: self.position(key.span()),
                        path: path.clone(),
                        constraint,
                    });
                }
            }
        }
        path.pop();
    }
}

impl Reader<'_> {
    /// Reads the constraint on a field of this kind; records a mistake and returns `None` if there is none.
    pub(super) fn constraint(&mut self, item: &Item, kind: &FieldKind<'_>) -> Option<Constraint> {
        let Some(value) = item.as_value() else {
            if let Some(table) = item.as_table_like() {
                return self.pattern(table, item, kind);
            }
            self.mistake(item.span(), "this is no value", Some(example(kind)));
            return None;
        };
        self.value(value, item, kind)
    }

    fn value(&mut self, value: &Value, item: &Item, kind: &FieldKind<'_>) -> Option<Constraint> {
        match (value, kind) {
            (Value::InlineTable(table), _) => self.pattern(table, item, kind),
            (Value::Array(array), FieldKind::List) => {
                let mut names = Vec::new();
                for element in array {
                    if let Some(name) = element.as_str() {
                        names.push(name.to_owned());
                    } else {
                        self.mistake(element.span(), "a name is a text", Some(example(kind)));
                        return None;
                    }
                }
                Some(Constraint::Names(names))
            }
            (Value::Array(array), _) => {
                let mut choices = Vec::new();
                for element in array {
                    let one = Item::Value(element.clone());
                    let before = self.mistakes();
                    choices.extend(self.value(element, &one, kind));
                    self.place_since(before, element.span().as_ref());
                }
                if choices.is_empty() {
                    self.mistake(
                        value.span(),
                        "there is nothing to choose from",
                        Some(example(kind)),
                    );
                    return None;
                }
                Some(Constraint::OneOf(choices))
            }
            (Value::String(text), FieldKind::Text(choices)) => {
                let text = text.value().as_str();
                if !choices.is_empty() && !choices.contains(&text) {
                    let hint = match nearest(choices.iter().copied(), text) {
                        Some(near) => format!("did you mean \"{near}\"?"),
                        None => format!("there are: {}", choices.join(", ")),
                    };
                    self.mistake(value.span(), &format!("it is never \"{text}\""), Some(hint));
                    return None;
                }
                Some(Constraint::Is(text.into()))
            }
            (Value::Boolean(flag), FieldKind::Flag) => {
                Some(Constraint::Is(Json::Bool(*flag.value())))
            }
            (Value::Integer(_) | Value::Float(_) | Value::String(_), FieldKind::Number) => {
                self.number(value)
            }
            (Value::Integer(_) | Value::String(_), FieldKind::List) => {
                let count = self.number(value)?;
                Some(Constraint::Count(Box::new(count)))
            }
            _ => {
                let message = match kind {
                    FieldKind::Text(_) => "it is a text",
                    FieldKind::Number => "it is a number",
                    FieldKind::Flag => "it is true or false",
                    FieldKind::List => "it is a list: its count can be told, or the names in it",
                    FieldKind::Object => "it has fields of its own",
                };
                self.mistake(value.span(), message, Some(example(kind)));
                None
            }
        }
    }

    fn number(&mut self, value: &Value) -> Option<Constraint> {
        let number = match value {
            Value::Integer(number) => Some(Constraint::Is((*number.value()).into())),
            Value::Float(number) => {
                Number::from_f64(*number.value()).map(|number| Constraint::Is(number.into()))
            }
            Value::String(text) => constraint::range(text.value()),
            _ => None,
        };
        if number.is_none() {
            let text = value.as_str().unwrap_or_default().trim();
            let is_reversed = text.split_once("..").is_some_and(|(least, most)| {
                constraint::range(&format!("{most}..{least}")).is_some()
            });
            let (message, hint) = if is_reversed {
                (
                    "the range ends before it begins",
                    example(&FieldKind::Number),
                )
            } else if text.parse::<f64>().is_ok() {
                let hint = format!("numbers stand without quotes: {text}");
                ("this is a text, not a number", hint)
            } else {
                let message = "this is neither a number nor a range";
                (message, example(&FieldKind::Number))
            };
            self.mistake(value.span(), message, Some(hint));
        }
        number
    }

    /// Reads `{ glob = … }`, `{ matches = … }` or `{ absent = … }`.
    fn pattern(
        &mut self,
        table: &dyn TableLike,
        item: &Item,
        kind: &FieldKind<'_>,
    ) -> Option<Constraint> {
        let mut keys = table.iter();
        let (Some((name, inner)), None) = (keys.next(), keys.next()) else {
            self.mistake(
                item.span(),
                "one pattern is expected here",
                Some(example(kind)),
            );
            return None;
        };
        let key_span = table.get_key_value(name).and_then(|(key, _)| key.span());
        let is_text = matches!(kind, FieldKind::Text(_));
        let pattern = match (name, inner.as_value()) {
            ("absent", Some(Value::Boolean(absent))) => {
                return Some(if *absent.value() {
                    Constraint::Absent
                } else {
                    Constraint::Present
                });
            }
            ("glob", Some(Value::String(text))) if is_text => constraint::like(text.value()),
            ("matches", Some(Value::String(text))) if is_text => constraint::matches(text.value()),
            ("absent" | "glob" | "matches", _) => Err(match name {
                "absent" => "absent is true or false".to_owned(),
                _ => format!("{name} is a pattern for texts"),
            }),
            _ => {
                let hint = nearest(["absent", "glob", "matches"], name);
                let hint = hint.map(|near| format!("did you mean {near}?"));
                self.mistake(
                    key_span.or(item.span()),
                    &format!("there is no pattern {name}"),
                    hint.or_else(|| Some(example(kind))),
                );
                return None;
            }
        };
        match pattern {
            Ok(pattern) => Some(pattern),
            Err(message) => {
                self.mistake(inner.span().or(key_span), &message, Some(example(kind)));
                None
            }
        }
    }
}

/// Returns examples of constraints on a field of this kind.
fn example(kind: &FieldKind<'_>) -> String {
    match kind {
        FieldKind::Text(choices) if !choices.is_empty() => {
            format!("one of: {}", choices.join(", "))
        }
        FieldKind::Text(_) => {
            "write \"text\", { glob = \"*.txt\" }, { matches = \"[.]zip$\" } or { absent = true }"
        }
        .to_owned(),
        FieldKind::Number => "write 1715, \"1000..2000\", \"..5\" or { absent = true }".to_owned(),
        FieldKind::Flag => "write true, false or { absent = true }".to_owned(),
        FieldKind::List => "write a count (2, \"1..\") or names ([\"a\", \"b\"])".to_owned(),
        FieldKind::Object => "name a field in it, or write { absent = true }".to_owned(),
    }
}

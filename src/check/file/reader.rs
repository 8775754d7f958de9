//! Reader of the TOML tables of an expectation file, which records every mistake and reads on.
//!
//! Fields have their names in the report (`login.user`, `connection.close`), with one of these constraints:
//!
//! ```text
//! 1715  "complete"  true          this value
//! "1000..2000"  "..5"             number in a range that includes both ends
//! { glob = "*.txt" }              string that matches a pattern of *, ? and [a-z]
//! { matches = "[.]zip$" }         string in which a regular expression is found
//! [ … ]                           one of these
//! { absent = true }               null
//! ```
//!
//! An expected step is `"login"`, `"cwd pub: ok"`, `"cwd pub: ok 250"`, or a table.

use std::ops::Range;
use std::rc::Rc;

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde_json::{Number, Value as Json};
use toml_edit::{Array, Document, Item, Table, TableLike, Value};

use super::super::constraint::Constraint;
use super::super::expression::{Error, Expression, Scope};
use super::super::mistake::{LineStarts, Mistake, Position};
use super::super::vocabulary::{FieldKind, Vocabulary, digest_digits, nearest};
use super::super::{built_in, constraint};
use super::{
    Absence, Condition, Expectations, FieldExpectation, Rule, SessionExpectation, StepExpectation,
    StepsExpectation, TransferExpectation,
};
use crate::model::record::StepKind;

/// Parses a file.
pub(super) fn read(path: &str, text: &str) -> Result<Expectations, Vec<Mistake>> {
    let document = Document::parse(text).map_err(|error| {
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        vec![Mistake {
            span: error.span().unwrap_or_default(),
            message,
            hint: None,
        }]
    })?;
    let mut reader = Reader {
        text,
        lines: LineStarts::of(text),
        session: Rc::new(Vocabulary::in_report(Scope::Session)),
        transfer: Rc::new(Vocabulary::in_report(Scope::Transfer)),
        step: Vocabulary::in_report(Scope::Step),
        mistakes: Vec::new(),
    };
    let expectations = reader.file(path, document.as_table());
    if reader.mistakes.is_empty() {
        Ok(expectations)
    } else {
        reader.mistakes.sort_by_key(|mistake| mistake.span.start);
        Err(reader.mistakes)
    }
}

/// State while a file is read.
pub(super) struct Reader<'t> {
    text: &'t str,
    lines: LineStarts,
    pub(super) session: Rc<Vocabulary>,
    pub(super) transfer: Rc<Vocabulary>,
    step: Vocabulary,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, table: &Table) -> Expectations {
        let mut file = Expectations {
            path: path.to_owned(),
            exactly: false,
            exactly_at: Position::default(),
            sessions: Vec::new(),
            rules: Vec::new(),
            built_in: Vec::new(),
            absent: Vec::new(),
        };
        for (name, item) in table {
            match name {
                "sessions" => {
                    file.exactly = self.sessions_word(item);
                    file.exactly_at = self.key_position(table, name);
                }
                "session" => {
                    for (table, span) in self.tables(item, "session") {
                        file.sessions.push(self.session_table(table, span));
                    }
                }
                "rule" => {
                    for (table, span) in self.tables(item, "rule") {
                        file.rules.extend(self.rule_table(table, span));
                    }
                }
                "rules" => self.rule_names(item, &mut file),
                "absent" => file.absent = self.absent(item),
                "transfer" => {
                    let span = table.key(name).and_then(toml_edit::Key::span);
                    let hint = "write [[session.transfer]] below a [[session]]";
                    self.mistake(
                        span,
                        "a transfer belongs to a session",
                        Some(hint.to_owned()),
                    );
                }
                _ => self.unknown_key(table, name, "an expectation file", FILE_KEYS),
            }
        }
        // A file without expectations would pass forever, for example after a heading was misspelled into a comment.
        let is_empty = file.sessions.is_empty()
            && file.rules.is_empty()
            && file.built_in.is_empty()
            && file.absent.is_empty();
        if is_empty && self.mistakes.is_empty() {
            let hint = "add a [[session]], a [[rule]], rules or absent; --record writes a file to begin with";
            self.mistake(
                Some(0..0),
                "nothing is expected here",
                Some(hint.to_owned()),
            );
        }
        file
    }

    fn sessions_word(&mut self, item: &Item) -> bool {
        match item.as_str() {
            Some("exactly") => true,
            Some("at-least") => false,
            _ => {
                let hint = match item.as_array_of_tables() {
                    Some(_) => "write [[session]]".to_owned(),
                    None => "write \"exactly\" or \"at-least\"".to_owned(),
                };
                let message = "sessions says whether others may stand beside these";
                self.mistake(item.span(), message, Some(hint));
                false
            }
        }
    }

    fn session_table(&mut self, table: &dyn TableLike, span: Range<usize>) -> SessionExpectation {
        let at = self.position(Some(span));
        let mut session = SessionExpectation {
            at,
            name: None,
            condition: None,
            fields: Vec::new(),
            steps: None,
            extra_steps: true,
            extra_steps_at: at,
            extra_transfers: true,
            extra_transfers_at: at,
            only_commands: None,
            absent: Vec::new(),
            transfers: Vec::new(),
        };
        let mut only_commands = None;
        for (name, item) in table.iter() {
            match name {
                "name" => session.name = self.text_of(item, "a name"),
                "match" => session.condition = self.condition(item, Scope::Session),
                "steps" => session.steps = self.steps(item),
                "extra_steps" => {
                    session.extra_steps = self.flag(item);
                    session.extra_steps_at = self.key_position(table, name);
                }
                "extra_transfers" => {
                    session.extra_transfers = self.flag(item);
                    session.extra_transfers_at = self.key_position(table, name);
                }
                "only_commands" => only_commands = Some(item),
                "absent" => session.absent = self.absent(item),
                "transfer" => {
                    for (table, span) in self.tables(item, "session.transfer") {
                        session.transfers.push(self.transfer_table(table, span));
                    }
                }
                // As a value `transfers` is a field of the report, whose count may be constrained.
                "transfers" if item.is_array_of_tables() => {
                    let hint = "write [[session.transfer]]".to_owned();
                    let span = table.get_key_value(name).and_then(|(key, _)| key.span());
                    self.mistake(span, "each transfer stands for itself", Some(hint));
                }
                _ => {
                    let fields = self.field(table, name, Scope::Session, SESSION_KEYS);
                    session.fields.extend(fields);
                }
            }
        }
        if let Some(item) = only_commands {
            let verbs = self.words(item, |word| {
                if super::is_known_verb(word) {
                    return Ok(word.to_owned());
                }
                super::verb(word).or_else(|mistake| match &session.steps {
                    // What is expected as a step is not misspelled here.
                    Some(steps) if steps.steps.iter().any(|step| step.sends(word)) => {
                        Ok(word.to_owned())
                    }
                    _ => Err(mistake),
                })
            });
            session.only_commands = Some((
                verbs.into_iter().map(|(verb, _)| verb).collect(),
                self.key_position(table, "only_commands"),
            ));
        }
        if !session.extra_steps && session.steps.is_none() {
            let span = table.get_key_value("extra_steps");
            let hint = "write steps = [ … ] beside it";
            self.mistake(
                span.and_then(|(key, _)| key.span()),
                "no steps are named that others could stand beside",
                Some(hint.to_owned()),
            );
        }
        session
    }

    fn transfer_table(&mut self, table: &dyn TableLike, span: Range<usize>) -> TransferExpectation {
        let mut transfer = TransferExpectation {
            at: self.position(Some(span)),
            condition: None,
            fields: Vec::new(),
        };
        for (name, item) in table.iter() {
            if name == "match" {
                transfer.condition = self.condition(item, Scope::Transfer);
            } else {
                let fields = self.field(table, name, Scope::Transfer, &["match"]);
                transfer.fields.extend(fields);
            }
        }
        transfer
    }

    fn rule_table(&mut self, table: &dyn TableLike, span: Range<usize>) -> Option<Rule> {
        let scope = match table.get("for") {
            None => Some(Scope::Session),
            Some(item) => {
                let scope = match item.as_str() {
                    Some("session") => Some(Scope::Session),
                    Some("transfer") => Some(Scope::Transfer),
                    Some("step") => Some(Scope::Step),
                    Some("capture") => Some(Scope::Capture),
                    _ => None,
                };
                if scope.is_none() {
                    let hint = "write \"session\", \"transfer\", \"step\" or \"capture\"";
                    let message = "a rule is for sessions, transfers, steps or the capture";
                    self.mistake(item.span(), message, Some(hint.to_owned()));
                }
                scope
            }
        };
        let (mut name, mut condition, mut assert) = (None, None, None);
        for (key, item) in table.iter() {
            match (key, scope) {
                ("name", _) => name = self.text_of(item, "a name"),
                ("match", Some(scope)) => condition = self.condition(item, scope),
                ("assert", Some(scope)) => assert = self.condition(item, scope),
                ("for" | "match" | "assert", _) => {}
                _ => self.unknown_key(table, key, "a rule", RULE_KEYS),
            }
        }
        if table.get("assert").is_none() {
            let hint = "write assert = 'completeness == \"complete\"'";
            self.mistake(
                Some(span.clone()),
                "the rule asserts nothing",
                Some(hint.to_owned()),
            );
        }
        let assert = assert?;
        Some(Rule {
            at: self.position(Some(span)),
            name: name.unwrap_or_else(|| assert.text.clone()),
            scope: scope?,
            condition,
            assert,
        })
    }

    fn rule_names(&mut self, item: &Item, file: &mut Expectations) {
        let known = |word: &str| {
            built_in::named(word).ok_or_else(|| {
                let hint = match built_in::nearest(word) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => "ftpscope check --list-rules names them".to_owned(),
                };
                (format!("there is no rule {word}"), hint)
            })
        };
        file.built_in = self.words(item, known);
    }

    fn absent(&mut self, item: &Item) -> Vec<(Absence, Position)> {
        let kinds = self.choices("kind");
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        self.words(item, |word| Absence::parse(word, &kinds))
    }

    /// Reads a list of strings, each parsed by `meaning`.
    fn words<T>(
        &mut self,
        item: &Item,
        meaning: impl Fn(&str) -> Result<T, (String, String)>,
    ) -> Vec<(T, Position)> {
        let mut found = Vec::new();
        let Some(array) = item.as_array() else {
            let hint = "write [\"…\", \"…\"]".to_owned();
            self.mistake(item.span(), "this is a list of texts", Some(hint));
            return found;
        };
        for element in Array::iter(array) {
            match element.as_str().map(&meaning) {
                Some(Ok(meant)) => found.push((meant, self.position(element.span()))),
                Some(Err((message, hint))) => self.mistake(element.span(), &message, Some(hint)),
                None => self.mistake(element.span(), "this is no text", None),
            }
        }
        found
    }

    fn condition(&mut self, item: &Item, scope: Scope) -> Option<Condition> {
        let text = self.text_of(item, "an expression")?;
        match Expression::compile_in_report(&text, scope) {
            Ok(expression) => Some(Condition { text, expression }),
            Err(error) => {
                self.expression_mistake(item.span(), &text, error);
                None
            }
        }
    }

    /// Records a mistake inside an expression at its position in the file.
    fn expression_mistake(&mut self, span: Option<Range<usize>>, text: &str, error: Error) {
        let inside = span.clone().and_then(|span| {
            let at = error.at?;
            let raw = self.text.get(span.clone())?;
            // An escape such as `\n` shifts all offsets behind it: then the whole string is marked instead.
            let start = span.start + raw.find(text)?;
            let skipped: usize = text.chars().take(at).map(char::len_utf8).sum();
            let rest = text.get(skipped..)?;
            let length: usize = rest.chars().take(error.length).map(char::len_utf8).sum();
            let end = (start + skipped + length.max(1)).min(span.end);
            Some(start + skipped..end)
        });
        self.mistake(inside.or(span), &error.message, error.hint);
    }

    fn text_of(&mut self, item: &Item, what: &str) -> Option<String> {
        let text = item.as_str().map(str::to_owned);
        if text.is_none() {
            self.mistake(item.span(), &format!("{what} is a text"), None);
        }
        text
    }

    fn flag(&mut self, item: &Item) -> bool {
        item.as_bool().unwrap_or_else(|| {
            self.mistake(item.span(), "this is true or false", None);
            true
        })
    }

    /// Returns the tables of `[[name]]` or of a list of inline tables, each with its span.
    fn tables<'i>(&mut self, item: &'i Item, name: &str) -> Vec<(&'i dyn TableLike, Range<usize>)> {
        if let Some(tables) = item.as_array_of_tables() {
            return tables
                .iter()
                .map(|table| (table as &dyn TableLike, table.span().unwrap_or_default()))
                .collect();
        }
        let mut found: Vec<(&dyn TableLike, Range<usize>)> = Vec::new();
        if let Some(array) = item.as_array() {
            for element in array {
                match element.as_inline_table() {
                    Some(table) => found.push((table, element.span().unwrap_or_default())),
                    None => self.mistake(element.span(), "this is no table", None),
                }
            }
        } else {
            let span = item.span().or_else(|| {
                let table = item.as_table_like()?;
                let (first, _) = table.iter().next()?;
                table.get_key_value(first)?.0.span()
            });
            let message = format!("there may be several of {name}");
            let hint = match item.as_str() {
                Some(word @ ("exactly" | "at-least")) => format!("write {name}s = \"{word}\""),
                _ if item.as_table_like().is_some_and(|table| {
                    table.get("transfer").is_some_and(Item::is_array_of_tables)
                }) =>
                {
                    format!("write [[{name}]] in a line before it")
                }
                _ => format!("write [[{name}]]"),
            };
            self.mistake(span, &message, Some(hint));
        }
        found
    }

    /// Records an unknown key, with the nearest known one.
    pub(super) fn unknown_key(
        &mut self,
        table: &dyn TableLike,
        name: &str,
        of: &str,
        known: &[&str],
    ) {
        let hint = match nearest(known.iter().copied(), name) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are: {}", known.join(", ")),
        };
        let span = table.get_key_value(name).and_then(|(key, _)| key.span());
        self.mistake(span, &format!("{of} has no field {name}"), Some(hint));
    }

    /// Returns the words that a field of a step can be.
    pub(super) fn choices(&self, field: &str) -> Vec<String> {
        let schema = self.step.field(self.step.object(), field);
        match schema.map(|schema| self.step.kind(schema)) {
            Some(FieldKind::Text(words)) => words.into_iter().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// Records a mistake; a missing span is set by `place_since` or marks the beginning of the file.
    pub(super) fn mistake(
        &mut self,
        span: Option<Range<usize>>,
        message: &str,
        hint: Option<String>,
    ) {
        self.mistakes.push(Mistake {
            span: span.unwrap_or_default(),
            message: message.to_owned(),
            hint,
        });
    }

    /// Returns the number of mistakes so far.
    pub(super) fn mistakes(&self) -> usize {
        self.mistakes.len()
    }

    /// Sets the span of the mistakes after the first `count` that have none.
    ///
    /// An element cloned out of an array has lost its span.
    pub(super) fn place_since(&mut self, count: usize, span: Option<&Range<usize>>) {
        for mistake in self.mistakes.iter_mut().skip(count) {
            if mistake.span == (0..0) {
                mistake.span = span.cloned().unwrap_or_default();
            }
        }
    }

    /// Returns the position of a span's beginning.
    pub(super) fn position(&self, span: Option<Range<usize>>) -> Position {
        self.lines
            .position(self.text, span.unwrap_or_default().start)
    }

    fn key_position(&self, table: &dyn TableLike, name: &str) -> Position {
        self.position(table.get_key_value(name).and_then(|(key, _)| key.span()))
    }
}

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
            Rc::clone(&self.transfer)
        } else {
            Rc::clone(&self.session)
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
                if let Some(mut constraint) = self.constraint(item, &kind) {
                    if let Some(digits) = digest_digits(name) {
                        self.digest(&mut constraint, digits, item);
                    }
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
    /// Checks the digests in a constraint, and writes them as reports do, in lower case.
    fn digest(&mut self, constraint: &mut Constraint, digits: usize, item: &Item) {
        match constraint {
            Constraint::OneOf(choices) => {
                for choice in choices {
                    self.digest(choice, digits, item);
                }
            }
            Constraint::Is(Json::String(text)) => {
                text.make_ascii_lowercase();
                let is_digest =
                    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                if !is_digest {
                    let message = format!("it is never \"{text}\"");
                    let hint = format!(
                        "it has {digits} hexadecimal digits; its beginning alone is {{ glob = \"c232a16f*\" }}"
                    );
                    self.mistake(item.span(), &message, Some(hint));
                }
            }
            Constraint::Like(text, _) => {
                // It was a pattern as written, and is one in lower case as well.
                if let Ok(lower) = constraint::like(&text.to_ascii_lowercase()) {
                    *constraint = lower;
                }
            }
            _ => {}
        }
    }

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
        if let Some(Constraint::Is(Json::Number(number))) = &number
            && number.as_f64().is_some_and(|number| number < 0.0)
        {
            let message = "no number of the report is negative";
            self.mistake(value.span(), message, Some(example(&FieldKind::Number)));
            return None;
        }
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

impl Reader<'_> {
    /// Reads the value of `steps`.
    pub(super) fn steps(&mut self, item: &Item) -> Option<StepsExpectation> {
        let Some(array) = item.as_array() else {
            self.mistake(
                item.span(),
                "the steps are a list",
                Some(EXAMPLE.to_owned()),
            );
            return None;
        };
        let mut steps = Vec::new();
        for element in array {
            let step = match element {
                Value::String(text) => self.step_text(text.value(), element),
                Value::InlineTable(table) => self.step_table(table, element),
                _ => {
                    self.mistake(
                        element.span(),
                        "a step is a text or a table",
                        Some(EXAMPLE.to_owned()),
                    );
                    None
                }
            };
            steps.extend(step);
        }
        Some(StepsExpectation {
            at: self.position(item.span()),
            steps,
        })
    }

    /// Reads `kind` or `kind subject`, and after the last `: ` the outcome, the code of the reply, or both.
    fn step_text(&mut self, text: &str, element: &Value) -> Option<StepExpectation> {
        let outcomes = self.choices("outcome");
        // From the right: file names may contain `: `, outcomes do not.
        let (rest, outcome, code) = match text.rsplit_once(": ") {
            Some((rest, end)) => match ending(end, &outcomes) {
                Ending::Result(outcome, code) => (rest, outcome, code),
                Ending::Subject => (text, None, None),
                Ending::Unknown(word) => {
                    self.unknown_outcome(word, &outcomes, element);
                    return None;
                }
                Ending::NoCode(number) => {
                    self.no_reply_code(number, element.span());
                    return None;
                }
            },
            None => (text, None, None),
        };
        if outcome.is_none()
            && code.is_none()
            && let Some((subject, result)) = result_without_colon(rest, &outcomes)
        {
            let hint = format!(
                "write \"{subject}: {result}\"; a subject that ends so stands in {{ kind = \"…\", subject = \"…\" }}"
            );
            let message = format!("{result} stands without a colon in front");
            self.mistake(element.span(), &message, Some(hint));
            return None;
        }
        let (kind, subject) = match rest.split_once(' ') {
            Some((kind, subject)) => (kind, Some(Constraint::Is(subject.into()))),
            None => (rest, None),
        };
        let kind = self.kind(kind, element)?;
        Some(StepExpectation {
            text: text.to_owned(),
            kind,
            subject,
            outcome: outcome.map(|outcome| Constraint::Is(outcome.into())),
            verb: None,
            code: code.map(|code| Constraint::Is(code.into())),
            duration: None,
        })
    }

    /// Records that a number is no reply code (RFC 959 section 4.2, RFC 2228 section 5).
    fn no_reply_code(&mut self, number: &str, span: Option<Range<usize>>) {
        let hint = "codes are 100 to 699; a subject with \": \" in it stands in { kind = \"…\", subject = \"…\" }";
        let message = format!("{number} is no reply code");
        self.mistake(span, &message, Some(hint.to_owned()));
    }

    fn unknown_outcome(&mut self, word: &str, outcomes: &[String], element: &Value) {
        let hint = match nearest(outcomes.iter().map(String::as_str), word) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!(
                "there are: {}; a subject with \": \" in it stands in {{ kind = \"…\", subject = \"…\" }}",
                outcomes.join(", ")
            ),
        };
        let message = format!("a step never ends {word}");
        self.mistake(element.span(), &message, Some(hint));
    }

    fn step_table(&mut self, table: &dyn TableLike, element: &Value) -> Option<StepExpectation> {
        let Some(kind) = table.get("kind").and_then(Item::as_str) else {
            self.mistake(
                element.span(),
                "the step has no kind",
                Some(EXAMPLE.to_owned()),
            );
            return None;
        };
        let kind_value = table.get("kind").and_then(Item::as_value);
        let kind = self.kind(kind, kind_value.unwrap_or(element))?;
        let mut step = StepExpectation {
            text: element.to_string().trim().to_owned(),
            kind,
            subject: None,
            outcome: None,
            verb: None,
            code: None,
            duration: None,
        };
        let outcomes = self.choices("outcome");
        let outcomes = outcomes.iter().map(String::as_str).collect();
        for (name, item) in table.iter() {
            match name {
                "kind" => {}
                "subject" => step.subject = self.constraint(item, &FieldKind::Text(Vec::new())),
                "verb" => step.verb = self.constraint(item, &FieldKind::Text(Vec::new())),
                "outcome" => {
                    step.outcome = self.constraint(item, &FieldKind::Text(Vec::clone(&outcomes)));
                }
                "code" => {
                    step.code = self.constraint(item, &FieldKind::Number);
                    if let Some(Constraint::Is(number)) = &step.code
                        && number
                            .as_u64()
                            .is_none_or(|code| !REPLY_CODES.contains(&code))
                    {
                        self.no_reply_code(&number.to_string(), item.span());
                    }
                }
                "duration" => step.duration = self.constraint(item, &FieldKind::Number),
                _ => self.unknown_key(table, name, "a step", STEP_KEYS),
            }
        }
        Some(step)
    }

    /// Parses a kind of step; records a mistake and returns `None` for an unknown one.
    fn kind(&mut self, kind: &str, element: &Value) -> Option<StepKind> {
        if let Some(kind) = step_kind(kind) {
            return Some(kind);
        }
        let kinds = self.choices("kind");
        let hint = match nearest(kinds.iter().map(String::as_str), kind) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("there are: {}", kinds.join(", ")),
        };
        self.mistake(
            element.span(),
            &format!("there is no kind of step {kind}"),
            Some(hint),
        );
        None
    }
}

/// Parses a kind of step as the report writes it; `None` for an unknown one.
pub(super) fn step_kind(word: &str) -> Option<StepKind> {
    let word: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        word.into_deserializer();
    StepKind::deserialize(word).ok()
}

/// The part of a step after the last `: `.
enum Ending<'t> {
    /// Outcome and code of the reply, `None` where not given.
    Result(Option<&'t str>, Option<u16>),
    /// Part of the subject: file names may contain `: `.
    Subject,
    /// Word that looks like an outcome, but is none.
    Unknown(&'t str),
    /// Text in the place of a reply code that is none: behind an outcome what begins with a digit, without one a number.
    NoCode(&'t str),
}

fn ending<'t>(text: &'t str, outcomes: &[String]) -> Ending<'t> {
    let is_outcome = |word: &str| outcomes.iter().any(|one| one == word);
    let code = |word: &str| {
        let code = word.parse::<u16>().ok();
        code.filter(|code| REPLY_CODES.contains(&u64::from(*code)))
    };
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = |word: &str| word.chars().all(|one| one.is_ascii_lowercase());
    match text.split_once(' ') {
        Some((outcome, rest)) if is_outcome(outcome) => match code(rest) {
            Some(code) => Ending::Result(Some(outcome), Some(code)),
            // A digit first: meant as a code. `x: ok then` may be a name.
            None if rest.starts_with(|first: char| first.is_ascii_digit()) => Ending::NoCode(rest),
            None => Ending::Subject,
        },
        None if is_outcome(text) => Ending::Result(Some(text), None),
        None if code(text).is_some() => Ending::Result(None, code(text)),
        None if is_number(text) => Ending::NoCode(text),
        None if is_word(text) => Ending::Unknown(text),
        Some((word, rest)) if is_word(word) && code(rest).is_some() => Ending::Unknown(word),
        _ => Ending::Subject,
    }
}

/// Divides `login mira ok 230` in front of its outcome; `None` where a step does not end with an outcome and a code.
fn result_without_colon<'t>(text: &'t str, outcomes: &[String]) -> Option<(&'t str, &'t str)> {
    let (front, code) = text.rsplit_once(' ')?;
    let (subject, outcome) = front.rsplit_once(' ')?;
    let is_code = code.parse().is_ok_and(|code| REPLY_CODES.contains(&code));
    let is_outcome = outcomes.iter().any(|one| one == outcome);
    let result = text.get(subject.len() + 1..)?;
    (is_code && is_outcome).then_some((subject, result))
}

/// Reply codes, protected ones included.
const REPLY_CODES: Range<u64> = 100..700;

/// Keys of a file.
const FILE_KEYS: &[&str] = &["sessions", "session", "rules", "rule", "absent"];

/// Keys of a session beside the fields of the report.
const SESSION_KEYS: &[&str] = &[
    "name",
    "match",
    "steps",
    "extra_steps",
    "extra_transfers",
    "only_commands",
    "absent",
    "transfer",
];

/// Keys of a rule.
const RULE_KEYS: &[&str] = &["name", "for", "match", "assert"];

/// Keys of a step that is written as a table.
const STEP_KEYS: &[&str] = &["kind", "subject", "outcome", "verb", "code", "duration"];

/// Hint with every form of a step.
const EXAMPLE: &str =
    "write steps = [\"login\", \"cwd pub: ok\", { kind = \"retrieve\", duration = \"..5\" }]";

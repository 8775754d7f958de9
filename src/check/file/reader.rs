//! Reader of the TOML tables of an expectation file, which records every mistake and reads on.

use std::ops::Range;

use toml_edit::{Array, Document, Item, Table, TableLike};

use super::super::built_in;
use super::super::expression::{Error, Expression, Scope};
use super::super::mistake::{Mistake, Position};
use super::super::vocabulary::{FieldKind, Vocabulary, nearest};
use super::{
    Absence, Condition, Expectations, Rule, SessionExpectation, TransferExpectation, absence,
};

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
        session: Vocabulary::in_report(Scope::Session),
        transfer: Vocabulary::in_report(Scope::Transfer),
        step: Vocabulary::in_report(Scope::Step),
        mistakes: Vec::new(),
    };
    let expectations = reader.file(path, document.as_table());
    if reader.mistakes.is_empty() {
        Ok(expectations)
    } else {
        Err(reader.mistakes)
    }
}

/// State while a file is read.
pub(super) struct Reader<'t> {
    text: &'t str,
    pub(super) session: Vocabulary,
    pub(super) transfer: Vocabulary,
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
                "only_commands" => {
                    let verbs = self.words(item, absence::verb);
                    session.only_commands = Some((
                        verbs.into_iter().map(|(verb, _)| verb).collect(),
                        self.key_position(table, name),
                    ));
                }
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
        Position::of(self.text, span.unwrap_or_default().start)
    }

    fn key_position(&self, table: &dyn TableLike, name: &str) -> Position {
        self.position(table.get_key_value(name).and_then(|(key, _)| key.span()))
    }
}

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

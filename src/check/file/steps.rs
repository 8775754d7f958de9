//! Expected steps: `"login"`, `"cwd pub: ok"`, `"cwd pub: ok 250"`, or a table.

use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error;
use toml_edit::{Item, TableLike, Value};

use super::super::constraint::Constraint;
use super::super::vocabulary::{FieldKind, nearest};
use super::reader::Reader;
use super::{StepExpectation, StepsExpectation};
use crate::model::record::StepKind;

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
                Ending::Unknown => {
                    self.unknown_outcome(end, &outcomes, element);
                    return None;
                }
            },
            None => (text, None, None),
        };
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
                "code" => step.code = self.constraint(item, &FieldKind::Number),
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
    let word: serde::de::value::StrDeserializer<'_, Error> = word.into_deserializer();
    StepKind::deserialize(word).ok()
}

/// The part of a step after the last `: `.
enum Ending<'t> {
    /// Outcome and code of the reply, `None` where not given.
    Result(Option<&'t str>, Option<u16>),
    /// Part of the subject: file names may contain `: `.
    Subject,
    /// Word that looks like an outcome, but is none.
    Unknown,
}

fn ending<'t>(text: &'t str, outcomes: &[String]) -> Ending<'t> {
    let is_outcome = |word: &str| outcomes.iter().any(|one| one == word);
    let code = |word: &str| {
        let code = word.parse::<u16>().ok();
        code.filter(|code| (100..700).contains(code))
    };
    match text.split_once(' ') {
        Some((outcome, rest)) if is_outcome(outcome) => match code(rest) {
            Some(code) => Ending::Result(Some(outcome), Some(code)),
            None => Ending::Subject,
        },
        None if is_outcome(text) => Ending::Result(Some(text), None),
        None if code(text).is_some() => Ending::Result(None, code(text)),
        None if text.chars().all(|one| one.is_ascii_lowercase()) => Ending::Unknown,
        _ => Ending::Subject,
    }
}

/// Keys of a step that is written as a table.
const STEP_KEYS: &[&str] = &["kind", "subject", "outcome", "verb", "code", "duration"];

/// Hint with every form of a step.
const EXAMPLE: &str =
    "write steps = [\"login\", \"cwd pub: ok\", { kind = \"retrieve\", duration = \"..5\" }]";

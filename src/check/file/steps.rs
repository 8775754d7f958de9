//! What a step is like: `"login"`, `"cwd pub: ok"`, `"cwd pub: ok 250"`, or a table.

use toml_edit::{Item, TableLike, Value};

use super::super::constraint::Constraint;
use super::super::vocabulary::{FieldKind, nearest};
use super::reader::Reader;
use super::{StepExpectation, StepsExpectation};

impl Reader<'_> {
    /// The value of `steps`.
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

    /// `kind`, `kind subject`, and behind `: ` the outcome, the code of the answer, or both.
    fn step_text(&mut self, text: &str, element: &Value) -> Option<StepExpectation> {
        let outcomes = self.choices("outcome");
        let (rest, outcome, code) = match text.rsplit_once(": ") {
            Some((rest, end)) => match ending(end, &outcomes) {
                Ending::Told(outcome, code) => (rest, outcome, code),
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
        self.kind(kind, element)?;
        Some(StepExpectation {
            text: text.to_owned(),
            kind: kind.to_owned(),
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
        if let Some(kind_item) = table.get("kind").and_then(Item::as_value) {
            self.kind(kind, kind_item)?;
        }
        let mut step = StepExpectation {
            text: element.to_string().trim().to_owned(),
            kind: kind.to_owned(),
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

    /// Notes a kind that there is not.
    fn kind(&mut self, kind: &str, element: &Value) -> Option<()> {
        let kinds = self.choices("kind");
        if kinds.iter().any(|known| known == kind) {
            return Some(());
        }
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

/// What stands behind the last `: ` of a step.
enum Ending<'t> {
    /// How it comes out, and the code of the answer.
    Told(Option<&'t str>, Option<u16>),
    /// A part of what the step is about.
    Subject,
    /// A word that looks like an outcome, but is none.
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
            Some(code) => Ending::Told(Some(outcome), Some(code)),
            None => Ending::Subject,
        },
        None if is_outcome(text) => Ending::Told(Some(text), None),
        None if code(text).is_some() => Ending::Told(None, code(text)),
        None if text.chars().all(|one| one.is_ascii_lowercase()) => Ending::Unknown,
        _ => Ending::Subject,
    }
}

/// What a table about a step may say.
const STEP_KEYS: &[&str] = &["kind", "subject", "outcome", "verb", "code", "duration"];

const EXAMPLE: &str =
    "write steps = [\"login\", \"cwd pub: ok\", { kind = \"retrieve\", duration = \"..5\" }]";

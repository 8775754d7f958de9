//! Rules: what must hold of every session, transfer or step, or of the whole report.

use serde_json::Value;

use super::super::built_in::BuiltIn;
use super::super::expression::{self, Expression, Fact, Judgement, Prepared, Scope};
use super::super::file::Rule;
use super::super::step_text::{items, text};
use super::super::verdict::{Difference, Place, Verdict};
use super::facts::values;
use super::subject::{Subject, session_words, transfer_words};

/// A rule of a file.
pub(super) fn rule(rule: &Rule, subject: &Subject<'_>) -> Verdict {
    let condition = rule.condition.as_ref();
    hold(
        &rule.name,
        rule.scope,
        condition.map(|condition| (condition.text.as_str(), &condition.expression)),
        (&rule.assert.text, &rule.assert.expression),
        subject,
    )
}

/// A rule by name.
pub(super) fn built_in(rule: &BuiltIn, subject: &Subject<'_>) -> Verdict {
    let compile = |text: &str| Expression::compile_in_report(text, rule.scope);
    let condition = rule
        .condition
        .map(|text| compile(text).map(|made| (text, made)));
    match (condition.transpose(), compile(rule.assert)) {
        (Ok(condition), Ok(assert)) => hold(
            rule.name,
            rule.scope,
            condition.as_ref().map(|(text, made)| (*text, made)),
            (rule.meaning, &assert),
            subject,
        ),
        // A test reads every rule; should one not be readable all the same, that is no pass.
        (Err(error), _) | (_, Err(error)) => Verdict::of(
            rule.name,
            vec![Difference::new(rule.meaning, error.to_string())],
        ),
    }
}

fn hold(
    name: &str,
    scope: Scope,
    condition: Option<(&str, &Expression)>,
    (expected, assert): (&str, &Expression),
    subject: &Subject<'_>,
) -> Verdict {
    let prepared = Prepared::new(assert, &subject.value);
    let chosen = condition.map(|(_, expression)| Prepared::new(expression, &subject.value));
    let mut met: u64 = 0;
    let mut differences = Vec::new();
    for object in objects(scope, subject) {
        let is_met = chosen
            .as_ref()
            .is_none_or(|chosen| chosen.is_true(object.value, object.session));
        if !is_met {
            continue;
        }
        met += 1;
        let (told, cause) = match prepared.judge(object.value, object.session) {
            Judgement::True => continue,
            Judgement::False(facts) => (facts, None),
            Judgement::Stumbled(cause, facts) => (facts, Some(cause)),
        };
        let found = match (values(&told), cause) {
            (values, None) => values,
            (values, Some(cause)) if values.is_empty() || values == cause => cause,
            (values, Some(cause)) => format!("it cannot be told: {cause} ({values})"),
        };
        let words = (object.words)();
        let found = match (words.is_empty(), found.is_empty()) {
            (true, _) => found,
            (false, true) => words,
            (false, false) => format!("{words}: {found}"),
        };
        let difference = Difference::new(expected, found).at((object.place)());
        // Why a file is not whole is told where a rule is about that.
        let is_told = told.iter().any(|fact| fact.name == "completeness");
        let because = object.evidence.filter(|_| is_told).unwrap_or_default();
        let mut because = because.to_vec();
        because.extend(explanations(&told, object.value));
        differences.push(difference.because(because));
    }
    if chosen.as_ref().is_some_and(Prepared::has_given_up) {
        // What it would have met is not known: that is no pass.
        let text = condition.map_or("", |(text, _)| text);
        let wanted = format!("to tell for which {text}");
        differences.push(Difference::new(wanted, expression::GIVEN_UP));
        return Verdict::of(name, differences);
    }
    if met == 0 {
        let what = match scope {
            Scope::Session => "session",
            Scope::Transfer => "transfer",
            Scope::Step => "step",
            Scope::Finding => "finding",
            Scope::Capture => "capture",
            Scope::Event => "event",
        };
        let reason = match condition {
            Some((text, _)) => format!("there is no {what} for which {text}"),
            None => format!("there is no {what}"),
        };
        return Verdict::skipped(name, reason);
    }
    Verdict::of(name, differences)
}

/// What findings and warnings say for themselves that an expression looked at.
fn explanations(told: &[Fact], object: &Value) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for fact in told {
        // `findings[1].id`, `sessions[0].findings[1].id`, `warnings[0].code`.
        let mut at = object;
        let parts = fact.name.split(['.', '[']);
        for part in parts {
            let part = part.trim_end_matches(']');
            let inner = match part.parse::<usize>() {
                Ok(index) => at.get(index),
                Err(_) => at.get(part),
            };
            at = inner.unwrap_or(&Value::Null);
            let mut says = ["explanation", "message"].into_iter();
            let says = says.find_map(|name| text(at, name));
            if let Some(says) = says.filter(|says| !found.iter().any(|known| known == says)) {
                found.push(says.to_owned());
            }
        }
    }
    found
}

/// Something that a rule is held against.
struct Object<'o> {
    value: &'o Value,
    session: Option<&'o Value>,
    evidence: Option<&'o [String]>,
    words: Box<dyn Fn() -> String + 'o>,
    place: Box<dyn Fn() -> Option<Place> + 'o>,
}

fn objects<'o>(scope: Scope, subject: &'o Subject<'_>) -> Vec<Object<'o>> {
    let mut objects = Vec::new();
    if scope == Scope::Capture {
        objects.push(Object {
            value: &subject.value,
            session: None,
            evidence: None,
            words: Box::new(String::new),
            place: Box::new(|| None),
        });
        return objects;
    }
    for (session, value) in subject.sessions() {
        match scope {
            Scope::Session => objects.push(Object {
                value,
                session: None,
                evidence: None,
                words: Box::new(|| session_words(session)),
                place: Box::new(|| Some(subject.beginning(session))),
            }),
            Scope::Transfer => {
                for (transfer, part) in session.transfers.iter().zip(items(value, "transfers")) {
                    objects.push(Object {
                        value: part,
                        session: Some(value),
                        evidence: Some(&transfer.evidence),
                        words: Box::new(|| {
                            format!("{} in session {}", transfer_words(transfer), session.id)
                        }),
                        place: Box::new(|| Some(subject.transfer(session, transfer))),
                    });
                }
            }
            Scope::Step => {
                for (step, part) in session.steps.iter().zip(items(value, "steps")) {
                    objects.push(Object {
                        value: part,
                        session: Some(value),
                        evidence: None,
                        words: Box::new(|| format!("{} in session {}", step.title, session.id)),
                        place: Box::new(|| Some(subject.step(session, step))),
                    });
                }
            }
            Scope::Finding | Scope::Capture | Scope::Event => {}
        }
    }
    objects
}

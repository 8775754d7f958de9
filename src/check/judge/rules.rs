//! Rules: assertions about every session, transfer or step, or about the whole report.

use serde_json::Value;

use super::super::built_in::BuiltIn;
use super::super::expression::{self, Expression, Fact, Judgement, Prepared, Scope, fact_words};
use super::super::file::Rule;
use super::super::verdict::{Difference, Place, Verdict};
use super::super::wording::{session_words, transfer_words};
use super::subject::Subject;

/// Judges by a rule of a file.
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

/// Judges by a built-in rule.
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
        // A unit test compiles every rule. If one fails to compile all the same, a verdict of "passed" would be a lie.
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
    let prepared = Prepared::new(assert, subject.tree());
    let filter = condition.map(|(_, expression)| Prepared::new(expression, subject.tree()));
    let mut judged: u64 = 0;
    let mut differences = Vec::new();
    for object in objects(scope, subject) {
        let applies = filter
            .as_ref()
            .is_none_or(|filter| filter.is_true(object.tree, object.session));
        if !applies {
            continue;
        }
        judged += 1;
        let (facts, cause) = match prepared.judge(object.tree, object.session) {
            Judgement::True => continue,
            Judgement::False(facts) => (facts, None),
            Judgement::Undecided(cause, facts) => (facts, Some(cause)),
        };
        let found = match (fact_words(&facts), cause) {
            (facts, None) => facts,
            (facts, Some(cause)) if facts.is_empty() || facts == cause => cause,
            (facts, Some(cause)) => format!("it cannot be told: {cause} ({facts})"),
        };
        let words = (object.words)();
        let found = match (words.is_empty(), found.is_empty()) {
            (true, _) => found,
            (false, true) => words,
            (false, false) => format!("{words}: {found}"),
        };
        let difference = Difference::new(expected, found).at((object.place)());
        // The evidence explains a completeness. A rule about anything else would show a cause that is not one.
        let is_about_completeness = facts.iter().any(|fact| fact.name == "completeness");
        let evidence = object.evidence.filter(|_| is_about_completeness);
        let mut because = evidence.unwrap_or_default().to_vec();
        because.extend(explanations(&facts, object.tree));
        differences.push(difference.because(because));
    }
    if filter.as_ref().is_some_and(Prepared::has_given_up) {
        // Objects that were not filtered are not judged either: the verdict must not be "passed".
        let text = condition.map_or("", |(text, _)| text);
        let wanted = format!("to tell for which {text}");
        differences.push(Difference::new(wanted, expression::GIVEN_UP));
        return Verdict::of(name, differences);
    }
    // An assertion about no object at all would hold trivially, for example after a misspelled filter.
    if judged == 0 {
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

/// Returns the explanations of the findings and the messages of the warnings that an expression read.
fn explanations(facts: &[Fact], tree: &Value) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for fact in facts {
        // `findings[1].id`, `sessions[0].findings[1].id`, `warnings[0].code`.
        let mut at = tree;
        let parts = fact.name.split(['.', '[']);
        for part in parts {
            let part = part.trim_end_matches(']');
            let inner = match part.parse::<usize>() {
                Ok(index) => at.get(index),
                Err(_) => at.get(part),
            };
            at = inner.unwrap_or(&Value::Null);
            let text = at.get("explanation").or_else(|| at.get("message"));
            let text = text.and_then(Value::as_str);
            if let Some(text) = text.filter(|text| !found.iter().any(|known| known == text)) {
                found.push(text.to_owned());
            }
        }
    }
    found
}

/// An object that a rule is about.
struct Object<'o> {
    tree: &'o Value,
    /// Tree of the session that the object is part of; `None` for a session or the report.
    session: Option<&'o Value>,
    /// Evidence for the completeness of a transfer; `None` for other objects.
    evidence: Option<&'o [String]>,
    // Words and place are computed only for the few objects that fail.
    words: Box<dyn Fn() -> String + 'o>,
    place: Box<dyn Fn() -> Option<Place> + 'o>,
}

fn objects<'o>(scope: Scope, subject: &'o Subject<'_>) -> Vec<Object<'o>> {
    let mut objects = Vec::new();
    if scope == Scope::Capture {
        objects.push(Object {
            tree: subject.tree(),
            session: None,
            evidence: None,
            words: Box::new(String::new),
            place: Box::new(|| None),
        });
        return objects;
    }
    for part in subject.sessions() {
        let session = part.record();
        match scope {
            Scope::Session => objects.push(Object {
                tree: part.tree,
                session: None,
                evidence: None,
                words: Box::new(move || session_words(session)),
                place: Box::new(move || Some(subject.beginning(session))),
            }),
            Scope::Transfer => {
                for (transfer, part_of) in session.transfers.iter().zip(part.transfers()) {
                    objects.push(Object {
                        tree: part_of.tree,
                        session: Some(part.tree),
                        evidence: Some(&transfer.evidence),
                        words: Box::new(move || {
                            format!("{} in session {}", transfer_words(transfer), session.id)
                        }),
                        place: Box::new(move || Some(subject.transfer(session, transfer))),
                    });
                }
            }
            Scope::Step => {
                for (step, part_of) in session.steps.iter().zip(part.steps()) {
                    objects.push(Object {
                        tree: part_of.tree,
                        session: Some(part.tree),
                        evidence: None,
                        words: Box::new(move || {
                            format!("{} in session {}", step.title, session.id)
                        }),
                        place: Box::new(move || Some(subject.step(session, step))),
                    });
                }
            }
            Scope::Finding | Scope::Capture | Scope::Event => {}
        }
    }
    objects
}

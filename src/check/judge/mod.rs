//! Holds expectations against a report.
//!
//! In: [`Expectations`] or named rules, and a [`Subject`]. Out: a [`Group`] with one verdict for each expectation.
//!
//! ```text
//! Expectations -> sessions (who is who) -> fields, steps, transfers
//!              -> rules, absences
//! ```

mod absences;
mod causes;
mod facts;
mod fields;
mod rules;
mod sessions;
mod steps;
mod subject;
mod transfers;

use serde_json::Value;

use super::built_in::BuiltIn;
use super::file::{Expectations, FieldExpectation, SessionExpectation};
use super::verdict::{Difference, Group, Origin, Verdict};
use crate::model::record::{Session, Severity};

pub(super) use sessions::Partners;
pub(super) use steps::{Current, current as current_steps};
pub use subject::Subject;
pub(super) use transfers::partners as transfer_partners;

/// Holds a file against a report.
#[must_use]
pub fn judge_file(file: &Expectations, subject: &Subject<'_>) -> Group {
    let partners = Partners::find(file, subject);
    let mut verdicts = sessions::sessions(file, &partners, subject);
    for (absence, at) in &file.absent {
        verdicts.push(absences::everywhere(absence, subject).at(*at));
    }
    for (rule, at) in &file.built_in {
        verdicts.push(rules::built_in(rule, subject).at(*at));
    }
    for rule in &file.rules {
        verdicts.push(rules::rule(rule, subject).at(rule.at));
    }
    Group {
        kind: Origin::File,
        name: file.path.clone(),
        file: Some(file.path.clone()),
        verdicts,
    }
}

/// Holds rules by name against a report.
#[must_use]
pub fn judge_rules(rules: &[&'static BuiltIn], subject: &Subject<'_>) -> Group {
    Group {
        kind: Origin::Rules,
        name: "rules".to_owned(),
        file: None,
        verdicts: rules
            .iter()
            .map(|rule| rules::built_in(rule, subject))
            .collect(),
    }
}

/// Whether a field is as expected.
pub(super) fn field_holds(field: &FieldExpectation, object: &Value) -> bool {
    fields::difference(field, object).is_none()
}

/// Whether steps are missing, different or too many.
pub(super) fn steps_differ(
    expected: &SessionExpectation,
    session: &Session,
    value: &Value,
    subject: &Subject<'_>,
) -> bool {
    let (different, extra) = steps::compare(expected, session, value, subject);
    !different.is_empty() || (!expected.extra_steps && !extra.is_empty())
}

/// Whether commands were sent that may not be.
pub(super) fn commands_differ(
    expected: &SessionExpectation,
    session: &Session,
    value: &Value,
    subject: &Subject<'_>,
) -> bool {
    !steps::others(expected, session, value, subject).is_empty()
}

/// Which of the things that must not be there are there.
pub(super) fn broken_absences(
    expected: &SessionExpectation,
    session: &Session,
    subject: &Subject<'_>,
) -> Vec<usize> {
    let absent = expected.absent.iter().enumerate();
    let broken = absent
        .filter(|(_, (absence, _))| !absences::in_session(absence, session, subject).is_empty());
    broken.map(|(index, _)| index).collect()
}

/// No finding of a severity or more.
#[must_use]
pub fn judge_findings(least: Severity, subject: &Subject<'_>) -> Group {
    let word = serde_json::to_value(least).unwrap_or_default();
    let word = word.as_str().unwrap_or_default().to_owned();
    let expected = match least {
        Severity::High => "no finding of severity high".to_owned(),
        _ => format!("no finding of severity {word} or more"),
    };
    let mut differences = Vec::new();
    for (session, _) in subject.sessions() {
        for finding in session.findings.iter().filter(|one| one.severity >= least) {
            let place = finding
                .frames
                .first()
                .map(|frame| subject.frame(session, *frame));
            let found = format!("{}: {}", finding.id, finding.title);
            differences.push(
                Difference::new(&expected, found)
                    .at(place)
                    .because(vec![finding.explanation.clone()])
                    .advice(&finding.advice),
            );
        }
    }
    for finding in &subject.report.findings {
        if finding.severity >= least {
            let found = format!("{}: {}", finding.id, finding.title);
            let because = vec![finding.explanation.clone()];
            let difference = Difference::new(&expected, found).because(because);
            differences.push(difference.advice(&finding.advice));
        }
    }
    Group {
        kind: Origin::Findings,
        name: "findings".to_owned(),
        file: None,
        verdicts: vec![Verdict::of(expected, differences)],
    }
}

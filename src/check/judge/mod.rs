//! Judgement of a report by expectations.
//!
//! In: [`Expectations`] or named rules, and a [`Subject`]. Out: a [`Group`] with one verdict for each expectation.
//!
//! ```text
//! Expectations -> sessions (pairs expected and actual sessions) -> fields, absences, steps, transfers
//!              -> rules (CEL over the value tree)
//! causes: why a field, file or step differs, from the records of its session
//! ```

mod causes;
mod rules;
mod sessions;
mod steps;
mod subject;
mod transfers;

use serde_json::Value;

use super::built_in::BuiltIn;
use super::file::{Expectations, FieldExpectation, SessionExpectation};
use super::verdict::{Difference, Group, Origin, Verdict};
use super::wording::word;
use crate::model::record::{Session, Severity};

pub(super) use sessions::SessionPairing;
pub(super) use steps::{UpdatedStep, updated as updated_steps};
pub(super) use subject::Part;
pub use subject::Subject;
pub(super) use transfers::pair as pair_transfers;

/// Judges a report by an expectation file.
#[must_use]
pub fn judge_file(file: &Expectations, subject: &Subject<'_>) -> Group {
    let pairing = SessionPairing::find(file, subject);
    let mut verdicts = sessions::judge(file, &pairing, subject);
    for (absence, at) in &file.absent {
        verdicts.push(sessions::absent_everywhere(absence, subject).at(*at));
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

/// Judges a report by built-in rules.
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

/// Compares a field of the object `tree` with its expectation; `None` if it is as expected.
pub(super) fn field_difference(field: &FieldExpectation, tree: &Value) -> Option<Difference> {
    let mut value = tree;
    let mut null_parent = None;
    for (depth, name) in field.path.iter().enumerate() {
        if value.is_null() && null_parent.is_none() {
            null_parent = Some(field.path.get(..depth).unwrap_or_default().join("."));
        }
        // The report omits some fields that say nothing; an expectation cannot distinguish them from null.
        value = value.get(name).unwrap_or(&Value::Null);
    }
    if field.constraint.allows(value) {
        return None;
    }
    let found = match null_parent {
        Some(parent) => format!("nothing: {parent} is null"),
        None => field.constraint.found(value),
    };
    let expected = format!("{} {}", field.name(), field.constraint.words());
    Some(Difference::new(expected, found))
}

/// Returns true if steps are missing, different or not expected.
pub(super) fn steps_differ(
    expected: &SessionExpectation,
    session: Part<'_, Session>,
    subject: &Subject<'_>,
) -> bool {
    let (different, extra) = steps::compare(expected, session, subject);
    !different.is_empty() || (!expected.extra_steps && !extra.is_empty())
}

/// Returns true if commands were sent that `only_commands` does not list.
pub(super) fn commands_differ(
    expected: &SessionExpectation,
    session: Part<'_, Session>,
    subject: &Subject<'_>,
) -> bool {
    !steps::other_commands(expected, session, subject).is_empty()
}

/// Returns the indices of the `absent` items that the session has.
pub(super) fn present_absences(
    expected: &SessionExpectation,
    session: &Session,
    subject: &Subject<'_>,
) -> Vec<usize> {
    let absent = expected.absent.iter().enumerate();
    let present = absent
        .filter(|(_, (absence, _))| !sessions::occurrences(absence, session, subject).is_empty());
    present.map(|(index, _)| index).collect()
}

/// Judges that a report has no finding of severity `least` or more.
#[must_use]
pub fn judge_findings(least: Severity, subject: &Subject<'_>) -> Group {
    let expected = match least {
        Severity::High => "no finding of severity high".to_owned(),
        _ => format!("no finding of severity {} or more", word(least)),
    };
    let mut differences = Vec::new();
    for session in subject.sessions() {
        for finding in session.findings.iter().filter(|one| one.severity >= least) {
            let place = finding
                .frames
                .first()
                .map(|frame| subject.frame(&session, *frame));
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

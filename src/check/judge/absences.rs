//! What must not be there.

use super::super::file::Absence;
use super::super::verdict::{Difference, Verdict};
use super::subject::Subject;
use crate::model::record::Session;

/// What there is of it in a session.
pub(super) fn in_session(
    absence: &Absence,
    session: &Session,
    subject: &Subject<'_>,
) -> Vec<Difference> {
    let expected = format!("no {}", absence.words());
    let mut differences = Vec::new();
    match absence {
        Absence::Command(verb) => {
            for step in &session.steps {
                for command in step.commands.iter().filter(|one| one.verb == *verb) {
                    let found = match &command.argument {
                        Some(argument) => format!("{verb} {argument}"),
                        None => verb.clone(),
                    };
                    let place = subject.command(session, command);
                    differences.push(Difference::new(&expected, found).at(Some(place)));
                }
            }
        }
        Absence::Step(kind) => {
            for step in &session.steps {
                if serde_json::to_value(step.kind).is_ok_and(|word| word == kind.as_str()) {
                    let place = subject.step(session, step);
                    differences.push(Difference::new(&expected, &step.title).at(Some(place)));
                }
            }
        }
        Absence::Finding(id) => {
            for finding in session.findings.iter().filter(|one| one.id == *id) {
                let frame = finding.frames.first();
                let place = frame.map(|frame| subject.frame(session, *frame));
                differences.push(
                    Difference::new(&expected, &finding.title)
                        .at(place)
                        .because(vec![finding.explanation.clone()]),
                );
            }
        }
    }
    differences
}

/// What there is of it in the whole report.
pub(super) fn everywhere(absence: &Absence, subject: &Subject<'_>) -> Verdict {
    let name = format!("no {}", absence.words());
    if subject.report.sessions.is_empty() {
        return Verdict::skipped(name, "there is no session");
    }
    let mut differences = Vec::new();
    for (session, _) in subject.sessions() {
        differences.extend(in_session(absence, session, subject));
    }
    if let Absence::Finding(id) = absence {
        for finding in subject.report.findings.iter().filter(|one| one.id == *id) {
            let because = vec![finding.explanation.clone()];
            differences.push(Difference::new(&name, &finding.title).because(because));
        }
    }
    Verdict::of(name, differences)
}

//! Steps in order, and commands that may be sent.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::alignment::{Row, align};
use super::super::constraint::Constraint;
use super::super::file::{SessionExpectation, StepExpectation};
use super::super::mistake::Position;
use super::super::step_text::{StepView, command_line, text};
use super::super::verdict::{Difference, Place, Verdict};
use super::causes;
use super::subject::Subject;
use crate::model::record::Session;

/// The names of what is expected here, with their places.
pub(super) fn names(expected: &SessionExpectation) -> Vec<(String, Position)> {
    let mut names = Vec::new();
    if let Some(steps) = &expected.steps {
        names.push(("steps".to_owned(), steps.at));
    }
    if !expected.extra_steps {
        names.push(("no other steps".to_owned(), expected.extra_steps_at));
    }
    if let Some((_, at)) = &expected.only_commands {
        names.push(("no other commands".to_owned(), *at));
    }
    names
}

/// What becomes of them.
pub(super) fn steps(
    label: &str,
    expected: &SessionExpectation,
    session: &Session,
    value: &Value,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let (differences, extra) = compare(expected, session, value, subject);
    let others = others(expected, session, value, subject);
    let mut found = [differences, extra, others];
    let all = [
        expected.steps.is_some(),
        !expected.extra_steps,
        expected.only_commands.is_some(),
    ];
    let names = names(expected).into_iter();
    let found = found
        .iter_mut()
        .zip(all)
        .filter(|(_, is_expected)| *is_expected);
    names
        .zip(found)
        .map(|((name, at), (differences, _))| {
            Verdict::of(format!("{label}: {name}"), std::mem::take(differences)).at(at)
        })
        .collect()
}

/// What is missing or different, and what is there beside.
pub(super) fn compare(
    expected: &SessionExpectation,
    session: &Session,
    value: &Value,
    subject: &Subject<'_>,
) -> (Vec<Difference>, Vec<Difference>) {
    let Some(steps) = &expected.steps else {
        return (Vec::new(), Vec::new());
    };
    let view = View {
        session,
        subject,
        expected: &steps.steps,
        actual: StepView::all(value),
    };
    view.compare()
}

/// A step of a list that is brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Current {
    /// One that was expected and is there, by its place among those that were.
    Kept(usize),
    /// One that stands in its place or beside, by its place in the session.
    New(usize),
}

/// The steps that are expected from now on: what is there as it was stays, and what is beside only where nothing may be.
pub(in super::super) fn current(
    expected: &SessionExpectation,
    session: &Session,
    value: &Value,
    subject: &Subject<'_>,
) -> Vec<Current> {
    let Some(steps) = &expected.steps else {
        return Vec::new();
    };
    let view = View {
        session,
        subject,
        expected: &steps.steps,
        actual: StepView::all(value),
    };
    let mut current = Vec::new();
    let mut between = Between::default();
    for row in view.rows() {
        match row {
            Row::Left(i) => between.missing.push(i),
            Row::Right(j) => between.beside.push(j),
            Row::Both(i, _) => {
                view.renew(&between, expected.extra_steps, &mut current);
                current.push(Current::Kept(i));
                between = Between::default();
            }
        }
    }
    view.renew(&between, expected.extra_steps, &mut current);
    current
}

struct View<'v> {
    session: &'v Session,
    subject: &'v Subject<'v>,
    expected: &'v [StepExpectation],
    actual: Vec<StepView<'v>>,
}

impl View<'_> {
    /// What is expected and what is there, side by side.
    fn rows(&self) -> Vec<Row> {
        let actual = &self.actual;
        let same = |i: usize, j: usize| match (self.expected.get(i), actual.get(j)) {
            (Some(expected), Some(step)) => is_like(expected, *step),
            _ => false,
        };
        align(self.expected.len(), actual.len(), same)
    }

    /// The one of `beside` that stands in place of an expected step.
    fn instead(&self, expected: &StepExpectation, beside: &[usize]) -> Option<usize> {
        beside.iter().position(|j| {
            let step = self.actual.get(*j);
            step.is_some_and(|step| is_instead(expected, *step))
        })
    }

    /// What is new between two steps that stay.
    fn renew(&self, between: &Between, may_stand_beside: bool, current: &mut Vec<Current>) {
        let mut beside = between.beside.clone();
        let mut new = Vec::new();
        for expected in between.missing.iter().filter_map(|i| self.expected.get(*i)) {
            if let Some(place) = self.instead(expected, &beside) {
                new.push(beside.remove(place));
            }
        }
        if !may_stand_beside {
            let is_asked = |j: &usize| self.actual.get(*j).is_some_and(|step| step.is_asked());
            new.extend(beside.into_iter().filter(is_asked));
        }
        new.sort_unstable();
        current.extend(new.into_iter().map(Current::New));
    }

    fn compare(&self) -> (Vec<Difference>, Vec<Difference>) {
        let mut between = Between::default();
        let mut told = (Vec::new(), Vec::new());
        let rows = self.rows();
        let in_both = |row: &Row| match row {
            Row::Both(_, j) => Some(*j),
            _ => None,
        };
        let matched: BTreeSet<usize> = rows.iter().filter_map(in_both).collect();
        for row in rows {
            match row {
                Row::Left(i) => between.missing.push(i),
                Row::Right(j) => between.beside.push(j),
                Row::Both(_, j) => {
                    self.settle(&between, &matched, &mut told);
                    between = Between {
                        before: Some(j),
                        ..Between::default()
                    };
                }
            }
        }
        self.settle(&between, &matched, &mut told);
        told
    }

    /// Between two common steps: what is missing takes a step of its kind that is there instead.
    fn settle(
        &self,
        between: &Between,
        matched: &BTreeSet<usize>,
        (different, extra): &mut (Vec<Difference>, Vec<Difference>),
    ) {
        let actual = &self.actual;
        let mut beside = between.beside.clone();
        let mut gone: Vec<&StepExpectation> = Vec::new();
        for expected in between.missing.iter().filter_map(|i| self.expected.get(*i)) {
            match self.instead(expected, &beside) {
                Some(place) => different.push(self.changed(expected, beside.remove(place))),
                None => gone.push(expected),
            }
        }
        if !gone.is_empty() {
            different.push(self.gone(&gone, between.before, matched));
        }
        for j in beside {
            if let Some(step) = actual.get(j).filter(|step| step.is_asked()) {
                let difference = Difference::new("no other step", step.answered());
                extra.push(difference.at(self.place(j)));
            }
        }
    }

    fn changed(&self, expected: &StepExpectation, j: usize) -> Difference {
        let wanted = format!("step {}", expected.text);
        let Some(step) = self.actual.get(j) else {
            return Difference::new(wanted, "nothing");
        };
        let mut found = step.answered();
        let bound = expected.duration.as_ref();
        if bound.is_some_and(|bound| !bound.allows(step.duration())) {
            found = format!("{found}, in {} s", step.duration());
        }
        Difference::new(wanted, found).at(self.place(j))
    }

    /// Steps in a row of which there is nothing.
    fn gone(
        &self,
        expected: &[&StepExpectation],
        before: Option<usize>,
        matched: &BTreeSet<usize>,
    ) -> Difference {
        let actual = &self.actual;
        let found = match before.and_then(|before| actual.get(before)) {
            Some(step) => format!("nothing like it after {}", step.line()),
            None => "nothing like it".to_owned(),
        };
        let mut texts: Vec<_> = expected.iter().map(|step| step.text.as_str()).collect();
        let more = texts.len().saturating_sub(MOST_TOLD);
        texts.truncate(MOST_TOLD);
        let wanted = match texts.as_slice() {
            [one] => format!("step {one}"),
            several if more == 0 => format!("steps {}", several.join(", ")),
            several => format!("steps {} and {more} more", several.join(", ")),
        };
        Difference::new(wanted, found)
            .because(self.why_gone(expected, matched))
            .at(before.and_then(|before| self.place(before)))
    }

    fn why_gone(&self, expected: &[&StepExpectation], matched: &BTreeSet<usize>) -> Vec<String> {
        let mut because = Vec::new();
        for expected in expected.iter().take(MOST_TOLD) {
            let mut steps = self.actual.iter().enumerate();
            let elsewhere =
                steps.find(|(j, step)| !matched.contains(j) && is_like(expected, **step));
            if let Some((j, step)) = elsewhere {
                let place = self.place(j).and_then(|place| place.words());
                let place = place.map_or_else(String::new, |place| format!(" in {place}"));
                because.push(format!(
                    "the order is another: {} stands{place}",
                    step.line()
                ));
            }
        }
        let is_expected = |kind: &str| expected.iter().any(|step| step.kind == kind);
        if is_expected("tls") && self.session.tls.is_none() {
            because.push("the session is not encrypted".to_owned());
        }
        let causes = causes::of_session(self.session);
        if because.is_empty() && causes.is_empty() {
            if is_expected("quit") {
                let end = serde_json::to_value(self.session.end_state).unwrap_or_default();
                let end = end.as_str().unwrap_or_default();
                because.push(format!("the session ended without QUIT ({end})"));
            } else if let Some(step) = self.actual.iter().find(|step| {
                // Commands have nothing in common but that they are commands.
                step.kind() != "command" && is_expected(step.kind())
            }) {
                because.push(format!("there is {}", step.line()));
            }
        }
        because.extend(causes);
        because
    }

    fn place(&self, j: usize) -> Option<Place> {
        let step = self.session.steps.get(j)?;
        Some(self.subject.step(self.session, step))
    }
}

/// Whether a step may be what became of an expected one: of the same kind, and of commands with the same verb.
fn is_instead(expected: &StepExpectation, step: StepView<'_>) -> bool {
    if step.kind() != expected.kind {
        return false;
    }
    let verb = match (&expected.verb, &expected.subject) {
        (Some(Constraint::Is(Value::String(verb))), _) => Some(verb.as_str()),
        (None, Some(Constraint::Is(Value::String(line)))) => line.split(' ').next(),
        _ => None,
    };
    // Without its command a step is known by its answer alone.
    expected.kind != "command"
        || verb.is_none_or(|verb| step.verb().is_none_or(|sent| sent == verb))
}

fn is_like(expected: &StepExpectation, step: StepView<'_>) -> bool {
    let meets = |constraint: &Option<Constraint>, value: &dyn Fn() -> Value| {
        let constraint = constraint.as_ref();
        constraint.is_none_or(|constraint| constraint.allows(&value()))
    };
    step.kind() == expected.kind
        && meets(&expected.subject, &|| step.subject().into())
        && meets(&expected.outcome, &|| step.outcome().into())
        && meets(&expected.verb, &|| step.verb().into())
        && meets(&expected.code, &|| step.code().into())
        && meets(&expected.duration, &|| step.duration().clone())
}

/// What stands between two steps that are as expected.
#[derive(Default)]
struct Between {
    /// The step before.
    before: Option<usize>,
    /// Expected, not there.
    missing: Vec<usize>,
    /// There, not expected.
    beside: Vec<usize>,
}

/// Commands that are not among those that may be sent.
pub(super) fn others(
    expected: &SessionExpectation,
    session: &Session,
    value: &Value,
    subject: &Subject<'_>,
) -> Vec<Difference> {
    let Some((allowed, _)) = &expected.only_commands else {
        return Vec::new();
    };
    let wanted = format!("only {}", allowed.join(", "));
    let mut differences = Vec::new();
    let is_allowed = |verb: &str| allowed.iter().any(|one| one == verb);
    for (step, view) in session.steps.iter().zip(StepView::all(value)) {
        for (command, line) in step.commands.iter().zip(view.commands()) {
            if text(line, "verb").is_some_and(is_allowed) {
                continue;
            }
            let place = subject.command(session, command);
            differences.push(Difference::new(&wanted, command_line(line)).at(Some(place)));
        }
    }
    differences
}

/// Steps that are told of a row of which there is nothing.
const MOST_TOLD: usize = 6;

//! Steps in their order, aligned by their longest common subsequence, and the commands that may be sent.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

use super::super::constraint::Constraint;
use super::super::file::{SessionExpectation, StepExpectation};
use super::super::mistake::Position;
use super::super::verdict::{Difference, Place, Verdict};
use super::super::wording::{StepView, command_line, word};
use super::subject::Subject;
use crate::model::record::{Session, StepKind};

/// Returns the names of the expectations about steps and commands, with their places in the file.
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

/// Judges the expectations about steps and commands.
pub(super) fn judge(
    label: &str,
    expected: &SessionExpectation,
    session: &Session,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let (differences, extra) = compare(expected, session, subject);
    let others = other_commands(expected, session, subject);
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

/// Compares steps: returns those that are missing or different, and those that are not expected.
pub(super) fn compare(
    expected: &SessionExpectation,
    session: &Session,
    subject: &Subject<'_>,
) -> (Vec<Difference>, Vec<Difference>) {
    let Some(steps) = &expected.steps else {
        return (Vec::new(), Vec::new());
    };
    let comparison = Comparison {
        session,
        subject,
        expected: &steps.steps,
        facts: Facts::all(session),
        actual: StepView::all(session),
    };
    comparison.compare()
}

/// A step of a list that is brought up to date with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpdatedStep {
    /// Expected and present: the index among the expected steps.
    Kept(usize),
    /// Replacement or addition: the index among the steps of the session.
    New(usize),
}

/// Returns the steps to expect from now on.
///
/// Steps that are as expected stay. Steps beside them are added only where the file allows no other steps.
pub(crate) fn updated(
    expected: &SessionExpectation,
    session: &Session,
    subject: &Subject<'_>,
) -> Vec<UpdatedStep> {
    let Some(steps) = &expected.steps else {
        return Vec::new();
    };
    let comparison = Comparison {
        session,
        subject,
        expected: &steps.steps,
        facts: Facts::all(session),
        actual: StepView::all(session),
    };
    let mut updated = Vec::new();
    let mut between = Between::default();
    for row in comparison.rows() {
        match row {
            Row::Left(i) => between.missing.push(i),
            Row::Right(j) => between.extra.push(j),
            Row::Both(i, _) => {
                comparison.update(&between, expected.extra_steps, &mut updated);
                updated.push(UpdatedStep::Kept(i));
                between = Between::default();
            }
        }
    }
    comparison.update(&between, expected.extra_steps, &mut updated);
    updated
}

/// Expected and actual steps of one session.
struct Comparison<'v> {
    session: &'v Session,
    subject: &'v Subject<'v>,
    expected: &'v [StepExpectation],
    actual: Vec<StepView<'v>>,
    /// Fields of each actual step that expectations name.
    facts: Vec<Facts>,
}

/// Fields of a step that an expectation names, made once: an alignment compares each step with many.
struct Facts {
    kind: StepKind,
    subject: Value,
    outcome: Value,
    verb: Value,
    code: Value,
    duration: Value,
}

impl Facts {
    fn all(session: &Session) -> Vec<Self> {
        let steps = StepView::all(session).into_iter();
        steps.map(Self::of).collect()
    }

    fn of(step: StepView<'_>) -> Self {
        Self {
            kind: step.kind(),
            subject: step.subject().into(),
            outcome: word(step.outcome()).into(),
            verb: step.verb().into(),
            code: step.code().into(),
            duration: step.duration().into(),
        }
    }
}

impl Comparison<'_> {
    /// Aligns expected and actual steps.
    fn rows(&self) -> Vec<Row> {
        let facts = &self.facts;
        let same = |i: usize, j: usize| match (self.expected.get(i), facts.get(j)) {
            (Some(expected), Some(step)) => is_as_expected(expected, step),
            _ => false,
        };
        align(self.expected.len(), facts.len(), same)
    }

    /// Returns the position in `extra` of the step that replaces an expected one.
    fn replacement(&self, expected: &StepExpectation, extra: &VecDeque<usize>) -> Option<usize> {
        extra.iter().take(NEAR).position(|j| {
            let step = self.actual.get(*j);
            step.is_some_and(|step| replaces(expected, *step))
        })
    }

    /// Adds the replacements and additions between two steps that stay.
    fn update(&self, between: &Between, allows_extra: bool, updated: &mut Vec<UpdatedStep>) {
        let mut extra = VecDeque::from(between.extra.clone());
        let mut new = Vec::new();
        for expected in between.missing.iter().filter_map(|i| self.expected.get(*i)) {
            let place = self.replacement(expected, &extra);
            new.extend(place.and_then(|place| extra.remove(place)));
        }
        if !allows_extra {
            let is_requested =
                |j: &usize| self.actual.get(*j).is_some_and(|step| step.is_requested());
            new.extend(extra.into_iter().filter(is_requested));
        }
        // Replacements were collected in file order; the list follows the order of the session.
        new.sort_unstable();
        updated.extend(new.into_iter().map(UpdatedStep::New));
    }

    fn compare(&self) -> (Vec<Difference>, Vec<Difference>) {
        let mut between = Between::default();
        let mut differences = (Vec::new(), Vec::new());
        let rows = self.rows();
        let in_both = |row: &Row| match row {
            Row::Both(_, j) => Some(*j),
            _ => None,
        };
        let matched: BTreeSet<usize> = rows.iter().filter_map(in_both).collect();
        for row in rows {
            match row {
                Row::Left(i) => between.missing.push(i),
                Row::Right(j) => between.extra.push(j),
                Row::Both(_, j) => {
                    self.settle(&between, &matched, &mut differences);
                    between = Between {
                        before: Some(j),
                        ..Between::default()
                    };
                }
            }
        }
        self.settle(&between, &matched, &mut differences);
        differences
    }

    /// Describes the differences between two common steps: each missing step takes a replacement of its kind, if any.
    fn settle(
        &self,
        between: &Between,
        matched: &BTreeSet<usize>,
        (different, unexpected): &mut (Vec<Difference>, Vec<Difference>),
    ) {
        let actual = &self.actual;
        let mut extra = VecDeque::from(between.extra.clone());
        let mut gone: Vec<&StepExpectation> = Vec::new();
        for expected in between.missing.iter().filter_map(|i| self.expected.get(*i)) {
            let place = self.replacement(expected, &extra);
            match place.and_then(|place| extra.remove(place)) {
                Some(j) => different.push(self.changed(expected, j)),
                None => gone.push(expected),
            }
        }
        // Where the capture lost a transfer command, what prepared it stands alone.
        let is_lost = |expected: &&StepExpectation| {
            matches!(
                expected.kind,
                StepKind::List | StepKind::Retrieve | StepKind::Store
            )
        };
        let excuses_preparation = gone.iter().any(is_lost) && super::is_cut_or_lossy(self.session);
        if !gone.is_empty() {
            let explains = different.len() < MAX_EXPLAINED;
            different.push(self.gone(&gone, between.before, explains.then_some(matched)));
        }
        for j in extra {
            let is_excused = |step: &StepView<'_>| {
                excuses_preparation && step.verb().is_some_and(|verb| PREPARATIONS.contains(&verb))
            };
            let step = actual.get(j).filter(|step| step.is_requested());
            if let Some(step) = step.filter(|step| !is_excused(step)) {
                let difference = Difference::new("no other step", step.with_reply());
                unexpected.push(difference.at(self.place(j)));
            }
        }
    }

    fn changed(&self, expected: &StepExpectation, j: usize) -> Difference {
        let wanted = format!("step {}", expected.text);
        let Some(step) = self.actual.get(j) else {
            return Difference::new(wanted, "nothing");
        };
        let mut found = step.with_reply();
        let limit = expected.duration.as_ref();
        let duration = Value::from(step.duration());
        if limit.is_some_and(|limit| !limit.allows(&duration)) {
            found = format!("{found}, in {duration} s");
        }
        Difference::new(wanted, found).at(self.place(j))
    }

    /// Describes consecutive missing steps in one difference.
    fn gone(
        &self,
        expected: &[&StepExpectation],
        before: Option<usize>,
        matched: Option<&BTreeSet<usize>>,
    ) -> Difference {
        let actual = &self.actual;
        let found = match before.and_then(|before| actual.get(before)) {
            Some(step) => format!("nothing like it after {}", step.line()),
            None => "nothing like it".to_owned(),
        };
        let mut texts: Vec<_> = expected.iter().map(|step| step.text.as_str()).collect();
        let more = texts.len().saturating_sub(MAX_MISSING);
        texts.truncate(MAX_MISSING);
        let wanted = match texts.as_slice() {
            [one] => format!("step {one}"),
            several if more == 0 => format!("steps {}", several.join(", ")),
            several => format!("steps {} and {more} more", several.join(", ")),
        };
        Difference::new(wanted, found)
            .because(matched.map_or_else(Vec::new, |matched| self.why_gone(expected, matched)))
            .at(before.and_then(|before| self.place(before)))
    }

    fn why_gone(&self, expected: &[&StepExpectation], matched: &BTreeSet<usize>) -> Vec<String> {
        let mut because = Vec::new();
        for expected in expected.iter().take(MAX_MISSING) {
            let mut facts = self.facts.iter().enumerate();
            let elsewhere =
                facts.find(|(j, step)| !matched.contains(j) && is_as_expected(expected, step));
            if let Some((j, step)) = elsewhere.and_then(|(j, _)| Some((j, self.actual.get(j)?))) {
                let place = self.place(j).and_then(|place| place.words());
                let place = place.map_or_else(String::new, |place| format!(" in {place}"));
                because.push(format!(
                    "the order is another: {} stands{place}",
                    step.line()
                ));
            }
        }
        let is_expected = |kind: StepKind| expected.iter().any(|step| step.kind == kind);
        if is_expected(StepKind::Tls) && self.session.tls.is_none() {
            because.push("the session is not encrypted".to_owned());
        }
        let causes = super::causes_of_session(self.session);
        if because.is_empty() && causes.is_empty() {
            if is_expected(StepKind::Quit) {
                let end = word(self.session.end_state);
                because.push(format!("the session ended without QUIT ({end})"));
            } else if let Some(step) = self.actual.iter().find(|step| {
                // Two steps of kind `command` may be any two commands: one does not explain the absence of another.
                step.kind() != StepKind::Command && is_expected(step.kind())
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

/// Returns true if a step may replace an expected one: same kind and, for commands, same verb.
fn replaces(expected: &StepExpectation, step: StepView<'_>) -> bool {
    if step.kind() != expected.kind {
        return false;
    }
    let verb = expected.sent_verb();
    // The command of a step that is inferred from its reply is unknown, so any verb is possible.
    expected.kind != StepKind::Command
        || verb.is_none_or(|verb| step.verb().is_none_or(|sent| sent == verb))
}

fn is_as_expected(expected: &StepExpectation, step: &Facts) -> bool {
    let meets = |constraint: &Option<Constraint>, value: &Value| {
        let constraint = constraint.as_ref();
        constraint.is_none_or(|constraint| constraint.allows(value))
    };
    step.kind == expected.kind
        && meets(&expected.subject, &step.subject)
        && meets(&expected.outcome, &step.outcome)
        && meets(&expected.verb, &step.verb)
        && meets(&expected.code, &step.code)
        && meets(&expected.duration, &step.duration)
}

/// Steps between two that are as expected.
#[derive(Default)]
struct Between {
    /// Index of the actual step before; `None` at the beginning.
    before: Option<usize>,
    /// Indices of expected steps without an actual one.
    missing: Vec<usize>,
    /// Indices of actual steps without an expected one.
    extra: Vec<usize>,
}

/// Finds the commands that `only_commands` does not list.
pub(super) fn other_commands(
    expected: &SessionExpectation,
    session: &Session,
    subject: &Subject<'_>,
) -> Vec<Difference> {
    let Some((allowed, _)) = &expected.only_commands else {
        return Vec::new();
    };
    let wanted = format!("only {}", allowed.join(", "));
    let mut differences = Vec::new();
    let is_allowed = |verb: &String| allowed.iter().any(|one| one == verb);
    for command in session.steps.iter().flat_map(|step| &step.commands) {
        if !is_allowed(&command.verb) {
            let place = subject.command(session, command);
            differences.push(Difference::new(&wanted, command_line(command)).at(Some(place)));
        }
    }
    differences
}

/// A row of the alignment, with indices into the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// Equal items of both lists.
    Both(usize, usize),
    /// Item of the left list only.
    Left(usize),
    /// Item of the right list only.
    Right(usize),
}

/// Aligns two lists, given their lengths and the equality of two items.
pub(crate) fn align(left: usize, right: usize, same: impl Fn(usize, usize) -> bool) -> Vec<Row> {
    let mut start = 0;
    while start < left && start < right && same(start, start) {
        start += 1;
    }
    let mut end = 0;
    while end < left - start && end < right - start && same(left - 1 - end, right - 1 - end) {
        end += 1;
    }
    let mut rows: Vec<Row> = (0..start).map(|at| Row::Both(at, at)).collect();
    let (rest_left, rest_right) = (left - start - end, right - start - end);
    if rest_left.saturating_mul(rest_right) <= MAX_CELLS {
        middle(start, rest_left, rest_right, &same, &mut rows);
    } else {
        long_middle(start, rest_left, rest_right, &same, &mut rows);
    }
    rows.extend(
        (0..end)
            .rev()
            .map(|at| Row::Both(left - 1 - at, right - 1 - at)),
    );
    rows
}

/// Aligns the part between the common ends with a table of the common length of all pairs of tails.
fn middle(
    start: usize,
    left: usize,
    right: usize,
    same: &impl Fn(usize, usize) -> bool,
    rows: &mut Vec<Row>,
) {
    let width = right + 1;
    let mut longest = vec![0_u32; (left + 1) * width];
    for i in (0..left).rev() {
        for j in (0..right).rev() {
            longest[i * width + j] = if same(start + i, start + j) {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < left || j < right {
        if i < left && j < right && same(start + i, start + j) {
            rows.push(Row::Both(start + i, start + j));
            (i, j) = (i + 1, j + 1);
        // On a tie the left item comes first, so that removals precede additions.
        } else if j == right
            || (i < left && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            rows.push(Row::Left(start + i));
            i += 1;
        } else {
            rows.push(Row::Right(start + j));
            j += 1;
        }
    }
}

/// Aligns a part that is too long for a table, by as few differences as can be found with [`MAX_COMPARISONS`]: Myers, "An
/// O(ND) Difference Algorithm and Its Variations" (1986), in sections of up to [`SECTION`] differences each. What is left
/// when the comparisons are used up counts as replaced.
fn long_middle(
    start: usize,
    left: usize,
    right: usize,
    same: &impl Fn(usize, usize) -> bool,
    rows: &mut Vec<Row>,
) {
    let (mut i, mut j) = (0, 0);
    let mut comparisons = 0;
    while i < left && j < right && comparisons < MAX_COMPARISONS {
        let (from_left, from_right) = (start + i, start + j);
        let equal = |a: usize, b: usize| same(from_left + a, from_right + b);
        let section = section(left - i, right - j, &equal, &mut comparisons);
        for (is_left, is_right) in section {
            rows.push(match (is_left, is_right) {
                (true, true) => Row::Both(start + i, start + j),
                (true, false) => Row::Left(start + i),
                _ => Row::Right(start + j),
            });
            i += usize::from(is_left);
            j += usize::from(is_right);
        }
    }
    rows.extend((start + i..start + left).map(Row::Left));
    rows.extend((start + j..start + right).map(Row::Right));
}

/// Returns the way through two lists to their ends, or as far as [`SECTION`] differences reach: for each row, whether it has
/// an item of the left and of the right list.
fn section(
    left: usize,
    right: usize,
    equal: &impl Fn(usize, usize) -> bool,
    comparisons: &mut usize,
) -> Vec<(bool, bool)> {
    // The diagonal k has the pairs of which i - j is k; `ends[k]` is the farthest i on it, and `history` all of them for each
    // number of differences, to walk back.
    let middle = SECTION + 1;
    let mut ends = vec![0_usize; 2 * middle + 1];
    let mut history: Vec<Vec<usize>> = Vec::new();
    let place = |end: usize, k: usize| (end, (end + middle).wrapping_sub(k));
    let is_inside = |(i, j): (usize, usize)| i <= left && j <= right;
    let mut best = (0, 0, middle);
    for differences in 0..=SECTION {
        history.push(ends[middle - differences..=middle + differences].to_vec());
        for k in (middle - differences..=middle + differences).step_by(2) {
            let is_down = k == middle - differences
                || (k != middle + differences && ends[k - 1] < ends[k + 1]);
            let end = match (differences, is_down) {
                (0, _) => 0,
                (_, true) => ends[k + 1],
                (_, false) => ends[k - 1] + 1,
            };
            let (mut i, mut j) = place(end, k);
            while i < left && j < right {
                *comparisons += 1;
                if !equal(i, j) {
                    break;
                }
                (i, j) = (i + 1, j + 1);
            }
            ends[k] = i;
            if is_inside((i, j)) && i + j >= best.0 {
                best = (i + j, differences, k);
            }
            if i >= left && j >= right {
                return way(&history, (left, right), differences, k, middle);
            }
        }
    }
    let (_, differences, k) = best;
    let end = history
        .get(differences + 1)
        .map_or(ends[k], |ends| ends[k + differences + 1 - middle]);
    way(&history, place(end, k), differences, k, middle)
}

/// Walks back from a place on diagonal `k` that a number of differences reaches.
fn way(
    history: &[Vec<usize>],
    (mut i, mut j): (usize, usize),
    differences: usize,
    mut k: usize,
    middle: usize,
) -> Vec<(bool, bool)> {
    let mut back = Vec::new();
    for number in (1..=differences).rev() {
        let ends = |k: usize| history[number][k + number - middle];
        let is_down = k == middle - number || (k != middle + number && ends(k - 1) < ends(k + 1));
        let (before, from) = if is_down {
            (k + 1, ends(k + 1))
        } else {
            (k - 1, ends(k - 1))
        };
        let first = if is_down { from } else { from + 1 };
        while i > first {
            back.push((true, true));
            (i, j) = (i - 1, j - 1);
        }
        back.push((!is_down, is_down));
        if is_down {
            j -= 1;
        } else {
            i -= 1;
        }
        k = before;
    }
    back.extend(std::iter::repeat_n((true, true), i.min(j)));
    back.reverse();
    back
}

/// Commands that belong to the transfer command behind them.
const PREPARATIONS: &[&str] = &[
    "PORT", "PASV", "EPRT", "EPSV", "LPRT", "LPSV", "TYPE", "MODE", "STRU", "REST", "PRET", "ALLO",
    "SIZE", "MDTM",
];

/// Missing steps named in one difference.
const MAX_MISSING: usize = 6;

/// Cells of 4 bytes in the table.
const MAX_CELLS: usize = 1_000_000;

/// Differences of one section of a long list.
const SECTION: usize = 500;

/// Comparisons of steps in a long list.
const MAX_COMPARISONS: usize = 30_000_000;

/// Steps among which the replacement of an expected one is looked for.
const NEAR: usize = 200;

/// Differences of which the reason is looked for.
const MAX_EXPLAINED: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(left: &str, right: &str) -> String {
        let (left, right) = (left.as_bytes(), right.as_bytes());
        let rows = align(left.len(), right.len(), |i, j| left[i] == right[j]);
        let word = |row: Row| match row {
            Row::Both(i, _) => char::from(left[i]).to_string(),
            Row::Left(i) => format!("-{}", char::from(left[i])),
            Row::Right(j) => format!("+{}", char::from(right[j])),
        };
        rows.into_iter().map(word).collect()
    }

    #[test]
    fn common_items_are_aligned_and_others_kept_in_order() {
        assert_eq!(shown("abc", "abc"), "abc");
        assert_eq!(shown("abcd", "axcd"), "a-b+xcd");
        assert_eq!(shown("abc", ""), "-a-b-c");
        assert_eq!(shown("", "ab"), "+a+b");
        assert_eq!(shown("quit", "uxit"), "-qu+xit");
        assert_eq!(shown("aaa", "aa"), "aa-a");
    }

    #[test]
    fn long_lists_with_few_differences_are_aligned_whole() {
        let left: Vec<u32> = (0..5_000).filter(|n| n % 100 != 3).collect();
        let right: Vec<u32> = (0..5_000).filter(|n| n % 170 != 5).collect();
        let rows = align(left.len(), right.len(), |i, j| left[i] == right[j]);
        let both = rows.iter().filter(|row| matches!(row, Row::Both(..)));
        let common = left.iter().filter(|n| *n % 170 != 5);
        assert_eq!(both.count(), common.count());
        assert_whole(&rows, left.len(), right.len());
    }

    #[test]
    fn long_lists_of_unlike_steps_cost_a_bounded_number_of_comparisons() {
        let count = std::cell::Cell::new(0_usize);
        let rows = align(40_000, 40_000, |_, _| {
            count.set(count.get() + 1);
            false
        });
        assert!(count.get() < MAX_COMPARISONS * 2, "{}", count.get());
        assert_whole(&rows, 40_000, 40_000);
    }

    fn assert_whole(rows: &[Row], left: usize, right: usize) {
        let (mut i, mut j) = (0, 0);
        for row in rows {
            match *row {
                Row::Both(a, b) => {
                    assert_eq!((a, b), (i, j));
                    (i, j) = (i + 1, j + 1);
                }
                Row::Left(a) => {
                    assert_eq!(a, i);
                    i += 1;
                }
                Row::Right(b) => {
                    assert_eq!(b, j);
                    j += 1;
                }
            }
        }
        assert_eq!((i, j), (left, right));
    }
}

//! Rules: assertions about every session, transfer or step, or about the whole report, and what must be absent from
//! every session.
//!
//! All rules of a file are judged in one visit of each session.

use serde_json::Value;

use super::super::built_in::{BuiltIn, Requires};
use super::super::expression::{self, Expression, Fact, Judgement, Prepared, Scope, fact_words};
use super::super::file::{Absence, Expectations, Rule};
use super::super::mistake::Position;
use super::super::verdict::{Difference, Differences, Place, Verdict};
use super::super::wording::{session_words, transfer_words};
use super::sessions::occurrences;
use super::subject::{LoadedSession, Subject};
use crate::report::units;

/// Judges the absences and the rules of a file.
pub(super) fn judge_file(file: &Expectations, subject: &Subject<'_>) -> Vec<Verdict> {
    let built_in = file.built_in.iter().map(|(rule, _)| *rule);
    let built_in: Vec<CompiledRule<'_>> = built_in.map(CompiledRule::of_built_in).collect();
    let positions = file.built_in.iter().map(|(_, at)| *at);
    let built_in = built_in.iter().zip(positions);
    let own: Vec<CompiledRule<'_>> = file
        .rules
        .iter()
        .map(|rule| CompiledRule {
            name: &rule.name,
            scope: rule.scope,
            condition: rule
                .condition
                .as_ref()
                .map(|condition| (condition.text.as_str(), Code::Known(&condition.expression))),
            expected: &rule.assert.text,
            assert: Code::Known(&rule.assert.expression),
            requires: required_by(rule),
        })
        .collect();
    let positions = file.rules.iter().map(|rule| rule.at);
    let rules = built_in.chain(own.iter().zip(positions));
    judge(&file.absent, rules, subject)
}

/// Judges built-in rules.
pub(super) fn judge_built_in(rules: &[&'static BuiltIn], subject: &Subject<'_>) -> Vec<Verdict> {
    let rules = rules.iter().map(|rule| CompiledRule::of_built_in(rule));
    let rules: Vec<CompiledRule<'_>> = rules.collect();
    let at = Position { line: 0, column: 0 };
    let verdicts = judge(&[], rules.iter().map(|rule| (rule, at)), subject);
    let without_position = |verdict| Verdict {
        line: None,
        column: None,
        ..verdict
    };
    verdicts.into_iter().map(without_position).collect()
}

/// Judges absences, then rules, each with its position.
fn judge<'e>(
    absent: &'e [(Absence, Position)],
    rules: impl Iterator<Item = (&'e CompiledRule<'e>, Position)>,
    subject: &Subject<'_>,
) -> Vec<Verdict> {
    let mut absences: Vec<AbsenceState<'_>> = absent
        .iter()
        .map(|(absence, at)| AbsenceState::new(absence, *at))
        .collect();
    let mut rules: Vec<(RuleState<'_>, Position)> = rules
        .map(|(rule, at)| (RuleState::new(rule, subject), at))
        .collect();
    let is_about_sessions =
        |(rule, _): &(RuleState<'_>, Position)| rule.rule.scope != Scope::Capture;
    if !absences.is_empty() || rules.iter().any(is_about_sessions) {
        for session in subject.sessions() {
            for absence in &mut absences {
                absence.judge_session(&session, subject);
            }
            for (rule, _) in &mut rules {
                rule.judge_session(&session, subject);
            }
        }
    }
    let mut verdicts = Vec::new();
    for absence in absences {
        let at = absence.at;
        verdicts.push(absence.finish(subject).at(at));
    }
    for (mut rule, at) in rules {
        rule.judge_report(subject);
        verdicts.push(rule.finish().at(at));
    }
    verdicts
}

/// Something that must be absent from every session, and what was found so far.
struct AbsenceState<'e> {
    absence: &'e Absence,
    at: Position,
    /// Sessions that were searched.
    judged: u64,
    hidden: HiddenSessions,
    differences: Differences,
}

impl<'e> AbsenceState<'e> {
    fn new(absence: &'e Absence, at: Position) -> Self {
        Self {
            absence,
            at,
            judged: 0,
            hidden: HiddenSessions::default(),
            differences: Differences::default(),
        }
    }

    fn judge_session(&mut self, session: &LoadedSession, subject: &Subject<'_>) {
        occurrences(self.absence, session, subject, &mut self.differences);
        match self.absence.requires().hidden_in(session) {
            Some(why) => self.hidden.add(session.id, why),
            None => self.judged += 1,
        }
    }

    /// Returns the verdict that it is absent from every session, and a finding also from the report as a whole.
    fn finish(self, subject: &Subject<'_>) -> Verdict {
        let Self {
            absence,
            mut differences,
            ..
        } = self;
        let name = format!("no {}", absence.words());
        if subject.session_count() == 0 {
            return Verdict::skipped(name, "there is no session");
        }
        if let Absence::Finding(id) = absence {
            for finding in subject.report.findings.iter().filter(|one| one.id == *id) {
                differences.push(|| {
                    let because = vec![finding.explanation.clone()];
                    Difference::new(&name, &finding.title).because(because)
                });
            }
        }
        match self.hidden.words() {
            Some(hidden) if self.judged == 0 && differences.is_empty() => {
                Verdict::skipped(name, hidden)
            }
            hidden => differences.into_verdict(name).but_for(hidden),
        }
    }
}

/// A rule of a file, or a built-in one.
struct CompiledRule<'e> {
    name: &'e str,
    scope: Scope,
    /// Filter of the objects, with its text; `None` if the rule is about all of them.
    condition: Option<(&'e str, Code<'e>)>,
    /// Words for the assertion.
    expected: &'e str,
    assert: Code<'e>,
    /// Part of a session that the assertion reads.
    requires: Requires,
}

/// A compiled expression.
enum Code<'e> {
    Known(&'e Expression),
    Own(Box<Expression>),
    /// Message of a built-in expression that does not compile.
    Broken(String),
}

impl Code<'_> {
    fn built_in(text: &str, scope: Scope) -> Self {
        match Expression::compile_in_report(text, scope) {
            Ok(expression) => Self::Own(Box::new(expression)),
            Err(error) => Self::Broken(error.to_string()),
        }
    }

    fn expression(&self) -> Result<&Expression, &str> {
        match self {
            Self::Known(expression) => Ok(expression),
            Self::Own(expression) => Ok(expression),
            Self::Broken(error) => Err(error),
        }
    }
}

impl CompiledRule<'static> {
    fn of_built_in(rule: &'static BuiltIn) -> Self {
        let condition = rule.condition;
        Self {
            name: rule.name,
            scope: rule.scope,
            condition: condition.map(|text| (text, Code::built_in(text, rule.scope))),
            expected: rule.meaning,
            assert: Code::built_in(rule.assert, rule.scope),
            requires: rule.requires,
        }
    }
}

/// Returns the part of a session that a rule of a file reads, unless the rule itself looks at whether that can be seen.
fn required_by(rule: &Rule) -> Requires {
    let condition = rule.condition.iter();
    let all: Vec<&Expression> = condition
        .chain([&rule.assert])
        .map(|condition| &condition.expression)
        .collect();
    let names = |field: &str| all.iter().any(|one| one.names_field(field));
    // Of an unseen login these are not null, but false and 0.
    if (names("anonymous") || names("attempts")) && !names("outcome") {
        return Requires::Login;
    }
    let reads_commands = names("steps") || names("transfers") || names("commands");
    if rule.scope == Scope::Session && reads_commands && !names("tls") {
        return Requires::Commands;
    }
    Requires::Nothing
}

/// Sessions in which a rule or an absence was not judged, since they hide what it reads.
#[derive(Clone, Debug, Default)]
struct HiddenSessions {
    /// Id of the first one, and why it hides that; `None` without any.
    first: Option<(u64, &'static str)>,
    /// Id of the last one.
    last: u64,
    count: u64,
}

impl HiddenSessions {
    fn add(&mut self, id: u64, why: &'static str) {
        self.first.get_or_insert((id, why));
        // Transfers and steps come one after the other: a session counts once.
        if self.count == 0 || self.last != id {
            self.count += 1;
        }
        self.last = id;
    }

    /// Returns which sessions were not judged, and why; `None` without any.
    fn words(&self) -> Option<String> {
        let (id, why) = self.first?;
        Some(match self.count {
            1 => format!("session {id} is not judged: {why}"),
            count => format!(
                "session {id} and {} more are not judged: {why}",
                units::count(count - 1)
            ),
        })
    }
}

/// A rule and what was found so far.
struct RuleState<'e> {
    rule: &'e CompiledRule<'e>,
    /// `None` if the rule is about all objects.
    filter: Option<Prepared<'e>>,
    /// `None` if the rule cannot be evaluated.
    assert: Option<Prepared<'e>>,
    /// Objects for which the assertion was evaluated.
    judged: u64,
    hidden: HiddenSessions,
    differences: Differences,
}

impl<'e> RuleState<'e> {
    fn new(rule: &'e CompiledRule<'e>, subject: &'e Subject<'_>) -> Self {
        let mut differences = Differences::default();
        let condition = rule.condition.as_ref();
        let condition = condition.map(|(_, code)| code.expression()).transpose();
        let (filter, assert) = match (condition, rule.assert.expression()) {
            (Ok(condition), Ok(assert)) => {
                let reads_all = |expression: &&Expression| expression.reads_all_sessions();
                let mut both = condition.iter().copied().chain([assert]);
                if both.any(|expression| reads_all(&expression)) && subject.is_tree_partial() {
                    differences.push(|| Difference::new(rule.expected, TOO_MANY_SESSIONS));
                    (None, None)
                } else {
                    let prepared = |expression| Prepared::new(expression, subject.tree());
                    (condition.map(prepared), Some(prepared(assert)))
                }
            }
            // A unit test compiles every rule. If one fails to compile all the same, a verdict of "passed" would be a
            // lie.
            (Err(error), _) | (_, Err(error)) => {
                differences.push(|| Difference::new(rule.expected, error));
                (None, None)
            }
        };
        Self {
            rule,
            filter,
            assert,
            judged: 0,
            hidden: HiddenSessions::default(),
            differences,
        }
    }

    /// Judges the objects of a session.
    fn judge_session(&mut self, session: &LoadedSession, subject: &Subject<'_>) {
        if self.assert.is_none() {
            return;
        }
        let hidden = self.rule.requires.hidden_in(session);
        let hidden = hidden.map(|why| (session.id, why));
        match self.rule.scope {
            Scope::Session => self.judge(&Object {
                hidden,
                tree: if session.is_large() {
                    Tree::Large(session)
                } else {
                    Tree::Held(session.tree())
                },
                session: None,
                evidence: None,
                words: &|| session_words(session),
                place: &|facts| Some(subject.place_of_facts(session, facts)),
            }),
            Scope::Transfer => {
                for transfer in session.transfers() {
                    self.judge(&Object {
                        hidden,
                        tree: Tree::Held(transfer.tree),
                        session: Some(session.tree()),
                        evidence: Some(&transfer.evidence),
                        words: &|| {
                            format!("{} in session {}", transfer_words(&transfer), session.id)
                        },
                        place: &|_| Some(subject.transfer(session, &transfer)),
                    });
                }
            }
            Scope::Step => {
                for step in &session.steps {
                    self.judge(&Object {
                        hidden,
                        tree: Tree::Held(&session.step_tree(step)),
                        session: Some(session.tree()),
                        evidence: None,
                        words: &|| format!("{} in session {}", step.title, session.id),
                        place: &|_| Some(subject.step(session, step)),
                    });
                }
            }
            Scope::Finding | Scope::Capture | Scope::Event => {}
        }
    }

    /// Judges the whole report, if the rule is about that.
    fn judge_report(&mut self, subject: &Subject<'_>) {
        if self.rule.scope == Scope::Capture {
            self.judge(&Object {
                hidden: None,
                tree: Tree::Held(subject.tree()),
                session: None,
                evidence: None,
                words: &String::new,
                place: &|_| None,
            });
        }
    }

    fn judge(&mut self, object: &Object<'_>) {
        let Some(assert) = &self.assert else {
            return;
        };
        let filter = self.filter.as_ref();
        if !filter.is_none_or(|filter| object.fulfils(filter)) {
            return;
        }
        if self.differences.is_full() {
            if !object.fulfils(assert) {
                self.differences.count();
            }
            return;
        }
        let judgement = match object.tree {
            Tree::Held(tree) => assert.judge(tree, object.session),
            Tree::Large(session) => assert.judge_large(&|| session.make_tree()),
        };
        let (facts, cause) = match judgement {
            Judgement::True => {
                match object.hidden {
                    Some((id, why)) => self.hidden.add(id, why),
                    None => self.judged += 1,
                }
                return;
            }
            Judgement::False(facts) => (facts, None),
            Judgement::Undecided(cause, facts) => (facts, Some(cause)),
        };
        self.judged += 1;
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
        let difference = Difference::new(self.rule.expected, found).at((object.place)(&facts));
        // The evidence explains a completeness. A rule about anything else would show a cause that is not one.
        let is_about_completeness = facts.iter().any(|fact| fact.name == "completeness");
        let evidence = object.evidence.filter(|_| is_about_completeness);
        let mut because = evidence.unwrap_or_default().to_vec();
        because.extend(match object.tree {
            Tree::Held(tree) => explanations_read(&facts, tree),
            Tree::Large(session) => explanations_read(&facts, &session.head()),
        });
        self.differences.push(|| difference.because(because));
    }

    fn finish(mut self) -> Verdict {
        let rule = self.rule;
        let condition = rule.condition.as_ref().map(|(text, _)| *text);
        if self.assert.is_none() {
            return self.differences.into_verdict(rule.name);
        }
        if self.filter.as_ref().is_some_and(Prepared::has_given_up) {
            // Objects that were not filtered are not judged either: the verdict must not be "passed".
            let wanted = format!("to tell for which {}", condition.unwrap_or_default());
            self.differences
                .push(|| Difference::new(wanted, expression::GIVEN_UP));
            return self.differences.into_verdict(rule.name);
        }
        // An assertion about no object at all would hold trivially, for example after a misspelled filter.
        let hidden = self.hidden.words();
        if self.judged == 0
            && let Some(hidden) = hidden
        {
            return Verdict::skipped(rule.name, hidden);
        }
        if self.judged == 0 {
            let what = match rule.scope {
                Scope::Session => "session",
                Scope::Transfer => "transfer",
                Scope::Step => "step",
                Scope::Finding => "finding",
                Scope::Capture => "capture",
                Scope::Event => "event",
            };
            let reason = match condition {
                Some(text) => format!("there is no {what} for which {text}"),
                None => format!("there is no {what}"),
            };
            return Verdict::skipped(rule.name, reason);
        }
        self.differences.into_verdict(rule.name).but_for(hidden)
    }
}

/// Values of an object that a rule is about.
#[derive(Clone, Copy)]
enum Tree<'o> {
    Held(&'o Value),
    /// Made for each look: as values of the report and of CEL at once, 48 MB of commands would be over 200 MB.
    Large(&'o LoadedSession),
}

impl Object<'_> {
    fn fulfils(&self, expression: &Prepared<'_>) -> bool {
        match self.tree {
            Tree::Held(tree) => expression.is_true(tree, self.session),
            Tree::Large(session) => expression.is_true_of_large(session.make_tree()),
        }
    }
}

/// An object that a rule is about.
struct Object<'o> {
    /// Id of the session that hides what the rule reads, and why; `None` if it does not.
    hidden: Option<(u64, &'static str)>,
    tree: Tree<'o>,
    /// Tree of the session that the object is part of; `None` for a session or the report.
    session: Option<&'o Value>,
    /// Evidence for the completeness of a transfer; `None` for other objects.
    evidence: Option<&'o [String]>,
    // Words and place are computed only for the few objects that fail.
    words: &'o dyn Fn() -> String,
    place: &'o dyn Fn(&[Fact]) -> Option<Place>,
}

/// Returns the explanations of the findings and the messages of the warnings that an expression read.
fn explanations_read(facts: &[Fact], tree: &Value) -> Vec<String> {
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

/// Message where the sessions of a report do not fit into memory at once.
const TOO_MANY_SESSIONS: &str = "it cannot be judged: all sessions at once are more than 128 MiB; a rule for = \"session\" looks at them one by one";

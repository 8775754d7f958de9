//! CEL expressions over the objects of the report; the only folder that names the CEL crate.
//!
//! In scope are the fields of the object, the object under its own name and, if the whole report is available, `report`
//! and the enclosing `session`. An unknown name is an error before any capture is read. An expression that reads a
//! field of `null`
//! is false as a condition and fails as an assertion, which names the null field.
//!
//! ```text
//! text -> parse (limits, syntax errors) -> names (schema) -> types -> spelling of the report -> metered code = Expression
//! Expression -> is_true                     conditions
//!            \-> Prepared -> judge, facts     assertions, with the values they read
//! ```
//!
//! Syntax errors are reported in the words of people who write conditions, not of a parser generator.

mod evaluate;
mod impossible;
mod names;
mod spelling;
mod types;

use std::collections::BTreeSet;
use std::{fmt, thread};

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::{Context, Program, Value};
use serde::Serialize;

use super::picked;
use super::vocabulary::Vocabulary;
use evaluate::{Meter, add, add_owned, metered};
use names::{NameCheck, Uses};
use spelling::spell_as_reported;

pub use evaluate::Fact;
pub(super) use evaluate::{GIVEN_UP, Judgement, Prepared, fact_words};

/// The kind of object that an expression is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A session.
    Session,
    /// A transfer.
    Transfer,
    /// A step.
    Step,
    /// A finding.
    Finding,
    /// The whole report.
    Capture,
    /// An event: a line of NDJSON.
    Event,
}

/// Syntax, name or type error in an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// Message without the position.
    pub(super) message: String,
    /// The expression, for the position in the message.
    text: String,
    /// Offset in characters; `None` if the error concerns the whole expression.
    pub(super) at: Option<usize>,
    /// Number of characters to mark.
    pub(super) length: usize,
    /// Correction; `None` if none is known.
    pub(super) hint: Option<String>,
}

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    /// Code that counts the items it visits.
    code: IdedExpr,
    meter: Meter,
    scope: Scope,
    /// True if the object is read under its own name.
    uses_object: bool,
    /// Fields of the object that are read: only these are converted to CEL values.
    names: Vec<String>,
    /// Parts of enclosing objects that are read.
    enclosing: Vec<(&'static str, Uses)>,
    /// Names of all fields that are read at any depth.
    field_names: BTreeSet<String>,
    /// True if whole objects are compared or built, so that fields matter that have no name in the expression.
    reads_whole_objects: bool,
}

impl Expression {
    /// Compiles an expression with only the object in scope, and checks names and types.
    pub fn compile(text: &str, scope: Scope) -> Result<Self, Error> {
        Self::compile_with(text, &Vocabulary::new(scope))
    }

    /// Compiles an expression with the whole report in scope and, for transfers and steps, their session.
    pub fn compile_in_report(text: &str, scope: Scope) -> Result<Self, Error> {
        Self::compile_with(text, &Vocabulary::in_report(scope))
    }

    fn compile_with(text: &str, words: &Vocabulary) -> Result<Self, Error> {
        let scope = words.scope();
        let mistake = |message: &str| Error {
            message: message.to_owned(),
            text: text.to_owned(),
            at: None,
            length: 1,
            hint: None,
        };
        if text.len() > MAX_LENGTH {
            let cut = text.chars().take(40).collect::<String>();
            return Err(Error {
                text: format!("{cut}…"),
                ..mistake("the expression is longer than 4 KiB")
            });
        }
        let too_deep = || mistake("the expression is nested deeper than 32 levels");
        if bracket_depth(text) > MAX_DEPTH {
            return Err(too_deep());
        }
        let program = parse(text).map_err(|error| Error {
            at: error.at,
            hint: error.hint,
            ..mistake(&error.message)
        })?;
        if depth(program.expression(), 0) > MAX_DEPTH {
            return Err(too_deep());
        }
        let mut check = NameCheck::new(words, &program, text);
        check.condition(program.expression())?;
        let times = check.take_times().into_iter().collect();
        let reads_whole_objects = check.reads_whole_objects();
        let (enclosing, field_names) = check.into_names();
        let used = program.references();
        let names = words
            .names(words.object())
            .into_iter()
            .filter(|name| used.has_variable(name))
            .map(str::to_owned)
            .collect();
        let mut code = program.expression().clone();
        spell_as_reported(&mut code, &times);
        metered(&mut code);
        Ok(Self {
            code,
            meter: Meter::new(),
            scope,
            uses_object: used.has_variable(scope.name()),
            names,
            enclosing,
            field_names,
            reads_whole_objects,
        })
    }

    /// Evaluates the expression for `object`; false also if evaluation fails or exceeds the work limit.
    #[must_use]
    pub fn is_true(&self, object: &impl Serialize) -> bool {
        let fields = picked::value_of(object, self.field_names());
        let mut context = Context::default();
        self.meter.install(&mut context);
        self.meter.next_object();
        self.put_owned(fields, &mut context);
        let result = Value::resolve(&self.code, &context);
        matches!(result, Ok(Value::Bool(true))) && !self.meter.gives_up()
    }

    /// Returns true if the expression reads this field of the object, or the object as a whole.
    #[must_use]
    pub fn reads(&self, field: &str) -> bool {
        self.uses_object || self.names.iter().any(|name| name == field)
    }

    /// Returns the names of all fields that are read at any depth; `None` if whole objects are compared or built, so that
    /// any field may matter.
    pub(super) fn field_names(&self) -> Option<&BTreeSet<String>> {
        (!self.reads_whole_objects).then_some(&self.field_names)
    }

    /// Returns the names of all fields that stand in the expression.
    pub(super) const fn all_names(&self) -> &BTreeSet<String> {
        &self.field_names
    }

    /// Returns true if the expression names this field, of whatever object: what nobody names need not be computed for it.
    #[must_use]
    pub fn names_field(&self, field: &str) -> bool {
        self.field_names.contains(field)
    }

    /// Returns true if the expression reads the list of all sessions.
    pub(super) fn reads_all_sessions(&self) -> bool {
        let has_sessions = |uses: &Uses| match uses {
            Uses::Whole => true,
            Uses::Fields(fields) => fields.contains("sessions"),
        };
        let is_report = self.scope == Scope::Capture && self.reads("sessions");
        is_report || self.uses_of("report").is_some_and(has_sessions)
    }

    /// Adds the parts of `object` that are read to the scope.
    fn put(&self, object: &serde_json::Value, context: &mut Context<'_, '_>) {
        for name in &self.names {
            // Fields that the report omits when empty are null to an expression, not missing.
            let field = object.get(name).unwrap_or(&serde_json::Value::Null);
            add(context, name, field);
        }
        if self.uses_object {
            add(context, self.scope.name(), object);
        }
    }

    /// Adds the parts of `object` that are read to the scope, without holding both forms of a part at once.
    fn put_owned(&self, mut object: serde_json::Value, context: &mut Context<'_, '_>) {
        if self.uses_object {
            return self.put(&object, context);
        }
        for name in &self.names {
            let field = object.get_mut(name).map(serde_json::Value::take);
            add_owned(context, name, field.unwrap_or_default());
        }
    }

    /// Adds the parts of `object` that are read to the scope, but for long lists, whose items are looked at one by one.
    fn put_short(&self, object: &serde_json::Value, context: &mut Context<'_, '_>) {
        for name in &self.names {
            let field = object.get(name).unwrap_or(&serde_json::Value::Null);
            if field
                .as_array()
                .is_none_or(|items| items.len() <= LONG_LIST)
            {
                add(context, name, field);
            }
        }
    }
}

/// Items from which a list is long.
const LONG_LIST: usize = 10_000;

impl Scope {
    /// Returns the name of the object in expressions.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transfer => "transfer",
            Self::Step => "step",
            Self::Finding => "finding",
            Self::Capture => "report",
            Self::Event => "event",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(at) = self.at {
            write!(
                f,
                " at column {} of {}",
                at + 1,
                self.text.replace('\n', " ")
            )?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// A syntax error.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SyntaxError {
    message: String,
    /// Offset in characters; `None` if the parser reports no position.
    at: Option<usize>,
    /// Correction; `None` if none is known.
    hint: Option<String>,
}

/// Parses an expression.
fn parse(text: &str) -> Result<Program, SyntaxError> {
    let plain = |message: String| SyntaxError {
        message,
        at: None,
        hint: None,
    };
    if text.trim().is_empty() {
        return Err(SyntaxError {
            hint: Some("write such as login.user == \"mira\"".to_owned()),
            ..plain("there is no expression".to_owned())
        });
    }
    let owned = text.to_owned();
    // The parser recurses once per operator, also in flat chains such as `a + b + c`, which `bracket_depth` does not
    // see.
    let worker = thread::Builder::new()
        .stack_size(PARSER_STACK)
        .spawn(move || Program::compile(&owned));
    let parsed = worker.map_err(|error| plain(error.to_string()))?.join();
    match parsed {
        Ok(Ok(program)) => Ok(program),
        Ok(Err(errors)) => {
            let first = errors.errors.first();
            let message = first.map_or("it cannot be read", |error| error.msg.as_str());
            let at = first.and_then(|error| offset(text, error.pos));
            Err(reworded(text, message, at))
        }
        // The generated parser panicked: one expression must not end the program.
        Err(_) => Err(plain("the expression cannot be read".to_owned())),
    }
}

/// Rewords a parser message by the text at its position.
fn reworded(text: &str, message: &str, at: Option<usize>) -> SyntaxError {
    let message = message.lines().next().unwrap_or_default();
    // The rest is a list of every token that the grammar allows here.
    let message = message.split(" expecting ").next().unwrap_or_default();
    let message = message.trim_start_matches("Syntax error: ");
    let rest: String = text.chars().skip(at.unwrap_or(0)).collect();
    let rest = rest.trim_start();
    let before: String = text.chars().take(at.unwrap_or(0)).collect();
    let make = |message: String, hint: Option<&str>| SyntaxError {
        message,
        at,
        hint: hint.map(str::to_owned),
    };
    if let Some(word) = message.strip_prefix("reserved identifier: ") {
        return make(format!("{word} is a word that CEL reserves"), None);
    }
    if message.contains("simple name") {
        let hint = "write steps.all(s, s.outcome == \"ok\")";
        return make(
            "a name for the items is expected here".to_owned(),
            Some(hint),
        );
    }
    if message.starts_with("Incomplete") {
        let hint = "write condition ? one : other";
        return make("the expression is not complete".to_owned(), Some(hint));
    }
    if rest.is_empty() {
        let hint = CLOSING
            .iter()
            .find(|(sign, _)| message.contains(sign))
            .map(|(_, hint)| *hint);
        return make("the expression ends too early".to_owned(), hint);
    }
    if rest.starts_with(['"', '\'']) && message.contains("token recognition") {
        let hint = "it does not end, or has a \\ that says nothing; \\\\ stands for one";
        return make("this text cannot be read".to_owned(), Some(hint));
    }
    let sign = rest.split(char::is_whitespace).next().unwrap_or_default();
    if let Some((_, hint)) = SIGNS.iter().find(|(wrong, _)| sign.starts_with(wrong)) {
        let end = sign.find(|one: char| one.is_alphanumeric() || matches!(one, '"' | '\'' | '('));
        let sign = sign.get(..end.unwrap_or(sign.len())).unwrap_or(sign);
        return make(format!("there is no {sign} in CEL"), Some(hint));
    }
    let word: String = rest
        .chars()
        .take_while(|one| one.is_alphanumeric() || *one == '_')
        .collect();
    let hint = WORDS.iter().find(|(wrong, _)| *wrong == word);
    if let Some((_, hint)) = hint {
        return make(format!("there is no {word} in CEL"), Some(hint));
    }
    if before.trim_end().ends_with("not") {
        return make("there is no not in CEL".to_owned(), Some("write !"));
    }
    let first: String = if word.is_empty() {
        rest.chars().take(1).collect()
    } else {
        word
    };
    make(format!("{first} does not belong here"), None)
}

/// Converts a line and column, both from 1, to an offset in characters; `None` before the text.
fn offset(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let line = usize::try_from(line.checked_sub(1)?).ok()?;
    let column = usize::try_from(column.checked_sub(1)?).ok()?;
    let before = text.split_inclusive('\n').take(line);
    Some(before.map(|line| line.chars().count()).sum::<usize>() + column)
}

/// Returns the deepest nesting of brackets, or longest run of prefix operators, in an unparsed text.
///
/// Checked before parsing: the parser itself recurses, so that a hostile text could exhaust even its own stack.
fn bracket_depth(text: &str) -> usize {
    let mut depth: usize = 0;
    let mut deepest = 0;
    let mut prefixes: usize = 0;
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '!' | '-' => prefixes += 1,
            ' ' | '\t' | '\n' => continue,
            _ => prefixes = 0,
        }
        deepest = deepest.max(depth).max(prefixes);
    }
    deepest
}

/// Returns the depth of a parsed expression that is `above` levels deep already.
fn depth(expression: &IdedExpr, above: usize) -> usize {
    let here = above + 1;
    // Such an expression is refused: its full depth is of no interest and may not fit on this stack.
    if here > MAX_DEPTH {
        return here;
    }
    let of = |child: &IdedExpr| depth(child, here);
    match &expression.expr {
        Expr::Select(select) => of(&select.operand),
        Expr::Call(call) => call
            .args
            .iter()
            .chain(call.target.as_deref())
            .map(of)
            .max()
            .unwrap_or(here),
        Expr::List(list) => list.elements.iter().map(of).max().unwrap_or(here),
        Expr::Map(map) => map
            .entries
            .iter()
            .map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => of(&entry.key).max(of(&entry.value)),
                EntryExpr::StructField(_) => here,
            })
            .max()
            .unwrap_or(here),
        Expr::Comprehension(all) => of(&all.iter_range).max(of(&all.loop_step)),
        _ => here,
    }
}

/// Bytes of an expression.
const MAX_LENGTH: usize = 4096;

/// Closing signs that may be missing at the end.
const CLOSING: &[(&str, &str)] = &[("')'", "a ) is missing"), ("']'", "a ] is missing")];

/// Operators and quotes of other languages, with their CEL counterparts.
const SIGNS: &[(&str, &str)] = &[
    ("=~", "write text.matches(\"…\")"),
    ("=>", "write >="),
    ("=<", "write <="),
    ("=", "write == to compare"),
    ("&", "write && for and"),
    ("|", "write || for or"),
    ("“", "texts stand between \" or '"),
    ("”", "texts stand between \" or '"),
    ("‘", "texts stand between \" or '"),
    ("’", "texts stand between \" or '"),
];

/// Keywords of other languages, with their CEL counterparts.
const WORDS: &[(&str, &str)] = &[
    ("and", "write &&"),
    ("AND", "write &&"),
    ("or", "write ||"),
    ("OR", "write ||"),
    ("not", "write !"),
    ("is", "write =="),
    ("like", "write text.matches(\"…\")"),
    ("matches", "write text.matches(\"…\")"),
    ("contains", "write text.contains(\"…\")"),
];

/// Bytes of the parser's stack: enough for 4 KiB of operators.
const PARSER_STACK: usize = 64 << 20;

/// Levels of nesting that an expression may have.
const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    //! Meaning of expressions, and the messages for errors in them.

    use serde_json::json;

    use super::*;

    fn field_names(text: &str, scope: Scope) -> Option<Vec<String>> {
        let expression = Expression::compile_in_report(text, scope).expect("an expression");
        let names = expression.field_names()?;
        Some(names.iter().cloned().collect())
    }

    #[test]
    fn names_of_the_fields_that_are_read_are_known() {
        for (text, expected) in [
            (
                "login.user == \"mira\" && tls != null",
                vec!["login", "mira", "tls", "user"],
            ),
            ("login[\"user\"] != null", vec!["login", "user"]),
            (
                "steps.exists(s, s.kind == 'quit') && size(transfers) > 0",
                vec!["kind", "quit", "steps", "transfers"],
            ),
            (
                "size(steps.filter(s, size(s.commands) > 0).map(s, s.title)) == 1",
                vec!["commands", "steps", "title"],
            ),
            ("report.totals.sessions == 1", vec!["sessions", "totals"]),
        ] {
            let names = field_names(text, Scope::Session);
            let expected = expected.into_iter().map(str::to_owned);
            assert_eq!(names, Some(expected.collect()), "{text}");
        }
    }

    #[test]
    fn expressions_that_compare_whole_objects_read_all_fields() {
        for text in [
            "steps[0] == steps[1]",
            "login in [login]",
            "steps.map(s, s) == []",
            "login.all(name, name != 'user')",
            "size(login) > 3",
            "{'a': login}.a.user == 'mira'",
            "(midstream ? dns : null).name == 'a'",
        ] {
            if let Ok(expression) = Expression::compile_in_report(text, Scope::Session) {
                assert_eq!(expression.field_names(), None, "{text}");
            }
        }
    }

    fn is_true(text: &str, object: &serde_json::Value) -> bool {
        Expression::compile(text, Scope::Session)
            .expect(text)
            .is_true(object)
    }

    fn mistake(text: &str) -> String {
        Expression::compile(text, Scope::Session)
            .expect_err(text)
            .to_string()
    }

    #[test]
    fn fields_are_in_scope_alone_and_behind_the_name_of_the_object() {
        let session = json!({
            "id": 7, "login": {"user": "bob", "password": null}, "dns": null, "start": "2026-01-02T00:00:00Z",
            "transfers": [{"name": "a.zip", "bytes": 10}, {"name": "b.txt", "bytes": 2_000_000}]
        });
        for text in [
            "login.user == 'bob'",
            "session.id == 7",
            "transfers.exists(t, t.bytes > 1000000)",
            "transfers.all(t, t.name.matches('[.](zip|txt)$'))",
            "transfers[0].name == 'a.zip'",
            "dns == null",
            "size(transfers) == 2 && start < '2026-02'",
            "transfers.filter(t, t.bytes > 5.5).size() == 2",
            "'b' in ['a', 'b']",
        ] {
            assert!(is_true(text, &session), "{text}");
        }
        for text in [
            "dns.name == 'x'",
            "1 / 0 == 1",
            "login.user == 'eve'",
            "transfers[9].bytes == 1",
        ] {
            assert!(!is_true(text, &session), "{text}");
        }
    }

    #[test]
    fn unknown_name_is_reported_with_the_nearest_known_one() {
        let text = mistake("login.usr == 'bob'");
        assert_eq!(
            text,
            "there is no usr at column 7 of login.usr == 'bob'; did you mean user?"
        );
        assert!(mistake("lgoin.user == 'bob'").contains("did you mean login?"));
        assert!(mistake("transfers.exists(t, t.sha265 == '')").contains("did you mean sha256?"));
        assert!(mistake("transfers[0].foo == 1").contains("there is no foo"));
        assert!(mistake("report.sessions.size() > 0").contains("there is no report"));
    }

    #[test]
    fn syntax_errors_are_reported_with_their_position() {
        assert_eq!(
            mistake("login.user =="),
            "the expression ends too early at column 14 of login.user =="
        );
        for (text, message) in [
            ("", "there is no expression"),
            (
                "id == (1",
                "ends too early at column 9 of id == (1; a ) is missing",
            ),
            (
                "id = 1",
                "there is no = in CEL at column 4 of id = 1; write == to compare",
            ),
            ("id =~ 1", "there is no =~ in CEL at column 4"),
            ("id & 1", "write && for and"),
            ("id == 1 and id == 2", "there is no and in CEL at column 9"),
            ("not midstream", "there is no not in CEL"),
            ("id == 1)", ") does not belong here at column 8"),
            ("end_state == \"x", "this text cannot be read at column 14"),
            ("if id", "if is a word that CEL reserves at column 1"),
            ("id == \u{201c}x\u{201d}", "texts stand between"),
            ("midstream ? true", "the expression is not complete"),
            (
                "steps.all(s.kind, true)",
                "a name for the items is expected here at column 12",
            ),
            (
                "steps.all(s)",
                "all takes a name and a condition at column 1",
            ),
            ("foo(id) == 1", "there is no function foo at column 1"),
            ("login.user.startswith('a')", "did you mean startsWith?"),
        ] {
            let found = mistake(text);
            assert!(found.contains(message), "{text}: {found}");
        }
    }

    #[test]
    fn type_errors_are_reported_before_evaluation() {
        for (text, message) in [
            (
                "login.user",
                "login.user is a text, not true or false at column 1 of login.user",
            ),
            ("1 + 1", "this is a number, not true or false"),
            (
                "login.user == 5",
                "login.user is a text, 5 is a number: they are never equal at column 1 of login.user == 5; \
             texts stand in quotes: \"5\"",
            ),
            (
                "size(steps) == '2'",
                "size(…) is a number, \"2\" is a text: they are never equal at column 1 of size(steps) == '2'; \
             numbers stand without quotes: 2",
            ),
            ("midstream == 'true'", "true stands without quotes"),
            ("login.user > 5", "neither is more than the other"),
            (
                "steps > 5",
                "steps is a list, not a number or a text at column 1 of steps > 5; write size(steps)",
            ),
            (
                "login.outcome == 'acepted'",
                "login.outcome is never \"acepted\" at column 18",
            ),
            ("end_state in ['closed', 'rset']", "did you mean \"reset\"?"),
            (
                "steps.exists(s, s.kind == 'logn')",
                "s.kind is never \"logn\"",
            ),
            ("login.user + 5 == 'x'", "CEL does not calculate with both"),
            ("duration / 2 > 1.0", "write 2.0"),
            ("id * duration > 1.0", "write double(id)"),
            (
                "login.user.matches('(')",
                "\"(\" is no regular expression: unclosed group at column 20",
            ),
            ("size(login.user, 5) > 1", "size is for one value"),
            ("id.contains('1')", "id is a number, not a text"),
            ("login['usr'] == 'x'", "there is no usr"),
            (
                "transfers.name == 'x'",
                "transfers is a list and has no field name",
            ),
            (
                "steps.map(s, s.kind).all(k, k > 5)",
                "k is a text, 5 is a number",
            ),
            (
                "steps.filter(s, s.kind).size() > 0",
                "s.kind is a text, not true or false",
            ),
            (
                "login.user.all(c, c == 'x')",
                "login.user is a text, not a list",
            ),
            ("'x' in login.user", "write login.user.contains(…)"),
            (
                "id == 1 && 'x'",
                "\"x\" is a text, not true or false at column 12",
            ),
            ("!login.user", "login.user is a text, not true or false"),
        ] {
            let found = mistake(text);
            assert!(found.contains(message), "{text}: {found}");
        }
        // Fields that may be null, parts of unknown type, and both types of numbers pass.
        for text in [
            "tls == null || tls.version != null",
            "duration < 5 && id < 2.5 && id == 1.0",
            "has(tls.version) && !has(login.user)",
            "size(transfers.filter(t, t.bytes > 5).map(t, t.name)) == 2",
            "transfers.exists_one(t, t.direction == 'listing') ? true : midstream",
            "'x' in login || 'a' in ['a', null]",
            "string(id) == '1' && int('5') == 5 && double(id) / 2.0 > 0.5",
            "[1, 'a'].exists(one, one == 'a')",
            "steps.all(s, s.commands.all(c, c.replies.all(r, r.code < 400)))",
            "max(1, 2) == 2 && start < '2026' && -1 < id",
            "login['user'] == 'x'",
        ] {
            Expression::compile(text, Scope::Session).expect(text);
        }
    }

    #[test]
    fn nested_lists_stop_at_the_work_limit() {
        let steps: Vec<_> = (0..3000).map(|number| json!({"number": number})).collect();
        let session = json!({"id": 1, "steps": steps});
        let text =
            "steps.all(a, steps.all(b, steps.exists(c, c.number > a.number + b.number + 9000)))";
        let expression = Expression::compile(text, Scope::Session).expect(text);
        let report = json!({});
        let judged = Prepared::new(&expression, &report).judge(&session, None);
        // The first pass over the innermost list decides: `all` stops at the first false.
        assert!(matches!(judged, Judgement::False(_)), "{judged:?}");
        let text = "steps.all(a, steps.all(b, a.number >= 0))";
        let expression = Expression::compile(text, Scope::Session).expect(text);
        let prepared = Prepared::new(&expression, &report);
        assert!(!prepared.is_true(&session, None));
        assert!(prepared.has_given_up());
        let Judgement::Undecided(cause, _) = prepared.judge(&session, None) else {
            panic!("the limit is not exceeded");
        };
        assert!(cause.contains("too much work"), "{cause}");
        // One list after another is no such work, however many objects there are.
        let small = json!({"id": 1, "steps": [{"number": 1}]});
        let text = "steps.all(a, a.number == 1)";
        let expression = Expression::compile(text, Scope::Session).expect(text);
        let prepared = Prepared::new(&expression, &report);
        assert!((0..5000).all(|_| prepared.is_true(&small, None)));
    }

    #[test]
    fn text_that_doubles_in_nested_maps_stops_at_the_work_limit() {
        let mut text = "['0123456789abcdef']".to_owned();
        for _ in 0..12 {
            text = format!("{text}.map(x, x + x + x + x)");
        }
        let text = format!("{text}.exists(x, x == '')");
        let expression = Expression::compile(&text, Scope::Session).expect("not too deep");
        let report = json!({});
        let prepared = Prepared::new(&expression, &report);
        assert!(!prepared.is_true(&json!({"id": 1}), None));
        assert!(prepared.has_given_up());
        let short = Expression::compile("'a' + 'b' + string(id) == 'ab1'", Scope::Session);
        let short = short.expect("a condition");
        assert!(Prepared::new(&short, &report).is_true(&json!({"id": 1}), None));
    }

    #[test]
    fn times_in_any_spelling_compare_as_times() {
        let session = json!({"id": 1, "start": "2026-11-30T11:15:04.878827000Z", "steps": [
            {"time": "2026-11-30T11:15:05.000000000Z"}
        ]});
        let report = json!({});
        for (text, expected) in [
            ("start > '2026-11-30 11:15:04'", true),
            ("start > '2026-11-30T11:15:04Z'", true),
            ("start < '2026-11-30 11:15:04 UTC'", false),
            ("start < '2026-11-30T12:15:05+01:00'", true),
            ("start > '2026-11-30'", true),
            ("start == '2026-11-30 11:15:04.878827'", true),
            (
                "start in ['2026-11-30 11:15:04.878827', '2026-12-01']",
                true,
            ),
            ("'2026-11-30T11:15' <= start", true),
            ("steps.exists(s, s.time == '2026-11-30 11:15:05')", true),
        ] {
            let expression = Expression::compile(text, Scope::Session).expect(text);
            let prepared = Prepared::new(&expression, &report);
            assert_eq!(prepared.is_true(&session, None), expected, "{text}");
            assert_eq!(expression.is_true(&session), expected, "{text}");
        }
        let found = mistake("start > 'yesterday'");
        assert!(
            found.contains("start is a time, and \"yesterday\" is none"),
            "{found}"
        );
    }

    #[test]
    fn words_have_no_order() {
        let found = mistake("findings.exists(f, f.severity >= 'medium')");
        assert!(found.contains("no order"), "{found}");
        assert!(found.contains("f.severity in ["), "{found}");
    }

    #[test]
    fn expressions_beyond_the_length_or_depth_limit_are_refused() {
        assert!(mistake(&"a".repeat(5000)).contains("4 KiB"));
        assert!(mistake(&format!("{}1{}", "(".repeat(40), ")".repeat(40))).contains("32 levels"));
        assert!(mistake(&format!("{}true", "!".repeat(2000))).contains("32 levels"));
        assert!(mistake(&vec!["id"; 900].join("+")).contains("32 levels"));
    }

    fn judged(text: &str, scope: Scope, object: &serde_json::Value) -> Judgement {
        let report =
            json!({"sessions": [{"id": 1}, {"id": 2}], "captures": [], "totals": {"sessions": 2}});
        let session = json!({"id": 2, "login": {"user": "bob"}, "tls": null});
        let expression = Expression::compile_in_report(text, scope).expect(text);
        Prepared::new(&expression, &report).judge(object, Some(&session))
    }

    fn facts(judgement: Judgement) -> Vec<(String, serde_json::Value)> {
        let (Judgement::False(facts) | Judgement::Undecided(_, facts)) = judgement else {
            return Vec::new();
        };
        facts
            .into_iter()
            .map(|fact| (fact.name, fact.value))
            .collect()
    }

    #[test]
    fn report_and_enclosing_session_are_in_scope_of_a_transfer() {
        let transfer = json!({"id": 1, "bytes": 5});
        for text in [
            "session.login.user == 'bob' && bytes == 5",
            "report.totals.sessions == 2",
            "transfer.bytes == report.sessions[0].id + 4",
            "session.tls == null",
        ] {
            assert_eq!(
                judged(text, Scope::Transfer, &transfer),
                Judgement::True,
                "{text}"
            );
        }
        let hint = Expression::compile_in_report("session.lgoin.user == ''", Scope::Transfer);
        assert!(
            hint.expect_err("unknown")
                .to_string()
                .contains("did you mean login?")
        );
        assert!(Expression::compile("session.id == 1", Scope::Transfer).is_err());
    }

    #[test]
    fn false_assertion_lists_the_values_that_it_read() {
        let session = json!({
            "login": {"user": "eve", "outcome": "accepted"}, "tls": null,
            "transfers": [{"bytes": 5, "connection": null}, {"bytes": 500, "connection": {"close": "fin"}}]
        });
        let found = facts(judged(
            "login.user == 'bob' || tls != null",
            Scope::Session,
            &session,
        ));
        assert_eq!(
            found,
            [
                ("login.user".to_owned(), json!("eve")),
                ("tls".to_owned(), json!(null))
            ]
        );
        let found = facts(judged(
            "transfers.all(t, t.bytes > 100)",
            Scope::Session,
            &session,
        ));
        assert_eq!(found, [("transfers[0].bytes".to_owned(), json!(5))]);
        let found = facts(judged("size(transfers) > 5", Scope::Session, &session));
        assert_eq!(found, [("size(transfers)".to_owned(), json!(2))]);
    }

    #[test]
    fn null_that_blocks_evaluation_is_named() {
        let session = json!({"tls": null, "transfers": [{"connection": {"close": "fin"}}, {"connection": null}]});
        for (text, cause) in [
            ("tls.version == 'TLS 1.3'", "tls is null"),
            (
                "transfers.all(t, t.connection.close == 'fin')",
                "transfers[1].connection is null",
            ),
            ("session.dns.response_time < 0.5", "session.dns is null"),
        ] {
            let Judgement::Undecided(found, _) = judged(text, Scope::Session, &session) else {
                panic!("{text} is decided");
            };
            assert_eq!(found, cause, "{text}");
        }
        assert_eq!(
            judged("tls == null", Scope::Session, &session),
            Judgement::True
        );
    }
}

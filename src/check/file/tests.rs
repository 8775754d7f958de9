//! Meaning of expectation files, and the messages for mistakes in them.

use super::super::mistake::render;
use super::*;

fn mistakes(text: &str) -> Vec<(u64, u64, String, String)> {
    let found = read("e.toml", text).expect_err(text);
    let mistakes = found.into_iter().map(|mistake| {
        let at = Position::of(text, mistake.span.start);
        let hint = mistake.hint.unwrap_or_default();
        (at.line, at.column, mistake.message, hint)
    });
    mistakes.collect()
}

fn the_mistake(text: &str) -> (u64, u64, String, String) {
    let mut all = mistakes(text);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn every_part_of_a_file_is_read() {
    let text = r#"
sessions = "exactly"
rules = ["no-cleartext-login"]
absent = ["PORT", "bounce"]

[[session]]
name = "the nightly upload"
match = 'login.user == "ftp"'
login.outcome = "accepted"
tls = { absent = true }
duration = "..30"
steps = ["login", "cwd pub: ok", { kind = "retrieve", subject = { glob = "*.txt" }, duration = "..5" }]
extra_steps = false
only_commands = ["USER", "PASS"]

  [[session.transfer]]
  path = "/pub/readme.txt"
  completeness = ["complete", "unverifiable"]
  connection.close = "fin"
  entries = ["a"]

[[rule]]
name = "one transfer"
for = "capture"
assert = 'totals.transfers == 1 && report.sessions.size() == 1'
"#;
    let file = read("e.toml", text).expect("it is sound");
    assert!(file.exactly);
    assert_eq!(file.built_in.len(), 1);
    assert_eq!(file.absent.len(), 2);
    let session = &file.sessions[0];
    assert_eq!(session.at, Position { line: 6, column: 1 });
    let names: Vec<_> = session.fields.iter().map(FieldExpectation::name).collect();
    assert_eq!(names, ["login.outcome", "tls", "duration"]);
    let steps = session.steps.as_ref().expect("steps");
    assert_eq!(steps.steps[1].kind, StepKind::Cwd);
    assert!(!session.extra_steps && session.extra_transfers);
    let transfer = &session.transfers[0];
    let names: Vec<_> = transfer.fields.iter().map(FieldExpectation::name).collect();
    assert_eq!(
        names,
        ["path", "completeness", "connection.close", "entries"]
    );
    assert_eq!(file.rules[0].scope, Scope::Capture);
}

#[test]
fn unknown_name_is_reported_with_the_nearest_known_one() {
    let text = "[[session]]\n  [[session.transfer]]\n  completness = \"complete\"\n";
    assert_eq!(
        the_mistake(text),
        (
            3,
            3,
            "a transfer has no field completness".to_owned(),
            "did you mean completeness?".to_owned()
        )
    );
    let (line, column, message, hint) = the_mistake("[[session]]\nlogin.usr = \"x\"\n");
    assert_eq!((line, column), (2, 7));
    assert_eq!(
        (message.as_str(), hint.as_str()),
        ("login has no field usr", "did you mean user?")
    );
    assert!(
        the_mistake("sesions = 1\n")
            .3
            .contains("did you mean sessions?")
    );
    assert!(
        the_mistake("rules = [\"no-cleartext-logn\"]")
            .3
            .contains("no-cleartext-login")
    );
}

#[test]
fn mistake_in_an_expression_is_reported_at_its_position_in_the_file() {
    let (line, column, message, _) = the_mistake("[[session]]\nmatch = 'login.usr == \"x\"'\n");
    assert_eq!((line, column, message.as_str()), (2, 16, "there is no usr"));
    let text = "[[rule]]\nassert = '''\nduration < 5 &&\n  end_stat == 'x'\n'''\n";
    let (line, column, _, hint) = the_mistake(text);
    assert_eq!(
        (line, column, hint.as_str()),
        (4, 3, "did you mean end_state?")
    );
    let (line, column, ..) = the_mistake("[[rule]]\nassert = 'login.outcome =='\n");
    assert_eq!((line, column), (2, 27));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = "[[session]]\nlogin.outcome = \"acepted\"\nbytes = 3\nduration = \"fast\"\nsteps = [\"logn\", 5]\n\
        extra_steps = 1\nonly_commands = [\"USR\"]\nabsent = [\"PROTT\"]\n";
    let lines: Vec<u64> = mistakes(text).iter().map(|mistake| mistake.0).collect();
    assert_eq!(lines, [2, 3, 4, 5, 5, 6, 7, 8]);
}

#[test]
fn headings_that_are_nearly_right_get_specific_hints() {
    assert!(
        the_mistake("[session]\nid = 1\n")
            .3
            .contains("write [[session]]")
    );
    assert!(
        the_mistake("[[transfer]]\npath = \"x\"\n")
            .3
            .contains("[[session.transfer]]")
    );
    let text = "[[session]]\n[[session.transfers]]\npath = \"x\"\n";
    assert!(the_mistake(text).3.contains("[[session.transfer]]"));
    assert!(
        the_mistake("[[sessions]]\n")
            .3
            .contains("write [[session]]")
    );
    assert!(
        the_mistake("[[session]]\nextra_steps = false\n")
            .2
            .contains("no steps are named")
    );
    assert!(
        the_mistake("[[rule]]\nname = \"x\"\n")
            .2
            .contains("asserts nothing")
    );
    assert!(the_mistake("# nothing\n").2.contains("nothing is expected"));
}

#[test]
fn toml_errors_are_reported_with_their_position() {
    let (line, _, message, _) = the_mistake("sessions = \"exactly\"\n[[session\n");
    assert_eq!(line, 2);
    assert!(message.contains("unclosed"), "{message}");
    let text = "a = 1\na = 2\n";
    let text = render("e.toml", text, &read("e.toml", text).expect_err("twice"));
    assert!(
        text.starts_with("ftpscope: e.toml:2:1: duplicate key\n  |\n2 | a = 2\n  | ^\n"),
        "{text}"
    );
}

#[test]
fn values_of_the_wrong_kind_get_hints_for_their_field() {
    let hint = |line: &str| the_mistake(&format!("[[session]]\n{line}\n[[session.transfer]]\n")).3;
    assert!(hint("greeting.code = \"x\"").contains("1000..2000"));
    assert!(hint("greeting.code = \"220\"").contains("without quotes: 220"));
    assert!(hint("midstream = 1").contains("true, false"));
    assert!(hint("tls = 3").contains("absent"));
    assert!(hint("login.user = { globb = \"x\" }").contains("did you mean glob?"));
    assert!(hint("login.user = { matches = \"(\" }").contains("matches"));
    assert!(hint("duration = { glob = \"x\" }").contains("\"..5\""));
    assert!(hint("transfers = true").contains("count"));
    assert!(hint("end_state = [\"closed\", \"rset\"]").contains("did you mean \"reset\"?"));
}

#[test]
fn steps_end_with_an_outcome_a_code_or_both() {
    let step = |text: &str| {
        let file = format!("[[session]]\nsteps = [\"{text}\"]\n");
        let mut read = read("e.toml", &file).expect("a file");
        read.sessions
            .remove(0)
            .steps
            .expect("steps")
            .steps
            .remove(0)
    };
    let words = |constraint: Option<Constraint>| constraint.map(|one| one.words());
    for (text, subject, outcome, code) in [
        ("quit", None, None, None),
        ("quit: ok", None, Some("ok"), None),
        ("quit: 221", None, None, Some(221)),
        ("cwd a: b: ok 250", Some("a: b"), Some("ok"), Some(250)),
        ("cwd a: B", Some("a: B"), None, None),
        ("cwd a: b c", Some("a: b c"), None, None),
        ("cwd ok: failed 550", Some("ok"), Some("failed"), Some(550)),
    ] {
        let step = step(text);
        let is = |text: &str| format!("is \"{text}\"");
        assert_eq!(words(step.subject), subject.map(is), "{text}");
        assert_eq!(words(step.outcome), outcome.map(is), "{text}");
        assert_eq!(
            words(step.code),
            code.map(|code| format!("is {code}")),
            "{text}"
        );
    }
    for (text, hint) in [
        ("cwd a: okay", "did you mean \"ok\"?"),
        ("cwd a: success", "there are: ok"),
    ] {
        let file = format!("[[session]]\nsteps = [\"{text}\"]\n");
        assert!(the_mistake(&file).3.contains(hint), "{text}");
    }
    let reversed = the_mistake("[[session]]\nduration = \"5..1\"\n");
    assert_eq!(reversed.2, "the range ends before it begins");
    assert!(
        the_mistake("session = \"exactly\"\n")
            .3
            .contains("sessions = \"exactly\"")
    );
    assert!(
        the_mistake("[[session.transfer]]\npath = \"a\"\n")
            .3
            .contains("in a line before it")
    );
}

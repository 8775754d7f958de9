//! Expectation files.
//!
//! In: TOML. Out: [`Expectations`], or every mistake in the file with its position.
//!
//! ```text
//! TOML -> toml_edit -> reader (sessions, transfers, rules, fields with constraints, steps) -> Expectations
//! ```
//!
//! Here are the types of the expectations, and the items that must be absent: commands by their verb, steps by their
//! kind, findings by their id.

mod reader;

use serde_json::Value;

use super::built_in::{BuiltIn, Requires};
use super::constraint::Constraint;
use super::expression::{Expression, Scope};
use super::mistake::{Mistake, Position};
use super::vocabulary::nearest;
use super::wording::word;
use crate::model::record::StepKind;
use reader::step_kind;

/// Expectations of one file.
#[derive(Debug)]
pub struct Expectations {
    /// Path of the file, as the user gave it.
    pub path: String,
    /// True if the report may have no sessions beside those of the file.
    pub exactly: bool,
    /// Position of `sessions`.
    pub exactly_at: Position,
    /// Sessions, in file order.
    pub sessions: Vec<SessionExpectation>,
    /// Rules of the file, in file order.
    pub rules: Vec<Rule>,
    /// Built-in rules.
    pub built_in: Vec<(&'static BuiltIn, Position)>,
    /// Items that must be absent from every session.
    pub absent: Vec<(Absence, Position)>,
}

/// An expected session: one `[[session]]`.
#[derive(Debug)]
pub struct SessionExpectation {
    /// Position in the file.
    pub at: Position,
    /// Name given by the author; `None` if the session is called by its number.
    pub name: Option<String>,
    /// Condition for the partner in the report; `None` if any session will do.
    pub condition: Option<Condition>,
    /// Constraints on fields.
    pub fields: Vec<FieldExpectation>,
    /// Expected steps in their order; `None` if steps are not checked.
    pub steps: Option<StepsExpectation>,
    /// True if other steps may occur between those expected.
    pub extra_steps: bool,
    /// Position of `extra_steps`.
    pub extra_steps_at: Position,
    /// True if the session may have other transfers.
    pub extra_transfers: bool,
    /// Position of `extra_transfers`.
    pub extra_transfers_at: Position,
    /// Verbs of the only commands that may be sent; `None` if any may.
    pub only_commands: Option<(Vec<String>, Position)>,
    /// Items that must be absent from the session.
    pub absent: Vec<(Absence, Position)>,
    /// Expected transfers.
    pub transfers: Vec<TransferExpectation>,
}

/// A CEL condition.
#[derive(Debug)]
pub struct Condition {
    /// Text of the condition, for messages.
    pub text: String,
    /// Compiled condition.
    pub expression: Expression,
}

/// A constraint on one field.
#[derive(Debug)]
pub struct FieldExpectation {
    /// Position in the file.
    pub at: Position,
    /// Names from the session or transfer down to the field.
    pub path: Vec<String>,
    /// Allowed values.
    pub constraint: Constraint,
}

impl FieldExpectation {
    /// Returns the dotted name: `login.user`.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.join(".")
    }
}

/// Expected steps: `steps = [ … ]`.
#[derive(Debug)]
pub struct StepsExpectation {
    /// Position in the file.
    pub at: Position,
    /// Steps in order of time.
    pub steps: Vec<StepExpectation>,
}

/// An expected step.
#[derive(Debug)]
pub struct StepExpectation {
    /// The step as it is written in the file, in one line.
    pub text: String,
    /// Kind of the step.
    pub kind: StepKind,
    /// Constraint on the argument of the command, the name looked up, or the user; `None` for any.
    pub subject: Option<Constraint>,
    /// Constraint on the outcome; `None` for any.
    pub outcome: Option<Constraint>,
    /// Constraint on the verb of the command; `None` for any.
    pub verb: Option<Constraint>,
    /// Constraint on the code of the last reply; `None` for any.
    pub code: Option<Constraint>,
    /// Constraint on the duration in seconds; `None` for any.
    pub duration: Option<Constraint>,
}

impl StepExpectation {
    /// Returns the verb of the command that it expects; `None` for any.
    pub(super) fn sent_verb(&self) -> Option<&str> {
        match (&self.verb, &self.subject) {
            (Some(Constraint::Is(Value::String(verb))), _) => Some(verb.as_str()),
            (None, Some(Constraint::Is(Value::String(line)))) => line.split(' ').next(),
            _ => None,
        }
    }

    /// Returns whether it is a command with this verb.
    fn sends(&self, verb: &str) -> bool {
        self.kind == StepKind::Command && self.sent_verb() == Some(verb)
    }
}

/// An expected transfer: one `[[session.transfer]]`.
#[derive(Debug)]
pub struct TransferExpectation {
    /// Position in the file.
    pub at: Position,
    /// Condition for the partner in the session; `None` if the fields alone select it.
    pub condition: Option<Condition>,
    /// Constraints on fields.
    pub fields: Vec<FieldExpectation>,
}

/// A rule of the file: one `[[rule]]`.
#[derive(Debug)]
pub struct Rule {
    /// Position in the file.
    pub at: Position,
    /// Name given by the author, else the text of the assertion.
    pub name: String,
    /// Kind of the objects that the rule is about.
    pub scope: Scope,
    /// Filter of these objects; `None` if the rule is about all of them.
    pub condition: Option<Condition>,
    /// Assertion about each object.
    pub assert: Condition,
}

/// Parses a file, and reports every mistake in it, not only the first.
pub fn read(path: &str, text: &str) -> Result<Expectations, Vec<Mistake>> {
    reader::read(path, text)
}

/// An item that must be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Command with this verb.
    Command(String),
    /// Step of this kind.
    Step(StepKind),
    /// Finding with this id.
    Finding(String),
}

impl Absence {
    /// Returns the part of a session that must have been read before the item can be called absent.
    pub(super) const fn requires(&self) -> Requires {
        match self {
            Self::Command(_) | Self::Step(_) => Requires::Commands,
            // Most findings of an encrypted session are of what can be seen, or of what is not encrypted.
            Self::Finding(_) => Requires::Nothing,
        }
    }

    /// Parses an item of `absent`; the error is a message and a hint.
    fn parse(word: &str, kinds: &[&str]) -> Result<Self, (String, String)> {
        // Case distinguishes the command `QUIT` from the step `quit`.
        if word.chars().any(char::is_uppercase) {
            return verb(word).map(Self::Command);
        }
        if let Some(kind) = step_kind(word) {
            return Ok(Self::Step(kind));
        }
        if FINDINGS.iter().any(|(id, _)| *id == word) {
            return Ok(Self::Finding(word.to_owned()));
        }
        let all = finding_ids()
            .map(|id| -> &str { id })
            .chain(kinds.iter().copied());
        let hint = match nearest(all, word) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if VERBS.contains(&word.to_ascii_uppercase().as_str()) => {
                format!(
                    "commands are in upper case: \"{}\"",
                    word.to_ascii_uppercase()
                )
            }
            None => format!(
                "write a command in upper case, a kind of step or a finding: {}",
                finding_ids().collect::<Vec<_>>().join(", ")
            ),
        };
        Err((format!("there is no step and no finding {word}"), hint))
    }

    /// Renders the item as it follows "no" in a message.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Command(verb) => verb.clone(),
            Self::Step(kind) => format!("{} step", word(kind)),
            Self::Finding(id) => id.clone(),
        }
    }
}

/// Checks that a verb is known: a misspelled one would be absent forever, and its expectation always pass.
fn verb(word: &str) -> Result<String, (String, String)> {
    if VERBS.contains(&word) {
        return Ok(word.to_owned());
    }
    let upper = word.to_ascii_uppercase();
    let hint = match nearest(VERBS.iter().copied(), &upper) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "a [[rule]] for = \"step\" can speak of any command".to_owned(),
    };
    Err((format!("there is no command {word}"), hint))
}

/// Returns whether a verb may stand in `only_commands` beside any steps: a known one, and what stands for a hidden one.
pub(super) fn is_known_verb(word: &str) -> bool {
    word == HIDDEN || VERBS.contains(&word)
}

/// Verb of a command that the report hides.
const HIDDEN: &str = "<hidden>";

fn finding_ids() -> impl Iterator<Item = &'static str> {
    FINDINGS.iter().map(|(id, _)| *id)
}

/// Ids of all findings, each with its meaning in one line.
pub const FINDINGS: &[(&str, &str)] = &[
    (
        "address-translation",
        "the client announced an internal address: NAT between it and the server",
    ),
    (
        "announced-port-unused",
        "the data connection went to another port than was announced",
    ),
    (
        "ascii-damage",
        "a file that is no text was sent as text (TYPE A), which changes bytes",
    ),
    (
        "bounce",
        "the server was made to connect to a third host (RFC 2577 section 3)",
    ),
    (
        "brute-force",
        "one client was refused many logins at one server",
    ),
    ("capture-loss", "the capture lost bytes of sessions"),
    (
        "cleartext-credentials",
        "user and password were sent in clear",
    ),
    (
        "conflicting-retransmission",
        "bytes were sent twice with different values",
    ),
    (
        "control-timeout",
        "the control connection ended while a transfer took long, or waiting was too long",
    ),
    (
        "data-address-unused",
        "the announced address was not the one that was used",
    ),
    (
        "data-connection-blocked",
        "a data connection was announced and nobody answered on it",
    ),
    (
        "data-connection-failed",
        "the server reported that a data connection failed",
    ),
    (
        "file-in-parts",
        "several transfers fetched parts of one file",
    ),
    ("fxp", "a client let two servers exchange files directly"),
    ("incomplete-file", "a file is not whole in the capture"),
    (
        "log-claims-complete",
        "a server's log says that a transfer is complete, the wire shows that it is not",
    ),
    (
        "log-clock-off",
        "the clock of a server's log is not that of the capture",
    ),
    (
        "log-entry-missing",
        "the wire shows what a server's log has no line for",
    ),
    (
        "log-entry-unseen",
        "a server's log claims what was never on the wire",
    ),
    (
        "log-line-injected",
        "a name on the wire made up a line of a server's log",
    ),
    (
        "log-size-differs",
        "a server's log has another number of bytes than the wire",
    ),
    (
        "log-user-differs",
        "a server's log names another user than the wire",
    ),
    ("login-rejected", "the server refused the login"),
    ("login-unfinished", "the client did not finish its login"),
    (
        "mode-refused",
        "the server refused active or passive mode, and nothing was transferred",
    ),
    ("no-answer", "a command got no answer"),
    (
        "password-spraying",
        "one client tried many users, each with few passwords",
    ),
    ("port-theft", "another host used an announced data port"),
    (
        "reply-and-log-disagree",
        "the reply on the wire and the server's log disagree",
    ),
    ("reply-violation", "a reply does not follow the RFC"),
    (
        "server-closes-at-once",
        "the server closed connections before it greeted",
    ),
    (
        "session-in-halves",
        "two sessions are the halves of one, on both sides of a translator of addresses",
    ),
    (
        "session-refused",
        "the server refused the session in its greeting",
    ),
    (
        "session-seen-twice",
        "the capture holds a session twice, on two legs of its way",
    ),
    (
        "size-mismatch",
        "a file has another size than was announced",
    ),
    ("slow-greeting", "the greeting came late"),
    ("stalled-transfer", "a transfer stood still"),
    (
        "tls-alert",
        "a fatal alert ended a handshake or a TLS connection",
    ),
    (
        "tls-close-missing",
        "a file ended without close_notify, and no size proves that it is whole",
    ),
    ("tls-commands-in-clear", "commands are in clear after CCC"),
    (
        "tls-data-in-clear",
        "commands are encrypted; files or listings are not",
    ),
    ("tls-failed", "TLS could not be set up"),
    (
        "tls-session-not-resumed",
        "a data connection did not resume the TLS session that the server requires",
    ),
    (
        "tls-weak",
        "TLS 1.1 or older, or a weak cipher suite was agreed",
    ),
    ("transfer-refused", "the server refused a transfer"),
    ("traversal-name", "a name leads out of its folder"),
    (
        "upload-unconfirmed",
        "the client left before the server had answered its upload",
    ),
];

/// Verbs of the registry that RFC 5797 founded, and common ones beside it.
const VERBS: &[&str] = &[
    "ABOR", "ACCT", "ADAT", "ALGS", "ALLO", "APPE", "AUTH", "AVBL", "CCC", "CDUP", "CLNT", "COMB",
    "CONF", "CPSV", "CSID", "CWD", "DELE", "DSIZ", "ENC", "EPRT", "EPSV", "ESTA", "ESTP", "FEAT",
    "HASH", "HELP", "HOST", "LANG", "LIST", "LPRT", "LPSV", "MD5", "MDTM", "MFCT", "MFF", "MFMT",
    "MIC", "MKD", "MLSD", "MLST", "MMD5", "MODE", "NLST", "NOOP", "OPTS", "PASS", "PASV", "PBSZ",
    "PORT", "PRET", "PROT", "PWD", "QUIT", "RANG", "REIN", "REPL", "REST", "RETR", "RMD", "RMDA",
    "RNFR", "RNTO", "SITE", "SIZE", "SMNT", "SPSV", "SSCN", "STAT", "STOR", "STOU", "STRU", "SYST",
    "THMB", "TYPE", "USER", "XCRC", "XCUP", "XCWD", "XMD5", "XMKD", "XPWD", "XRMD", "XSHA",
    "XSHA1", "XSHA256", "XSHA512",
];

#[cfg(test)]
mod tests {
    //! Meaning of expectation files, and the messages for mistakes in them.

    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

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
        let hint =
            |line: &str| the_mistake(&format!("[[session]]\n{line}\n[[session.transfer]]\n")).3;
        assert!(hint("greeting.code = \"x\"").contains("1000..2000"));
        assert!(hint("greeting.code = \"220\"").contains("without quotes: 220"));
        assert!(hint("midstream = 1").contains("true, false"));
        assert!(hint("tls = 3").contains("absent"));
        assert!(hint("login.user = { globb = \"x\" }").contains("did you mean glob?"));
        assert!(hint("login.user = { matches = \"(\" }").contains("matches"));
        let (line, _, message, _) = the_mistake("[[session]]\nlogin.user = { glob = \"[\" }\n");
        assert_eq!(line, 2);
        assert!(message.contains("[ without ]"), "{message}");
        assert!(hint("duration = { glob = \"x\" }").contains("\"..5\""));
        assert!(hint("transfers = true").contains("count"));
        assert!(hint("end_state = [\"closed\", \"rset\"]").contains("did you mean \"reset\"?"));
    }

    #[test]
    fn number_that_is_no_reply_code_is_named() {
        for step in [
            "\"quit: ok 22\"",
            "\"quit: 22\"",
            "\"quit: 2222\"",
            "{ kind = \"quit\", code = 22 }",
        ] {
            let text = format!("[[session]]\nsteps = [\"login\", {step}]\n");
            let (line, _, message, hint) = the_mistake(&text);
            assert_eq!(line, 2);
            assert!(message.ends_with(" is no reply code"), "{message}");
            assert!(hint.contains("100 to 699"), "{hint}");
        }
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

    /// Collects the ids in the sources of the layer that makes findings.
    fn ids_in_the_source(folder: &Path, ids: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                ids_in_the_source(&path, ids);
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source");
            let text = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .expect("a part");
            for (at, found) in text.match_indices("id: ") {
                // `id: if … { "a" } else { "b" }` names two.
                let rest = &text[at + found.len()..];
                let end = rest.find(&[',', '\n'][..]).unwrap_or(rest.len());
                let parts = rest[..end].split('"').skip(1).step_by(2);
                ids.extend(parts.map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_finding_of_the_diagnosis_layer_is_known() {
        let mut ids = BTreeSet::new();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnosis");
        ids_in_the_source(&source, &mut ids);
        assert!(ids.len() > 10, "{ids:?}");
        let unknown: Vec<_> = ids
            .iter()
            .filter(|id| finding_ids().all(|known| known != id.as_str()))
            .collect();
        assert!(unknown.is_empty(), "add to FINDINGS: {unknown:?}");
    }

    #[test]
    fn every_finding_has_a_signature_of_its_own() {
        let signatures: std::collections::BTreeSet<_> = finding_ids()
            .map(crate::report::export::eve_signature)
            .collect();
        assert_eq!(signatures.len(), FINDINGS.len());
        assert!(!signatures.contains(&0), "add to SIGNATURES in eve.rs");
    }

    #[test]
    fn case_distinguishes_commands_from_steps_and_findings() {
        let kinds = ["login", "quit"];
        let parse = |word| Absence::parse(word, &kinds);
        assert_eq!(parse("PORT"), Ok(Absence::Command("PORT".to_owned())));
        assert_eq!(parse("quit"), Ok(Absence::Step(StepKind::Quit)));
        assert_eq!(
            parse("port-theft"),
            Ok(Absence::Finding("port-theft".to_owned()))
        );
        let hint = |word| parse(word).expect_err(word).1;
        assert_eq!(hint("PROTT"), "did you mean \"PROT\"?");
        assert_eq!(
            hint("cleartext-credential"),
            "did you mean \"cleartext-credentials\"?"
        );
        assert_eq!(hint("port"), "commands are in upper case: \"PORT\"");
    }
}

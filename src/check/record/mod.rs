//! Expectation files recorded from captures that are known to be good, and updates of such files.
//!
//! In: a report. Out: TOML with the facts that the same run would reproduce: no times, ports, addresses, frame numbers
//! or passwords.
//!
//! ```text
//! report -> write_session (fields, steps, transfers) -> TOML            --record
//! file + report -> SessionPairing -> update (only what differs) -> TOML  --update
//! ```
//!
//! `match` expressions identify the sessions. With them each session finds its own expectations even if one is missing,
//! more are added or their order changes.

mod update;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::hash::BuildHasher as _;
use std::io::{self, Write};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::file::is_known_verb;
use super::judge::Subject;
use super::wording::{StepView, word};
use crate::model::record::{
    Completeness, EndState, LoginOutcome, Session, StepKind, Transfer, TransferDirection,
    VerdictStatus,
};
use crate::model::wire_text::{is_hostile, printable};
use crate::report::capture_words;

pub use update::{Updated, update};

/// Writes an expectation file for every session of a report.
pub fn record(subject: &Subject<'_>, out: &mut dyn Write) -> io::Result<()> {
    let captures: Vec<_> = subject
        .report
        .captures
        .iter()
        .map(|capture| file_name(&capture.path))
        .collect();
    writeln!(out, "# What happened in {}.", captures.join(", "))?;
    out.write_all(HEAD.as_bytes())?;
    // Omitted sessions are not recorded, so the next run may have sessions beside those in the file.
    let word = if subject.report.sessions_omitted > 0 {
        "at-least"
    } else {
        "exactly"
    };
    writeln!(out, "sessions = \"{word}\"")?;
    let conditions = conditions(subject.session_count(), |index| subject.record_at(index));
    let mut text = String::new();
    for (index, condition) in conditions.iter().enumerate() {
        if let Some(session) = subject.record_at(index) {
            text.push('\n');
            write_session(&session, condition.as_deref(), &mut text);
            out.write_all(text.as_bytes())?;
            text.clear();
        }
    }
    out.write_all(TAIL.as_bytes())
}

/// Returns the sessions that a person should look at before trusting the recorded file.
#[must_use]
pub fn doubts(subject: &Subject<'_>) -> Vec<String> {
    let sessions = (0..subject.session_count()).filter_map(|index| subject.record_at(index));
    let doubtful = sessions.filter(|session| session.verdict.status != VerdictStatus::Ok);
    doubtful
        .map(|session| {
            let (id, text) = (session.id, &session.verdict.text);
            format!("session {id} is recorded as it is: {text}")
        })
        .collect()
}

/// Returns the last part of a path, printable in a comment.
fn file_name(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    printable(capture_words(name)).into_owned()
}

/// Renders a basic string; characters that a terminal or editor would hide or obey are escaped.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other if is_hostile(other) => {
                let _ = write!(out, "\\U{:08X}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Renders a list of values: in one line if that is short, else one per line after `indent`.
fn list(values: &[String], indent: &str) -> String {
    let line = format!("[{}]", values.join(", "));
    if line.chars().count() <= MAX_WIDTH {
        return line;
    }
    let mut out = String::from("[\n");
    for value in values {
        let _ = writeln!(out, "{indent}  {value},");
    }
    let _ = write!(out, "{indent}]");
    out
}

/// Appends a `[[session]]`.
fn write_session(session: &Session, condition: Option<&str>, out: &mut String) {
    out.push_str("[[session]]\n");
    let _ = writeln!(out, "# {}", printable(&session.verdict.text));
    if let Some(condition) = condition {
        let _ = writeln!(out, "match = {}", quoted_expression(condition));
    }
    write_fields(session, out);
    let _ = writeln!(out, "steps = {}", steps(session));
    out.push_str("extra_steps = false       # no other steps between these\n");
    if let Some(commands) = commands(session) {
        let _ = writeln!(out, "only_commands = {commands}");
    }
    out.push_str("extra_transfers = false   # no other transfers beside these\n");
    for transfer in &session.transfers {
        out.push('\n');
        write_transfer(transfer, out);
    }
}

/// Renders the lookups and the requested steps as a list.
fn steps(session: &Session) -> String {
    let steps: Vec<String> = StepView::all(session)
        .into_iter()
        .filter(|step| step.is_requested() || step.kind() == StepKind::Dns)
        .map(step)
        .collect();
    list(&steps, "")
}

/// Renders one step by its index; `None` if there is no such step.
fn step_at(session: &Session, index: usize) -> Option<String> {
    StepView::all(session).get(index).map(|view| step(*view))
}

/// Renders the verbs that were sent as a sorted list; `None` if one would pass for misspelled, since no step names it.
fn commands(session: &Session) -> Option<String> {
    let commands = session.steps.iter().flat_map(|step| &step.commands);
    let verbs: BTreeSet<&str> = commands.map(|command| command.verb.as_str()).collect();
    let own_steps = session.steps.iter();
    let own_steps = own_steps.filter(|step| step.kind == StepKind::Command);
    let own: BTreeSet<&str> = own_steps
        .filter_map(|step| step.commands.first())
        .map(|command| command.verb.as_str())
        .filter(|verb| !verb.contains([' ', ':']))
        .collect();
    let is_accepted = |verb: &&str| is_known_verb(verb) || own.contains(verb);
    if !verbs.iter().all(is_accepted) {
        return None;
    }
    let verbs: Vec<_> = verbs.into_iter().map(quoted).collect();
    Some(list(&verbs, ""))
}

/// Appends a `[[session.transfer]]`.
fn write_transfer(transfer: &Transfer, out: &mut String) {
    out.push_str("  [[session.transfer]]\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name} = {value}");
    };
    line("verb", &quoted(&transfer.verb));
    // The server chooses a new name for each STOU (RFC 959 section 4.1.3).
    if transfer.verb != "STOU" {
        if let Some(path) = &transfer.path {
            line("path", &quoted(path));
        } else if let Some(name) = &transfer.name {
            line("name", &quoted(name));
        }
    }
    line("mode", &quoted(&word(transfer.mode)));
    if let Some(data_type) = transfer.data_type {
        line("data_type", &quoted(&word(data_type)));
    }
    // An integer of TOML has 63 bits.
    if (1..=i64::MAX as u64).contains(&transfer.restart_offset) {
        line("restart_offset", &transfer.restart_offset.to_string());
    }
    line("completeness", &quoted(&word(transfer.completeness)));
    // Size and digest of a file with gaps depend on which packets were lost.
    if !matches!(
        transfer.completeness,
        Completeness::Complete | Completeness::Unverifiable
    ) {
        return;
    }
    if transfer.direction == TransferDirection::Listing {
        if transfer.entries_omitted == 0 && transfer.entries.len() <= MAX_ENTRIES {
            let entries = transfer.entries.iter();
            let names: Vec<_> = entries.map(|entry| quoted(&entry.name)).collect();
            line("entries", &list(&names, "  "));
        }
        return;
    }
    line("bytes", &transfer.bytes.to_string());
    if let Some(digest) = &transfer.sha256 {
        line("sha256", &quoted(digest));
    }
}

fn write_fields(session: &Session, out: &mut String) {
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{name} = {value}");
    };
    line("login.outcome", &quoted(&word(session.login.outcome)));
    if let Some(user) = &session.login.user {
        line("login.user", &quoted(user));
    }
    if let Some(greeting) = &session.greeting {
        line("greeting.code", &greeting.code.to_string());
    }
    let Some(tls) = &session.tls else {
        return;
    };
    // QUIT is not visible in an encrypted session, only the end of the connection; whether FIN or RST comes last
    // varies.
    if matches!(session.end_state, EndState::Closed | EndState::Reset) {
        line("end_state", "[\"closed\", \"reset\"]");
    }
    if let Some(version) = &tls.version {
        line("tls.version", &quoted(version));
    }
    if let Some(protected) = tls.data_protected {
        line("tls.data_protected", &protected.to_string());
    }
    if tls.version.is_none() && tls.data_protected.is_none() {
        line("tls", "{ absent = false }");
    }
    line("encrypted_data", &session.encrypted_data.len().to_string());
    if !session.findings.iter().any(|one| one.id == "capture-loss") {
        line(
            "absent",
            "[\"capture-loss\"]   # of what is encrypted nobody could tell otherwise",
        );
    }
}

/// Renders a step as a string, or as a table if its argument differs in every run.
fn step(step: StepView<'_>) -> String {
    let verb = step.verb().unwrap_or_default();
    let has_address = matches!(verb, "PORT" | "EPRT" | "LPRT");
    let is_changing = step.subject().is_some_and(|subject| has_time(&subject));
    let code = step.reproducible_code();
    if step.kind() == StepKind::Command && (has_address || is_changing) {
        let code = code.map(|code| format!(", code = {code}"));
        return format!(
            "{{ kind = \"command\", verb = {}, outcome = {}{} }}",
            quoted(verb),
            quoted(&word(step.outcome())),
            code.unwrap_or_default()
        );
    }
    let is_chosen_by_server = step.kind() == StepKind::Store && verb == "STOU";
    let line = if is_chosen_by_server {
        format!("store: {}", word(step.outcome()))
    } else {
        step.line()
    };
    match code {
        Some(code) => quoted(&format!("{line} {code}")),
        None => quoted(&line),
    }
}

/// Returns true for an argument with a time of MFMT or MDTM (`20260302100000`, RFC 3659 section 2.3).
fn has_time(subject: &str) -> bool {
    let mut digits = subject.split(|character: char| !character.is_ascii_digit());
    digits.any(|run| run.len() >= 12)
}

/// Renders an expression as a TOML literal string, which needs no escapes, unless it contains a `'`.
fn quoted_expression(text: &str) -> String {
    if text.contains('\'') {
        quoted(text)
    } else {
        format!("'{text}'")
    }
}

/// Returns the condition for each of `count` sessions; `None` where the order of sessions has to identify it.
///
/// `session` returns a session by its index. Sessions are asked for one after the other, up to three times.
fn conditions(
    count: usize,
    session: impl Fn(usize) -> Option<Arc<Session>>,
) -> Vec<Option<String>> {
    let logins = (0..count).filter_map(|index| Some(LoginFacts::of(&*session(index)?)));
    let parts = login_conditions(&logins.collect::<Vec<_>>());
    let mut groups: BTreeMap<&[String], usize> = BTreeMap::new();
    let mut group_of = Vec::new();
    let mut alike: Vec<Group> = Vec::new();
    for parts in &parts {
        let next = groups.len();
        let group = *groups.entry(parts).or_insert(next);
        if group == next {
            alike.push(Group::default());
        }
        if let Some(group) = alike.get_mut(group) {
            group.sessions += 1;
        }
        group_of.push(group);
    }
    let of_group =
        |alike: &mut Vec<Group>, index: usize, add: &mut dyn FnMut(&mut Group, &Session)| {
            let group = group_of.get(index).and_then(|group| alike.get_mut(*group));
            if let Some(group) = group.filter(|group| group.sessions > 1)
                && let Some(session) = session(index)
            {
                add(group, &session);
            }
        };
    for index in 0..count {
        of_group(&mut alike, index, &mut |group, session| {
            group.count(session);
        });
    }
    let mut by_transfers: Vec<Option<String>> = vec![None; count];
    for (index, slot) in by_transfers.iter_mut().enumerate() {
        of_group(&mut alike, index, &mut |group, session| {
            *slot = group.condition(session);
            group.is_ambiguous |= slot.is_none();
        });
    }
    let all = group_of
        .iter()
        .zip(by_transfers)
        .map(|(group, by_transfers)| {
            let group = alike.get(*group);
            by_transfers.filter(|_| group.is_some_and(|group| !group.is_ambiguous))
        });
    let all: Vec<Option<String>> = all.collect();
    let all = parts.into_iter().zip(all).map(|(mut parts, by_transfers)| {
        parts.extend(by_transfers);
        (!parts.is_empty()).then(|| parts.join(" && "))
    });
    all.collect()
}

/// Facts by which sessions are told from each other first.
struct LoginFacts {
    user: Option<String>,
    outcome: LoginOutcome,
    is_encrypted: bool,
}

impl LoginFacts {
    fn of(session: &Session) -> Self {
        Self {
            user: session.login.user.clone(),
            outcome: session.login.outcome,
            is_encrypted: session.tls.is_some(),
        }
    }
}

/// Returns conditions on user, login outcome and encryption, each only if it differs between sessions.
fn login_conditions(sessions: &[LoginFacts]) -> Vec<Vec<String>> {
    let users: BTreeSet<_> = sessions.iter().map(|one| &one.user).collect();
    let mut outcomes: Vec<LoginOutcome> = sessions.iter().map(|one| one.outcome).collect();
    outcomes.dedup();
    let encrypted: BTreeSet<bool> = sessions.iter().map(|one| one.is_encrypted).collect();
    let parts = |session: &LoginFacts| {
        let mut parts = Vec::new();
        if users.len() > 1 {
            parts.push(match &session.user {
                Some(user) => format!("login.user == {}", cel(user)),
                None => "login.user == null".to_owned(),
            });
        }
        if outcomes.len() > 1 {
            parts.push(format!("login.outcome == \"{}\"", word(session.outcome)));
        }
        if encrypted.len() > 1 {
            let sign = if session.is_encrypted { '!' } else { '=' };
            parts.push(format!("tls {sign}= null"));
        }
        parts
    };
    sessions.iter().map(parts).collect()
}

/// Sessions whose logins are alike.
#[derive(Default)]
struct Group {
    sessions: usize,
    /// Number of sessions with each name and verb of a transfer, by a hash of these.
    // Two names of one hash would only hide from each other that they are unique.
    with: HashMap<u64, u32, FixedState>,
    without_transfers: usize,
    /// True if one of the sessions has no condition of its own.
    is_ambiguous: bool,
}

impl Group {
    fn hash(&self, part: &(&str, &str)) -> u64 {
        self.with.hasher().hash_one(part)
    }

    fn count(&mut self, session: &Session) {
        for part in names_and_verbs(session)
            .into_iter()
            .collect::<BTreeSet<_>>()
        {
            let hash = self.hash(&part);
            *self.with.entry(hash).or_default() += 1;
        }
        self.without_transfers += usize::from(session.transfers.is_empty());
    }

    /// Returns a condition on transfers that only this session of the group has; `None` if there is none.
    fn condition(&self, session: &Session) -> Option<String> {
        let is_own = |part: &(&str, &str)| self.with.get(&self.hash(part)) == Some(&1);
        let parts = names_and_verbs(session).into_iter().filter(is_own);
        // A name identifies a session more reliably than a verb, which the next session may use as well.
        let own = parts.min_by_key(|(field, _)| *field != "name");
        match own {
            Some((field, value)) => {
                Some(format!("transfers.exists(t, t.{field} == {})", cel(value)))
            }
            None if session.transfers.is_empty() && self.without_transfers == 1 => {
                Some("size(transfers) == 0".to_owned())
            }
            None => None,
        }
    }
}

/// Returns the names and verbs of the transfers, in order.
fn names_and_verbs(session: &Session) -> Vec<(&'static str, &str)> {
    let mut parts = Vec::new();
    for transfer in &session.transfers {
        let verb = transfer.verb.as_str();
        let name = transfer.name.as_deref().filter(|name| !name.is_empty());
        // The server chooses a new name for each STOU (RFC 959 section 4.1.3).
        if let Some(name) = name.filter(|_| verb != "STOU") {
            parts.push(("name", name));
        }
        if !verb.is_empty() {
            parts.push(("verb", verb));
        }
    }
    parts
}

/// Renders a string as a CEL literal.
fn cel(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            other if is_hostile(other) => {
                let _ = write!(out, "\\U{:08X}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Comment at the head of a recorded file.
const HEAD: &str = "\
#
# Edit it: what is not written here is not checked.
#   a step is \"kind what: outcome code\"; only the kind must be there:   \"retrieve: ok\"   \"quit\"
#   a number may be a range:      bytes = \"1000..2000\"   duration = \"..5\"
#   a text may be a pattern:      path = { glob = \"/pub/*.txt\" }   name = { matches = \"^log-[0-9]+\" }
#   or one of several:            completeness = [\"complete\", \"unverifiable\"]
#   what must not be there:       absent = [\"PORT\", \"cleartext-credentials\"]   tls = { absent = true }
#   a rule by its name:           rules = [\"all-transfers-complete\"]   (ftpscope check --list-rules)

";

/// Comment at its end.
const TAIL: &str = "
# A rule holds for every session, transfer or step; its expressions are CEL over the fields of the JSON report.
#
# [[rule]]
# name = \"no download takes longer than five seconds\"
# for = \"step\"
# match = 'kind == \"retrieve\"'
# assert = 'duration < 5.0'
";

/// Characters of a list in one line.
const MAX_WIDTH: usize = 90;

/// Entries of a recorded listing; longer ones are left out, since nobody would read them.
const MAX_ENTRIES: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Transfer;
    use crate::report::example::example_session;

    #[test]
    fn quoted_strings_parse_back_to_the_original() {
        for text in [
            "",
            "a\"b\\c",
            "\x1b[0m\r\n\t\0",
            "é\u{202e}\u{e0041}x",
            "'''",
        ] {
            let document = format!("x = {}", quoted(text));
            let document = toml_edit::Document::parse(document).expect("TOML");
            assert_eq!(document["x"].as_str(), Some(text));
        }
        assert_eq!(quoted("a\u{202e}"), "\"a\\U0000202E\"");
    }

    fn session(user: &str, transfers: &[&str]) -> Arc<Session> {
        let mut session = example_session();
        session.login.user = Some(user.to_owned());
        let any = Transfer::clone(session.transfers.first().expect("a transfer"));
        session.transfers.clear();
        for transfer in transfers {
            let (verb, name) = match transfer.split_once(' ') {
                Some((verb, name)) => (verb, Some(name.to_owned())),
                None => (*transfer, None),
            };
            session.transfers.push(Arc::new(Transfer {
                verb: verb.to_owned(),
                name,
                ..any.clone()
            }));
        }
        Arc::new(session)
    }

    fn texts(sessions: &[Arc<Session>]) -> Vec<String> {
        let session = |index: usize| sessions.get(index).cloned();
        let conditions = conditions(sessions.len(), session).into_iter();
        conditions.map(Option::unwrap_or_default).collect()
    }

    #[test]
    fn single_session_needs_no_condition() {
        assert_eq!(texts(&[session("mira", &["RETR a"])]), [""]);
    }

    #[test]
    fn different_users_identify_sessions() {
        let sessions = [session("mira", &["RETR a"]), session("o\"x", &["RETR a"])];
        assert_eq!(
            texts(&sessions),
            ["login.user == \"mira\"", "login.user == \"o\\\"x\""]
        );
    }

    #[test]
    fn transfers_identify_sessions_of_one_user() {
        let sessions = [
            session("mira", &["LIST"]),
            session("mira", &["RETR a"]),
            session("mira", &["RETR b"]),
            session("mira", &[]),
        ];
        assert_eq!(
            texts(&sessions),
            [
                "transfers.exists(t, t.verb == \"LIST\")",
                "transfers.exists(t, t.name == \"a\")",
                "transfers.exists(t, t.name == \"b\")",
                "size(transfers) == 0"
            ]
        );
    }

    #[test]
    fn sessions_without_transfers_of_their_own_are_identified_by_order() {
        let sessions = [
            session("mira", &["RETR a"]),
            session("mira", &["RETR a", "RETR b"]),
        ];
        assert_eq!(texts(&sessions), ["", ""]);
    }
}

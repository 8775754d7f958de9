//! What a step is about, in a word: the same for expectations, recorded files and baselines.
//!
//! Steps are read from the report's JSON, so that a report that was written earlier can be read as well.

use serde_json::Value;

/// One step of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepView<'v> {
    session: &'v Value,
    step: &'v Value,
}

impl<'v> StepView<'v> {
    /// All steps of a session.
    pub(super) fn all(session: &'v Value) -> Vec<Self> {
        let steps = items(session, "steps").iter();
        steps.map(|step| Self { session, step }).collect()
    }

    /// `retrieve`.
    pub(super) fn kind(self) -> &'v str {
        text(self.step, "kind").unwrap_or_default()
    }

    /// `ok`.
    pub(super) fn outcome(self) -> &'v str {
        text(self.step, "outcome").unwrap_or_default()
    }

    /// In seconds.
    pub(super) fn duration(self) -> &'v Value {
        self.step.get("duration").unwrap_or(&Value::Null)
    }

    /// The argument of its command, the user who logs in, the name that is looked up.
    pub(super) fn subject(self) -> Option<String> {
        let argument = |verbs: &[&str]| {
            let command = self.last_of(verbs)?;
            text(command, "argument").map(str::to_owned)
        };
        let subject = match self.kind() {
            "dns" => text(self.session.get("dns")?, "name").map(str::to_owned),
            "rename" => {
                let from = argument(&["RNFR"]).unwrap_or_default();
                let to = argument(&["RNTO"]).unwrap_or_default();
                Some(format!("{from} -> {to}"))
            }
            "command" => self.commands().first().map(command_line),
            kind => argument(verbs_of(kind)),
        };
        subject.filter(|subject| !subject.is_empty())
    }

    /// The verb of the command that a step is named for.
    pub(super) fn verb(self) -> Option<&'v str> {
        let command = match self.kind() {
            "command" => self.commands().first(),
            kind => self
                .last_of(verbs_of(kind))
                .or_else(|| self.commands().last()),
        };
        text(command?, "verb")
    }

    /// The code of the last reply in a step.
    pub(super) fn code(self) -> Option<u64> {
        self.reply()?.get("code")?.as_u64()
    }

    /// The last reply in a step.
    fn reply(self) -> Option<&'v Value> {
        if self.kind() == "greeting" {
            return self.session.get("greeting");
        }
        let mut replies = self
            .commands()
            .iter()
            .rev()
            .filter_map(|command| items(command, "replies").last());
        replies.next()
    }

    /// The code that ends a step and is the same each time: not that of a transfer into which somebody called.
    pub(super) fn lasting_code(self) -> Option<u64> {
        let is_final = matches!(self.outcome(), "ok" | "failed");
        let verb = |command: &'v Value| text(command, "verb").unwrap_or_default();
        let mut verbs = self.commands().iter().map(verb);
        let is_disturbed = matches!(self.kind(), "list" | "retrieve" | "store")
            && verbs.any(|verb| matches!(verb, "ABOR" | "STAT"));
        self.code().filter(|_| is_final && !is_disturbed)
    }

    /// A step with its answer: `cwd pub: failed, answered 550 No such directory.`
    pub(super) fn answered(self) -> String {
        let line = self.line();
        let Some(reply) = self.reply() else {
            let is_inferred = self.step.get("inferred").and_then(Value::as_bool);
            return match is_inferred {
                Some(true) => format!("{line}, known from its answer alone"),
                _ => format!("{line}, not answered"),
            };
        };
        format!("{line}, answered {}", reply_line(reply))
    }

    /// The commands, in order.
    pub(super) fn commands(self) -> &'v [Value] {
        items(self.step, "commands")
    }

    fn last_of(self, verbs: &[&str]) -> Option<&'v Value> {
        let mut commands = self.commands().iter().rev();
        commands.find(|command| text(command, "verb").is_some_and(|verb| verbs.contains(&verb)))
    }

    /// True where commands made it: opening, closing and lookups are not what somebody asked of a server.
    pub(super) fn is_asked(self) -> bool {
        !matches!(self.kind(), "dns" | "connect" | "greeting" | "disconnect")
    }

    /// A step as expectations write it: `retrieve readme.txt: ok`.
    pub(super) fn line(self) -> String {
        match self.subject() {
            Some(subject) => format!("{} {subject}: {}", self.kind(), self.outcome()),
            None => format!("{}: {}", self.kind(), self.outcome()),
        }
    }
}

/// The commands that a kind of step is named for.
fn verbs_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "login" => &["USER"],
        "list" => &["LIST", "NLST", "MLSD", "STAT"],
        "cwd" => &["CWD", "XCWD"],
        "retrieve" => &["RETR"],
        "store" => &["STOR", "STOU", "APPE"],
        "delete" => &["DELE", "RMD", "XRMD"],
        _ => &[],
    }
}

/// A command as it was sent: `CWD pub`.
pub(super) fn command_line(command: &Value) -> String {
    let verb = text(command, "verb").unwrap_or_default();
    match text(command, "argument") {
        Some(argument) => format!("{verb} {argument}"),
        None => verb.to_owned(),
    }
}

/// A reply in a line: `550 No such directory.`
pub(super) fn reply_line(reply: &Value) -> String {
    let code = reply.get("code").and_then(Value::as_u64).unwrap_or(0);
    let last = items(reply, "lines").last().and_then(Value::as_str);
    let words: String = last.unwrap_or_default().chars().take(LONGEST).collect();
    format!("{code} {}", words.trim()).trim_end().to_owned()
}

/// The items of a list in JSON.
pub(super) fn items<'v>(of: &'v Value, name: &str) -> &'v [Value] {
    let items = of.get(name).and_then(Value::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}

/// A text in JSON.
pub(super) fn text<'v>(of: &'v Value, name: &str) -> Option<&'v str> {
    of.get(name)?.as_str()
}

/// Characters of a reply that are shown.
const LONGEST: usize = 120;

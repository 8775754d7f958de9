//! Arrows of messages (the name lookup, commands and replies) and the console beside them.
//!
//! The console is the user's side of a session: typing, and output of the client. None of it is in a capture. It is rebuilt
//! from commands and replies, in the words of the classic command-line client.

use super::arrow::{Arrows, Draft, Effect};
use super::captions::{command_label, reply_label, reply_lines};
use super::control_connection::ReplyParts;
use super::model::{Channel, Lane, Levels};
use super::{arrow, captions};
use crate::model::record::{
    Command, Completeness, Dns, Outcome, Reply, Session, Step, StepKind, Transfer,
    TransferDirection,
};
use crate::protocol::ftp::{
    ExtendedPassive, extended_passive_reply, extended_port_argument, long_address, passive_reply,
    port_argument,
};
use crate::report::units;

/// A message of a session, with the step it belongs to.
#[derive(Clone, Copy)]
pub(super) enum Message<'a> {
    DnsQuery(&'a Step, &'a Dns),
    DnsResponse(&'a Step, &'a Dns),
    /// Final reply of the greeting: 220, or a refusal.
    Greeting(&'a Step, &'a Reply),
    /// Unsolicited reply, or a 1yz reply before the greeting.
    Unsolicited(&'a Reply),
    Command(&'a Step, &'a Command),
    /// Reply to a command, by its index in the command's replies.
    Reply(&'a Step, &'a Command, u32),
}

/// Plans all messages of a session.
pub(super) fn plan<'a>(
    session: &'a Session,
    parts: &ReplyParts,
    arrows: &mut Arrows<impl From<Message<'a>>>,
) {
    let mut push = |frame: u64, levels, message| {
        arrows.push((frame, ORDER), levels, false, message);
    };
    let unsolicited = |reply: &'a Reply| {
        let message = Message::Unsolicited(reply);
        (reply.frame, parts.levels(reply), message)
    };
    let mut greeted = false;
    for step in session.steps.iter().map(AsRef::as_ref) {
        match step.kind {
            StepKind::Dns => {
                if let Some(dns) = &session.dns {
                    if let Some(frame) = dns.query_frame {
                        push(frame, Levels::FINE, Message::DnsQuery(step, dns));
                    }
                    let message = Message::DnsResponse(step, dns);
                    push(dns.response_frame, Levels::FINE, message);
                }
            }
            StepKind::Greeting => {
                greeted = true;
                if let Some(greeting) = &session.greeting {
                    // A busy server sends 120 before 220 (RFC 959 section 5.4).
                    for reply in &greeting.preliminary {
                        let (frame, levels, message) = unsolicited(reply);
                        push(frame, levels, message);
                    }
                    let levels = parts.levels(greeting);
                    push(greeting.frame, levels, Message::Greeting(step, greeting));
                }
            }
            _ => {
                for command in &step.commands {
                    push(command.frame, Levels::FINE, Message::Command(step, command));
                    for (index, reply) in (0..).zip(&command.replies) {
                        let message = Message::Reply(step, command, index);
                        push(reply.frame, parts.levels(reply), message);
                    }
                }
            }
        }
    }
    // If the greeting step was omitted from the record, the greeting is drawn without it.
    let greeting = session.greeting.iter().filter(|_| !greeted);
    for reply in greeting.chain(&session.unsolicited_replies) {
        let (frame, levels, message) = unsolicited(reply);
        push(frame, levels, message);
    }
}

/// Makes the arrow of a message; `None` if its reply is gone. `parts` draws some replies at packet detail instead.
pub(super) fn draft(session: &Session, message: Message<'_>, parts: &ReplyParts) -> Option<Draft> {
    Some(match message {
        Message::DnsQuery(step, dns) => dns_query(step, dns),
        Message::DnsResponse(step, dns) => dns_response(step, dns),
        Message::Greeting(step, reply) => greeting(session, step, reply, parts),
        Message::Unsolicited(reply) => reply_draft(reply, None, parts),
        Message::Command(step, command) => command_draft(session, step, command),
        Message::Reply(step, command, index) => {
            return reply_to_command(session, step, command, index, parts);
        }
    })
}

/// Returns the fields that DNS query and response share.
fn question_fields(dns: &Dns) -> Vec<(&'static str, String)> {
    vec![
        ("dns.qry.name", dns.name.clone()),
        ("dns.qry.type", dns.record_type.clone()),
        ("dns.qry.class", "IN".to_owned()),
    ]
}

fn dns_query(step: &Step, dns: &Dns) -> Draft {
    Draft {
        step: Some(step.number),
        caption: captions::query(dns),
        fields: question_fields(dns),
        ..Draft::new(
            (dns.query_frame.unwrap_or_default(), step.time),
            (Lane::Client, Lane::Dns, Channel::Dns),
            Levels::FINE,
            format!("query {} {}", dns.record_type, dns.name),
        )
    }
}

fn dns_response(step: &Step, dns: &Dns) -> Draft {
    let answers: Vec<String> = dns.answers.iter().map(ToString::to_string).collect();
    let mut fields = question_fields(dns);
    fields.push(("dns.count.answers", answers.len().to_string()));
    let name = if dns.record_type == "AAAA" {
        "dns.aaaa"
    } else {
        "dns.a"
    };
    fields.extend(answers.iter().map(|answer| (name, answer.clone())));
    let waited = dns.response_time.unwrap_or_default();
    Draft {
        step: Some(step.number),
        caption: captions::answer(dns),
        fields,
        ..Draft::new(
            (dns.response_frame, step.time.plus(captions::span(waited))),
            (Lane::Dns, Lane::Client, Channel::Dns),
            Levels::FINE,
            format!("response {}", answers.join(", ")),
        )
    }
}

fn greeting(session: &Session, step: &Step, greeting: &Reply, parts: &ReplyParts) -> Draft {
    let mut steps = session.steps.iter();
    // Without a login, as in a port scan, no user was asked for a name.
    let logs_in = steps.any(|step| step.kind == StepKind::Login);
    let shown = logs_in || greeting.code >= 400;
    Draft {
        step: Some(step.number),
        shown: shown.then(|| Box::new(after_greeting(greeting.code))),
        ..reply_draft(greeting, None, parts)
    }
}

fn command_draft(session: &Session, step: &Step, command: &Command) -> Draft {
    let mut fields = vec![("ftp.request.command", command.verb.clone())];
    if let Some(argument) = &command.argument {
        fields.push(("ftp.request.arg", argument.clone()));
    }
    let address = command.argument.as_deref().map(str::as_bytes);
    let announced = match (command.verb.as_str(), address) {
        ("PORT", Some(text)) => port_argument(text),
        ("EPRT", Some(text)) => extended_port_argument(text),
        ("LPRT", Some(text)) => long_address(text),
        _ => None,
    };
    if let Some(end) = announced {
        fields.push(("ftp.active.ip", end.ip().to_string()));
        fields.push(("ftp.active.port", end.port.to_string()));
    }
    Draft {
        step: Some(step.number),
        caption: captions::command(command, announced),
        fields,
        effects: vec![readability(session, step)],
        typed: typed_login(command)
            .filter(|_| step.kind == StepKind::Login)
            .map(Box::new),
        ..Draft::new(
            (command.frame, command.time),
            (Lane::Client, Lane::Server, Channel::Control),
            Levels::FINE,
            command_label(command),
        )
    }
}

/// Makes the arrow of a reply to a command, with its effects on state and console.
fn reply_to_command(
    session: &Session,
    step: &Step,
    command: &Command,
    index: u32,
    parts: &ReplyParts,
) -> Option<Draft> {
    let index = usize::try_from(index).ok()?;
    let reply = command.replies.get(index)?;
    let mut draft = reply_draft(reply, Some(command), parts);
    draft.step = Some(step.number);
    draft.effects.push(arrow::effect_of_reply(command, reply));
    let is_final = index + 1 == command.replies.len() && reply.code >= 200;
    if is_final && ends_step(step, command) {
        draft
            .effects
            .push(Effect::Directory(step.directory.clone()));
    }
    if step.kind == StepKind::Login {
        draft.shown = after_login(reply.code).map(Box::new);
        if step.outcome == Outcome::Ok && (200..300).contains(&reply.code) {
            draft.effects.extend(user_of(step).map(Effect::User));
        }
    } else if let Some(transfer) = transfer_of(session, step, command)
        && is_final
    {
        // The client prints a listing while it arrives, thus before the reply that ends it.
        let mut lines = listing(transfer);
        lines.append(&mut draft.console);
        draft.console = lines;
        draft.shown = Some(Box::new(after_transfer(transfer, reply.code)));
    }
    Some(draft)
}

/// Returns the effect of a readable command: encryption is off, as after CCC, unless the session was decrypted.
fn readability(session: &Session, step: &Step) -> Effect {
    match &session.tls {
        Some(tls) if !tls.decrypted && step.kind != StepKind::Tls => Effect::Encrypted(false),
        _ => Effect::None,
    }
}

/// Returns whether a command is the last of a step after which the directory is known.
fn ends_step(step: &Step, command: &Command) -> bool {
    let last = step.commands.last();
    step.directory.is_some() && last.is_some_and(|last| last.sequence == command.sequence)
}

/// Returns the argument of the last USER in a step; `None` without one.
fn user_of(step: &Step) -> Option<String> {
    let user = step
        .commands
        .iter()
        .rev()
        .find(|command| command.verb == "USER");
    user.and_then(|command| command.argument.clone())
}

/// Returns the transfer that a command began; `None` for other commands of its step.
fn transfer_of<'a>(session: &'a Session, step: &Step, command: &Command) -> Option<&'a Transfer> {
    let transfer = session.transfer(step.transfer?)?;
    (transfer.verb == command.verb).then_some(transfer)
}

fn reply_draft(reply: &Reply, command: Option<&Command>, parts: &ReplyParts) -> Draft {
    let mut fields = vec![
        ("ftp.response.code", reply.code.to_string()),
        (
            "ftp.response.arg",
            reply.lines.first().cloned().unwrap_or_default(),
        ),
    ];
    let text = reply.lines.join("\n");
    let passive = match reply.code {
        227 => passive_reply(text.as_bytes()),
        228 => long_address(text.as_bytes()),
        _ => None,
    };
    if let Some(end) = passive {
        fields.push(("ftp.passive.ip", end.ip().to_string()));
        fields.push(("ftp.passive.port", end.port.to_string()));
    }
    let extended = match reply.code {
        // 229 announces a port alone: the address is that of the control connection (RFC 2428 section 3).
        229 => extended_passive_reply(text.as_bytes()),
        _ => None,
    };
    if let Some(ExtendedPassive { port, .. }) = extended {
        fields.push(("ftp.passive.port", port.to_string()));
    }
    Draft {
        caption: captions::reply(reply, command),
        fields,
        failed: reply.code >= 400,
        console: reply_lines(reply),
        ..Draft::new(
            (reply.frame, reply.time),
            (Lane::Server, Lane::Client, Channel::Control),
            parts.levels(reply),
            reply_label(reply),
        )
    }
}

/// User input.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    /// Label of the arrow.
    pub(super) label: String,
    /// Line on the console, with its prompt.
    pub(super) line: String,
    pub(super) caption: String,
    pub(super) levels: Levels,
}

/// Output on the console.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) label: String,
    pub(super) lines: Vec<String>,
    pub(super) caption: String,
    /// Whether the row goes after the acknowledgements that follow its cause, which they would separate from it.
    pub(super) after_acks: bool,
}

/// Returns the input that begins a step; `None` for steps that the client begins by itself.
pub(super) fn typed_for(session: &Session, step: &Step) -> Option<Typed> {
    let begins = match step.kind {
        StepKind::Dns => true,
        // Without a name lookup, connecting is the first thing that the user caused.
        StepKind::Connect => session.dns.is_none(),
        _ => false,
    };
    if begins {
        let name = session.server.name.clone();
        let host = name.unwrap_or_else(|| session.server.ip.to_string());
        let port = match session.server.port {
            21 => String::new(),
            port => format!(" {port}"),
        };
        let label = format!("ftp {host}{port}");
        return Some(Typed {
            line: format!("$ {label}"),
            caption: format!("The user starts the client: {label}."),
            label,
            levels: Levels::ALL,
        });
    }
    // Login steps have an input for each command instead, see `typed_login`. TLS and disconnecting need no user.
    let is_automatic = matches!(
        step.kind,
        StepKind::Login | StepKind::Tls | StepKind::Greeting | StepKind::Disconnect
    );
    if is_automatic || step.inferred || step.kind == StepKind::Connect {
        return None;
    }
    let label = client_command(step)?;
    Some(Typed {
        line: format!("{PROMPT} {label}"),
        caption: format!("The user types {label}."),
        label,
        levels: Levels::ALL,
    })
}

/// Returns the input behind USER, PASS and ACCT; `None` for other commands.
pub(super) fn typed_login(command: &Command) -> Option<Typed> {
    let argument = command.argument.as_deref().unwrap_or_default();
    let (label, line, caption) = match command.verb.as_str() {
        "USER" => (
            argument.to_owned(),
            format!("{NAME} {argument}"),
            format!("The user types the login name {argument}."),
        ),
        "PASS" => (
            if argument.is_empty() {
                "no password".to_owned()
            } else {
                argument.to_owned()
            },
            PASSWORD.to_owned(),
            "The user types a password; the console does not show it.".to_owned(),
        ),
        "ACCT" => (
            argument.to_owned(),
            ACCOUNT.to_owned(),
            "The user types an account.".to_owned(),
        ),
        _ => return None,
    };
    Some(Typed {
        label,
        line,
        caption,
        levels: Levels::FINE,
    })
}

/// Returns the output after the greeting: a prompt for the user name, or the refusal.
pub(super) fn after_greeting(code: u16) -> Shown {
    if (200..300).contains(&code) {
        Shown {
            label: NAME.to_owned(),
            lines: vec![NAME.to_owned()],
            caption: "The console shows the greeting and asks for a user name.".to_owned(),
            after_acks: false,
        }
    } else {
        Shown {
            label: format!("{code}"),
            lines: Vec::new(),
            caption: "The console shows why there is no service.".to_owned(),
            after_acks: false,
        }
    }
}

/// Returns the output after a reply to USER, PASS or ACCT; `None` for replies that show nothing.
pub(super) fn after_login(code: u16) -> Option<Shown> {
    let (label, lines, caption) = match code {
        331 => (
            PASSWORD,
            vec![PASSWORD.to_owned()],
            "The console asks for the password.",
        ),
        332 => (
            ACCOUNT,
            vec![ACCOUNT.to_owned()],
            "The console asks for an account.",
        ),
        200..=299 => (
            "login successful",
            Vec::new(),
            "The console shows that the login succeeded.",
        ),
        400.. => (
            "login failed",
            vec!["Login failed.".to_owned()],
            "The console shows that the login failed.",
        ),
        _ => return None,
    };
    Some(Shown {
        label: label.to_owned(),
        lines,
        caption: caption.to_owned(),
        after_acks: false,
    })
}

/// Returns the output at the end of a transfer.
pub(super) fn after_transfer(transfer: &Transfer, code: u16) -> Shown {
    let name = transfer.name.as_deref().unwrap_or(&transfer.verb);
    let bytes = units::bytes(transfer.bytes);
    let (label, lines) = match transfer.direction {
        _ if code >= 400 => (format!("{name}: failed ({code})"), Vec::new()),
        _ if transfer.connection.is_none() => (
            format!("{name}: no data connection in the capture"),
            Vec::new(),
        ),
        TransferDirection::Listing => {
            let entries = units::to_u64(transfer.entries.len()) + transfer.entries_omitted;
            let entries = units::counted(entries, "entry", "entries");
            (format!("listing: {entries}"), Vec::new())
        }
        TransferDirection::Download => (
            format!("{name}: {bytes} received"),
            vec![format!("{bytes} received")],
        ),
        TransferDirection::Upload => (
            format!("{name}: {bytes} sent"),
            vec![format!("{bytes} sent")],
        ),
    };
    let whole = match transfer.completeness {
        Completeness::Complete | Completeness::Unverifiable => "",
        Completeness::Gaps => " In the capture bytes are missing.",
        Completeness::Aborted => " The transfer was given up.",
        Completeness::Truncated => " The end of it is missing.",
    };
    Shown {
        caption: format!("The console shows: {label}.{whole}"),
        label,
        lines,
        after_acks: true,
    }
}

/// Returns the console lines of a listing, none for other transfers.
pub(super) fn listing(transfer: &Transfer) -> Vec<String> {
    if transfer.direction != TransferDirection::Listing {
        return Vec::new();
    }
    let shown = transfer.entries.iter().take(MAX_LISTED);
    let mut lines: Vec<String> = shown.map(|entry| entry.raw.clone()).collect();
    let left = transfer.entries.len().saturating_sub(MAX_LISTED);
    let left = units::to_u64(left) + transfer.entries_omitted;
    if left > 0 {
        lines.push(format!("… {}", units::counted(left, "line", "lines")));
    }
    lines
}

/// Returns the client command for a step; `None` for a step without commands.
fn client_command(step: &Step) -> Option<String> {
    let main = |command: &&Command| {
        matches!(
            command.verb.as_str(),
            "RETR" | "STOR" | "STOU" | "APPE" | "LIST" | "NLST" | "MLSD"
        )
    };
    let transfer = step.commands.iter().find(main);
    let command = transfer.or_else(|| step.commands.first())?;
    let word = match command.verb.as_str() {
        "LIST" => "dir",
        "NLST" => "ls",
        "MLSD" => "mlsd",
        "MLST" => "mlst",
        "RETR" => "get",
        "STOR" | "STOU" => "put",
        "APPE" => "append",
        "CWD" | "XCWD" => "cd",
        "CDUP" | "XCUP" => "cdup",
        "PWD" | "XPWD" => "pwd",
        "DELE" => "delete",
        "MKD" | "XMKD" => "mkdir",
        "RMD" | "XRMD" => "rmdir",
        // RNFR and RNTO are one command of the client.
        "RNFR" => return Some(rename(step)),
        "SIZE" => "size",
        "MDTM" => "modtime",
        "SYST" => "system",
        "FEAT" => "features",
        "HELP" => "rhelp",
        "STAT" => "rstatus",
        "SITE" => "site",
        "QUIT" => "bye",
        "REIN" => "reset",
        // The client has no word for these: its users send them with `quote`.
        verb => return Some(join(&format!("quote {verb}"), command)),
    };
    Some(join(word, command))
}

fn join(word: &str, command: &Command) -> String {
    match command.argument.as_deref() {
        Some(argument) if !argument.is_empty() => format!("{word} {argument}"),
        _ => word.to_owned(),
    }
}

fn rename(step: &Step) -> String {
    let names = step
        .commands
        .iter()
        .filter(|command| matches!(command.verb.as_str(), "RNFR" | "RNTO"))
        .filter_map(|command| command.argument.as_deref());
    let mut line = "rename".to_owned();
    for name in names {
        line.push(' ');
        line.push_str(name);
    }
    line
}

/// Order of messages among the arrows of one frame.
const ORDER: u8 = 1;

const PROMPT: &str = "ftp>";
const NAME: &str = "Name:";
const PASSWORD: &str = "Password:";
const ACCOUNT: &str = "Account:";
/// Limit of the lines of a listing on the console.
const MAX_LISTED: usize = 200;

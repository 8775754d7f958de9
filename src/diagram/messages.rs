//! Arrows of messages: the name lookup, commands and replies.

use super::arrow::{Arrows, Draft};
use super::captions;
use super::console;
use super::control_connection::ReplyParts;
use super::labels::{self, command_label, reply_label, reply_lines};
use super::model::{Channel, Lane, Levels};
use super::state::{self, Effect};
use crate::model::record::{Command, Dns, Outcome, Reply, Session, Step, StepKind, Transfer};
use crate::protocol::ftp::{
    ExtendedPassive, extended_passive_reply, extended_port_argument, long_address, passive_reply,
    port_argument,
};

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
            (dns.response_frame, step.time.plus(labels::span(waited))),
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
        shown: shown.then(|| Box::new(console::after_greeting(greeting.code))),
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
        typed: console::typed_login(command)
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
    draft.effects.push(state::effect_of_reply(command, reply));
    let is_final = index + 1 == command.replies.len() && reply.code >= 200;
    if is_final && ends_step(step, command) {
        draft
            .effects
            .push(Effect::Directory(step.directory.clone()));
    }
    if step.kind == StepKind::Login {
        draft.shown = console::after_login(reply.code).map(Box::new);
        if step.outcome == Outcome::Ok && (200..300).contains(&reply.code) {
            draft.effects.extend(user_of(step).map(Effect::User));
        }
    } else if let Some(transfer) = transfer_of(session, step, command)
        && is_final
    {
        // The client prints a listing while it arrives, thus before the reply that ends it.
        let mut lines = console::listing(transfer);
        lines.append(&mut draft.console);
        draft.console = lines;
        draft.shown = Some(Box::new(console::after_transfer(transfer, reply.code)));
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

/// Order of messages among the arrows of one frame.
const ORDER: u8 = 1;

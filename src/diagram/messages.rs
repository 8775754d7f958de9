//! Commands, replies and the name lookup.

use super::arrows::Arrows;
use super::console;
use super::control_connection::ReplyParts;
use super::draft::Draft;
use super::labels::{command_label, reply_label, reply_lines};
use super::model::{Channel, Lane, Levels};
use super::state::{self, Effect};
use super::{captions, segments};
use crate::model::record::{Command, Dns, Outcome, Reply, Session, Step, StepKind, Transfer};
use crate::protocol::ftp::{
    ExtendedPassive, extended_passive_reply, extended_port_argument, long_address, passive_reply,
    port_argument,
};

/// A message of a session.
#[derive(Clone, Copy)]
pub(super) enum Message<'a> {
    Query(&'a Step, &'a Dns),
    Answer(&'a Step, &'a Dns),
    /// What ends the greeting.
    Greeting(&'a Step, &'a Reply),
    /// One that no command asked for.
    Reply(&'a Reply),
    Command(&'a Step, &'a Command),
    /// The reply to a command that stands at this place.
    Answered(&'a Step, &'a Command, u32),
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
    let unasked = |reply: &'a Reply| (reply.frame, parts.levels(reply), Message::Reply(reply));
    let mut greeted = false;
    for step in session.steps.iter().map(AsRef::as_ref) {
        match step.kind {
            StepKind::Dns => {
                if let Some(dns) = &session.dns {
                    if let Some(frame) = dns.query_frame {
                        push(frame, Levels::FINE, Message::Query(step, dns));
                    }
                    push(dns.response_frame, Levels::FINE, Message::Answer(step, dns));
                }
            }
            StepKind::Greeting => {
                greeted = true;
                if let Some(greeting) = &session.greeting {
                    for reply in &greeting.preliminary {
                        let (frame, levels, message) = unasked(reply);
                        push(frame, levels, message);
                    }
                    let levels = parts.levels(greeting);
                    push(greeting.frame, levels, Message::Greeting(step, greeting));
                }
            }
            _ => {
                for command in &step.commands {
                    push(command.frame, Levels::FINE, Message::Command(step, command));
                    for (place, reply) in (0..).zip(&command.replies) {
                        let message = Message::Answered(step, command, place);
                        push(reply.frame, parts.levels(reply), message);
                    }
                }
            }
        }
    }
    let greeting = session.greeting.iter().filter(|_| !greeted);
    for reply in greeting.chain(&session.unsolicited_replies) {
        let (frame, levels, message) = unasked(reply);
        push(frame, levels, message);
    }
}

/// Makes the arrow of a message. Replies in `parts` are drawn there at packets.
pub(super) fn draft(session: &Session, message: Message<'_>, parts: &ReplyParts) -> Option<Draft> {
    Some(match message {
        Message::Query(step, dns) => query(step, dns),
        Message::Answer(step, dns) => answer(step, dns),
        Message::Greeting(step, reply) => greeting(session, step, reply, parts),
        Message::Reply(reply) => reply_draft(reply, None, parts),
        Message::Command(step, command) => command_draft(session, step, command),
        Message::Answered(step, command, place) => {
            return answered(session, step, command, place, parts);
        }
    })
}

fn questions(dns: &Dns) -> Vec<(&'static str, String)> {
    vec![
        ("dns.qry.name", dns.name.clone()),
        ("dns.qry.type", dns.record_type.clone()),
        ("dns.qry.class", "IN".to_owned()),
    ]
}

fn query(step: &Step, dns: &Dns) -> Draft {
    Draft {
        step: Some(step.number),
        caption: captions::query(dns),
        fields: questions(dns),
        ..Draft::new(
            (dns.query_frame.unwrap_or_default(), step.time),
            (Lane::Client, Lane::Dns, Channel::Dns),
            Levels::FINE,
            format!("query {} {}", dns.record_type, dns.name),
        )
    }
}

fn answer(step: &Step, dns: &Dns) -> Draft {
    let answers: Vec<String> = dns.answers.iter().map(ToString::to_string).collect();
    let mut fields = questions(dns);
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
            (dns.response_frame, step.time.plus(segments::span(waited))),
            (Lane::Dns, Lane::Client, Channel::Dns),
            Levels::FINE,
            format!("response {}", answers.join(", ")),
        )
    }
}

fn greeting(session: &Session, step: &Step, greeting: &Reply, parts: &ReplyParts) -> Draft {
    let mut steps = session.steps.iter();
    let asks = steps.any(|step| step.kind == StepKind::Login);
    let shown = asks || greeting.code >= 400;
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
        effects: vec![readable(session, step)],
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

fn answered(
    session: &Session,
    step: &Step,
    command: &Command,
    place: u32,
    parts: &ReplyParts,
) -> Option<Draft> {
    let place = usize::try_from(place).ok()?;
    let reply = command.replies.get(place)?;
    let mut draft = reply_draft(reply, Some(command), parts);
    draft.step = Some(step.number);
    draft.effects.push(state::of_reply(command, reply));
    let is_final = place + 1 == command.replies.len() && reply.code >= 200;
    if is_final && ends(step, command) {
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
        let mut lines = console::listing(transfer);
        lines.append(&mut draft.console);
        draft.console = lines;
        draft.shown = Some(Box::new(console::after_transfer(transfer, reply.code)));
    }
    Some(draft)
}

/// A command that could be read was not encrypted, whatever was agreed before: CCC ends it.
fn readable(session: &Session, step: &Step) -> Effect {
    match &session.tls {
        Some(tls) if !tls.decrypted && step.kind != StepKind::Tls => Effect::Encrypted(false),
        _ => Effect::None,
    }
}

/// Whether a command is the last of its step.
fn ends(step: &Step, command: &Command) -> bool {
    let last = step.commands.last();
    step.directory.is_some() && last.is_some_and(|last| last.sequence == command.sequence)
}

fn user_of(step: &Step) -> Option<String> {
    let user = step
        .commands
        .iter()
        .rev()
        .find(|command| command.verb == "USER");
    user.and_then(|command| command.argument.clone())
}

/// The transfer that a command began.
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

/// Place of messages among what has the same frame.
const ORDER: u8 = 1;

//! Commands, replies and the name lookup.

use super::console;
use super::control_connection::ReplyParts;
use super::draft::Draft;
use super::labels::{command_label, reply_label, reply_lines};
use super::model::{Channel, Lane, Levels};
use super::state::{self, Effect};
use super::{captions, segments};
use crate::model::record::{Command, Outcome, Reply, Session, Step, StepKind, Transfer};
use crate::protocol::ftp::{
    ExtendedPassive, extended_passive_reply, extended_port_argument, long_address, passive_reply,
    port_argument,
};

/// All messages of a session, in no order. Replies in `parts` are drawn there at packets.
pub(super) fn drafts(session: &Session, parts: &ReplyParts) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for step in &session.steps {
        match step.kind {
            StepKind::Dns => drafts.extend(lookup(session, step)),
            StepKind::Greeting => {
                if let Some(greeting) = &session.greeting {
                    drafts.extend(greetings(session, step, greeting, parts));
                }
            }
            _ => {
                for command in &step.commands {
                    exchange(session, step, command, parts, &mut drafts);
                }
            }
        }
    }
    if let Some(greeting) = &session.greeting
        && !session
            .steps
            .iter()
            .any(|step| step.kind == StepKind::Greeting)
    {
        drafts.push(reply_draft(greeting, None, parts));
    }
    for reply in &session.unsolicited_replies {
        drafts.push(reply_draft(reply, None, parts));
    }
    drafts
}

fn lookup(session: &Session, step: &Step) -> Vec<Draft> {
    let Some(dns) = &session.dns else {
        return Vec::new();
    };
    let mut drafts = Vec::new();
    let questions = || {
        vec![
            ("dns.qry.name", dns.name.clone()),
            ("dns.qry.type", dns.record_type.clone()),
            ("dns.qry.class", "IN".to_owned()),
        ]
    };
    if let Some(frame) = dns.query_frame {
        drafts.push(Draft {
            step: Some(step.number),
            caption: captions::query(dns),
            fields: questions(),
            ..Draft::new(
                (frame, step.time),
                (Lane::Client, Lane::Dns, Channel::Dns),
                Levels::FINE,
                format!("query {} {}", dns.record_type, dns.name),
            )
        });
    }
    let answers: Vec<String> = dns.answers.iter().map(ToString::to_string).collect();
    let mut fields = questions();
    fields.push(("dns.count.answers", answers.len().to_string()));
    let name = if dns.record_type == "AAAA" {
        "dns.aaaa"
    } else {
        "dns.a"
    };
    fields.extend(answers.iter().map(|answer| (name, answer.clone())));
    let waited = dns.response_time.unwrap_or_default();
    drafts.push(Draft {
        step: Some(step.number),
        caption: captions::answer(dns),
        fields,
        ..Draft::new(
            (dns.response_frame, step.time.plus(span(waited))),
            (Lane::Dns, Lane::Client, Channel::Dns),
            Levels::FINE,
            format!("response {}", answers.join(", ")),
        )
    });
    drafts
}

fn greetings(session: &Session, step: &Step, greeting: &Reply, parts: &ReplyParts) -> Vec<Draft> {
    let asks = session
        .steps
        .iter()
        .any(|step| step.kind == StepKind::Login);
    let mut drafts: Vec<Draft> = greeting
        .preliminary
        .iter()
        .map(|reply| reply_draft(reply, None, parts))
        .collect();
    let shown = asks || greeting.code >= 400;
    drafts.push(Draft {
        step: Some(step.number),
        shown: shown.then(|| Box::new(console::after_greeting(greeting.code))),
        ..reply_draft(greeting, None, parts)
    });
    drafts
}

/// A command and what answered it.
fn exchange(
    session: &Session,
    step: &Step,
    command: &Command,
    parts: &ReplyParts,
    drafts: &mut Vec<Draft>,
) {
    let transfer = transfer_of(session, step, command);
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
    drafts.push(Draft {
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
    });
    let last = command.replies.len().saturating_sub(1);
    for (place, reply) in command.replies.iter().enumerate() {
        let mut draft = reply_draft(reply, Some(command), parts);
        draft.step = Some(step.number);
        draft.effects.push(state::of_reply(command, reply));
        let is_final = place == last && reply.code >= 200;
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
        } else if let Some(transfer) = transfer
            && is_final
        {
            let mut lines = console::listing(transfer);
            lines.append(&mut draft.console);
            draft.console = lines;
            draft.shown = Some(Box::new(console::after_transfer(transfer, reply.code)));
        }
        drafts.push(draft);
    }
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
            if parts.contains_key(&reply.frame) {
                Levels::MESSAGES
            } else {
                Levels::FINE
            },
            reply_label(reply),
        )
    }
}

fn span(seconds: f64) -> crate::model::Span {
    segments::span(seconds)
}

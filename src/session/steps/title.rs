//! Titles: one line for each step and transfer, as a person would say it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use crate::model::record::{
    Command, Completeness, Outcome, Reply, StepKind, Transfer, TransferDirection,
};
use crate::model::{Span, grouped};

/// Returns the title of a step without a transfer.
pub(crate) fn of_step(kind: StepKind, commands: &[Command], outcome: Outcome) -> String {
    let Some(first) = commands.first() else {
        return String::new();
    };
    let answer = commands
        .iter()
        .rev()
        .find_map(|command| command.replies.last());
    match kind {
        StepKind::Login => {
            let user = commands
                .iter()
                .find(|command| command.verb == "USER")
                .map(argument_of);
            let who = user.map_or_else(String::new, |user| format!(" as {user}"));
            match outcome {
                Outcome::Ok => format!("login{who}: accepted"),
                Outcome::Failed => format!("login{who}: rejected{}", because(answer)),
                Outcome::Incomplete => format!("login{who}: not finished"),
                Outcome::Unknown => format!("login{who}: answer not captured"),
            }
        }
        StepKind::Rename => {
            let to = commands
                .iter()
                .find(|command| command.verb == "RNTO")
                .map(argument_of);
            let to = to.map_or_else(String::new, |to| format!(" to {to}"));
            format!(
                "rename {}{to}{}",
                argument_of(first),
                ending(outcome, answer)
            )
        }
        _ => {
            let line = with_argument(&first.verb, first.argument.as_deref());
            match (outcome, answer) {
                (Outcome::Ok, Some(reply)) if kind != StepKind::Cwd && has_answer(reply) => {
                    line + ": " + &first_line_of(reply)
                }
                _ => line + &ending(outcome, answer),
            }
        }
    }
}

/// Returns the title of a step whose reply is a listing: `STAT /pub: 3 entries`.
pub(crate) fn of_entries(commands: &[Command], count: u64) -> String {
    let line = commands.first().map_or_else(String::new, |first| {
        let argument = first.argument.as_deref().unwrap_or_default();
        format!("{} {argument}", first.verb).trim_end().to_owned()
    });
    format!("{line}: {}", entries(count))
}

/// Returns the title of an AUTH whose handshake was captured: `AUTH TLS: TLS 1.3, TLS_AES_256_GCM_SHA384, resumed`.
pub(crate) fn of_handshake(commands: &[Command], facts: &str) -> String {
    let Some(first) = commands.first() else {
        return facts.to_owned();
    };
    let argument = first.argument.as_deref().unwrap_or_default();
    format!("{} {argument}: {facts}", first.verb)
}

/// Returns the title of a step with a transfer: `RETR readme.txt: 1,715 bytes in 0.012 s, complete`.
pub(crate) fn of_transfer(transfer: &Transfer, outcome: Outcome, answer: Option<&Reply>) -> String {
    // The argument of STOU is a wish; the reply has the name (RFC 1123 section 4.1.2.9).
    let named = match transfer.verb.as_str() {
        "STOU" => transfer.name.as_deref().or(transfer.argument.as_deref()),
        _ => transfer.argument.as_deref(),
    };
    let mut line = with_argument(&transfer.verb, named);
    let Some(connection) = &transfer.connection else {
        return match outcome {
            // A 4yz is no refusal: the server would have, but could not at that time (RFC 959 section 4.2.1).
            Outcome::Failed if answer.is_some_and(|reply| reply.code < 500) => {
                format!("{line}: failed{}", because(answer))
            }
            Outcome::Failed => format!("{line}: refused{}", because(answer)),
            _ => format!("{line}: no data connection in the capture"),
        };
    };
    let seconds = seconds(connection.end.since(connection.start));
    let bytes = grouped(transfer.bytes);
    // Writing to a String cannot fail.
    let _ = match transfer.direction {
        TransferDirection::Listing
            if transfer.completeness == Completeness::Complete && !transfer.entries.is_empty() =>
        {
            let count = transfer.entries.len() as u64 + transfer.entries_omitted;
            write!(line, ": {}, {bytes} bytes", entries(count))
        }
        _ if transfer.bytes == 1 => write!(line, ": 1 byte"),
        _ => write!(line, ": {bytes} bytes"),
    };
    if transfer.restart_offset > 0 {
        let _ = write!(line, " from byte {}", grouped(transfer.restart_offset));
    }
    let _ = write!(line, " in {seconds} s, ");
    let _ = match transfer.completeness {
        Completeness::Complete => write!(line, "complete"),
        Completeness::Gaps => write!(
            line,
            "{} bytes missing in the capture",
            grouped(transfer.missing_bytes)
        ),
        Completeness::Aborted if outcome == Outcome::Failed => {
            write!(line, "aborted{}", because(answer))
        }
        Completeness::Aborted => write!(line, "aborted"),
        Completeness::Truncated => write!(line, "cut short"),
        Completeness::Unverifiable => write!(line, "cannot be verified"),
    };
    line
}

fn entries(count: u64) -> impl fmt::Display {
    let word = if count == 1 { "entry" } else { "entries" };
    fmt::from_fn(move |out| write!(out, "{} {word}", grouped(count)))
}

/// Returns the title of a step for which the server sent a line without a reply code.
pub(crate) fn of_step_without_code(
    kind: StepKind,
    commands: &[Command],
    outcome: Outcome,
) -> String {
    let title = of_step(kind, commands, outcome);
    match title.strip_suffix(NO_REPLY) {
        Some(command) => format!("{command}: answered without a reply code"),
        None => title,
    }
}

/// Replaces `complete` in a title by a weaker verdict.
pub(crate) fn revise(title: &mut String, verdict: Completeness) {
    if verdict == Completeness::Unverifiable
        && let Some(rest) = title.strip_suffix("complete")
    {
        *title = format!("{rest}cannot be verified");
    }
}

/// Formats seconds with 3 decimals, 6 below 1 ms.
pub(crate) fn seconds(span: Span) -> impl fmt::Display {
    let seconds = span.seconds();
    let decimals = if seconds < 0.001 { 6 } else { 3 };
    fmt::from_fn(move |out| write!(out, "{seconds:.decimals$}"))
}

/// Returns a command as it was sent. A long argument is cut: the command's record has all of it.
fn with_argument(verb: &str, argument: Option<&str>) -> String {
    let argument = shortened(argument.unwrap_or_default());
    let mut line = String::with_capacity(verb.len() + argument.len() + USUAL_ENDING);
    line.push_str(verb);
    if !argument.is_empty() {
        line.push(' ');
        line.push_str(&argument);
    }
    line
}

fn argument_of(command: &Command) -> Cow<'_, str> {
    shortened(command.argument.as_deref().unwrap_or_default())
}

fn shortened(argument: &str) -> Cow<'_, str> {
    match argument.char_indices().nth(LONGEST_ARGUMENT) {
        Some((end, _)) => format!("{}…", &argument[..end]).into(),
        None => argument.into(),
    }
}

fn ending(outcome: Outcome, answer: Option<&Reply>) -> Cow<'static, str> {
    match outcome {
        Outcome::Ok => ": ok".into(),
        Outcome::Failed => format!(": refused{}", because(answer)).into(),
        Outcome::Incomplete => match answer {
            Some(reply) if (300..400).contains(&reply.code) => {
                format!(": to be continued{}", because(answer)).into()
            }
            _ => ": no final reply".into(),
        },
        Outcome::Unknown if answer.is_some_and(|reply| reply.code >= 600) => {
            ": protected reply".into()
        }
        Outcome::Unknown => NO_REPLY.into(),
    }
}

fn because(answer: Option<&Reply>) -> String {
    answer.map_or_else(String::new, |reply| {
        format!(" ({} {})", reply.code, first_line_of(reply)).replace(" )", ")")
    })
}

/// Returns whether the text of a reply is an answer rather than a courtesy.
fn has_answer(reply: &Reply) -> bool {
    matches!(reply.code, 213 | 215 | 257) && !first_line_of(reply).is_empty()
}

/// Returns the first line of a reply that has text, cut to 80 characters.
pub(crate) fn first_line_of(reply: &Reply) -> String {
    let line = reply
        .lines
        .iter()
        .map(|line| line.trim())
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    if line.chars().count() <= LONGEST {
        return line.to_owned();
    }
    let mut cut: String = line.chars().take(LONGEST - 1).collect();
    cut.push('…');
    cut
}

/// Longest argument in a title, in characters: file names are shorter on most systems (255 bytes).
/// Ending of the title of a command without a reply.
const NO_REPLY: &str = ": reply not captured";
const LONGEST_ARGUMENT: usize = 300;

/// Bytes that follow the command in most titles, allocated at once.
const USUAL_ENDING: usize = 48;

/// Longest line of a reply in a title, in characters.
const LONGEST: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_argument_is_cut_in_the_title() {
        let line = with_argument("RETR", Some(&"é".repeat(5_000)));
        assert_eq!(line.chars().count(), "RETR ".len() + LONGEST_ARGUMENT + 1);
        assert_eq!(with_argument("LIST", Some("")), "LIST");
    }

    #[test]
    fn short_spans_have_more_decimals() {
        assert_eq!(seconds(Span::from_millis(12)).to_string(), "0.012");
        assert_eq!(seconds(Span::from_nanos(5_000)).to_string(), "0.000005");
    }
}
